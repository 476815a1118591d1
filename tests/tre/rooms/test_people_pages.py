"""The pages by which people enrol, change how they sign in, and sign the agreement: no JavaScript, real cookies."""

import re
import time
from datetime import UTC, datetime, timedelta

import pyotp
import pytest

from policies.facts import Role
from tests.builders import HOST, PASSWORD, a_person
from tests.hub import a_hub
from tre.governance import accounts, enrolment, training
from tre.rooms.authenticator import ASK_AGAIN_SECONDS

OWN = "a password of my own"
CODE = re.compile(r"<code>((?:[a-z2-9]{4}-){3}[a-z2-9]{4})</code>")


def clock():
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def hub():
    def filled(made):
        with made.records.act(HOST, "test.build", "home") as session:
            for name in ("ann", "ben", "cat"):
                a_person(session, name, Role.ANALYST, settings=made.settings, now=clock(), signed=name != "ben")

    with a_hub(filled) as made:
        yield made


def link_for(hub, name):
    now = clock()
    with hub.records.act(HOST, "person.invite", f"person/{name}") as session:
        token = enrolment.invite(session, name, actor=HOST, now=now)
    return token, f"/hub/enrol/{token}"


def new(hub, name):
    with hub.records.act(HOST, "person.add", f"person/{name}") as session:
        accounts.add(
            session, name, full_name=name.title(), email="", roles=[Role.ANALYST], actor=HOST, now=clock(),
            settings=hub.settings, invited=True,
        )  # fmt: skip
    return link_for(hub, name)


def send(guest, path, **fields):
    """Send the form of a page that is open to whoever holds its link."""
    page = guest.page(path).text
    token = re.search(r'name="_xsrf" value="([^"]+)"', page)[1]
    return guest.http.post(
        f"{guest.hub}{path}", data={"_xsrf": token, **fields}, headers={"Origin": guest.house.settings.hub_origin}
    )


def signed_in(guest):
    return "How I sign in" in guest.page("/hub/account").text


# --- enrolment --------------------------------------------------------------------------------------------------------
def test_a_person_enrols_by_the_link_alone(hub):
    path = new(hub, "zoe")[1]
    zoe = hub.stranger()
    page = zoe.page(path).text
    secret = re.search(r'class="tre-secret">([^<]+)<', page)[1].replace(" ", "")
    assert "<svg" in page
    assert "Welcome, Zoe" in page
    wrong = send(zoe, path, password=OWN, again=OWN + "?", code=pyotp.TOTP(secret).now())
    assert (wrong.status_code, "not the same" in wrong.text) == (422, True)
    done = send(zoe, path, username="zoe", password=OWN, again=OWN, code=pyotp.TOTP(secret).now())
    assert len(CODE.findall(done.text)) == 10
    assert zoe.page(path).status_code == 404


def test_a_used_or_invented_link_says_what_to_do(hub):
    gone = hub.stranger().page("/hub/enrol/" + "a" * 43)
    assert (gone.status_code, "ask an admin for a new one" in gone.text) == (404, True)


def test_an_enrolment_without_the_pages_token_is_not_taken(hub):
    _, path = new(hub, "yan")
    answer = hub.stranger().http.post(f"{hub.stranger().hub}{path}", data={"password": OWN, "again": OWN, "code": "1"})
    assert answer.status_code == 403


# --- the account ------------------------------------------------------------------------------------------------------
def test_who_is_not_signed_in_is_led_to_the_door(hub):
    for path in ("/hub/account", "/hub/agreement"):
        assert "Sign in to Hortus" in hub.stranger().page(path).text


def test_a_changed_password_signs_the_person_out_everywhere_else(hub):
    here, there = hub.person("ann"), hub.stranger()
    hub.code("ann")
    there.sign_in("ann")
    assert signed_in(here)
    assert signed_in(there)
    answer = send(here, "/hub/account/password", old=PASSWORD, password=OWN, again=OWN, code=hub.code("ann"))
    assert answer.status_code in {200, 303}, answer.text
    assert signed_in(here)
    assert not signed_in(there)


def test_a_wrong_code_changes_nothing_and_says_so_in_place(hub):
    cat = hub.person("cat")
    answer = send(cat, "/hub/account/password", old=PASSWORD, password=OWN, again=OWN, code="000000")
    assert (answer.status_code, accounts.NOT_ACCEPTED[1:] in answer.text) == (403, True)
    assert signed_in(cat)


def test_a_second_factor_is_renewed_with_the_old_one(hub):
    cat = hub.person("cat")
    page = cat.page("/hub/account").text
    sealed = re.search(r'name="sealed" value="([^"]+)"', page)[1]
    secret = re.search(r'class="tre-secret">([^<]+)<', page)[1].replace(" ", "")
    later = pyotp.TOTP(secret).now()
    answer = send(cat, "/hub/account/second-factor", sealed=sealed, shown=later, code=hub.code("cat"))
    assert answer.status_code in {200, 303}, answer.text
    with hub.records.read() as session:
        assert accounts.code_now(session, hub.settings, "cat", clock() + timedelta(minutes=1)) == pyotp.TOTP(secret).at(
            clock() + timedelta(minutes=1)
        )


def test_an_operator_who_gives_a_new_password_ends_sessions_too(hub):
    ben = hub.person("ben")
    assert signed_in(ben)
    with hub.records.act(HOST, "person.password", "person/ben") as session:
        accounts.set_password(session, "ben", actor=HOST, now=clock() + timedelta(seconds=1), settings=hub.settings)
        accounts.person(session, "ben").password = accounts.hashed(PASSWORD)
    time.sleep(ASK_AGAIN_SECONDS + 0.1)
    assert not signed_in(ben)
    with hub.changed() as session:
        accounts.person(session, "ben").signed_out_at = None


# --- the agreement ----------------------------------------------------------------------------------------------------
def test_the_agreement_is_signed_as_it_was_shown_and_a_new_one_shows_what_changed(hub):
    ben = hub.person("ben")
    page = ben.page("/hub/agreement").text
    assert "You have not signed it" in page
    seen = re.search(r'name="seen" value="([0-9a-f]{64})"', page)[1]
    with hub.changed() as session:
        text = training.packaged().replace("\n", "\nA new line.\n", 1)
        training.publish(session, text, since=clock(), actor=HOST, now=clock() - timedelta(seconds=5))
    stale = send(ben, "/hub/agreement", seen=seen, code=hub.code("ben"))
    assert (stale.status_code, "changed while you read it" in stale.text) == (409, True)
    cat = hub.person("cat")
    shown = cat.page("/hub/agreement").text
    assert "<ins>A new line.</ins>" in shown
    seen = re.search(r'name="seen" value="([0-9a-f]{64})"', shown)[1]
    done = send(cat, "/hub/agreement", seen=seen, code=hub.code("cat"))
    assert "You have signed it" in cat.page("/hub/agreement").text, done.text
