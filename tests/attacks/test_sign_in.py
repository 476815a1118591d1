"""Attempts to come in, or to vote, as somebody else."""

import json
import time
from datetime import timedelta
from statistics import median

import pytest
from sqlalchemy import select

from policies.facts import Role
from tests.builders import HOST, PASSWORD, a_person, at_once, meet_inside
from tre.errors import Refused, StepRefused, Tampered
from tre.governance import accounts, tries
from tre.records.tables import EntryRow


@pytest.fixture
def house(records, settings, now):
    with records.act(HOST, "test.build", "home") as session:
        for name in ("ann", "dave"):
            a_person(session, name, Role.APPROVER, settings=settings, now=now)
    return records


@pytest.fixture
def come_in(house, settings, now):
    def attempt(name="ann", password=PASSWORD, code=None, at=now):
        code = code if code is not None else code_of(house, settings, name, at)
        return accounts.sign_in(house, settings, name, password, code, now=at)

    return attempt


@pytest.fixture
def confirm(house, settings, now):
    def attempt(code, name="ann", at=now, purpose="export/12 approve 00ff"):
        accounts.check_code(house, settings, name, code, now=at, purpose=purpose)

    return attempt


def code_of(records, settings, name, at):
    with records.read() as session:
        return accounts.code_now(session, settings, name, at)


def wrong(code):
    return f"{(int(code) + 1) % 1_000_000:06}"


def row_of(records, name="ann"):
    with records.read() as session:
        return accounts.person(session, name)


def bodies(records):
    with records.read() as session:
        return [bytes(body) for body in session.scalars(select(EntryRow.body).order_by(EntryRow.seq))]


def last_why(records):
    return json.loads(bodies(records)[-1])["facts"]["why"]


# --- guessing ---------------------------------------------------------------------------------------------------------
def test_after_five_guesses_the_right_password_does_not_help(house, come_in):
    for guess in range(tries.FREE_TRIES):
        assert not come_in(password=f"guess number {guess}")
    assert not come_in()
    assert last_why(house) == "locked"


def test_a_lock_ends_by_itself_and_a_good_sign_in_forgets_the_guesses(house, come_in, now):
    for guess in range(tries.FREE_TRIES):
        come_in(password=f"guess number {guess}")
    assert come_in(at=now + tries.FIRST_LOCK)
    assert row_of(house).failures == 0


def test_a_lock_doubles_and_never_shuts_a_colleague_out_for_longer_than_five_minutes(house, confirm, now):
    at, locks = now, []
    for _ in range(tries.FREE_TRIES + 9):
        with pytest.raises(Refused):
            confirm("no code", at=at)
        until = row_of(house).locked_until
        if until:
            locks.append((until - at).total_seconds())
            at = until
    assert locks == [5, 10, 20, 40, 80, 160, 300, 300, 300, 300]


def test_knocking_at_a_locked_door_does_not_keep_it_locked(house, confirm, now):
    for _ in range(tries.FREE_TRIES):
        with pytest.raises(Refused):
            confirm("no code")
    until = row_of(house).locked_until
    for _ in range(20):
        with pytest.raises(Refused):
            confirm("no code", at=now + timedelta(seconds=1))
    assert row_of(house).locked_until == until
    assert row_of(house).failures == tries.FREE_TRIES


def test_guesses_made_all_at_once_are_counted_one_by_one(house, settings, confirm, now):
    bad = wrong(code_of(house, settings, "ann", now))
    outcomes = at_once(12, lambda _: confirm(bad))
    assert all(isinstance(outcome, Refused) for outcome in outcomes)
    assert row_of(house).failures == tries.FREE_TRIES
    assert row_of(house).locked_until


def test_two_guesses_in_the_same_instant_are_two(house, settings, confirm, now, monkeypatch):
    bad = wrong(code_of(house, settings, "ann", now))
    meet_inside(monkeypatch, accounts, "_use_code")
    at_once(2, lambda _: confirm(bad))
    assert row_of(house).failures == 2


def test_guessing_anns_password_does_not_lock_dave(come_in):
    for guess in range(tries.FREE_TRIES + 1):
        come_in("ann", password=f"guess number {guess}")
    assert come_in("dave")


def test_codes_guessed_at_a_vote_lock_the_sign_in_too(house, come_in, confirm):
    for _ in range(tries.FREE_TRIES):
        with pytest.raises(Refused):
            confirm("no code")
    assert not come_in()


def test_a_wrong_code_is_counted_though_the_vote_it_was_for_never_happened(house, settings, confirm, now):
    bad = wrong(code_of(house, settings, "ann", now))

    def vote():
        confirm(bad)
        with house.act("ann", "export.vote", "export/12"):
            raise AssertionError("a vote without a good code")

    for times in (1, 2, 3):
        with pytest.raises(Refused):
            vote()
        assert row_of(house).failures == times


# --- a code seen over the shoulder ------------------------------------------------------------------------------------
def test_a_code_signs_in_once(house, settings, come_in, now):
    seen = code_of(house, settings, "ann", now)
    assert come_in(code=seen)
    assert not come_in(code=seen)
    assert last_why(house) == "used code"


def test_the_code_of_the_sign_in_does_not_vote(house, settings, come_in, confirm, now):
    seen = code_of(house, settings, "ann", now)
    assert come_in(code=seen)
    with pytest.raises(Refused):
        confirm(seen)


def test_the_code_of_a_vote_does_not_sign_in(house, settings, come_in, confirm, now):
    seen = code_of(house, settings, "ann", now)
    confirm(seen)
    assert not come_in(code=seen)


def test_the_code_of_one_vote_does_not_cast_another(house, settings, confirm, now):
    seen = code_of(house, settings, "ann", now)
    confirm(seen, purpose="export/12 approve 00ff")
    with pytest.raises(Refused):
        confirm(seen, purpose="export/13 approve 00ff")


def test_a_code_stays_used_when_its_vote_is_refused(house, settings, confirm, now):
    seen = code_of(house, settings, "ann", now)
    confirm(seen)
    with pytest.raises(StepRefused), house.act("ann", "export.vote", "export/12"):
        raise StepRefused("cannot vote on an export request that is returned")
    with pytest.raises(Refused):
        confirm(seen)


def test_an_older_code_is_dead_once_a_newer_one_was_used(house, settings, confirm, now):
    older, newer = (code_of(house, settings, "ann", now + timedelta(seconds=s)) for s in (-30, 0))
    confirm(newer)
    with pytest.raises(Refused):
        confirm(older)


def test_one_code_used_in_the_same_instant_works_once(house, settings, confirm, now, monkeypatch):
    meet_inside(monkeypatch, accounts, "_totp")
    seen = code_of(house, settings, "ann", now)
    outcomes = at_once(6, lambda _: confirm(seen))
    assert sum(outcome is None for outcome in outcomes) == 1


def test_one_code_signs_in_and_votes_in_the_same_instant_once(house, settings, come_in, confirm, now):
    seen = code_of(house, settings, "ann", now)
    outcomes = at_once(4, lambda number: (come_in, confirm)[number % 2](code=seen))
    assert sum(outcome in (True, None) for outcome in outcomes) == 1


def test_anothers_code_is_not_mine(house, settings, confirm, now):
    with pytest.raises(Refused):
        confirm(code_of(house, settings, "dave", now), name="ann")


# --- learning from the answer -----------------------------------------------------------------------------------------
def suspended(house, now):
    with house.act(HOST, "person.suspend", "person/ann") as session:
        accounts.suspend(session, "ann", why="a test", actor=HOST, now=now)


def locked(house, now):
    with house.act(HOST, "test.lock", "person/ann") as session:
        row = accounts.person(session, "ann")
        row.locked_until = now + timedelta(minutes=1)
        accounts.audit.append(session, "test.lock", actor=HOST, subject="person/ann")


@pytest.mark.parametrize(
    ("before", "attempt", "why"),
    [
        (None, {"name": "nobody", "code": "000000"}, "nobody of that name"),
        (None, {"name": "ann' OR 1=1 --", "code": "000000"}, "nobody of that name"),
        (None, {"name": "ann\x00", "code": "000000"}, "nobody of that name"),
        (None, {"name": "", "password": "", "code": ""}, "nobody of that name"),
        (None, {"password": "not the password"}, "wrong password"),
        (None, {"password": ""}, "wrong password"),
        (None, {"password": "x" * 1_000_000}, "wrong password"),
        (None, {"password": "\udcff"}, "wrong password"),
        (None, {"password": PASSWORD + "x"}, "wrong password"),
        (None, {"code": ""}, "no code"),
        (suspended, {}, "suspended"),
        (locked, {}, "locked"),
    ],
    ids=lambda value: getattr(value, "__name__", None) or repr(value)[:40],
)
def test_every_no_is_the_same_no_and_the_log_knows_why(house, come_in, now, *, before, attempt, why):
    if before:
        before(house, now)
    assert come_in(**attempt) is False
    assert last_why(house) == why


def test_every_refused_code_is_refused_in_the_same_words(house, settings, confirm, now):
    good = code_of(house, settings, "ann", now)
    words = set()
    for name, code in (("nobody", good), ("ann", wrong(good)), ("ann", ""), ("\x00", good)):
        with pytest.raises(Refused) as refusal:
            confirm(code, name=name)
        words.add(str(refusal.value))
    confirm(good)
    with pytest.raises(Refused) as refusal:
        confirm(good)
    assert words == {str(refusal.value)}


def test_an_unknown_name_costs_what_a_known_one_costs(house, come_in):
    def cost(name):
        begun = time.perf_counter()
        come_in(name, password="not the password", code="000000")
        return time.perf_counter() - begun

    come_in("nobody", password="to warm up", code="000000")
    costs = [(cost("nobody"), cost("ann")) for _ in range(7)]
    unknown, known = (median(column) for column in zip(*costs, strict=True))
    assert 0.5 < unknown / known < 2


def test_what_was_typed_is_nowhere_in_the_log(house, come_in):
    come_in("hunter2-hunter2", password="swordfish-swordfish", code="271828")
    come_in("ann", password="swordfish-swordfish", code="271828")
    come_in("ann", password=PASSWORD, code="271828")
    log = b"\n".join(bodies(house))
    for typed in (b"hunter2", b"swordfish", b"271828", PASSWORD.encode()):
        assert typed not in log


# --- the records themselves -------------------------------------------------------------------------------------------
def test_a_second_factor_copied_from_another_persons_row_opens_nothing(house, come_in, settings, now):
    code = code_of(house, settings, "dave", now)
    with house.act("mallory", "test.tamper", "person/ann") as session:
        accounts.person(session, "ann").totp = accounts.person(session, "dave").totp
        accounts.audit.append(session, "test.tamper", actor="mallory", subject="person/ann")
    with pytest.raises(Tampered):
        come_in(code=code)
