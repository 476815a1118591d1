import json
from datetime import timedelta

import pytest

from policies.facts import ALWAYS, ANY, NEVER
from tre.governance import uses
from tre.records.tables import ApplicationRow, ProjectRow

YEAR = timedelta(days=365)
PROJECT = ProjectRow(name="sunrise", purpose="to compare treatments")
WHO = uses.Asker(name="ann", country="DE", institution="https://ror.org/02crff812", not_for_profit=True)


def limits(*codes, **more):
    return json.dumps({"groups": [{"name": "", "codes": [list(code) for code in codes], "where": None}], **more})


def of(data_use, now, *, form=None, ethics=None, rulings=None, stands=True, asker=WHO, country="DE", project=PROJECT):
    application = ApplicationRow(purpose="", form=json.dumps(form or {}), ethics_until=ethics)
    given = uses.Given(since=now, stands=stands, rulings=rulings or {})
    return uses.of(
        data_use, project=project, application=application, asker=asker, given=given, country=country, diseases=None,
        now=now,
    )  # fmt: skip


CODED = {"purpose": "to compare", "terms": ["DUO:0000037"], "use": "not_for_profit"}


def test_words_alone_are_ruled_by_the_approval_and_by_nothing_else(now):
    assert (of("{}", now).duo, of("{}", now).ruled) == ("manual", True)
    assert not of("{}", now, stands=False).ruled


def test_what_states_nothing_limits_no_network_and_no_time(now):
    found = of("{}", now)
    assert (found.networks, found.embargo_until, found.moratorium_until) == (frozenset({ANY}), NEVER, NEVER)
    assert found.until == ALWAYS


def test_a_coded_purpose_is_matched_by_the_machine(now):
    assert of(limits(("HMB", [])), now, form=CODED).duo == "permit"


@pytest.mark.parametrize(
    ("code", "changed", "refused"),
    [
        (("IRB", []), {}, {"IRB"}),
        (("GS", ["FR"]), {}, {"GS"}),
        (("GS", ["DE"]), {"country": ""}, {"GS"}),
        (("NPU", []), {"asker": uses.Asker(name="ann")}, {"NPU"}),
        (("US", ["ben"]), {}, {"US"}),
    ],
)
def test_a_code_that_says_no_is_named(now, code, changed, refused):
    found = of(limits(("HMB", []), code), now, form=CODED, **changed)
    assert found.duo == "deny"
    assert found.refused == refused


def test_the_ethics_vote_ends_what_stands_on_it(now):
    data = limits(("HMB", []), ("IRB", []))
    assert of(data, now, form=CODED, ethics=now + YEAR).until == now + YEAR
    assert of(data, now + YEAR, form=CODED, ethics=now + YEAR).refused == {"IRB"}


def test_a_coded_question_needs_a_ruling_of_its_own(now):
    data = limits(("HMB", []), ("RS", ["children"]))
    assert not of(data, now, form=CODED).ruled
    assert of(data, now, form=CODED, rulings={"RS": True}).ruled
    assert of(data, now, form=CODED, rulings={"RS": False}).refused == {"RS"}


def test_what_cannot_be_read_says_no(now):
    found = of("[]", now)
    assert (found.duo, found.embargo_until, found.networks) == ("deny", ALWAYS, frozenset())


def test_each_dataset_must_go_with_each_other():
    alone = json.dumps({"groups": [], "combine": ["lab"]})
    assert uses.combinable({"trial": alone, "lab": "{}"})
    assert not uses.combinable({"trial": alone, "other": "{}"})
    assert uses.combinable({"trial": alone})
    assert not uses.combinable({"trial": "[]", "lab": "{}"})
