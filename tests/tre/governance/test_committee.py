"""Two of the committee, and nobody of the project, decide about data."""

from datetime import timedelta

import pytest

from policies.facts import Role
from tests.builders import (
    HOST,
    YEAR,
    a_dataset,
    a_person,
    a_project,
    an_application,
    an_approval,
    at_once,
    meet_inside,
    rules_only,
)
from tre.errors import NotFound, StepRefused, TREError, Unreadable
from tre.governance import accounts, committee, projects
from tre.governance.applications import review
from tre.records.tables import DatasetRow


@pytest.fixture
def asked(sunrise, now):
    """Number of ann's application for the trial, which nobody has voted on."""
    with sunrise.act("ann", "test.build", "project/sunrise") as session:
        return an_application(session, "sunrise", "trial", now=now)


@pytest.fixture
def step(sunrise, now):
    """Take one step of the committee in an act of its own."""

    def take(verb, *args, **given):
        with sunrise.act(HOST, "committee.try", "application/1") as session:
            return getattr(committee, verb)(session, *args, now=now, **given)

    return take


def state(records, number):
    with records.read() as session:
        return committee.get(session, number).state


def both_vote(step, number, erin="approve", frank="approve"):
    step("vote", number, "erin", erin, reason="r")
    step("vote", number, "frank", frank, reason="r")


# --- the way through --------------------------------------------------------------------------------------------------
def test_two_votes_approve_an_application_until_a_date(sunrise, settings, now, said):
    with sunrise.act(HOST, "test.build", "home") as session:
        number = an_approval(session, "sunrise", "trial", settings=settings, now=now)
    with sunrise.read() as session:
        row = committee.get(session, number)
        assert row.state == "active"
        assert [(one.dataset, one.version) for one in committee.datasets(session, number)] == [("trial", 1)]
        assert row.approved_until == now + YEAR
    assert [e["actor"] for e in said("committee.vote")] == ["erin", "frank"]
    facts = said("committee.decide")[0]["facts"]
    assert (facts["state"], facts["approve"], facts["reject"]) == ("approved_pending", 2, 0)


@rules_only
@pytest.mark.parametrize(
    ("erin", "frank", "expected"),
    [
        ("approve", "approve", "active"),
        ("approve", "reject", "rejected"),
        ("reject", "approve", "rejected"),
        ("reject", "reject", "rejected"),
    ],
)
def test_more_than_half_must_approve(sunrise, asked, step, now, erin, frank, expected):
    both_vote(step, asked, erin, frank)
    assert step("decide", asked, actor="erin", until=now + YEAR) == expected
    assert state(sunrise, asked) == expected


def test_a_rejection_needs_no_end_and_gives_none(sunrise, asked, step, now):
    both_vote(step, asked, "reject", "reject")
    step("decide", asked, actor="erin", until=now + YEAR, conditions="none")
    with sunrise.read() as session:
        assert committee.get(session, asked).approved_until is None


# --- who may ----------------------------------------------------------------------------------------------------------
@rules_only
@pytest.mark.parametrize("person", ["ann", "ben", "dave", "grace"])
def test_only_the_committee_votes_and_decides(asked, step, now, person):
    with pytest.raises(StepRefused, match="not on the committee"):
        step("vote", asked, person, "approve", reason="r")
    both_vote(step, asked)
    with pytest.raises(StepRefused, match="not on the committee"):
        step("decide", asked, actor=person, until=now + YEAR)


def test_whoever_was_in_the_project_never_votes_on_its_applications(sunrise, settings, asked, step, now):
    with sunrise.act(HOST, "test.build", "home") as session:
        a_person(session, "zoe", Role.ANALYST, Role.COMMITTEE, settings=settings, now=now)
        projects.add_member(session, "sunrise", "zoe", actor=HOST, now=now)
        projects.remove_member(session, "sunrise", "zoe", actor=HOST, now=now)
    with pytest.raises(StepRefused, match="is or was a member"):
        step("vote", asked, "zoe", "approve", reason="r")
    both_vote(step, asked)
    with pytest.raises(StepRefused, match="is or was a member"):
        step("decide", asked, actor="zoe", until=now + YEAR)


def test_the_vote_of_one_who_joined_the_project_later_does_not_count(sunrise, asked, step, now):
    both_vote(step, asked)
    with sunrise.act(HOST, "test.build", "home") as session:
        projects.add_member(session, "sunrise", "frank", actor=HOST, now=now)
    with pytest.raises(StepRefused, match="1 of 2 votes"):
        step("decide", asked, actor="erin", until=now + YEAR)


def test_a_suspended_committee_member_neither_votes_nor_counts(sunrise, asked, step, now):
    both_vote(step, asked)
    with sunrise.act(HOST, "test.build", "home") as session:
        accounts.suspend(session, "frank", why="a test", actor=HOST, now=now)
    with pytest.raises(StepRefused, match="1 of 2 votes"):
        step("decide", asked, actor="erin", until=now + YEAR)
    with pytest.raises(StepRefused, match="suspended"):
        step("decide", asked, actor="frank", until=now + YEAR)


def test_one_vote_each_and_it_stays(sunrise, asked, step):
    step("vote", asked, "erin", "approve", reason="r")
    with pytest.raises(StepRefused, match="already"):
        step("vote", asked, "erin", "reject", reason="on second thought")
    with sunrise.read() as session:
        assert committee.votes_in(session, asked) == 1


def test_one_person_voting_twice_at_once_votes_once(sunrise, asked, step, monkeypatch):
    meet_inside(monkeypatch, review, "sits")
    outcomes = at_once(2, lambda _: step("vote", asked, "erin", "approve", reason="r"))
    assert sum(not isinstance(outcome, TREError) for outcome in outcomes) == 1


def test_two_decisions_at_once_are_one(sunrise, asked, step, now, monkeypatch):
    both_vote(step, asked)
    meet_inside(monkeypatch, review, "sits")
    outcomes = at_once(2, lambda _: step("decide", asked, actor="erin", until=now + YEAR))
    assert sorted(isinstance(outcome, StepRefused) for outcome in outcomes) == [False, True]


def test_nobody_sees_a_vote_before_the_decision(sunrise, asked, step, now):
    both_vote(step, asked)
    with sunrise.read() as session:
        assert committee.votes(session, asked) == ()
        assert committee.votes_in(session, asked) == 2
    step("decide", asked, actor="erin", until=now + YEAR)
    with sunrise.read() as session:
        assert [(v.person, v.vote) for v in committee.votes(session, asked)] == [
            ("erin", "approve"),
            ("frank", "approve"),
        ]


# --- what must be there -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("votes", [0, 1])
def test_fewer_than_two_votes_decide_nothing(sunrise, asked, step, now, votes):
    for name in ("erin", "frank")[:votes]:
        step("vote", asked, name, "approve", reason="r")
    with pytest.raises(StepRefused, match=f"{votes} of 2 votes"):
        step("decide", asked, actor="erin", until=now + YEAR)
    assert state(sunrise, asked) == "in_review"


@rules_only
@pytest.mark.parametrize(
    ("days", "why"), [(None, "without an end"), (0, "past"), (-1, "past"), (366, "outlast the project")]
)
def test_an_approval_ends_in_time(sunrise, asked, step, now, days, why):
    both_vote(step, asked)
    until = None if days is None else now + timedelta(days=days)
    with pytest.raises(StepRefused, match=why):
        step("decide", asked, actor="erin", until=until)
    assert state(sunrise, asked) == "in_review"


@rules_only
@pytest.mark.parametrize(("choice", "reason"), [("maybe", "r"), ("", "r"), ("approve", ""), ("approve", "\x00")])
def test_a_vote_says_yes_or_no_and_why(asked, step, choice, reason):
    with pytest.raises(Unreadable):
        step("vote", asked, "erin", choice, reason=reason)


# --- the other ways out -----------------------------------------------------------------------------------------------
END = {
    "active": lambda step, n, now: (both_vote(step, n), step("decide", n, actor="erin", until=now + YEAR)),
    "rejected": lambda step, n, now: (both_vote(step, n, frank="reject"), step("decide", n, actor="erin")),
    "withdrawn": lambda step, n, now: step("withdraw", n, person="ann"),
    "revoked": lambda step, n, now: (END["active"](step, n, now), step("revoke", n, why="w", actor="frank")),
}
VERBS = {
    "vote": lambda step, n, now: step("vote", n, "erin", "approve", reason="r"),
    "decide": lambda step, n, now: step("decide", n, actor="erin", until=now + YEAR),
    "withdraw": lambda step, n, now: step("withdraw", n, person="ann"),
    "revoke": lambda step, n, now: step("revoke", n, why="w", actor="erin"),
}
FORBIDDEN = [(end, verb) for end in END for verb in VERBS if (end, verb) != ("active", "revoke")]


@rules_only
@pytest.mark.parametrize(("end", "verb"), [*FORBIDDEN, (None, "revoke")])
def test_a_step_is_taken_only_from_where_it_begins(sunrise, asked, step, now, end, verb):
    if end:
        END[end](step, asked, now)
    with pytest.raises(StepRefused, match=f"application that is {end or 'in review'}"):
        VERBS[verb](step, asked, now)
    assert state(sunrise, asked) == (end or "in_review")


def test_only_the_applicant_withdraws(asked, step):
    with pytest.raises(StepRefused, match="only ann"):
        step("withdraw", asked, person="erin")


def test_a_person_outside_the_committee_revokes_nothing(asked, step, now):
    END["active"](step, asked, now)
    with pytest.raises(StepRefused, match="not on the committee"):
        step("revoke", asked, why="w", actor="ann")


@pytest.mark.parametrize("verb", ["suspend", "close"])
def test_a_stopped_project_gets_no_data(sunrise, asked, step, now, verb):
    both_vote(step, asked)
    with sunrise.act(HOST, "test.stop", "project/sunrise") as session:
        getattr(projects, verb)(session, "sunrise", why="w", actor=HOST, now=now)
    with pytest.raises(StepRefused, match=r"suspended|closed"):
        step("decide", asked, actor="erin", until=now + YEAR)


def test_an_approval_can_be_revoked_in_a_suspended_project(sunrise, asked, step, now):
    END["active"](step, asked, now)
    with sunrise.act(HOST, "test.stop", "project/sunrise") as session:
        projects.suspend(session, "sunrise", why="w", actor=HOST, now=now)
    step("revoke", asked, why="w", actor="erin")
    assert state(sunrise, asked) == "revoked"


# --- applying ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"project": "nothing"}, NotFound),
        ({"dataset": "nothing"}, NotFound),
        ({"dataset": "\x00"}, NotFound),
        ({"dataset": "empty"}, StepRefused),
        ({"dataset": "gone"}, StepRefused),
        ({"version": 2}, NotFound),
        ({"version": 0}, NotFound),
        ({"version": -1}, NotFound),
        ({"version": 10**30}, NotFound),
        ({"applicant": "ben"}, StepRefused),
        ({"applicant": "grace"}, StepRefused),
        ({"applicant": "nobody"}, NotFound),
        ({"purpose": ""}, Unreadable),
    ],
    ids=repr,
)
def test_what_cannot_be_asked_for_is_not_entered(sunrise, step, now, given, error):
    with sunrise.act(HOST, "test.build", "home") as session:
        a_dataset(session, "gone", now=now)
        session.get(DatasetRow, "gone").withdrawn = True
        session.add(DatasetRow(name="empty", plan="", plan_sha256="0" * 64, registered_at=now))
    given = {"project": "sunrise", "dataset": "trial", "applicant": "ann", "purpose": "p"} | given
    with pytest.raises(error):
        step("apply", given.pop("project"), given.pop("dataset"), **given)
    with sunrise.read() as session:
        assert committee.listed(session) == ()


def test_the_same_is_not_asked_twice_while_it_waits(asked, step, now):
    with pytest.raises(StepRefused, match=f"application {asked} asks for the same"):
        step("apply", "sunrise", "trial", applicant="ann", purpose="p")
    step("withdraw", asked, person="ann")
    assert step("apply", "sunrise", "trial", applicant="ann", purpose="p") != asked


@pytest.mark.parametrize("number", [0, -1, 2, 10**30])
def test_an_application_that_is_not_there_is_not_found(asked, step, number):
    with pytest.raises(NotFound):
        step("vote", number, "erin", "approve", reason="r")


def test_an_approval_is_for_the_version_that_was_asked_for(sunrise, settings, now):
    with sunrise.act(HOST, "test.build", "home") as session:
        a_project(session, "harbour", ("ben",), now=now)
        a_dataset(session, "cohort", now=now, version=3)
        number = an_approval(session, "harbour", "cohort", settings=settings, now=now)
        assert [(one.dataset, one.version) for one in committee.datasets(session, number)] == [("cohort", 3)]
