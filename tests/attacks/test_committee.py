"""Attempts on the committee: to approve for oneself, to vote on other words, to get more than the data allow."""

import json
from datetime import timedelta

import pytest

from policies.facts import Role
from tests.builders import HOST, YEAR, a_committee, a_dataset, a_person, at_once
from tre.errors import Refused, StepRefused, TREError
from tre.governance import projects
from tre.governance.applications import active, drafts, form, papers, review
from tre.records import audit
from tre.records.tables import ApplicationDatasetRow, DatasetRow, PersonRow

FULL = {
    "project": "harbour",
    "title": "Does it help",
    "lay_summary": "We look whether it helps.",
    "purpose": "to compare treatments",
    "terms": ["DUO:0000037"],
    "use": "not_for_profit",
    "lead": "ann",
    "members": ["ann", "ben"],
    "datasets": ["trial"],
    "outputs": "tables",
    "until": "2027-10-31",
}


@pytest.fixture
def database():
    """What is tried here stands before the database."""
    return ""


@pytest.fixture
def house(records, settings, now):
    """Records with ann, ben and cyd, where ben sits on the committee too, as erin, frank and hugo do."""
    with records.act(HOST, "test.build", "home") as session:
        for name in ("ann", "cyd"):
            a_person(session, name, settings=settings, now=now)
        a_person(session, "ben", Role.ANALYST, Role.COMMITTEE, settings=settings, now=now)
        a_committee(session, settings=settings, now=now, names=("erin", "frank", "hugo"))
        a_dataset(session, "trial", now=now)
    return records


@pytest.fixture
def do(house, now):
    """Take one step in an act of its own."""

    def act(verb, *args, at=now, **given):
        with house.act(HOST, "test.step", "home") as session:
            return verb(session, *args, now=at, **given)

    return act


@pytest.fixture
def row(house):
    def read(number):
        with house.read() as session:
            return papers.get(session, number)

    return read


@pytest.fixture
def submitted(do, row):
    """Hand in a form by ann that everybody named has accepted."""

    def hand_in(number=None, **more):
        number = number or do(drafts.create, "ann", values=FULL | more)
        for name in drafts.waiting(row(number)):
            do(drafts.accept, number, name, seen=form.agreed(papers.form_of(row(number))))
        do(drafts.submit, number, "ann")
        return number

    return hand_in


@pytest.fixture
def voted(do, row, submitted):
    """A form on which erin and frank have voted yes."""

    def vote(number=None, names=("erin", "frank"), **more):
        number = number or submitted(**more)
        do(review.triage, number, "erin", panel=("erin", "frank", "hugo"))
        for name in names:
            do(review.declare, number, name)
            do(review.vote, number, name, "approve", reason="r", seen=row(number).form_sha256)
        return number

    return vote


def change(house, act, *args):
    """Change a row behind the verbs' backs, as an error in another part of the house might."""
    with house.act(HOST, "test.change", "home") as session:
        act(session, *args)
        audit.append(session, "test.change", actor=HOST, subject="home")


# --- to decide on one's own -------------------------------------------------------------------------------------------
def test_a_committee_member_whom_the_form_names_decides_nothing(do, row, submitted):
    number = submitted()
    for verb, given in ((review.triage, {}), (review.send_back, {"why": "w"})):
        with pytest.raises(StepRefused, match="the application names them"):
            do(verb, number, "ben", **given)
    with pytest.raises(StepRefused, match="the application names them"):
        do(review.triage, number, "erin", panel=("erin", "ben"))
    assert row(number).state == "submitted"


def test_a_committee_member_who_applies_decides_nothing(do, row):
    number = do(drafts.create, "ben", values=FULL | {"lead": "ann", "members": ["ann"]})
    do(drafts.accept, number, "ann", seen=form.agreed(papers.form_of(row(number))))
    do(drafts.submit, number, "ben")
    with pytest.raises(StepRefused, match="they applied"):
        do(review.triage, number, "ben")


def test_whoever_is_named_after_they_voted_does_not_count(house, do, row, voted, now):
    number = voted()

    def name_them(session):
        kept = papers.get(session, number)
        papers.put(kept, papers.Papers(form=form.read({"members": ["ann", "frank"]}, onto=papers.form_of(kept))))

    change(house, name_them)
    with pytest.raises(StepRefused, match="1 of 2 votes"):
        do(active.decide, number, "erin", until=now + YEAR)


def test_a_colleague_of_the_applicant_neither_votes_nor_decides(house, do, row, voted, now):
    number = voted(names=("erin", "frank"))

    def colleague(session):
        for name in ("ann", "frank"):
            session.get(PersonRow, name).institution = "https://ror.org/02crff812"

    change(house, colleague)
    with pytest.raises(StepRefused, match="1 of 2 votes"):
        do(active.decide, number, "erin", until=now + YEAR)
    with pytest.raises(StepRefused, match="works where the applicant does"):
        do(active.decide, number, "frank", until=now + YEAR)


def test_an_interest_declared_after_the_vote_takes_the_vote(do, row, voted, now):
    number = voted()
    do(review.declare, number, "frank", "my sister works there")
    with pytest.raises(StepRefused, match="1 of 2 votes"):
        do(active.decide, number, "erin", until=now + YEAR)
    with pytest.raises(StepRefused, match="stays"):
        do(review.declare, number, "frank", "")
    with pytest.raises(StepRefused, match="declared an interest"):
        do(active.decide, number, "frank", until=now + YEAR)


def test_a_small_panel_of_friends_does_not_decide(do, submitted):
    number = submitted()
    with pytest.raises(StepRefused, match="at least 2 people"):
        do(review.triage, number, "erin", panel=("erin",))


@pytest.mark.parametrize("names", [(), ("erin",)])
def test_nothing_is_decided_without_a_quorum(do, row, voted, now, names):
    number = voted(names=names)
    if not names:
        do(review.declare, number, "erin")
    with pytest.raises(StepRefused, match=f"{len(names)} of 2 votes"):
        do(active.decide, number, "erin", until=now + YEAR)
    for verb, given in ((active.fulfil, {"actor": "erin"}),):
        with pytest.raises(StepRefused, match="cannot begin an application that is in review"):
            do(verb, number, **given)


# --- to vote on other words -------------------------------------------------------------------------------------------
def test_a_vote_on_an_old_form_does_not_count(house, do, row, voted, now):
    number = voted()
    old = row(number).form_sha256
    do(review.send_back, number, "erin", why="say more")
    do(drafts.save, number, "ann", {"purpose": "something else"}, row(number).edition)
    do(drafts.accept, number, "ben", seen=form.agreed(papers.form_of(row(number))))
    do(drafts.submit, number, "ann")
    do(review.triage, number, "erin")
    do(review.declare, number, "hugo")
    with pytest.raises(StepRefused, match="was changed since hugo read it"):
        do(review.vote, number, "hugo", "approve", reason="r", seen=old)
    do(review.declare, number, "erin")
    with pytest.raises(StepRefused, match="0 of 2 votes"):
        do(active.decide, number, "erin", until=now + YEAR)


def test_of_many_who_save_at_once_one_does_and_nobody_loses_a_word(do, row):
    number = do(drafts.create, "ann", values=FULL)
    outcomes = at_once(4, lambda n: do(drafts.save, number, "ann", {"purpose": f"text {n}"}, 1))
    assert [one for one in outcomes if not isinstance(one, TREError)] == [2]
    lost = [one for one in outcomes if isinstance(one, drafts.Meanwhile)]
    assert len({one.mine.purpose for one in lost} | {papers.form_of(row(number)).purpose}) == 4


# --- to get more than is given ----------------------------------------------------------------------------------------
def test_a_dataset_that_denies_the_purpose_is_not_approved_by_votes(house, do, row, voted, now):
    def deny(session):
        group = {"name": "", "codes": [["DS", ["MONDO:0005148"]]], "where": None}
        session.get(DatasetRow, "trial").data_use = json.dumps({"groups": [group]})

    change(house, deny)
    number = voted()
    with pytest.raises(StepRefused, match="DS of dataset trial says no") as said:
        do(active.decide, number, "erin", until=now + YEAR)
    assert said.value.rules == ("R12",)


def test_a_match_that_somebody_wrote_into_the_records_is_made_again(house, do, row, voted, now):
    def deny(session):
        group = {"name": "", "codes": [["POA", []]], "where": None}
        session.get(DatasetRow, "trial").data_use = json.dumps({"groups": [group]})

    change(house, deny)
    number = voted()

    def permit(session):
        session.get(ApplicationDatasetRow, (number, "trial")).found = '{"verdict": "permit", "by_group": []}'

    change(house, permit)
    with pytest.raises(StepRefused, match="POA of dataset trial says no"):
        do(active.decide, number, "erin", until=now + YEAR)


@pytest.mark.parametrize(("days", "why"), [(None, "without an end"), (-1, "past"), (1097, "later than any may")])
def test_no_end_is_granted_that_may_not_be(do, row, voted, now, days, why):
    number = voted()
    until = None if days is None else now + timedelta(days=days)
    with pytest.raises(StepRefused, match=why):
        do(active.decide, number, "erin", until=until)
    assert row(number).state == "in_review"


def test_an_amendment_does_not_bring_in_another_purpose(house, do, row, voted, submitted, now):
    parent = voted()
    do(active.decide, parent, "erin", until=now + YEAR)
    child = do(drafts.amend, parent, "ann")
    do(drafts.save, child, "ann", {"terms": ["DUO:0000033"], "purpose": "ancestry"}, 1)
    submitted(child)
    with house.read() as session:
        changed = drafts.changes(session, papers.get(session, child))
        assert [one.field for one in changed if one.purpose] == ["purpose", "terms"]
        assert projects.get(session, "harbour").suspended, "work for a purpose that is in question goes on"
    assert row(parent).state == "suspended"
    do(drafts.withdraw, child, "ann")
    assert row(parent).state == "active"
    with house.read() as session:
        assert projects.get(session, "harbour").purpose == "to compare treatments"
        assert not projects.get(session, "harbour").suspended


def test_a_renewal_does_not_bring_in_another_purpose(house, do, row, voted, submitted, now):
    parent = voted()
    do(active.decide, parent, "erin", until=now + YEAR)
    child = do(drafts.renew, parent, "ann")
    do(drafts.save, child, "ann", {"purpose": "ancestry", "until": "2028-06-30"}, 1)
    with pytest.raises(drafts.Incomplete, match="a renewal keeps it"):
        submitted(child)


def test_an_amendment_does_not_take_over_another_project(house, do, row, voted, submitted, now):
    parent = voted()
    do(active.decide, parent, "erin", until=now + YEAR)
    child = do(drafts.amend, parent, "ann")
    do(drafts.save, child, "ann", {"project": "sunrise"}, 1)
    with pytest.raises(drafts.Incomplete, match="keeps its name"):
        submitted(child)


def test_nobody_is_named_who_did_not_agree(do, row):
    number = do(drafts.create, "ann", values=FULL | {"members": ["ann", "cyd"]})
    with pytest.raises(StepRefused, match="does not name ben"):
        do(drafts.accept, number, "ben", seen=form.agreed(papers.form_of(row(number))))
    with pytest.raises(drafts.Incomplete, match="cyd has not accepted"):
        do(drafts.submit, number, "ann")


def test_a_suspended_application_is_not_started_by_an_admin(house, do, row, voted, now):
    number = voted()
    do(active.decide, number, "erin", until=now + YEAR)
    do(active.suspend, number, "erin", why="an incident")
    with pytest.raises(StepRefused, match="the committee"):
        do(projects.resume, "harbour", actor="grace")
    do(active.revoke, number, "erin", why="w")
    with pytest.raises(Refused, match="the committee"):
        do(projects.resume, "harbour", actor="grace")
