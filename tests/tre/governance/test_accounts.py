"""A person proves who they are with something they know and something they hold."""

from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import func, select

from policies.facts import EXCLUSIVE, Role
from tests.builders import HOST, PASSWORD, a_person, at_once, rules_only
from tre.errors import NotFound, Refused, StepRefused, TREError, Unavailable, Unreadable
from tre.governance import accounts, tries
from tre.records.tables import PersonRow


def code(records, settings, name, now):
    with records.read() as session:
        return accounts.code_now(session, settings, name, now)


def change(records, verb, *args, **kwargs):
    with records.act(HOST, "test.change", "home") as session:
        return verb(session, *args, actor=HOST, **kwargs)


def add(records, settings, now, name="zoe", roles=(Role.ANALYST,), **given):
    given = {"full_name": "Zoe Z", "email": "zoe@hortus.example"} | given
    return change(records, accounts.add, name, roles=roles, settings=settings, now=now, **given)


# --- enrolment --------------------------------------------------------------------------------------------------------
def test_a_new_person_signs_in_with_what_they_were_told(records, settings, now):
    told = add(records, settings, now)
    code = pyotp.parse_uri(told.totp_uri).at(now)
    assert accounts.sign_in(records, settings, "zoe", told.password, code, now=now)


def test_the_records_hold_neither_password_nor_secret(records, settings, now):
    told = add(records, settings, now)
    with records.read() as session:
        row = accounts.person(session, "zoe")
        assert row.password.startswith("$argon2id$")
        assert told.password not in row.password
        assert told.totp_secret.encode() not in row.totp


@pytest.mark.parametrize("pair", EXCLUSIVE, ids=lambda pair: "-".join(sorted(pair)))
def test_nobody_holds_two_roles_that_exclude_each_other(records, settings, now, pair):
    with pytest.raises(Refused) as refusal:
        add(records, settings, now, roles=[*pair, Role.APPROVER])
    assert refusal.value.rules == ("R29",)


def test_an_approver_may_also_be_an_analyst(records, settings, now):
    add(records, settings, now, roles=(Role.ANALYST, Role.APPROVER))
    with records.read() as session:
        assert accounts.roles_of(session, "zoe") == {Role.ANALYST, Role.APPROVER}


@rules_only
@pytest.mark.parametrize(
    "given",
    [
        {"name": "Zoe"},
        {"name": "zoe\n"},
        {"name": "z" * 31},
        {"name": "worker"},
        {"roles": ()},
        {"full_name": "   "},
        {"full_name": "Zoe\x00"},
        {"email": "zoe@hortus.example\nBcc: all@hortus.example"},
        {"email": "zoe"},
        {"password": "short"},
        {"password": "x" * 1001},
    ],
    ids=repr,
)
def test_what_cannot_be_an_account_is_not_entered(records, settings, now, given):
    with pytest.raises(Unreadable) as error:
        add(records, settings, now, **given)
    assert len(str(error.value).splitlines()) == 1
    with records.read() as session:
        assert session.scalar(select(func.count()).select_from(PersonRow)) == 0


def test_a_name_is_given_once(sunrise, settings, now):
    with pytest.raises(StepRefused, match="already a person ann"):
        add(sunrise, settings, now, "ann")


def test_two_who_add_one_name_at_once_make_one_person(records, settings, now):
    outcomes = at_once(4, lambda _: add(records, settings, now))
    with records.read() as session:
        assert session.scalar(select(func.count()).select_from(PersonRow)) == 1
    assert sum(not isinstance(outcome, TREError) for outcome in outcomes) == 1


# --- suspension and new passwords -------------------------------------------------------------------------------------
def test_a_suspended_person_stays_out_until_resumed(sunrise, settings, now):
    change(sunrise, accounts.suspend, "ann", why="phone lost", now=now)
    assert not accounts.sign_in(sunrise, settings, "ann", PASSWORD, code(sunrise, settings, "ann", now), now=now)
    with sunrise.read() as session:
        assert not accounts.active(session, "ann")
    change(sunrise, accounts.resume, "ann", now=now)
    assert accounts.sign_in(sunrise, settings, "ann", PASSWORD, code(sunrise, settings, "ann", now), now=now)


def test_a_person_is_suspended_once_and_resumed_once(sunrise, now):
    with pytest.raises(StepRefused):
        change(sunrise, accounts.resume, "ann", now=now)
    change(sunrise, accounts.suspend, "ann", why="phone lost", now=now)
    with pytest.raises(StepRefused):
        change(sunrise, accounts.suspend, "ann", why="again", now=now)


def test_nobody_unknown_is_active(records):
    with records.read() as session:
        assert not accounts.active(session, "nobody")
        assert not accounts.active(session, "\x00")


def test_a_new_password_ends_the_old_one_and_a_lock(sunrise, settings, now):
    for _ in range(tries.FREE_TRIES):
        accounts.sign_in(sunrise, settings, "ann", "wrong password", "000000", now=now)
    fresh = change(sunrise, accounts.set_password, "ann", now=now, settings=settings)
    assert not accounts.sign_in(sunrise, settings, "ann", PASSWORD, code(sunrise, settings, "ann", now), now=now)
    assert accounts.sign_in(sunrise, settings, "ann", fresh.password, code(sunrise, settings, "ann", now), now=now)


def test_a_new_second_factor_ends_the_old_one(sunrise, settings, now):
    old = code(sunrise, settings, "ann", now)
    fresh = change(sunrise, accounts.set_password, "ann", now=now, settings=settings, second_factor=True)
    assert not accounts.sign_in(sunrise, settings, "ann", fresh.password, old, now=now)
    new = pyotp.TOTP(fresh.totp_secret).at(now)
    assert accounts.sign_in(sunrise, settings, "ann", fresh.password, new, now=now)


# --- codes ------------------------------------------------------------------------------------------------------------
@rules_only
@pytest.mark.parametrize(("seconds", "taken"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_a_code_is_taken_a_step_early_or_late(sunrise, settings, now, seconds, taken):
    shown = code(sunrise, settings, "ann", now + timedelta(seconds=seconds))
    assert accounts.sign_in(sunrise, settings, "ann", PASSWORD, shown, now=now) is taken


def test_a_code_may_be_typed_with_a_gap(sunrise, settings, now):
    shown = code(sunrise, settings, "ann", now)
    assert accounts.sign_in(sunrise, settings, "ann", PASSWORD, f"{shown[:3]} {shown[3:]} ", now=now)


@rules_only
@pytest.mark.parametrize("typed", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "\x00" * 6, "-12345", "0" * 100_000])
def test_what_is_no_code_is_a_wrong_try(sunrise, settings, now, typed):
    assert not accounts.sign_in(sunrise, settings, "ann", PASSWORD, typed, now=now)
    with sunrise.read() as session:
        assert accounts.person(session, "ann").failures == 1


def test_the_code_shown_is_one_that_still_works(sunrise, settings, now):
    for _ in range(2):
        accounts.check_code(sunrise, settings, "ann", code(sunrise, settings, "ann", now), now=now, purpose="a test")
    with pytest.raises(Unavailable, match=r"ask again in \d+ s"):
        code(sunrise, settings, "ann", now)
    later = now + timedelta(seconds=30)
    accounts.check_code(sunrise, settings, "ann", code(sunrise, settings, "ann", later), now=later, purpose="a test")


def test_the_log_says_what_a_code_was_used_for(sunrise, settings, now, said):
    accounts.check_code(
        sunrise, settings, "dave", code(sunrise, settings, "dave", now), now=now, purpose="export/12 approve 00ff"
    )
    (entry,) = said("person.code")
    assert (entry["actor"], entry["facts"]["purpose"]) == ("dave", "export/12 approve 00ff")


def test_a_person_who_is_not_there_is_not_found(records):
    with records.read() as session, pytest.raises(NotFound):
        accounts.person(session, "nobody")


def test_builders_do_not_change_how_passwords_are_hashed(records, settings, now):
    with records.act(HOST, "test.build", "home") as session:
        a_person(session, "ann", settings=settings, now=now)
    told = add(records, settings, now, password="another good password")
    with records.read() as session:
        assert accounts.person(session, "zoe").password != accounts.person(session, "ann").password
    assert told.password == "another good password"
