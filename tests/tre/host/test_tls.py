"""TLS at the public port: a chain that verifies for the house and its rooms, and for no other name."""

import socket
import ssl
import stat
from datetime import UTC, datetime, timedelta

import pytest

import tre.settings
from tests.house import a_house
from tre.errors import Unreadable
from tre.host import proxy, tls

DOMAIN, ROOMS = "hortus.test", "hortus-rooms.test"


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "home").mkdir()
    return tre.settings.load(tmp_path / "home", domain=DOMAIN, scheme="https", certificate="self-made")


def test_the_key_is_for_the_house_alone_and_stays_while_it_is_good(settings):
    first = tls.pair(settings)
    assert stat.S_IMODE(first.key.stat().st_mode) == 0o400
    content = first.certificate.read_bytes()
    assert tls.pair(settings).certificate.read_bytes() == content


def test_before_it_ends_another_is_made_under_the_same_authority(settings):
    first = tls.pair(settings).certificate.read_bytes()
    trusted = tls.authority(settings).read_bytes()
    later = datetime.now(UTC) + timedelta(days=tls.DAYS - 20)
    assert tls.pair(settings, now=later).certificate.read_bytes() != first
    assert tls.authority(settings).read_bytes() == trusted


def test_a_house_that_is_called_otherwise_gets_another(settings):
    tls.pair(settings)
    other = settings.model_copy(update={"domain": "other.test"})
    assert tls.pair(other)


def spoilt(settings, tmp_path, how):
    """Settings that name a pair which no browser should be shown."""
    made = tls.pair(settings)
    own = {"certificate": str(tmp_path / "c.pem"), "certificate_key": str(tmp_path / "k.pem")}
    (tmp_path / "c.pem").write_bytes(made.certificate.read_bytes())
    (tmp_path / "k.pem").write_bytes(made.key.read_bytes())
    (tmp_path / "k.pem").chmod(0o400)
    if how == "open key":
        (tmp_path / "k.pem").chmod(0o444)
    if how == "no certificate":
        (tmp_path / "c.pem").write_text("hello")
    if how == "no file":
        (tmp_path / "c.pem").unlink()
    if how == "key of another":
        other = tmp_path / "other"
        other.mkdir()
        key = tls.pair(settings.model_copy(update={"home": other})).key
        key.replace(tmp_path / "k.pem")
    if how == "other names":
        own["domain"] = "other.test"
    if how == "plain":
        own["scheme"] = "http"
    return settings.model_copy(update=own)


HOW = ["open key", "no certificate", "no file", "key of another", "other names", "plain"]


@pytest.mark.parametrize("how", HOW)
def test_what_no_browser_should_be_shown_is_refused_in_one_line(settings, tmp_path, how):
    with pytest.raises(Unreadable) as no:
        tls.pair(spoilt(settings, tmp_path, how))
    assert "\n" not in str(no.value)


def test_one_that_ended_is_refused(settings, tmp_path):
    given = spoilt(settings, tmp_path, "none")
    with pytest.raises(Unreadable, match="renew it"):
        tls.pair(given, now=datetime.now(UTC) + timedelta(days=400))


def test_without_a_certificate_the_proxy_is_told_of_none(settings, monkeypatch):
    monkeypatch.setattr(proxy, "_home", lambda _: proxy.RECIPE)
    assert tls.pair(settings.model_copy(update={"certificate": ""})) is None


@pytest.fixture(scope="module")
def house():
    """Hub and airlock below one registrable domain, rooms below another."""
    with a_house(domain=DOMAIN, room_domain=ROOMS, scheme="https", certificate="self-made") as made:
        made.start()
        yield made


def asked(house, name, *, trusting, path="/hub/login"):
    """Ask as a browser that trusts one authority; return the head of the answer."""
    context = ssl.create_default_context(cafile=trusting)
    host = f"{name}:{house.settings.port}"
    with (
        socket.create_connection(("127.0.0.1", house.settings.port), timeout=10) as link,
        context.wrap_socket(link, server_hostname=name) as door,
    ):
        door.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        said = b""
        while part := door.recv(65_536):
            said += part
    return said.partition(b"\r\n\r\n")[0].decode()


@pytest.mark.docker
@pytest.mark.parametrize("name", [DOMAIN, f"rooms.{ROOMS}", f"ann--sunrise.{ROOMS}", f"airlock--service.{DOMAIN}"])
def test_every_host_of_the_house_is_served_under_a_chain_that_verifies(house, name):
    head = asked(house, name, trusting=tls.authority(house.settings))
    assert head.startswith("HTTP/1.1 ")
    assert int(head.split()[1]) < 500


@pytest.mark.docker
def test_the_sign_in_sets_only_cookies_that_never_go_in_the_clear(house):
    head = asked(house, DOMAIN, trusting=tls.authority(house.settings))
    cookies = [line for line in head.splitlines() if line.lower().startswith("set-cookie:")]
    assert cookies
    assert all("secure" in line.lower() for line in cookies), cookies


@pytest.mark.docker
def test_who_does_not_trust_the_authority_is_not_connected(house):
    with pytest.raises(ssl.SSLCertVerificationError):
        asked(house, DOMAIN, trusting=None)


@pytest.mark.docker
def test_another_name_is_not_vouched_for(house):
    with pytest.raises(ssl.SSLCertVerificationError):
        asked(house, "bank.example", trusting=tls.authority(house.settings))


@pytest.mark.docker
def test_in_the_clear_nothing_is_said(house):
    with socket.create_connection(("127.0.0.1", house.settings.port), timeout=10) as link:
        link.sendall(b"GET /hub/login HTTP/1.1\r\nHost: hortus.test\r\n\r\n")
        try:
            said = link.recv(1000)
        except ConnectionResetError:
            said = b""
    assert b"200 OK" not in said


@pytest.fixture(scope="module")
def alice(house):
    return house.person("alice").open("sunrise")


@pytest.mark.docker
def test_over_tls_a_person_signs_in_opens_a_room_of_another_domain_and_runs_code_in_it(house, alice):
    assert alice.origin("sunrise") == f"https://alice--sunrise.{ROOMS}:{house.settings.port}"
    assert alice.run("sunrise", "print(6 * 7)") == "42\n"
    assert alice.page(f"{house.settings.airlock_origin}/services/airlock/").status_code == 200


@pytest.mark.docker
def test_no_cookie_is_for_more_than_one_host_and_the_rooms_own_say_so_themselves(house, alice):
    """`__Host-` is what the browser keeps to: secure, of one host, set by no other."""
    names = {
        host: {name for where, _, name in alice.loopback.jar if where == host} for host, _, _ in alice.loopback.jar
    }
    room = names[f"alice--sunrise.{ROOMS}"]
    assert any(name.startswith("__Host-tre-room") for name in room)
    assert all(name.startswith("__Host-") for name in room), room
    assert {host for host in names if host.endswith(ROOMS)} == {f"alice--sunrise.{ROOMS}"}


@pytest.mark.docker
def test_the_hubs_domain_serves_no_room_and_the_rooms_serve_no_hub(house, alice):
    port = house.settings.port
    trusting = tls.authority(house.settings)
    for name, path in (
        (f"alice--sunrise.{DOMAIN}", "/user/alice/sunrise/lab"),
        (f"alice--sunrise.{ROOMS}", "/hub/home"),
    ):
        head = asked(house, name, trusting=trusting, path=path)
        where = next((line for line in head.splitlines() if line.lower().startswith("location:")), "")
        assert " 200 " not in head.splitlines()[0]
        assert f"{ROOMS}:{port}/hub" not in where
