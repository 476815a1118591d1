import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from tre.rooms.gateway import headers

ORIGIN, PREFIX = "http://ann.localhost:8000", "/user/ann/sunrise/"


def test_a_page_of_a_room_may_load_send_and_frame_only_its_own_path():
    here = ORIGIN + PREFIX
    given = dict(part.split(" ", 1) for part in headers.policy(ORIGIN, PREFIX).split("; "))
    assert given == {
        "default-src": "'none'",
        "script-src": f"{here} 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src": f"{here} 'unsafe-inline'",
        "img-src": f"{here} data: blob:",
        "font-src": f"{here} data: blob:",
        "connect-src": f"{here} ws://ann.localhost:8000{PREFIX}",
        "worker-src": f"{here} blob:",
        "frame-src": f"{here} blob:",
        "form-action": here,
        "base-uri": here,
        "frame-ancestors": "'self'",
    }


def test_over_tls_the_channel_is_too():
    assert " wss://ann.tre.example/user/" in headers.policy("https://ann.tre.example", PREFIX)


def test_a_room_sees_neither_cookie_nor_token_nor_origin():
    sent = CIMultiDict({
        "Cookie": "tre-room=x", "Authorization": "token x",
        "Origin": ORIGIN, "Referer": ORIGIN, "Host": "ann.localhost:8000",
        "X-Forwarded-For": "10.1.1.1", "X-XSRFToken": "x", "Sec-Fetch-Site": "same-origin", "Connection": "upgrade",
        "Accept": "*/*", "Content-Type": "application/json", "User-Agent": "x",
    })  # fmt: skip
    assert headers.to_room(sent) == {
        "Accept": "*/*", "Content-Type": "application/json", "User-Agent": "x", "Host": "localhost",
        "Accept-Encoding": "identity",
    }  # fmt: skip


def test_a_room_sets_nothing_but_type_and_date():
    said = CIMultiDict({
        "Set-Cookie": "a=b; Path=/hub/", "Content-Security-Policy": "default-src *", "Service-Worker-Allowed": "/",
        "Clear-Site-Data": '"*"', "Link": "</x>; rel=preload", "Refresh": "0; url=http://evil.example",
        "Content-Disposition": "attachment",
        "Access-Control-Allow-Origin": "*", "SourceMap": "http://evil.example", "Report-To": "{}", "NEL": "{}",
        "Content-Type": "text/html",
        "Strict-Transport-Security": "max-age=1", "Cross-Origin-Opener-Policy": "unsafe-none",
        "Content-Encoding": "gzip",
    })  # fmt: skip
    assert headers.from_room(200, said, PREFIX) == {"Content-Type": "text/html"}


@pytest.mark.parametrize(
    ("location", "may"),
    [
        (f"{PREFIX}lab", True),
        (f"{PREFIX}lab?reset=1", True),
        ("/hub/home", False),
        ("/user/ann/sunset/lab", False),
        (f"{PREFIX}../sunset/lab", False),
        (f"{PREFIX}%2e%2e/sunset", False),
        (f"{PREFIX}..\\sunset", False),
        (f"{PREFIX}/evil.example", False),
        ("//evil.example/user/ann/sunrise/", False),
        ("http://evil.example/user/ann/sunrise/", False),
        ("javascript:alert(1)", False),
        ("lab", False),
        (f"{PREFIX}lab\r\nSet-Cookie: a=b", False),
        (PREFIX + "x" * 2000, False),
    ],
)
def test_a_redirect_stays_in_the_room(location, may):
    assert headers.stays(location, PREFIX) is may
    assert (headers.from_room(302, {"Location": location}, PREFIX) is not None) is may


def test_a_place_that_nobody_is_sent_to_is_dropped():
    assert headers.from_room(201, {"Location": "http://evil.example"}, PREFIX) == {}


@given(st.text(max_size=50))
def test_no_redirect_leaves_the_room(tail):
    from urllib.parse import urljoin, urlsplit

    if headers.stays(PREFIX + tail, PREFIX):
        landed = urlsplit(urljoin(ORIGIN + PREFIX + "lab", PREFIX + tail))
        assert f"{landed.scheme}://{landed.netloc}" == ORIGIN
        assert landed.path.startswith(PREFIX)
