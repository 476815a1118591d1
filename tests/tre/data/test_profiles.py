"""Standards as tables: what each row asks, and the label that an extract gets by it."""

import json
import string

import pytest
import yaml

from tests.tre.data import made
from tre.data import actg175
from tre.data.deid import kinds, label, profiles
from tre.data.deid import plan as plans
from tre.data.deid.columns import Action
from tre.errors import Unreadable

SAFE_HARBOR, GDPR = profiles.known()
WHO = {"action": "pseudonym", "of": "subject", "reason": "r"}


def a_plan(column=None, *, profile="", quasi=(), **sections):
    said = {"tables": {"t": {"subject": "id", "columns": {"id": WHO}}}, "quasi_identifiers": list(quasi), **sections}
    if column:
        said["tables"]["t"]["columns"]["x"] = {"reason": "r", **column}
    if profile:
        said["profile"] = profile
    if sections:
        said["linkage"] = {"name": "house"}
        said["tables"] = {}
    return yaml.safe_dump(said)


def test_safe_harbor_has_its_eighteen_rows():
    letters = {row.id for row in SAFE_HARBOR.rows} - {"-"}
    assert letters == set(string.ascii_uppercase[:18])


@pytest.mark.parametrize("profile", profiles.known(), ids=lambda one: one.name)
def test_each_kind_stands_in_one_row(profile):
    stood = [kind for row in profile.rows for kind in row.kinds]
    assert sorted(stood) == sorted(kinds.table())


@pytest.mark.parametrize("profile", profiles.known(), ids=lambda one: one.name)
def test_each_answer_is_an_action(profile):
    answers = [answer for row in profile.rows for answer in row.answers]
    assert {answer.action for answer in answers if not answer.any} <= set(Action)
    assert profile.source
    assert profile.notes


MEETS = [
    ({"is": "date", "action": "year"}, True),
    ({"is": "date", "action": "month"}, False),
    ({"is": "date", "action": "shift"}, False),
    ({"action": "shift"}, False),
    ({"action": "year"}, True),
    ({"is": "birth", "action": "year"}, False),
    ({"is": "birth", "action": "age", "when": 2020}, True),
    ({"is": "age", "action": "topcode", "at": 90, "type": "integer"}, True),
    ({"is": "age", "action": "topcode", "max": 90, "type": "integer"}, True),
    ({"is": "age", "action": "topcode", "max": 91, "type": "integer"}, False),
    ({"is": "age", "action": "bin", "width": 10, "type": "integer"}, False),
    ({"is": "age", "action": "bin", "width": 10, "high": 90, "type": "integer"}, True),
    ({"is": "age", "action": "keep", "type": "integer"}, False),
    ({"is": "postcode", "action": "zip3"}, True),
    ({"is": "postcode", "action": "generalise", "prefix": 3}, False),
    ({"is": "place", "action": "region", "mapping": {"a": "b"}, "population": {"b": 90000}}, False),
    ({"is": "place", "action": "generalise", "hierarchy": "p", "level": "state"}, True),
    ({"is": "place", "action": "generalise", "hierarchy": "p", "level": "county"}, False),
    ({"is": "text", "action": "text", "recogniser": "known"}, False),
    ({"is": "text", "action": "drop"}, True),
    ({"is": "genotype", "action": "keep"}, False),
    ({"is": "sex", "action": "keep"}, True),
    ({"is": "measurement", "action": "keep", "type": "number"}, True),
    ({"action": "keep"}, False),
    ({"action": "drop"}, True),
    ({"is": "record-number", "action": "pseudonym", "of": "encounter"}, True),
]


@pytest.mark.parametrize(("column", "good"), MEETS, ids=range(len(MEETS)))
def test_a_plan_that_names_safe_harbor_meets_it_or_is_refused(column, good):
    text = a_plan(column, profile="hipaa-safe-harbor")
    if "hierarchy" in column:
        text = yaml.safe_dump(yaml.safe_load(text) | {"hierarchies": {"p": "town,county,state\na,b,c\n"}})
    if good:
        assert label.of(plans.parse(text)).profile == "hipaa-safe-harbor"
        return
    with pytest.raises(Unreadable) as caught:
        plans.parse(text)
    assert str(caught.value).startswith("plan, t.x: HIPAA Safe Harbor, row ")
    assert "\n" not in str(caught.value)


PARTS = [
    ({"fhir": {"system": "e", "patient": "p", "dates": "year"}}, ""),
    ({"fhir": {"system": "e", "patient": "p"}}, "plan, fhir: HIPAA Safe Harbor, row C: dates are moved"),
    ({"fhir": {"system": "e", "patient": "p", "dates": "year", "texts": ["1"]}}, "row R: texts of some observations"),
    ({"dicom": {"system": "e", "patient": "p"}}, "row Q: a face"),
    (
        {"dicom": {"system": "e", "patient": "p", "options": ["retain-modified-dates"]}},
        "plan, dicom: HIPAA Safe Harbor",
    ),
    ({"variants": {"system": "l", "sample": "s"}}, "row R: a genome is one person's alone"),
    ({"reads": {"system": "l", "sample": "s"}}, "row R: a genome is one person's alone"),
    ({"fhir": {"system": "e", "patient": "p"}, "omop": {}}, "row C"),
]


@pytest.mark.parametrize(("sections", "why"), PARTS, ids=range(len(PARTS)))
def test_other_kinds_of_data_have_their_rows_too(sections, why):
    assert label.of(plans.parse(a_plan(**sections))).profile == ("gdpr-pseudonymised" if why else "hipaa-safe-harbor")
    if not why:
        return
    with pytest.raises(Unreadable) as caught:
        plans.parse(a_plan(profile="hipaa-safe-harbor", **sections))
    assert why in str(caught.value)


def test_moved_dates_of_images_are_told():
    sections = {"dicom": {"system": "e", "patient": "p", "options": ["retain-modified-dates", "retain-device"]}}
    (against,) = label.of(plans.parse(a_plan(**sections))).stops.values()
    assert [line.split(",")[0] for line in against] == ["dicom: row C", "dicom: row M", "dicom: row Q"]


def test_a_standard_that_is_not_there_is_named():
    with pytest.raises(Unreadable, match="needs one of hipaa-safe-harbor, gdpr-pseudonymised"):
        plans.parse(a_plan(profile="gdpr-anonymous"))


def test_what_others_know_may_stay_under_the_gdpr_if_it_is_counted():
    column = {"is": "age", "action": "keep", "type": "integer"}
    found = label.of(plans.parse(a_plan(column)))
    assert (found.profile, list(found.stops)) == ("none", ["HIPAA Safe Harbor", "Pseudonymised under the GDPR"])
    counted = a_plan(column, quasi=["t.x"], profile="gdpr-pseudonymised")
    assert label.of(plans.parse(counted)).profile == "gdpr-pseudonymised"


def test_an_extract_may_meet_the_stricter_standard_and_not_the_other():
    """Safe Harbor does not speak of occupations; the GDPR does not let one pass uncounted."""
    found = label.of(plans.parse(a_plan({"is": "occupation", "action": "keep"})))
    assert (found.profile, list(found.stops)) == ("hipaa-safe-harbor", ["Pseudonymised under the GDPR"])


# --- the label --------------------------------------------------------------------------------------------------------
def test_every_column_of_the_plan_is_on_the_label():
    plan = plans.parse(actg175.plan_text())
    found = label.of(plan)
    assert found.profile == "gdpr-pseudonymised"
    assert [line.place for line in found.lines] == [f"{t.name}.{c.name}" for t in plan.tables for c in t.columns]
    assert any("cd4.taken: row C" in why for why in found.stops["HIPAA Safe Harbor"])
    assert json.loads(found.to_json())["profile"] == found.profile


def test_the_label_reads_beside_the_data():
    text = label.markdown(label.of(plans.parse(made.PLAN)))
    assert text.startswith("# Pseudonymised under the GDPR\n")
    assert "| visits.day | shift | 2 | intervals |" in text
    assert "## What stops it from meeting HIPAA Safe Harbor" in text


def test_the_label_says_what_a_recogniser_cannot_see():
    found = label.of(plans.parse(a_plan({"action": "text", "recogniser": "known"})))
    assert any("cannot see names of people who are in no column" in note for note in found.notes)


def test_a_reason_cannot_break_the_table_of_the_label():
    text = label.markdown(label.of(plans.parse(a_plan({"action": "keep", "reason": "a | b\n\n# <script>"}))))
    assert "a \\| b  # &lt;script>" in text
