"""The committee's pages: blind votes, acts that a code confirms for what was shown, and nobody else looks in."""

import json
import re

import pytest
from sqlalchemy import select

from tests.committee_house import FORM, furnish, state_of, walk
from tests.hub import a_hub
from tre.governance.applications import papers, review
from tre.records.tables import EntryRow

VERBS = ("triage", "return", "declare", "vote", "rule", "decide", "accept", "suspend", "resume", "revoke")


@pytest.fixture(scope="module")
def hub():
    with a_hub(furnish) as made:
        yield made


def digest(hub, number):
    with hub.records.read() as session:
        return papers.get(session, number).form_sha256


def entries(hub, act):
    with hub.records.read() as session:
        rows = session.scalars(select(EntryRow).where(EntryRow.act == act).order_by(EntryRow.seq))
        return [json.loads(row.body)["facts"] for row in rows]


def vote(hub, number, person, **given):
    sent = {"choice": "approve", "reason": f"{person} read it", "seen": digest(hub, number), **given}
    return hub.person(person).send(f"/hub/committee/{number}/vote", **sent)


def test_only_the_committee_sees_its_queue(hub):
    for name in ("ann", "adam"):
        assert hub.person(name).page("/hub/committee").status_code == 404
    assert hub.person("erin").page("/hub/committee").status_code == 200


@pytest.mark.parametrize("verb", VERBS)
def test_nobody_else_does_anything_there(hub, verb):
    number = walk(hub, "in_review", project=f"shut-{verb}")
    assert hub.person("cyd").send(f"/hub/committee/{number}/{verb}", why="x").status_code == 404
    assert hub.person("erin").page(f"/hub/committee/{number}/{verb}").status_code == 200
    assert state_of(hub, number) == "in_review"


def test_a_draft_is_not_the_committees_to_read(hub):
    number = walk(hub, "draft", project="private")
    assert hub.person("erin").page(f"/hub/committee/{number}").status_code == 404


def test_the_queue_says_whose_turn_it_is(hub):
    number = walk(hub, "submitted", project="queued", title="A queued title")
    page = hub.person("erin").page("/hub/committee").text
    card = re.search(rf'<li class="tre-card([^"]*)" id="application-{number}">.*?</li>', page, re.DOTALL)
    assert "tre-mine" in card[1]
    assert "Your turn." in card[0]
    with hub.changed() as session:
        review.triage(session, number, "erin", panel=("frank", "greta"), now=papers.get(session, number).moved_at)
    page = hub.person("erin").page("/hub/committee").text
    card = re.search(rf'<li class="tre-card([^"]*)" id="application-{number}">.*?</li>', page, re.DOTALL)
    assert "tre-mine" not in card[1]
    assert "Turn of frank, greta." in card[0]


def test_votes_stay_closed_until_ones_own_is_in_and_the_applicant_reads_none(hub):
    number = walk(hub, "in_review", project="blind")
    vote(hub, number, "erin", reason="erins own words", code=hub.code("erin"))
    assert "erins own words" not in hub.person("frank").page(f"/hub/committee/{number}").text
    assert "erins own words" in hub.person("erin").page(f"/hub/committee/{number}").text
    vote(hub, number, "frank", code=hub.code("frank"))
    assert "erins own words" in hub.person("frank").page(f"/hub/committee/{number}").text
    page = hub.person("ann").page(f"/hub/applications/{number}").text
    assert "erins own words" not in page
    assert "voted" not in page


def test_a_vote_without_a_code_is_none_and_what_was_typed_is_kept(hub):
    number = walk(hub, "in_review", project="codeless")
    answer = vote(hub, number, "erin", reason="a long thought", code="")
    assert answer.status_code == 422
    assert "a long thought</textarea>" in answer.text
    assert 'value="approve" checked' in answer.text
    assert 'role="alert"' in answer.text
    assert state_of(hub, number) == "in_review"
    with hub.records.read() as session:
        assert review.votes_in(session, number) == 0


def test_a_wrong_code_is_refused_in_place(hub):
    number = walk(hub, "in_review", project="wrongcode")
    answer = vote(hub, number, "frank", reason="a long thought", code="000000")
    assert answer.status_code == 403
    assert "a long thought</textarea>" in answer.text
    with hub.records.read() as session:
        assert review.votes_in(session, number) == 0
    vote(hub, number, "frank", code=hub.code("frank"))


def test_what_is_plainly_missing_is_said_before_a_code_is_spent(hub):
    number = walk(hub, "in_review", project="unspent")
    code = hub.code("erin")
    assert vote(hub, number, "erin", reason="", code=code).status_code == 422
    assert vote(hub, number, "erin", code=code).status_code == 200


def test_the_code_confirms_the_form_that_was_shown(hub):
    number = walk(hub, "in_review", project="bound")
    vote(hub, number, "erin", code=hub.code("erin"))
    said = entries(hub, "person.code")[-1]["purpose"]
    assert said.startswith(f"application/{number} vote {digest(hub, number)} ")


def test_a_vote_on_another_form_is_none(hub):
    number = walk(hub, "in_review", project="stale")
    answer = vote(hub, number, "erin", seen="0" * 64, code=hub.code("erin"))
    assert answer.status_code == 409
    assert "was changed since erin read it" in answer.text


def test_who_declares_an_interest_gets_no_ballot(hub):
    number = walk(hub, "submitted", project="interest")
    with hub.changed() as session:
        review.triage(session, number, "greta", panel=("erin", "frank"), now=papers.get(session, number).moved_at)
    erin = hub.person("erin")
    assert 'id="vote"' not in erin.page(f"/hub/committee/{number}").text
    assert erin.send(f"/hub/committee/{number}/declare", interest="some", conflict="").status_code == 422
    page = erin.send(f"/hub/committee/{number}/declare", interest="some", conflict="ann is my sister").text
    assert "You have no say in this application: declared an interest." in page
    assert 'id="vote"' not in page
    assert vote(hub, number, "erin", code=hub.code("erin")).status_code == 409


def test_what_the_data_deny_cannot_be_approved_and_says_why(hub):
    number = walk(hub, "voted", project="denied", datasets=["ancestry"])
    answer = decide(hub, number)
    assert answer.status_code == 409
    assert "R12" in answer.text
    assert "POA" in answer.text
    assert "origins alone" in answer.text
    assert state_of(hub, number) == "in_review"


def test_what_a_person_must_read_is_ruled_on_before_it_is_approved(hub):
    number = walk(hub, "voted", project="ruled", datasets=["registry"])
    assert decide(hub, number).status_code == 409
    page = hub.person("erin").page(f"/hub/committee/{number}").text
    assert "RS of registry: not ruled on" in page
    sent = {"dataset": "registry", "point": "RS", "allows": "yes", "reason": "relapse is what they study"}
    hub.person("erin").send(f"/hub/committee/{number}/rule", code=True, **sent)
    assert decide(hub, number).status_code == 200
    assert state_of(hub, number) == "active"
    duties = hub.person("ann").page(f"/hub/applications/{number}").text
    assert "What the project owes for its data" in duties
    assert "PUB" in duties


def decide(hub, number, **given):
    sent = {"seen": digest(hub, number), "until": FORM["until"], **given}
    return hub.person("greta").send(f"/hub/committee/{number}/decide", code=True, **sent)


def test_without_enough_votes_nobody_decides(hub):
    number = walk(hub, "in_review", project="early")
    assert 'id="decide"' not in hub.person("greta").page(f"/hub/committee/{number}").text
    assert decide(hub, number).status_code in {403, 409}
    assert state_of(hub, number) == "in_review"


def test_only_the_chair_decides(hub):
    number = walk(hub, "voted", project="chaired")
    assert 'id="decide"' not in hub.person("erin").page(f"/hub/committee/{number}").text
    sent = {"seen": digest(hub, number), "until": FORM["until"]}
    assert hub.person("erin").send(f"/hub/committee/{number}/decide", code=True, **sent).status_code == 409


@pytest.mark.parametrize(
    ("given", "status"),
    [({"until": ""}, 409), ({"until": "2020-01-01"}, 409), ({"until": "9999-01-01"}, 409), ({"until": "soon"}, 422),
     ({"smallest_k": "many"}, 422), ({"smallest_k": "0"}, 409), ({"asked": "gold"}, 422), ({"seen": "0" * 64}, 422)],
)  # fmt: skip
def test_a_decision_needs_an_end_and_numbers_that_are_some(hub, given, status):
    number = voted(hub)
    answer = decide(hub, number, condition0="a typed condition", **given)
    assert answer.status_code == status
    assert 'value="a typed condition"' in answer.text
    assert state_of(hub, number) == "in_review"


def voted(hub, found={}):  # noqa: B006 -- one application for all that is refused
    if "number" not in found or found["hub"] is not hub:
        found.update(number=walk(hub, "voted", project="refused"), hub=hub)
    return found["number"]


def test_from_a_decision_with_a_condition_to_a_project(hub):
    number = walk(hub, "voted", project="whole")
    decide(hub, number, condition0="An ethics vote of the clinic", smallest_k="7", why="welcome")
    assert state_of(hub, number) == "approved_pending"
    with hub.records.read() as session:
        condition = papers.conditions(session, number)[0]
        assert (condition.text, condition.due) == ("An ethics vote of the clinic", None)
        assert papers.get(session, number).smallest_k == 7
    assert (
        hub.person("cyd").send(f"/hub/applications/{number}/evidence", condition=str(condition.id)).status_code == 404
    )
    hub.person("ann").send(f"/hub/applications/{number}/evidence", condition=str(condition.id), evidence="EK 12/2026")
    page = hub.person("erin").page(f"/hub/committee/{number}").text
    assert "EK 12/2026" in page
    seen = re.search(r'name="seen" value="([0-9a-f]{64})"', page)[1]
    hub.person("erin").send(f"/hub/committee/{number}/accept", condition=str(condition.id), seen=seen)
    assert state_of(hub, number) == "active"
    assert 'id="project-whole"' in hub.person("ann").page("/hub/home").text


def test_a_condition_of_another_application_is_not_found(hub):
    mine, other = walk(hub, "approved_pending", project="mine"), walk(hub, "approved_pending", project="other")
    with hub.records.read() as session:
        condition = str(papers.conditions(session, other)[0].id)
    sent = {"condition": condition, "evidence": "x"}
    assert hub.person("ann").send(f"/hub/applications/{mine}/evidence", **sent).status_code == 404
    assert hub.person("erin").send(f"/hub/committee/{mine}/accept", condition=condition, seen="0").status_code == 404


def test_what_is_returned_comes_back_with_the_reason(hub):
    number = walk(hub, "submitted", project="back")
    hub.person("erin").send(f"/hub/committee/{number}/return", why="name the outcome")
    assert state_of(hub, number) == "returned"
    page = hub.person("ann").page(f"/hub/applications/{number}").text
    assert "Name the outcome." in page
    assert "Edit the form" in page


def test_revoking_takes_a_reason_and_a_code_and_stops_the_project(hub):
    number = walk(hub, "active", project="revoked")
    erin = hub.person("erin")
    assert erin.send(f"/hub/committee/{number}/revoke", why="", code="").status_code == 422
    assert erin.send(f"/hub/committee/{number}/revoke", why="misuse", code="000000").status_code == 403
    assert state_of(hub, number) == "active"
    erin.send(f"/hub/committee/{number}/revoke", code=True, why="the data were misused")
    assert state_of(hub, number) == "revoked"
    assert "The data were misused." in hub.person("ann").page(f"/hub/applications/{number}").text
    assert "Open" not in re.search(
        r'id="project-revoked">.*?</section>', hub.person("ann").page("/hub/home").text, re.DOTALL
    )[0].replace("Open rooms", "")


def test_who_is_named_on_the_committee_sees_no_ballot_of_their_own_application(hub):
    number = walk(hub, "draft", project="own", members=["ann", "frank"])
    page = hub.person("frank").page(f"/hub/applications/{number}").text
    assert "You are named here" in page
    assert hub.person("frank").page(f"/hub/committee/{number}").status_code == 404


def test_a_notice_leads_the_committee_to_its_own_desk(hub):
    number = walk(hub, "submitted", project="noticed")
    assert str(hub.person("erin").page(f"/hub/applications/{number}").url).endswith(f"/hub/committee/{number}")
    assert hub.person("cyd").page(f"/hub/applications/{number}").status_code == 404
