"""An application goes from a draft to a project with an end, and no way leads there but a quorum's decision."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from policies.facts import Role
from tests.builders import HOST, YEAR, a_committee, a_dataset, a_person
from tre.errors import NotFound, StepRefused, Unreadable
from tre.governance import notices, projects, training
from tre.governance.applications import active, drafts, form, papers, review, states, turns
from tre.governance.applications.form import Form, Known
from tre.governance.applications.review import Condition
from tre.governance.applications.states import STEPS, By, State, settle, take
from tre.records import audit
from tre.records.tables import DatasetRow, DutyRow, ProjectRow

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
    """One database is enough here: the committee's own tests ask both."""
    return ""


@pytest.fixture
def house(records, settings, now):
    """Records with ann, ben and cyd, a dataset, and a committee of three."""
    with records.act(HOST, "test.build", "home") as session:
        for name in ("ann", "ben", "cyd"):
            a_person(session, name, settings=settings, now=now)
        a_person(session, "grace", Role.ADMIN, settings=settings, now=now)
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


def says(house, name, codes):
    """Let a dataset say what for it may be used."""
    with house.act(HOST, "test.build", "home") as session:
        group = {"name": "", "codes": [[code, list(values)] for code, values in codes], "where": None}
        session.get(DatasetRow, name).data_use = json.dumps({"groups": [group]})
        audit.append(session, "test.build", actor=HOST, subject=f"dataset/{name}")


def written(do, row, **more):
    """A complete draft by ann that ben has accepted."""
    number = do(drafts.create, "ann", values=FULL | more)
    for name in drafts.waiting(row(number)):
        do(drafts.accept, number, name, seen=form.agreed(papers.form_of(row(number))))
    return number


def submitted(do, row, **more):
    number = written(do, row, **more)
    do(drafts.submit, number, "ann")
    return number


def reviewed(do, row, *, votes=("approve", "approve", "approve"), number=None, **more):
    """An application on which the panel has voted."""
    number = number or submitted(do, row, **more)
    do(review.triage, number, "erin")
    for name, said in zip(("erin", "frank", "hugo"), votes, strict=False):
        do(review.declare, number, name)
        do(review.vote, number, name, said, reason="r", seen=row(number).form_sha256)
    return number


def begun(do, row, now, **more):
    number = reviewed(do, row, **more)
    do(active.decide, number, "erin", until=now + YEAR)
    return number


# --- the table --------------------------------------------------------------------------------------------------------
VERBS = sorted({step.verb for step in STEPS})
CLICKS = st.tuples(st.sampled_from(VERBS), st.sampled_from(By), st.integers(0, 4), st.integers(0, 4))


@given(st.lists(CLICKS, max_size=40))
def test_no_way_leads_to_active_without_a_quorum_and_a_decision(clicks):
    state, decided = State.DRAFT, False
    for verb, by, approve, reject in clicks:
        try:
            to = settle(approve, reject, quorum=2) if verb == "decide" else None
            state = take(verb, state, by, to=to)
        except StepRefused:
            continue
        if verb == "decide":
            decided = by is By.CHAIR and approve + reject >= 2 and approve > reject
        assert decided or state not in {State.APPROVED_PENDING, State.ACTIVE, State.SUSPENDED}


@pytest.mark.parametrize("state", [State.REJECTED, State.WITHDRAWN, State.CLOSED])
def test_what_is_over_stays_over(state):
    assert not [step for step in STEPS if step.source is state]


def test_every_state_is_reached_and_every_state_is_told():
    reached = {State.DRAFT} | {step.target for step in STEPS}
    assert reached == set(State) == set(states.SAYS)


def test_the_diagram_draws_every_step():
    drawn = states.mermaid()
    for step in STEPS:
        assert f"{step.source.name} --> {step.target.name}: {step.verb}" in drawn


# --- the form ---------------------------------------------------------------------------------------------------------
def known(**more):
    return Known(**{"people": frozenset({"ann", "ben", "grace"}), "admins": frozenset({"grace"}), "datasets":
                    {"trial": 2, "empty": 0}, "latest": LATEST} | more)  # fmt: skip


LATEST = form.moment("2029-11-01")
FAULTS = [
    ({"title": ""}, "title", "is needed"),
    ({"until": "2025-01-01"}, "until", "is past"),
    ({"until": "2035-01-01"}, "until", "at most 2029-11-01"),
    ({"until": "31.10.2027"}, "until", "is not a date"),
    ({"until": "2027-02-30"}, "until", "is not a date"),
    ({"start": "2027-12-01"}, "until", "before the start"),
    ({"terms": ["DUO:9999999"]}, "terms", "there is no 'DUO:9999999'"),
    ({"terms": ["DUO:0000040"]}, "diseases", "names it"),
    ({"diseases": ["cancer"]}, "diseases", "not an id"),
    ({"diseases": ["MONDO:0000001"]}, "diseases", "no ontology"),
    ({"members": ["ann", "nobody"]}, "members", "no person 'nobody'"),
    ({"members": ["ann", "grace"]}, "members", "is an admin"),
    ({"lead": "ben", "members": ["ann"]}, "lead", "not one of the members"),
    ({"datasets": ["nothing"]}, "datasets", "no dataset 'nothing'"),
    ({"datasets": ["empty"]}, "datasets", "no data yet"),
    ({"datasets": ["trial@3"]}, "datasets", "newest version of trial is 2"),
    ({"datasets": ["trial@x"]}, "datasets", "newest version of trial is 2"),
    ({"datasets": ["trial@1", "trial@2"]}, "datasets", "named twice"),
    ({"countries": ["Germany"]}, "countries", "not a code"),
    ({"use": "fun"}, "use", "there is no 'fun'"),
    ({"ethics": "12/26"}, "ethics_until", "number and a last day"),
    ({"project": "Not a name"}, "project", "1-30 characters"),
    ({"title": "x" * 201}, "title", "at most 200"),
]


@pytest.mark.parametrize(("given", "field", "said"), FAULTS, ids=lambda one: str(one)[:40])
def test_every_fault_is_said_in_one_line_at_its_field(now, given, field, said):
    found = form.faults(form.read(FULL | given), now, known(disease=lambda _: False))
    assert [one.field for one in found] == [field], found
    assert said in found[0].message
    assert "\n" not in found[0].message


def test_a_complete_form_has_no_fault(now):
    assert form.faults(form.read(FULL), now, known()) == ()


def test_an_empty_form_says_everything_that_is_needed(now):
    needed = [one.name for one in form.FIELDS if one.needed]
    assert [one.field for one in form.faults(Form(), now, known())] == needed


NO_FORMS = (
    "{", "{]", "a = ", "[]", '{"nothing": 1}', '{"title": {"a": 1}}', '{"members": [1]}', '{"title": "\\u0000"}',
    '{"members": "' + "a%d " * 101 % tuple(range(101)) + '"}', '{"title": "' + "x" * 200_000 + '"}',
)  # fmt: skip


@pytest.mark.parametrize("text", NO_FORMS, ids=lambda text: text[:20])
def test_what_is_no_form_is_said_to_be_none(text):
    with pytest.raises(Unreadable, match="form: ") as said:
        form.read(text)
    assert "\n" not in str(said.value)


texts = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=30)


@given(st.dictionaries(st.sampled_from([one.name for one in form.FIELDS if one.kind not in form.LISTS]), texts))
def test_a_form_is_read_again_as_it_was_kept(values):
    kept = form.read(values)
    assert form.read(form.canonical(kept).decode()) == kept
    assert form.difference(kept, kept) == ()


def test_a_difference_names_what_was_and_what_is():
    old, new = form.read(FULL), form.read(FULL | {"until": "2028-01-01", "purpose": "another"})
    assert [(one.field, one.before, one.after, one.purpose) for one in form.difference(old, new)] == [
        ("purpose", "to compare treatments", "another", True),
        ("until", "2027-10-31", "2028-01-01", False),
    ]


# --- drafts -----------------------------------------------------------------------------------------------------------
def test_a_draft_is_kept_whatever_is_wrong_with_it(do, row):
    number = do(drafts.create, "ann", values={"until": "yesterday", "members": "nobody"})
    assert do(drafts.save, number, "ann", {"title": "T"}, 1) == 2
    kept = papers.form_of(row(number))
    assert (kept.title, kept.until, kept.members) == ("T", "yesterday", ("nobody",))
    with pytest.raises(drafts.Incomplete) as said:
        do(drafts.submit, number, "ann")
    assert {"until", "members", "lay_summary"} <= {one.field for one in said.value.faults}
    assert row(number).state == "draft"


def test_of_two_who_edit_at_once_the_second_keeps_both_texts(do, row):
    number = do(drafts.create, "ann", values=FULL)
    do(drafts.save, number, "ben", {"purpose": "what ben wrote"}, 1)
    with pytest.raises(drafts.Meanwhile, match="ben saved this form at 2026-11-02 09:00") as said:
        do(drafts.save, number, "ann", {"purpose": "what ann wrote"}, 1)
    both = said.value
    assert (both.theirs.purpose, both.mine.purpose, both.edition) == ("what ben wrote", "what ann wrote", 2)
    assert papers.form_of(row(number)).purpose == "what ben wrote"
    assert do(drafts.save, number, "ann", {"purpose": both.mine.purpose}, both.edition) == 3


def test_everybody_named_must_accept_what_is_submitted(do, row):
    number = do(drafts.create, "ann", values=FULL)
    with pytest.raises(drafts.Incomplete, match="ben has not accepted"):
        do(drafts.submit, number, "ann")
    seen = form.agreed(papers.form_of(row(number)))
    do(drafts.accept, number, "ben", seen=seen)
    do(drafts.save, number, "ann", {"purpose": "something else"}, 1)
    with pytest.raises(drafts.Incomplete, match="ben has not accepted"):
        do(drafts.submit, number, "ann")
    with pytest.raises(StepRefused, match="was changed since"):
        do(drafts.accept, number, "ben", seen=seen)


@pytest.mark.parametrize("person", ["cyd", "erin"])
def test_only_those_it_names_touch_a_draft(do, row, person):
    number = written(do, row)
    for verb, args in ((drafts.save, ({}, 1)), (drafts.submit, ()), (drafts.withdraw, ())):
        with pytest.raises(StepRefused):
            do(verb, number, person, *args)


def test_what_is_submitted_names_its_versions_and_does_not_move(house, do, row, now):
    number = submitted(do, row)
    assert papers.form_of(row(number)).datasets == ("trial@1",)
    assert row(number).form_sha256 == form.digest(papers.form_of(row(number)))
    with pytest.raises(StepRefused, match="cannot edit an application that is submitted"):
        do(drafts.save, number, "ann", {"purpose": "another"}, 1)


def test_two_projects_do_not_have_one_name(do, row):
    submitted(do, row)
    with pytest.raises(drafts.Incomplete, match="already a project harbour"):
        do(drafts.submit, written(do, row), "ann")


# --- review -----------------------------------------------------------------------------------------------------------
def test_an_application_becomes_a_project_with_its_people_and_data(house, do, row, now):
    number = begun(do, row, now)
    with house.read() as session:
        project = projects.get(session, "harbour")
        assert (project.lead, project.application, project.approved_until) == ("ann", number, now + YEAR)
        assert [one.person for one in projects.members(session, "harbour")] == ["ann", "ben"]
        granted = papers.approvals(session, number)
        assert [(one.dataset, one.version, one.until) for one in granted] == [("trial", 1, now + YEAR)]
        assert papers.get(session, number).state == "active"
        assert any("approved until" in one.text for one in notices.of(session, "ben"))


def test_whoever_has_not_declared_does_not_vote(do, row):
    number = submitted(do, row)
    do(review.triage, number, "erin", panel=("erin", "frank"))
    with pytest.raises(StepRefused, match="before declaring"):
        do(review.vote, number, "erin", "approve", reason="r", seen=row(number).form_sha256)
    with pytest.raises(StepRefused, match="not on its panel"):
        do(review.vote, number, "hugo", "approve", reason="r", seen=row(number).form_sha256)


def test_votes_are_blind_until_the_own_is_cast(house, do, row):
    number = reviewed(do, row, votes=("approve",))
    with house.read() as session:
        assert review.votes(session, number) == review.votes(session, number, "frank") == ()
        assert [one.person for one in review.votes(session, number, "erin")] == ["erin"]


def test_a_chair_decides_where_the_house_has_one(house, do, row, settings, now):
    with house.act(HOST, "test.build", "home") as session:
        a_person(session, "iris", Role.COMMITTEE, Role.CHAIR, settings=settings, now=now)
    number = reviewed(do, row)
    with pytest.raises(StepRefused, match="that is for iris"):
        do(active.decide, number, "erin", until=now + YEAR)
    do(review.declare, number, "iris")
    assert do(active.decide, number, "iris", until=now + YEAR) == "active"


def test_a_returned_application_is_voted_on_anew(do, row, now):
    number = reviewed(do, row, votes=("approve", "approve"))
    do(review.send_back, number, "erin", why="say more")
    assert (row(number).state, row(number).why) == ("returned", "say more")
    do(drafts.save, number, "ann", {"outputs": "tables and figures"}, row(number).edition)
    do(drafts.submit, number, "ann")
    do(review.triage, number, "frank")
    for name in ("erin", "frank"):
        do(review.declare, number, name)
    with pytest.raises(StepRefused, match="0 of 2 votes"):
        do(active.decide, number, "erin", until=now + YEAR)


@pytest.mark.parametrize(
    ("codes", "why"),
    [
        ([("HMB", ()), ("RS", ("lung",))], "RS of dataset trial needs a human"),
        ([("POA", ())], "POA of dataset trial says no"),
        ([("HMB", ()), ("IRB", ())], "IRB of dataset trial says no"),
    ],
)
def test_what_the_data_say_stands_against_the_votes(house, do, row, now, codes, why):
    says(house, "trial", codes)
    number = reviewed(do, row)
    with pytest.raises(StepRefused, match=why) as said:
        do(active.decide, number, "erin", until=now + YEAR)
    assert said.value.rules == ("R12",)


def test_a_ruling_opens_what_a_human_must_read(house, do, row, now):
    says(house, "trial", [("HMB", ()), ("RS", ("lung",)), ("PUB", ())])
    number = reviewed(do, row)
    do(review.rule, number, "frank", "trial", "RS", allows=True, reason="it is about lungs")
    assert do(active.decide, number, "erin", until=now + YEAR) == "active"
    with house.read() as session:
        assert [one.code for one in session.scalars(select(DutyRow))] == ["PUB"]


def test_a_ruling_against_it_keeps_it_shut(house, do, row, now):
    says(house, "trial", [("HMB", ()), ("RS", ("lung",))])
    number = reviewed(do, row)
    do(review.rule, number, "frank", "trial", "RS", allows=False, reason="it is not about lungs")
    with pytest.raises(StepRefused, match="ruled against by frank"):
        do(active.decide, number, "erin", until=now + YEAR)
    with pytest.raises(StepRefused, match="nobody rules on that"):
        do(review.rule, number, "frank", "trial", "HMB", allows=True, reason="r")
    with pytest.raises(NotFound):
        do(review.rule, number, "frank", "trial", "XX", allows=True, reason="r")


# --- conditions and ends ----------------------------------------------------------------------------------------------
def test_work_begins_when_every_condition_is_shown_and_accepted(house, do, row, now):
    number = reviewed(do, row)
    state = do(active.decide, number, "erin", until=now + YEAR, conditions=(Condition("a contract"),))
    assert state == "approved_pending"
    with house.read() as session:
        assert session.get(ProjectRow, "harbour") is None
        one = papers.conditions(session, number)[0].id
    with pytest.raises(StepRefused, match="nobody showed"):
        do(active.accept, one, "frank")
    with pytest.raises(StepRefused, match="cannot begin yet: a contract"):
        do(active.fulfil, number, actor="ann")
    with pytest.raises(StepRefused, match="only ann"):
        do(active.evidence, one, "cyd", "signed")
    do(active.evidence, one, "ann", "signed on Monday")
    with pytest.raises(StepRefused, match="not on the committee"):
        do(active.accept, one, "ann")
    assert do(active.accept, one, "frank") == "active"


def test_a_condition_past_its_day_lets_the_project_rest(house, do, row, now):
    number = reviewed(do, row)
    due = now + timedelta(days=30)
    do(active.decide, number, "erin", until=now + YEAR, conditions=(Condition("a report", due),))
    assert do(active.look_round, at=due - timedelta(seconds=1)) == ()
    assert do(active.look_round, at=due) == (number,)
    assert row(number).state == "suspended"
    assert "a report" in row(number).why
    with house.read() as session:
        assert projects.get(session, "harbour").suspended


def test_a_lapsed_ethics_vote_lets_the_project_rest(house, do, row, now):
    number = begun(do, row, now, ethics="12/26", ethics_until="2026-12-31")
    assert do(active.look_round, at=row(number).ethics_until) == (number,)
    assert "ethics vote ended" in row(number).why


def test_an_end_that_came_is_recorded_and_can_be_renewed(house, do, row, now):
    number, later = reviewed(do, row), now + timedelta(days=300)
    do(active.decide, number, "erin", until=later)
    assert do(active.look_round, at=later) == (number,)
    assert row(number).state == "expired"
    for name in ("erin", "frank"):
        do(training.record, name, "gdpr", later + YEAR, at=later, actor=HOST)
    child = do(drafts.renew, number, "ann", at=later)
    do(drafts.save, child, "ann", {"until": "2028-06-30"}, 1, at=later)
    do(drafts.accept, child, "ben", seen=form.agreed(papers.form_of(row(child))), at=later)
    do(drafts.submit, child, "ann", at=later)
    do(review.triage, child, "erin", at=later)
    for name in ("erin", "frank"):
        do(review.declare, child, name, at=later)
        do(review.vote, child, name, "approve", reason="r", seen=row(child).form_sha256, at=later)
    do(active.decide, child, "erin", until=later + YEAR, at=later)
    assert (row(number).state, row(child).state) == ("closed", "active")
    with house.read() as session:
        assert projects.get(session, "harbour").approved_until == later + YEAR
        assert projects.is_member(session, "harbour", "ben", now=later + timedelta(days=1))


def test_an_application_begins_on_its_day(do, row, now):
    number = reviewed(do, row, start="2026-12-01")
    assert do(active.decide, number, "erin", until=now + YEAR) == "approved_pending"
    assert do(active.look_round) == ()
    assert do(active.look_round, at=now + timedelta(days=30)) == (number,)
    assert row(number).state == "active"


def test_suspended_by_the_chair_and_resumed(house, do, row, now):
    number = begun(do, row, now)
    do(active.suspend, number, "erin", why="a question")
    with house.read() as session:
        assert projects.get(session, "harbour").suspended
    do(active.resume, number, "frank", why="answered")
    with house.read() as session:
        assert not projects.get(session, "harbour").suspended


def test_what_an_admin_stopped_the_committee_does_not_start(house, do, row, now):
    number = begun(do, row, now)
    do(projects.suspend, "harbour", why="an incident", actor="grace")
    do(active.suspend, number, "erin", why="a question")
    do(active.resume, number, "erin", why="answered")
    with house.read() as session:
        assert projects.get(session, "harbour").suspended


def test_an_amendment_changes_people_and_data_when_it_is_approved(house, do, row, now):
    with house.act(HOST, "test.build", "home") as session:
        a_dataset(session, "cohort", now=now)
    number = begun(do, row, now)
    child = do(drafts.amend, number, "ann")
    do(drafts.save, child, "ann", {"members": ["ann", "cyd"], "datasets": ["cohort"]}, 1)
    with house.read() as session:
        assert [one.field for one in drafts.changes(session, papers.get(session, child))] == ["members", "datasets"]
    for name in drafts.waiting(row(child)):
        do(drafts.accept, child, name, seen=form.agreed(papers.form_of(row(child))))
    do(drafts.submit, child, "ann")
    assert row(number).state == "active"
    reviewed(do, row, number=child)
    do(active.decide, child, "erin", until=now + YEAR)
    with house.read() as session:
        now_in = [one for one in projects.members(session, "harbour") if one.removed_at is None]
        assert sorted({one.person for one in now_in}) == ["ann", "cyd"]
        assert [one.revoked_at is not None for one in papers.approvals(session, number)] == [True]
        assert [one.dataset for one in papers.approvals(session, child)] == ["cohort"]
        assert projects.get(session, "harbour").application == child


# --- whose turn -------------------------------------------------------------------------------------------------------
def test_everybody_sees_whose_turn_it_is_and_since_when(house, do, row, now):
    number = do(drafts.create, "ann", values=FULL)

    def turn(days=3):
        with house.read() as session:
            found = turns.turn(session, papers.get(session, number), now=now + timedelta(days=days))
            return found.whose, found.days

    assert turn() == (("ann", "ben"), 3)
    do(drafts.accept, number, "ben", seen=form.agreed(papers.form_of(row(number))))
    assert turn() == (("ann",), 3)
    do(drafts.submit, number, "ann")
    assert turn() == (("erin", "frank", "hugo"), 3)
    do(review.triage, number, "erin", panel=("erin", "frank"))
    do(review.declare, number, "erin")
    do(review.vote, number, "erin", "approve", reason="r", seen=row(number).form_sha256)
    assert turn(0) == (("frank",), 0)
    with house.read() as session:
        assert [one.id for one, _ in turns.queue(session, now=now)] == [number]
