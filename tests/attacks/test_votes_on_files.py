"""How a file might leave that was not approved by two who looked at it, though others of its request were."""

import io
import zipfile

import pytest

from airlock import exceptions
from airlock.checks.finding import Finding, Severity
from airlock.states import FileState, State, Verdict
from airlock.tables import RequestRow
from policies.facts import Role
from tests.airlock.conftest import home  # noqa: F401 -- a fixture
from tests.airlock.house import SAFE
from tests.builders import HOST, a_person
from tre.errors import Refused, StepRefused, Unreadable
from tre.governance import accounts, projects

SMALL = b"sex,n\n0,30\n1,3\n"
ARMS = b"arm,n\na,30\nb,30\n"
APPROVE, BACK, REJECT = Verdict.APPROVE, Verdict.SEND_BACK, Verdict.REJECT


@pytest.fixture
def database():
    """On SQLite alone: nothing here depends on the database."""
    return ""


def two(home):  # noqa: F811
    return home.in_review({"a.csv": SAFE, "b.csv": ARMS})


def collected(home, request):  # noqa: F811
    from airlock import release

    bundle = home.collect(home.link(request))
    return zipfile.ZipFile(io.BytesIO(b"".join(release.stream(home.settings, bundle)))).namelist()


def test_a_released_part_with_an_unapproved_file_in_it(home):  # noqa: F811
    request = two(home)
    for person in ("bob", "carol"):
        home.vote(request, person, files={0: APPROVE, 1: BACK})
    home.release(request)
    assert home.state(request) is State.RETURNED
    assert home.files(request) == {"a.csv": FileState.RELEASED, "b.csv": FileState.RETURNED}
    names = collected(home, request)
    assert "files/a.csv" in names
    assert not any("b.csv" in name for name in names)


def test_a_file_that_one_approves_and_another_sends_back(home):  # noqa: F811
    request = two(home)
    home.vote(request, "bob", files={0: APPROVE, 1: APPROVE})
    home.vote(request, "carol", files={0: APPROVE, 1: BACK})
    assert home.state(request) is State.CONSOLIDATING
    with pytest.raises(StepRefused):
        home.release(request)


def test_a_vote_on_a_file_that_was_blocked(home):  # noqa: F811
    request = home.submit({"a.csv": SAFE, "small.csv": SMALL})
    home.check(request)
    assert home.files(request) == {"a.csv": FileState.OPEN, "small.csv": FileState.BLOCKED}
    with pytest.raises(Unreadable, match="vote on each file that is open, and on no other: 1"):
        home.vote(request, "bob", files={0: APPROVE, 1: APPROVE})
    for person in ("bob", "carol"):
        home.vote(request, person)
    home.release(request)
    assert home.files(request)["small.csv"] == FileState.BLOCKED
    assert home.state(request) is State.RETURNED


@pytest.mark.parametrize("said", [{}, {0: APPROVE}, {0: APPROVE, 1: APPROVE, 2: APPROVE}, {1: APPROVE, 7: APPROVE}])
def test_a_vote_on_fewer_or_other_files_than_are_open(home, said):  # noqa: F811
    request = two(home)
    with pytest.raises(Unreadable):
        home.vote(request, "bob", files=said)
    assert "export.vote" not in home.acts()


def test_a_vote_counted_twice_through_turns(home):  # noqa: F811
    request = home.in_review()
    home.vote(request, "bob")
    home.vote(request, "carol", BACK)
    home.vote(request, "bob")
    assert home.state(request) is State.CONSOLIDATING
    with pytest.raises(Refused) as said:
        home.vote(request, "bob")
    assert said.value.rules == ("R22",)


def test_two_who_differ_settle_it_between_them(home):  # noqa: F811
    request = two(home)
    home.vote(request, "bob", files={0: APPROVE, 1: APPROVE})
    home.vote(request, "carol", files={0: APPROVE, 1: BACK})
    with pytest.raises(Unreadable):
        home.vote(request, "carol", files={0: BACK, 1: APPROVE})
    home.vote(request, "carol", files={1: APPROVE})
    assert home.state(request) is State.APPROVED


@pytest.mark.parametrize(
    ("says", "ends"),
    [(APPROVE, FileState.APPROVED), (BACK, FileState.RETURNED), (REJECT, FileState.RETURNED)],
)
def test_a_third_decides_by_majority(home, says, ends):  # noqa: F811
    request = home.in_review()
    home.vote(request, "bob")
    home.vote(request, "carol", BACK)
    home.vote(request, "dave", says)
    assert home.files(request) == {"table.csv": ends}


def _joins(home, person):  # noqa: F811
    with home.act("member.add") as session:
        until = projects.get(session, "sunrise").approved_until
        projects.add_member(session, "sunrise", person, until=until, actor=HOST, now=home.now)


def test_a_third_approver_who_is_in_the_project(home):  # noqa: F811
    request = home.in_review()
    home.vote(request, "bob")
    home.vote(request, "carol", BACK)
    _joins(home, "dave")
    with pytest.raises(Refused) as said:
        home.vote(request, "dave")
    assert "R22" in said.value.rules


def test_a_majority_with_one_who_has_joined_the_project_meanwhile(home):  # noqa: F811
    request = home.in_review()
    home.vote(request, "bob")
    home.vote(request, "carol", BACK)
    _joins(home, "bob")
    home.vote(request, "dave")
    assert home.state(request) is State.CONSOLIDATING


def test_an_approval_of_one_who_joined_while_the_rest_was_still_undecided(home):  # noqa: F811
    request = two(home)
    home.vote(request, "bob", files={0: APPROVE, 1: APPROVE})
    home.vote(request, "carol", files={0: APPROVE, 1: BACK})
    assert home.files(request)["a.csv"] == FileState.APPROVED
    _joins(home, "bob")
    home.vote(request, "dave", files={1: BACK})
    assert home.files(request) == {"a.csv": FileState.OPEN, "b.csv": FileState.RETURNED}
    assert home.state(request) is State.CONSOLIDATING


def test_an_expired_request(home):  # noqa: F811
    from airlock import worker

    request = home.in_review()
    home.later(days=80)
    worker.step(home.records, home.settings, now=home.now)
    assert home.state(request) is State.EXPIRED
    assert home.files(request) == {"table.csv": FileState.WITHDRAWN}
    with pytest.raises(StepRefused):
        home.vote(request, "bob")


def test_a_file_that_left_already_is_submitted_again(home):  # noqa: F811
    request = two(home)
    for person in ("bob", "carol"):
        home.vote(request, person, files={0: APPROVE, 1: BACK})
    home.release(request)
    with pytest.raises(Refused, match="left in round 1 already"):
        home.resubmit(request, {"again.csv": SAFE})


# --- exceptions -------------------------------------------------------------------------------------------------------
def committee(home, *names):  # noqa: F811
    with home.act("person.add") as session:
        for name in names:
            a_person(session, name, Role.COMMITTEE, Role.APPROVER, settings=home.settings, now=home.now)


def blocked(home, check="disclosure"):  # noqa: F811
    """A request of one file that this check, and no other, keeps back."""
    from airlock import requests, staging

    request = home.submit()
    found = Finding(check, Severity.BLOCK, "file", "says no")
    with home.act("export.check", "worker") as session:
        requests.record_checks(
            session, request=request, number=1, findings={0: [found]}, now=home.now,
            checks={"ran": ["row_level"], "thresholds": {}}, leaves={0: (staging.keep(home.settings, SAFE), len(SAFE))},
        )  # fmt: skip
    assert home.state(request) is State.RETURNED
    return request


def grant(home, request, person, check="disclosure", **how):  # noqa: F811
    said = {"seen": home.manifest(request), "second_factor": True, "reason": "the committee agreed", **how}
    with home.act("export.except", person, f"export/{request}") as session:
        exceptions.grant(session, request=request, person=person, position=0, check=check, now=home.now, **said)


def test_a_file_with_an_exception_still_needs_two_votes_and_neither_is_of_who_granted_it(home):  # noqa: F811
    committee(home, "chris")
    request = blocked(home)
    grant(home, request, "chris")
    assert home.state(request) is State.IN_REVIEW
    assert home.findings(request)[0][:2] == ("disclosure", "block")
    with pytest.raises(Refused) as said:
        home.vote(request, "chris")
    assert said.value.rules == ("R22",)
    home.vote(request, "bob")
    home.vote(request, "carol")
    home.release(request)
    assert home.state(request) is State.RELEASED


@pytest.mark.parametrize("person", ["ann", "ben", "bob", "adam", "olive", "host/root"])
def test_an_exception_by_the_requester_a_member_an_approver_or_an_admin(home, person):  # noqa: F811
    request = blocked(home)
    with pytest.raises(Refused):
        grant(home, request, person)
    assert home.acts()[-1] == "export.except.refused"


def test_an_exception_by_a_member_of_the_committee_who_was_in_the_project(home):  # noqa: F811
    committee(home, "chris")
    request = blocked(home)
    _joins(home, "chris")
    with pytest.raises(Refused) as said:
        grant(home, request, "chris")
    assert "R42" in said.value.rules


def test_an_exception_by_one_who_voted_in_an_earlier_round(home):  # noqa: F811
    committee(home, "chris")
    request = home.in_review()
    home.vote(request, "chris", BACK)
    home.vote(request, "bob", BACK)
    home.resubmit(request, {"small.csv": SMALL})
    home.check(request)
    with pytest.raises(Refused) as said:
        grant(home, request, "chris", "disclosure")
    assert "R42" in said.value.rules


@pytest.mark.parametrize("check", ["leaks", "row_level", "small_counts", "kind", "rewrite", "no such check"])
def test_an_exception_for_a_check_that_is_never_excepted(home, check):  # noqa: F811
    committee(home, "chris")
    request = blocked(home, check)
    with pytest.raises(Refused) as said:
        grant(home, request, "chris", check)
    assert said.value.rules == ("R42",)


@pytest.mark.parametrize(
    ("how", "rule"), [({"second_factor": False}, "R02"), ({"seen": "0" * 64}, "R23"), ({"seen": ""}, "R23")]
)
def test_an_exception_without_a_code_or_of_other_files(home, how, rule):  # noqa: F811
    committee(home, "chris")
    request = blocked(home)
    with pytest.raises(Refused) as said:
        grant(home, request, "chris", **how)
    assert said.value.rules == (rule,)


def test_an_exception_behind_a_vote_that_is_in(home):  # noqa: F811
    committee(home, "chris")
    request = home.submit({"a.csv": SAFE, "b.csv": ARMS})
    from airlock import requests

    with home.act("export.check", "worker") as session:
        found = Finding("disclosure", Severity.BLOCK, "file", "says no")
        requests.record_checks(
            session, request=request, number=1, findings={0: [found]}, now=home.now,
            checks={"ran": ["row_level"], "thresholds": {}}, leaves={0: ("0" * 64, 1), 1: ("1" * 64, 1)},
        )  # fmt: skip
    home.vote(request, "bob")
    with pytest.raises(StepRefused, match="has voted"):
        grant(home, request, "chris")


def test_two_accounts_of_one_person_are_one_vote_in_the_second_turn_too(home):  # noqa: F811
    request = home.in_review()
    home.vote(request, "bob")
    home.vote(request, "carol", BACK)
    with home.act("person.suspend") as session:
        accounts.suspend(session, "bob", why="a test", actor=HOST, now=home.now)
    with pytest.raises(Refused):
        home.vote(request, "bob")
    with home.records.read() as session:
        assert session.get_one(RequestRow, request).state == State.CONSOLIDATING
