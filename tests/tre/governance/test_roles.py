"""What a person is here to do is decided by two admins."""

import pytest

from policies.facts import Role
from tests.builders import HOST, a_person, at_once, rules_only
from tre.errors import NotFound, Refused, StepRefused, Unreadable
from tre.governance import accounts, projects, roles
from tre.records import audit
from tre.records.tables import PersonRow


@pytest.fixture
def house(sunrise, settings, now):
    """Grace has colleagues: ada, hal and ida are admins too."""
    with sunrise.act(HOST, "test.build", "home") as session:
        for name in ("ada", "hal", "ida"):
            a_person(session, name, Role.ADMIN, settings=settings, now=now)
    return sunrise


@pytest.fixture
def propose(house, now):
    def proposing(person="ben", role=Role.APPROVER, change=roles.GRANT, actor="grace"):
        with house.act(actor, "role.propose", f"person/{person}") as session:
            return roles.propose(session, person, role, change, why="he was trained", actor=actor, now=now).id

    return proposing


@pytest.fixture
def settle(house, now):
    def settling(number, actor="ada", **given):
        with house.act(actor, "role.settle", f"role-change/{number}") as session:
            return roles.settle(session, number, actor=actor, now=now, **given).state

    return settling


def held(house, name="ben"):
    with house.read() as session:
        return accounts.roles_of(session, name)


def suspend(house, name, now):
    with house.act(HOST, "person.suspend", f"person/{name}") as session:
        accounts.suspend(session, name, why="a test", actor=HOST, now=now)


# --- two admins -------------------------------------------------------------------------------------------------------
def test_a_role_is_held_once_a_second_admin_agrees(house, propose, settle, said):
    number = propose()
    assert held(house) == {Role.ANALYST}
    assert settle(number) == roles.MADE
    assert held(house) == {Role.ANALYST, Role.APPROVER}
    assert said("role.made")[0]["facts"] == {"by": "grace", "change": "grant", "person": "ben", "role": "approver"}
    assert said("role.propose")[0]["facts"]["why"] == "he was trained"


def test_a_role_is_lost_once_a_second_admin_agrees(house, propose, settle):
    number = propose(role=Role.ANALYST, change=roles.REMOVE)
    settle(number)
    assert held(house) == frozenset()


@rules_only
def test_a_second_admin_may_refuse(house, propose, settle):
    number = propose()
    assert settle(number, agree=False) == roles.REFUSED
    with pytest.raises(StepRefused, match="refused already"):
        settle(number)
    assert held(house) == {Role.ANALYST}


@rules_only
@pytest.mark.parametrize("actor", ["grace", "ben", "dave", "erin", "nobody", HOST])
def test_neither_the_proposer_nor_anybody_but_an_admin_agrees(house, propose, settle, actor):
    with pytest.raises(Refused):
        settle(propose(), actor)
    assert held(house) == {Role.ANALYST}


@rules_only
@pytest.mark.parametrize("actor", ["ann", "dave", "erin", "nobody", ""])
def test_nobody_but_an_admin_proposes(house, propose, actor):
    with pytest.raises(Refused):
        propose(actor=actor)


@rules_only
def test_nobody_agrees_to_a_change_of_their_own_roles(propose, settle):
    number = propose("ada", Role.ADMIN, roles.REMOVE)
    with pytest.raises(Refused, match="about them"):
        settle(number, "ada")


@rules_only
def test_who_proposed_must_still_be_an_admin(house, propose, settle, now):
    number = propose()
    suspend(house, "grace", now)
    with pytest.raises(Refused, match="no admin any more"):
        settle(number)


@rules_only
def test_a_suspended_admin_does_not_agree(house, propose, settle, now):
    number = propose()
    suspend(house, "ada", now)
    with pytest.raises(Refused, match="no admin"):
        settle(number)


def test_two_who_agree_in_the_same_instant_make_it_once(house, propose, settle):
    number = propose()
    outcomes = at_once(2, lambda at: settle(number, ("ada", "hal")[at]))
    assert sum(outcome == roles.MADE for outcome in outcomes) == 1
    assert held(house) == {Role.ANALYST, Role.APPROVER}


@rules_only
def test_what_is_proposed_is_not_proposed_again(propose):
    propose()
    with pytest.raises(StepRefused, match="proposed already"):
        propose(actor="ada")


# --- what does not go together ----------------------------------------------------------------------------------------
@rules_only
@pytest.mark.parametrize(
    ("person", "role", "change", "said"),
    [
        ("ann", Role.ADMIN, roles.GRANT, "both admin and analyst"),
        ("dave", Role.AUDITOR, roles.GRANT, "both approver and auditor"),
        ("ben", Role.ANALYST, roles.GRANT, "is analyst already"),
        ("ben", Role.CHAIR, roles.REMOVE, "is not chair"),
    ],
)
def test_what_cannot_be_is_not_even_proposed(propose, person, role, change, said):
    with pytest.raises(Refused, match=said):
        propose(person, role, change)


@rules_only
def test_a_change_is_grant_or_remove_of_somebody_who_is_there(propose, settle):
    with pytest.raises(Unreadable, match="grant or remove"):
        propose(change="give")
    with pytest.raises(NotFound):
        propose("nobody")
    with pytest.raises(NotFound):
        settle(99)


@rules_only
def test_what_became_impossible_meanwhile_is_not_made(house, propose, settle):
    settle(propose("ben", Role.ANALYST, roles.REMOVE))
    first, second = propose("ben", Role.APPROVER), propose("ben", Role.AUDITOR)
    settle(first)
    with pytest.raises(Refused, match="both approver and auditor"):
        settle(second)


@rules_only
def test_two_accounts_of_one_human_being_are_not_analyst_and_admin(house, propose, now):
    with house.act(HOST, "test.build", "home") as session:
        ann = session.get(PersonRow, "ann")
        session.get(PersonRow, "erin").email = ann.email.upper()
        audit.append(session, "test.build", actor=HOST, subject="home")
    with pytest.raises(Refused, match="nobody is both"):
        propose("erin", Role.ADMIN)


@rules_only
def test_a_member_of_a_project_does_not_become_an_admin(house, settings, propose, settle, now):
    number = propose("ann", Role.ANALYST, roles.REMOVE)
    settle(number)
    with pytest.raises(Refused, match="member of a project"):
        propose("ann", Role.ADMIN)
    with house.act(HOST, "member.remove", "project/sunrise") as session:
        projects.remove_member(session, "sunrise", "ann", actor=HOST, now=now)
    propose("ann", Role.ADMIN)


@rules_only
def test_the_last_two_admins_stay(house, propose, now):
    suspend(house, "hal", now)
    suspend(house, "ida", now)
    with pytest.raises(StepRefused, match="last two admins"):
        propose("ada", Role.ADMIN, roles.REMOVE)


# --- the operator -----------------------------------------------------------------------------------------------------
@rules_only
def test_a_house_is_founded_until_it_has_two_admins(sunrise, settings, now):
    with sunrise.act(HOST, "test.build", "home") as session:
        assert roles.founding(session)
        a_person(session, "ada", Role.ADMIN, settings=settings, now=now)
        assert not roles.founding(session)


@rules_only
def test_what_the_operator_proposes_needs_two_admins(house, propose, settle):
    number = propose(actor=HOST)
    assert settle(number, "ada") == roles.PROPOSED
    with pytest.raises(Refused):
        settle(number, "ada")
    assert held(house) == {Role.ANALYST}
    assert settle(number, "hal") == roles.MADE


@rules_only
def test_an_admin_whose_invitation_is_open_is_none_yet(house, propose, settle, settings, now):
    with house.act(HOST, "person.add", "person/new") as session:
        accounts.add(
            session, "new", full_name="New", email="", roles=[Role.ADMIN], actor=HOST, now=now, settings=settings,
            invited=True,
        )  # fmt: skip
        assert "new" not in roles.admins(session)


@rules_only
def test_admins_see_what_waits(house, propose):
    first, second = propose(), propose("ann", Role.APPROVER)
    with house.read() as session:
        assert [row.id for row in roles.waiting(session)] == [first, second]
        assert roles.confirms(roles.get(session, first)) == f"role-change/{first} agree grant approver ben"
