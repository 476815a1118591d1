"""How somebody might get a request approved that two independent people did not look at."""

import pytest

from airlock.states import State, Verdict
from policies.facts import Role
from tests.airlock.conftest import home, house  # noqa: F401 -- fixtures
from tests.airlock.house import SAFE
from tests.builders import HOST, a_person
from tre.errors import Refused, StepRefused
from tre.governance import accounts, projects


def refused(house, request, person, **how):  # noqa: F811
    with pytest.raises(Refused) as said:
        house.vote(request, person, **how)
    assert house.acts()[-1] == "export.vote.refused"
    return said.value.rules


def test_ones_own_request(house):  # noqa: F811
    request = house.in_review()
    assert "R22" in refused(house, request, "ann")


def test_an_approver_who_is_in_the_project(house):  # noqa: F811
    request = house.in_review()
    with house.act("member.add") as session:
        until = projects.get(session, "sunrise").approved_until
        projects.add_member(session, "sunrise", "bob", until=until, actor=HOST, now=house.now)
    assert refused(house, request, "bob") == ("R22",)


def test_an_approver_who_was_in_the_project(house):  # noqa: F811
    request = house.in_review()
    assert refused(house, request, "olive") == ("R22",)


def _joins(house, person):  # noqa: F811
    with house.act("member.add") as session:
        until = projects.get(session, "sunrise").approved_until
        projects.add_member(session, "sunrise", person, until=until, actor=HOST, now=house.now)


def test_a_vote_of_one_who_then_joins_the_project_waits_for_another(house):  # noqa: F811
    request = house.in_review()
    house.vote(request, "bob")
    _joins(house, "bob")
    house.vote(request, "carol")
    assert house.state(request) is State.IN_REVIEW


def test_nothing_is_released_to_a_project_that_an_approver_joined_after_voting(house):  # noqa: F811
    request = house.in_review()
    house.vote(request, "bob")
    house.vote(request, "carol")
    assert house.state(request) is State.APPROVED
    _joins(house, "bob")
    with pytest.raises(Refused) as said:
        house.release(request)
    assert "R21" in said.value.rules
    assert house.state(request) is State.APPROVED


def test_the_same_approver_twice(house):  # noqa: F811
    request = house.in_review()
    house.vote(request, "bob")
    assert refused(house, request, "bob") == ("R22",)
    assert house.state(request) is State.IN_REVIEW


def test_an_admin(house):  # noqa: F811
    assert "R22" in refused(house, house.in_review(), "adam")


def test_an_approver_who_wrote_the_request_under_an_analysts_role(house):  # noqa: F811
    with house.act("person.add") as session:
        a_person(session, "eve", Role.ANALYST, Role.APPROVER, settings=house.settings, now=house.now)
        until = projects.get(session, "sunrise").approved_until
        projects.add_member(session, "sunrise", "eve", until=until, actor=HOST, now=house.now)
    box = house.settings.outbox("sunrise", "eve")
    box.mkdir(parents=True)
    (box / "t.csv").write_bytes(SAFE)
    request = house.ask("t.csv", person="eve")
    house.check(request)
    assert "R22" in refused(house, request, "eve")


def test_a_suspended_approver(house):  # noqa: F811
    request = house.in_review()
    with house.act("person.suspend") as session:
        accounts.suspend(session, "bob", why="a test", actor=HOST, now=house.now)
    assert "R01" in refused(house, request, "bob")


def test_an_approver_whose_training_lapsed(house):  # noqa: F811
    request = house.in_review()
    house.later(days=366)
    assert {"R03", "R22"} <= set(refused(house, request, "bob"))


def test_a_vote_without_a_second_factor(house):  # noqa: F811
    assert refused(house, house.in_review(), "bob", second_factor=False) == ("R02",)


def test_a_vote_on_the_version_before(house):  # noqa: F811
    request = house.in_review()
    stale = house.manifest(request)
    house.vote(request, "bob", Verdict.SEND_BACK)
    house.vote(request, "carol", Verdict.SEND_BACK)
    house.resubmit(request, {"table.csv": b"sex,n\n0,20\n1,20\n"})
    house.check(request)
    assert refused(house, request, "bob", seen=stale) == ("R23",)


@pytest.mark.parametrize("seen", ["", "0" * 64])
def test_a_vote_on_nothing(house, seen):  # noqa: F811
    assert refused(house, house.in_review(), "bob", seen=seen) == ("R23",)


def test_votes_of_an_earlier_round_do_not_add_up(house):  # noqa: F811
    request = house.in_review()
    house.vote(request, "bob")
    for person in ("carol", "dave"):
        house.vote(request, person, Verdict.SEND_BACK)
    house.resubmit(request, {"table.csv": SAFE})
    house.check(request)
    house.vote(request, "dave")
    assert house.state(request) is State.IN_REVIEW


def test_a_vote_before_the_checks_or_after_the_end(house):  # noqa: F811
    request = house.submit()
    with pytest.raises(StepRefused):
        house.vote(request, "bob")
    house.check(request)
    house.vote(request, "bob")
    house.vote(request, "carol")
    house.release(request)
    with pytest.raises(StepRefused):
        house.vote(request, "dave")


# --- links ------------------------------------------------------------------------------------------------------------
def test_a_link_used_twice(house):  # noqa: F811
    token = house.link(house.released())
    house.collect(token)
    with pytest.raises(Refused, match="works once"):
        house.collect(token)
    assert house.acts()[-1] == "export.collect.refused"


@pytest.mark.parametrize("person", ["ben", "zoe", "bob", "adam", "olive"])
def test_a_link_in_other_hands(home, person):  # noqa: F811
    token = home.link(home.released())
    with pytest.raises(Refused, match="another person"):
        home.collect(token, person)


def test_a_link_after_its_week(house):  # noqa: F811
    request = house.released()
    token = house.link(request)
    house.later(days=7)
    with pytest.raises(Refused, match="expired"):
        house.collect(token)
    with pytest.raises(Refused):
        house.link(request)


def test_a_token_is_not_kept(home):  # noqa: F811
    token = home.link(home.released())
    assert token.encode() not in (home.settings.home / "records.sqlite").read_bytes()
