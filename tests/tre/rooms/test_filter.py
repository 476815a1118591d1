from urllib.parse import quote, unquote

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tre.rooms.gateway.filter import Denied, Kind, check_contents, check_upload, judge, split

PREFIX = "/user/ann/sunrise/"
KERNEL = "0b1f3a52-9c1d-4b73-8a55-5f4a1f0e9c11"


@pytest.mark.parametrize(
    ("method", "below", "kind"),
    [
        ("GET", "", Kind.PLAIN),
        ("GET", "lab", Kind.PLAIN),
        ("GET", "lab?reset", Kind.PLAIN),
        ("GET", "lab/tree/welcome.ipynb", Kind.PLAIN),
        ("GET", "lab/workspaces/auto-k/tree/a/b.ipynb", Kind.PLAIN),
        ("GET", "static/lab/main.1f.js?v=1f", Kind.PLAIN),
        ("GET", "lab/extensions/@jupyterlab/x/static/1.js", Kind.PLAIN),
        ("GET", "lab/api/settings/@jupyterlab%2Fapputils-extension:themes", Kind.PLAIN),
        ("PUT", "lab/api/workspaces/default", Kind.PLAIN),
        ("GET", "api/status", Kind.PLAIN),
        ("GET", "api/kernelspecs", Kind.PLAIN),
        ("POST", "api/kernels", Kind.PLAIN),
        ("POST", f"api/kernels/{KERNEL}/interrupt", Kind.PLAIN),
        ("GET", f"api/kernels/{KERNEL}/channels?session_id=1", Kind.KERNEL),
        ("GET", "api/events/subscribe", Kind.EVENTS),
        ("GET", "api/contents?content=1&hash=0&1763900000000", Kind.CONTENTS),
        ("GET", "api/contents/a/b%20c.ipynb?type=notebook&content=1", Kind.CONTENTS),
        ("GET", "api/contents/t.txt?type=file&format=text", Kind.CONTENTS),
        ("PUT", "api/contents/100%25.txt", Kind.CONTENTS),
        ("POST", "api/contents/x.ipynb/checkpoints", Kind.CONTENTS),
    ],
)
def test_what_jupyterlab_needs_passes(method, below, kind):
    assert judge(method, PREFIX + below, PREFIX).kind is kind


@pytest.mark.parametrize(
    ("method", "below"),
    [
        ("GET", "files/x.csv"), ("GET", "%66iles/x.csv"), ("GET", "view/x"), ("GET", "nbconvert/html/x.ipynb"),
        ("GET", "api/nbconvert"), ("GET", "api/terminals"), ("GET", "metrics"), ("GET", "lab/../files/x"),
        ("GET", "lab/%2e%2e/files/x"), ("GET", "lab/..%2Ffiles/x"), ("GET", "./files/x"), ("GET", "lab//files"),
        ("GET", "lab\\..\\files"), ("GET", "lab%5c..%5cfiles"), ("GET", "lab/%00"), ("GET", "lab/tree/%ff"),
        ("GET", "lab/tree/a%0d%0aSet-Cookie:x"), ("GET", "api/contents/x?download=1"), ("GET", "lab?download"),
        ("GET", "api/contents/x?format=base64"), ("GET", "api/contents/x?FORMAT=base64"),
        ("GET", "api/contents/x?format=text&format=base64"), ("GET",
        "api/contents/x?format=base64&format=text&format=base64"),
        ("GET", "api/contents/x?type=blob"), ("GET", "api/contents/x?a=%00"), ("POST", "lab"), ("DELETE", "api/status"),
        ("POST", "api/shutdown"), ("GET", f"api/kernels/{KERNEL}/channels/x"), ("GET", "api/kernels/x/channels"),
        ("GET", "proxy/80/"), ("GET", "api"  + "/x" * 3000), ("PROPFIND", "api/contents"), ("GET", "tree/x"),
        ("GET", "notebooks/x"),
    ],
)  # fmt: skip
def test_what_is_not_on_the_list_is_refused(method, below):
    with pytest.raises(Denied):
        judge(method, PREFIX + below, PREFIX)


def test_a_format_that_is_named_twice_is_judged_by_every_name():
    for query in ("format=base64&format=text", "format=text&format=base64"):
        with pytest.raises(Denied):
            judge("GET", f"{PREFIX}api/contents/x?{query}", PREFIX)


@pytest.mark.parametrize(
    "target", ["/user/ann/sunset/lab", "/user/bob/sunrise/lab", "/hub/home", "/user/ann/sunrise", "lab", ""]
)
def test_another_rooms_address_is_refused(target):
    with pytest.raises(Denied):
        judge("GET", target, PREFIX)


def test_a_refusal_says_what_to_do():
    with pytest.raises(Denied, match="request_export"):
        judge("GET", f"{PREFIX}files/x.csv", PREFIX)


@given(st.text(max_size=60))
def test_what_is_forwarded_is_what_was_judged(name):
    try:
        passage = judge("GET", f"{PREFIX}api/contents/{quote(name, safe='')}", PREFIX)
    except Denied:
        return
    assert unquote(passage.path) == f"{PREFIX}api/contents/{name}"
    assert split(passage.target)[0] == unquote(passage.path)
    assert passage.target.isascii()
    assert not set(passage.target) & set(" \r\n\t\\")


@given(st.text(alphabet="./%2eEfFcC\\aile5s-lb", max_size=40))
def test_no_spelling_of_a_path_leaves_the_list(tail):
    try:
        passage = judge("GET", f"{PREFIX}lab/tree/{tail}", PREFIX)
    except Denied:
        return
    assert unquote(passage.path).startswith(f"{PREFIX}lab/tree/")
    assert ".." not in unquote(passage.path).split("/")


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=6))
def test_a_query_says_the_same_to_the_room_as_to_us(pairs):
    from urllib.parse import urlencode

    try:
        passage = judge("GET", f"{PREFIX}api/contents/x?{urlencode(pairs)}", PREFIX)
    except Denied:
        return
    assert split(passage.target)[1] == [(key, value) for key, value in pairs]


@given(st.binary(max_size=200))
def test_no_bytes_break_the_checks_of_bodies(body):
    for check in (check_upload, check_contents):
        try:
            check(body)
        except Denied:
            continue


@pytest.mark.parametrize(
    "model", [{"format": "base64"}, {"format": "text", "chunk": -1}, {"format": "base64", "chunk": 1}]
)
def test_a_file_is_not_carried_in(model):
    with pytest.raises(Denied):
        check_upload(orjson.dumps(model))


def test_a_file_in_base64_is_not_shown():
    with pytest.raises(Denied):
        check_contents(b'{"name": "x", "format": "base64", "content": "AAAA"}')
    check_contents(b'{"name": "x", "format": "json", "content": {"cells": [{"format": "base64"}]}}')
