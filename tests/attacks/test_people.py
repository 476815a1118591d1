"""Attempts to keep a colleague out, to stay in, and to become more than one is."""

import asyncio
import json
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import func, select

from policies.facts import Role
from tests import builders
from tests.builders import HOST, PASSWORD, a_person
from tests.hub import a_hub
from tre.errors import Refused
from tre.governance import accounts, nudge, roles, tries
from tre.records.tables import AddressRow, EntryRow
from tre.rooms.authenticator import ASK_AGAIN_SECONDS, IDLE, LONGEST, HouseAuthenticator, address_of, began

HOME, AWAY, EVIL = "192.0.2.7", "198.51.100.9", "203.0.113.66"


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    """Hash with the least work that there is: these are claims about counts and sessions, not about the hash."""
    fast = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(accounts, "HASHER", fast)
    monkeypatch.setattr(accounts, "DECOY", fast.hash("nobody's"))
    monkeypatch.setattr(builders, "_made", {})


@pytest.fixture
def house(records, settings, now):
    with records.act(HOST, "test.build", "home") as session:
        for name in ("ann", "dave"):
            a_person(session, name, Role.APPROVER, settings=settings, now=now)
    return records


@pytest.fixture
def come(house, settings):
    def coming(at, address, name="ann", password=PASSWORD, code=None):
        with house.read() as session:
            code = code or accounts.code_now(session, settings, name, at)
        return accounts.sign_in(house, settings, name, password, code, now=at, address=address)

    return coming


@pytest.fixture
def guess(house, settings):
    def guessing(at, address, name="ann", times=1):
        for _ in range(times):
            accounts.sign_in(house, settings, name, "not the password", "000000", now=at, address=address)

    return guessing


def why(house):
    with house.read() as session:
        body = session.scalars(select(EntryRow.body).order_by(EntryRow.seq.desc()).limit(1)).one()
        return json.loads(body)["facts"]["why"]


# --- to keep a colleague out ------------------------------------------------------------------------------------------
def test_a_patient_attacker_from_elsewhere_does_not_keep_a_colleague_out(come, guess, now):
    assert come(now, HOME)
    at = now + timedelta(minutes=1)
    for _ in range(12):
        guess(at, EVIL, times=6)
        assert come(at + timedelta(seconds=1), HOME)
        at += tries.LONGEST_LOCK


def test_nor_does_a_crowd_of_addresses(come, guess, now):
    assert come(now, HOME)
    for last in range(20):
        guess(now + timedelta(minutes=1), f"203.0.113.{last}")
    assert come(now + timedelta(minutes=1), HOME)


def test_where_the_colleague_never_was_the_lock_holds_for_them_too(house, come, guess, now):
    guess(now, EVIL, times=tries.FREE_TRIES)
    assert not come(now, AWAY)
    assert why(house) == "locked"


def test_whoever_sits_where_the_colleague_sat_guesses_no_faster(house, come, guess, now):
    assert come(now, HOME)
    later = now + timedelta(minutes=1)
    guess(later, HOME, times=tries.FREE_TRIES)
    assert not come(later, HOME)
    assert why(house) == "locked"


def test_guesses_at_the_door_do_not_stop_a_vote(house, settings, guess, now):
    guess(now, EVIL, times=tries.FREE_TRIES + 3)
    with house.read() as session:
        code = accounts.code_now(session, settings, "ann", now)
    accounts.check_code(house, settings, "ann", code, now=now, purpose="export/12 approve 00ff")


def test_guesses_at_votes_lock_votes(house, settings, now):
    for _ in range(tries.FREE_TRIES):
        with pytest.raises(Refused):
            accounts.check_code(house, settings, "ann", "no code", now=now, purpose="a vote")
    with house.read() as session:
        code = accounts.code_now(session, settings, "ann", now)
    with pytest.raises(Refused):
        accounts.check_code(house, settings, "ann", code, now=now, purpose="a vote")


# --- many names from one place ----------------------------------------------------------------------------------------
def test_one_address_does_not_try_many_names(house, come, guess, now):
    for number in range(tries.FREE_TRIES_OF_AN_ADDRESS):
        guess(now, EVIL, name=f"person{number}")
    assert not come(now, EVIL, name="dave")
    assert why(house) == "locked"
    assert come(now, AWAY, name="dave")


def test_one_good_name_does_not_make_up_for_guesses_at_others(house, come, guess, now):
    guess(now, EVIL, name="ann", times=4)
    for number in range(tries.FREE_TRIES_OF_AN_ADDRESS - 5):
        guess(now, EVIL, name=f"person{number}")
    assert come(now, EVIL, name="dave")
    guess(now, EVIL, name="nobody")
    assert not come(now, EVIL)


def test_a_subscribers_many_addresses_are_one(house, come, guess, now):
    networks = {tries.network_of(f"2001:db8:1:2::{number:x}") for number in range(1, 200)}
    assert networks == {"2001:db8:1:2::/64"}
    assert tries.network_of("::ffff:192.0.2.7") == "192.0.2.7"
    assert tries.network_of("unknown") == tries.network_of("' OR 1=1") == ""


def test_guesses_of_yesterday_are_let_go_and_no_address_is_written_down(house, guess, now):
    for last in range(30):
        guess(now, f"203.0.113.{last}", name="nobody")
    guess(now + timedelta(days=2), EVIL, name="nobody")
    with house.read() as session:
        assert session.scalar(select(func.count()).select_from(AddressRow)) == 1
        assert "203.0.113" not in session.scalars(select(AddressRow.address)).one()


class Asked:
    """A request as the Hub gets it."""

    def __init__(self, **headers):
        from tornado.httputil import HTTPHeaders

        self.request = self
        self.headers = HTTPHeaders({name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ({"X_Forwarded_For": HOME}, HOME),
        ({"X_Forwarded_For": f"{HOME}, {EVIL}"}, EVIL),
        ({"X_Forwarded_For": f"{HOME},{EVIL}, 127.0.0.1"}, EVIL),
        ({"X_Forwarded_For": EVIL, "X_Real_Ip": HOME}, EVIL),
        ({"X_Forwarded_For": "nonsense, " + EVIL}, EVIL),
        ({"Forwarded": f"for={HOME}"}, "127.0.0.1"),
        ({}, "127.0.0.1"),
    ],
)
def test_what_a_browser_says_of_its_own_address_does_not_count(headers, address):
    assert address_of(Asked(**headers)) == address


# --- to stay in -------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def hub():
    def filled(made):
        with made.records.act(HOST, "test.build", "home") as session:
            for name, role in (("ann", Role.ANALYST), ("bob", Role.ANALYST), ("grace", Role.ADMIN)):
                a_person(session, name, role, settings=made.settings, now=datetime.now(UTC))

    with a_hub(filled) as made:
        yield made


def inside(guest):
    return "How I sign in" in guest.page("/hub/account").text


def test_who_is_suspended_is_out_of_the_hub_with_the_next_click(hub):
    bob = hub.person("bob")
    assert inside(bob)
    with hub.records.act(HOST, "person.suspend", "person/bob") as session:
        accounts.suspend(session, "bob", why="a test", actor=HOST, now=datetime.now(UTC))
    assert not inside(bob)
    time.sleep(ASK_AGAIN_SECONDS + 0.1)
    assert "Sign in to Hortus" in bob.page("/hub/home").text


class Signed:
    """A browser's request with the Hub's cookie."""

    def __init__(self, at):
        self.hub = type("Hub", (), {"cookie_name": "login"})
        self.cookie = f"2|1:0|10:{int(at.timestamp())}|5:login|8:YWJj|" + "0" * 64

    def get_cookie(self, _name):
        return self.cookie


class User:
    name = "ann"


@pytest.mark.parametrize(
    ("age", "stays"),
    [
        (timedelta(seconds=1), True),
        (IDLE - timedelta(seconds=5), True),
        (IDLE + timedelta(seconds=5), False),
        (LONGEST + timedelta(seconds=5), False),
    ],
)
def test_a_cookie_that_lay_unused_for_an_hour_opens_nothing(house, settings, age, stays):
    door = HouseAuthenticator(settings=settings, records=house)
    assert asyncio.run(door.refresh_user(User, Signed(datetime.now(UTC) - age))) is stays


def test_use_keeps_a_session_for_twelve_hours_and_no_longer(house, settings):
    door, begun = HouseAuthenticator(settings=settings, records=house), datetime(2026, 11, 2, 9, tzinfo=UTC)
    at, cookie = begun, Signed(begun).cookie
    while at - begun <= LONGEST:
        assert door._in_use(cookie, begun, at)
        at += timedelta(minutes=50)
    assert not door._in_use(cookie, begun, at)


@pytest.mark.parametrize("cookie", ["", "x", "1|2|3", "2|1:0|10:abc|", "2|1:0|99:" + "9" * 99 + "|"])
def test_a_cookie_that_does_not_say_when_it_began_is_no_session(house, settings, cookie):
    assert began(cookie) is None
    door = HouseAuthenticator(settings=settings, records=house)
    assert not door._in_use(cookie, began(cookie), datetime.now(UTC))


def test_a_suspension_wakes_the_sentinel_at_once(settings):
    bell, stop = nudge.Bell(settings), threading.Event()
    try:
        assert nudge.sentinel(settings)
        begun = time.monotonic()
        assert bell.wait(stop, 10) is False
        assert time.monotonic() - begun < 2
    finally:
        bell.close()
    assert not nudge.sentinel(settings)


def test_ringing_without_end_does_not_keep_the_sentinel_busy(settings):
    bell, stop = nudge.Bell(settings), threading.Event()
    try:
        begun, rounds = time.monotonic(), 0
        while time.monotonic() - begun < 2.5:
            nudge.sentinel(settings)
            bell.wait(stop, 10)
            rounds += 1
        assert rounds <= 4
    finally:
        bell.close()


# --- to become more ---------------------------------------------------------------------------------------------------
def test_groups_and_the_admin_flag_of_the_hub_make_nobody_anything(hub):
    """The Hub's own database is not where roles stand, whoever gets to write into it."""
    ann = hub.person("ann")
    assert hub.person("grace").page("/hub/admin").status_code == 200
    with hub.records.read() as session:
        held = accounts.roles_of(session, "ann")
    _in_the_hubs_database(hub, "UPDATE users SET admin = 1 WHERE name = 'ann'")
    _in_the_hubs_database(hub, "INSERT INTO groups (name, properties) VALUES ('admin', '{}')")
    _in_the_hubs_database(
        hub, "INSERT INTO user_group_map SELECT users.id, groups.id FROM users, groups WHERE users.name = 'ann'"
    )
    again = hub.stranger()
    hub.code("ann")
    again.sign_in("ann")
    assert ann.page("/hub/admin").status_code == again.page("/hub/admin").status_code == 403
    with hub.records.read() as session:
        assert accounts.roles_of(session, "ann") == held == {Role.ANALYST}
        assert "ann" not in roles.admins(session)
    with pytest.raises(Refused, match="no admin"), hub.records.act("ann", "role.propose", "person/ann") as session:
        roles.propose(session, "ann", Role.APPROVER, roles.GRANT, why="x", actor="ann", now=datetime.now(UTC))


def _in_the_hubs_database(hub, statement):
    import sqlite3

    door = sqlite3.connect(hub.settings.home / "hub.sqlite", timeout=20)
    try:
        found = door.execute(statement).fetchall()
        door.commit()
        return found
    finally:
        door.close()
