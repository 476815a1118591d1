"""The Hub lets in whom the house knows, and asks again while they stay."""

import asyncio
from datetime import UTC, datetime

import pytest
from tornado.web import HTTPError

from tests.builders import HOST, PASSWORD, a_person
from tre.governance import accounts
from tre.records.db import Records
from tre.rooms.authenticator import HouseAuthenticator


@pytest.fixture
def house(records, settings):
    with records.act(HOST, "test.build", "home") as session:
        a_person(session, "ann", settings=settings, now=datetime.now(UTC))
    return records


@pytest.fixture
def hub(house, settings):
    """The authenticator as the Hub holds it."""
    return HouseAuthenticator(settings=settings, records=house)


@pytest.fixture
def form(house, settings):
    def filled(name="ann", password=PASSWORD):
        with house.read() as session:
            code = accounts.code_now(session, settings, "ann", datetime.now(UTC))
        return {"username": name, "password": password, "otp": code}

    return filled


class User:
    """What the Hub asks about again."""

    def __init__(self, name):
        self.name = name


def enter(hub, form):
    return asyncio.run(hub.get_authenticated_user(None, form))


def test_a_person_comes_in_and_is_no_admin_of_the_hub(hub, form):
    model = enter(hub, form())
    assert (model["name"], model["admin"]) == ("ann", False)


def test_the_hub_writes_names_small_and_so_do_we(hub, form):
    assert enter(hub, form("Ann"))["name"] == "ann"


def test_an_admin_of_the_house_is_no_admin_of_the_hub_either(hub, form):
    hub.admin_users = {"ann"}
    assert enter(hub, form())["admin"] is False


@pytest.mark.parametrize(
    "broken",
    [{"password": "not the password"}, {"password": None}, {"otp": "000"}, {"otp": None}, {"username": "bob"},
     {"username": None}],
    ids=repr,
)  # fmt: skip
def test_anything_wrong_is_nobody(hub, form, broken):
    assert enter(hub, form() | broken) is None


@pytest.mark.parametrize("missing", ["username", "password", "otp"])
def test_a_form_that_lacks_a_field_is_nobody(hub, form, missing):
    filled = form()
    del filled[missing]
    assert enter(hub, filled) is None


def test_the_same_form_sent_again_is_nobody(hub, form):
    sent = form()
    assert enter(hub, sent)
    assert enter(hub, sent) is None


def test_a_suspended_person_may_not_stay(hub, house):
    assert asyncio.run(hub.refresh_user(User("ann"))) is True
    with house.act(HOST, "person.suspend", "person/ann") as session:
        accounts.suspend(session, "ann", why="a test", actor=HOST, now=datetime.now(UTC))
    assert asyncio.run(hub.refresh_user(User("ann"))) is False


def test_whom_the_house_does_not_know_may_not_stay(hub):
    assert asyncio.run(hub.refresh_user(User("mallory"))) is False


def test_records_that_do_not_answer_let_nobody_in(settings, form, tmp_path):
    gone = Records(f"sqlite:///{tmp_path}/no/such/folder/records.sqlite")
    hub = HouseAuthenticator(settings=settings, records=gone)
    with pytest.raises(HTTPError) as error:
        enter(hub, form())
    assert error.value.status_code == 503
    gone.close()


def test_the_form_asks_for_a_code_and_never_signs_in_by_itself(hub):
    assert hub.request_otp
    assert not hub.auto_login
    assert hub.any_allow_config
