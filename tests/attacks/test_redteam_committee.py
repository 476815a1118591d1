"""Attempts on the committee by people who know the house: what was said once is used for something else."""

import json
import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from policies.facts import Role
from tests.attacks.test_committee import FULL
from tests.builders import HOST, a_committee, a_dataset, a_person, a_project, an_approval
from tests.committee_house import furnish, walk
from tests.hub import a_hub
from tre.errors import Refused, StepRefused
from tre.governance import emergencies, enrolment, known
from tre.governance.applications import active, drafts, form, papers, review
from tre.governance.desk import acts
from tre.records import audit
from tre.records.tables import ApprovalRow, DatasetRow, NoticeRow, PersonRow, RulingRow
from tre.rooms import pages

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
ASKS = json.dumps({"groups": [{"name": "", "codes": [["HMB", []], ["RS", ["relapse"]]]}]})
HEALTH = json.dumps({"groups": [{"name": "", "codes": [["HMB", []]]}]})


@pytest.fixture
def database():
    """What is tried here stands before the database."""
    return ""


@pytest.fixture
def house(records, settings, now):
    """ann, ben and cyd work; erin, frank and hugo sit on the committee; adam and olga are admins."""
    with records.act(HOST, "test.build", "home") as session:
        for name in ("ann", "ben", "cyd"):
            a_person(session, name, settings=settings, now=now)
        a_committee(session, settings=settings, now=now, names=("erin", "frank", "hugo"))
        for name in ("adam", "olga"):
            a_person(session, name, Role.ADMIN, settings=settings, now=now)
        a_dataset(session, "trial", now=now)
        a_dataset(session, "registry", now=now)
    return records


@pytest.fixture
def do(house, now):
    """Take one step in an act of its own."""

    def act(verb, *args, at=now, **given):
        with house.act(HOST, "test.step", "home") as session:
            return verb(session, *args, now=at, **given)

    return act


@pytest.fixture
def look(house):
    """Look at the records."""

    def looking(ask):
        with house.read() as session:
            return ask(session)

    return looking


@pytest.fixture
def row(look):
    return lambda number: look(lambda session: papers.get(session, number))


@pytest.fixture
def change(house):
    """Change a row behind the verbs' backs."""

    def changed(kind, key, **values):
        with house.act(HOST, "test.change", "home") as session:
            for name, value in values.items():
                setattr(session.get(kind, key), name, value)
            audit.append(session, "test.change", actor=HOST, subject="home")

    return changed


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

    def vote(number=None, **more):
        number = submitted(number, **more)
        do(review.triage, number, "erin", panel=("erin", "frank", "hugo"))
        for name in ("erin", "frank"):
            do(review.declare, number, name)
            do(review.vote, number, name, "approve", reason="r", seen=row(number).form_sha256)
        return number

    return vote


@pytest.fixture
def granted(do, voted, now):
    """What erin and frank approved for a hundred days."""

    def decided(number=None, *, conditions=(), at=now, **more):
        number = voted(number, **more)
        do(active.decide, number, "erin", until=at + 100 * DAY, conditions=conditions, at=at)
        return number

    return decided


# --- what was said of one form is used for another --------------------------------------------------------------------
def test_the_purpose_that_was_coded_is_what_the_doors_judge(granted, change, look, now):
    change(DatasetRow, "trial", data_use=HEALTH)
    granted()
    change(DatasetRow, "trial", data_use=json.dumps({"groups": [{"name": "", "codes": [["POA", []]]}]}))
    found = look(lambda session: known.gather(session, ("ann",), ("harbour",), now=now).use(
        "harbour", known.to_be_made(session, "harbour", "trial", 1), "ann"))  # fmt: skip
    assert found.duo == "deny"
    assert found.refused == {"POA"}


def test_a_ruling_on_one_purpose_does_not_allow_another(do, row, change, voted, submitted, look):
    change(DatasetRow, "trial", data_use=ASKS)
    number = voted()
    do(review.rule, number, "erin", "trial", "RS", allows=True, reason="relapse is what it is about")
    do(review.send_back, number, "erin", why="the title")
    do(drafts.save, number, "ann", {"purpose": "to compare incomes"}, row(number).edition)
    submitted(number)
    assert look(lambda session: session.scalars(select(RulingRow)).all()) == []


def test_a_condition_is_not_lost_by_a_change_of_a_comma(do, row, granted, voted, look, now):
    first = granted(conditions=(review.Condition("a contract with the clinic", now + 30 * DAY),))
    child = do(drafts.amend, first, "ann")
    do(drafts.save, child, "ann", {"title": "Does it help,"}, row(child).edition)
    granted(child)
    waiting = look(lambda session: [(one.text, one.due) for one in papers.conditions(session, child)])
    assert waiting == [("a contract with the clinic", now + 30 * DAY)]
    do(active.look_round, at=now + 31 * DAY)
    assert row(child).state == "suspended"


def test_data_that_came_later_do_not_follow_to_another_purpose(do, row, granted, look, house, settings, now):
    first = granted()
    with house.act(HOST, "test.build", "home") as session:
        an_approval(session, "harbour", "registry", settings=settings, now=now, until=now + 50 * DAY)
    child = do(drafts.amend, first, "ann")
    do(drafts.save, child, "ann", {"purpose": "to sell it", "use": "commercial"}, row(child).edition)
    granted(child)
    held = look(lambda session: {(one.dataset, one.application) for one in session.scalars(select(ApprovalRow))
                                 if one.revoked_at is None and one.until > now})  # fmt: skip
    assert held == {("trial", child)}


def test_a_wish_for_more_data_does_not_become_the_project(do, house, granted, settings, now):
    granted(members=["ann", "ben"])
    with house.act(HOST, "test.build", "home") as session:
        more = an_approval(session, "harbour", "registry", settings=settings, now=now, until=now + DAY, applicant="ben")
    for verb in (drafts.amend, drafts.renew):
        with pytest.raises(StepRefused, match="brought more data"):
            do(verb, more, "ben")


def test_nobody_is_named_to_the_public_who_did_not_accept_it(do, row, submitted, look, now):
    number = do(drafts.create, "ann", values=FULL | {"lead": "ben"})
    do(drafts.accept, number, "ben", seen=form.agreed(papers.form_of(row(number))))
    do(drafts.save, number, "ann", {"show_lead": "yes"}, row(number).edition)
    with pytest.raises(drafts.Incomplete, match="ben has not accepted"):
        do(drafts.submit, number, "ann")


# --- who has a say ----------------------------------------------------------------------------------------------------
def test_a_second_account_on_the_committee_has_no_say_at_all(do, granted, look, change):
    number = granted(conditions=(review.Condition("an ethics vote"),))
    condition = look(lambda session: papers.conditions(session, number)[0].id)
    do(active.evidence, condition, "ann", "it is there")
    change(PersonRow, "hugo", email="ben+dac@hortus.example")  # ben is named
    for attempt in (
        lambda: do(active.accept, condition, "hugo"),
        lambda: do(active.revoke, number, "hugo", why="r"),
    ):
        with pytest.raises(StepRefused, match="another account"):
            attempt()


def test_a_colleague_of_the_lead_has_no_say_though_another_applied(do, change, submitted, row):
    for name, where in (("ann", "https://ror.org/01"), ("ben", "https://ror.org/02"), ("hugo", "https://ror.org/02")):
        change(PersonRow, name, institution=where)
    number = submitted(lead="ben")
    with pytest.raises(StepRefused, match="works where"):
        do(review.triage, number, "hugo")


def test_evidence_that_was_changed_since_it_was_read_is_not_accepted(do, granted, look):
    number = granted(conditions=(review.Condition("an ethics vote"),))
    condition = look(lambda session: papers.conditions(session, number)[0].id)
    do(active.evidence, condition, "ann", "vote 12 of the clinic")
    seen = look(lambda session: active.shown(papers.conditions(session, number)[0]))
    do(active.evidence, condition, "ann", "never mind")
    with pytest.raises(StepRefused, match="changed since"):
        do(active.accept, condition, "frank", seen=seen)


# --- one admin --------------------------------------------------------------------------------------------------------
def test_an_admin_does_not_invite_themself_into_a_colleagues_account(do, settings):
    with pytest.raises(Refused, match="erin"):
        do(acts.invite_again, "erin", actor="adam", settings=settings)


def test_who_comes_in_by_a_link_is_told_and_so_is_whoever_had_the_account(house, do, settings, look, now):
    token = do(enrolment.invite, "erin", actor=HOST)
    told = look(
        lambda session: [one.text for one in session.scalars(select(NoticeRow).where(NoticeRow.person == "erin"))]
    )
    assert any("link" in text for text in told)
    assert token not in "".join(told)


def test_an_admin_does_not_bring_a_friend_into_what_the_committee_approved(do, granted):
    granted()
    with pytest.raises(StepRefused, match="amendment"):
        do(acts.add_member, "harbour", "cyd", until=None, actor="adam")


# --- emergencies ------------------------------------------------------------------------------------------------------
def test_two_emergencies_asked_for_at_once_do_not_follow_each_other(do, granted, now):
    granted()
    asked = [do(emergencies.ask, "harbour", "ann", hours=4, why="r", actor="adam") for _ in range(2)]
    do(emergencies.second, asked[0].id, actor="erin")
    with pytest.raises(StepRefused, match="already"):
        do(emergencies.second, asked[1].id, actor="erin", at=now + 4 * HOUR - timedelta(minutes=1))


# --- time -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("day", ["9999-12-31", "9998-01-01", "0001-01-01", "2027-02-29", "２０２７-01-01"])  # noqa: RUF001 -- digits of another script
def test_a_day_at_the_edge_of_time_is_a_fault_of_the_form(do, row, look, now, day):
    for field in ("until", "start", "ethics_until"):
        number = do(drafts.create, "ann", values=FULL | {field: day})
        found = look(lambda session, at=number: drafts.faults(session, row(at), now=now))
        assert {field, "until", "ethics"} & {one.field for one in found}


def test_one_application_that_cannot_begin_holds_up_no_other(do, row, voted, granted, submitted, house, now):
    other = granted(conditions=(review.Condition("a contract", now + 5 * DAY),))
    stuck = voted(project="quay", start="2026-12-01")
    do(active.decide, stuck, "erin", until=now + 90 * DAY)
    with house.act(HOST, "test.build", "home") as session:
        a_project(session, "quay", now=now)
    do(active.look_round, at=now + 40 * DAY)
    assert row(other).state == "suspended"
    assert row(stuck).state == "approved_pending"


def test_a_suspension_by_the_chair_is_not_undone_by_withdrawing_ones_own_wish(do, row, granted, submitted):
    first = granted()
    child = do(drafts.amend, first, "ann")
    do(drafts.save, child, "ann", {"purpose": "to compare incomes"}, row(child).edition)
    submitted(child)
    do(active.suspend, first, "erin", why="a complaint")
    do(drafts.withdraw, child, "ann")
    assert row(first).state == "suspended"
    assert row(first).why == "a complaint"


# --- pages ------------------------------------------------------------------------------------------------------------
SCRIPT = "<script>alert(1)</script>{{ 7 * 191 }}"


def test_words_of_a_form_stay_words_and_nobody_outside_reads_them_before_a_yes():
    with a_hub(furnish) as hub:
        said = dict.fromkeys(("title", "lay_summary", "purpose", "outputs", "ml_plan", "collaboration"), SCRIPT)
        number = walk(hub, "in_review", **said)
        for person, path in (
            ("ann", f"/hub/applications/{number}"),
            ("ann", "/hub/applications"),
            ("erin", f"/hub/committee/{number}"),
            ("erin", "/hub/committee"),
            ("erin", "/hub/home"),
        ):
            page = hub.person(person).page(path)
            assert page.status_code == 200
            assert "<script>alert" not in page.text
            assert not re.search(r"\b1337\b", page.text)  # not as a part of a token
        pages.register._last.clear()  # it is kept for a minute, also that of another house in this process
        register = hub.stranger().page("/hub/register")
        assert register.status_code == 200
        assert "alert(1)" not in register.text
        assert "sunrise" not in register.text
        assert hub.person("cyd").page(f"/hub/applications/{number}").status_code == 404
