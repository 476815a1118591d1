"""A browser may ask a room for what is on this list, and for nothing else; above all not for files.

A path is decoded once; what was decoded is matched, and what was matched is forwarded.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlencode

import orjson

SAFE = "/~!$&'()*+,;=:@-._"
LONGEST = 4096
CONTROL = frozenset(map(chr, (*range(0x20), 0x7F)))
UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
NAME = r"[A-Za-z0-9_.@:-]{1,120}"
RELEASES = "files leave only as a release: ask for one with tre.notebook.request_export"


class Kind(StrEnum):
    """What is special about an answer."""

    PLAIN = "plain"
    CONTENTS = "contents"
    KERNEL = "kernel"
    EVENTS = "events"


class Denied(Exception):
    """Not on the list; says why, in words for the person."""


class Route(NamedTuple):
    """Methods, path below the room's prefix, kind."""

    methods: frozenset[str]
    path: re.Pattern[str]
    kind: Kind


def _route(methods: str, path: str, kind: Kind = Kind.PLAIN) -> Route:
    return Route(frozenset(methods.split()), re.compile(path), kind)


# What JupyterLab 4.6 needs to open, edit, run and save; measured with a browser.
ROUTES = (
    _route("GET", r""),
    _route("GET", r"(?:lab|doc)(?:/(?:tree|workspaces)(?:/.*)?)?/?"),
    _route("GET HEAD", r"(?:static|lab/extensions|lab/api/themes)/.+"),
    _route("GET", r"favicon\.ico"),
    _route("GET PUT", rf"lab/api/settings(?:/{NAME}){{0,2}}/?"),
    _route("GET PUT DELETE", rf"lab/api/workspaces(?:/{NAME})?/?"),
    _route("GET", rf"lab/api/translations(?:/{NAME})?/?"),
    _route("GET", r"lab/api/build"),
    _route("GET", r"api/?"),
    _route("GET", r"api/(?:status|me)"),
    _route("GET", rf"api/kernelspecs(?:/{NAME})?"),
    _route("GET", rf"kernelspecs/{NAME}/logo-[a-z0-9]+\.(?:png|svg)"),
    _route("GET POST", r"api/kernels"),
    _route("GET DELETE", rf"api/kernels/{UUID}"),
    _route("POST", rf"api/kernels/{UUID}/(?:interrupt|restart)"),
    _route("GET", rf"api/kernels/{UUID}/channels", Kind.KERNEL),
    _route("GET POST", r"api/sessions"),
    _route("GET PATCH DELETE", rf"api/sessions/{UUID}"),
    _route("GET PATCH PUT", rf"api/config/{NAME}"),
    _route("GET", r"api/events/subscribe", Kind.EVENTS),
    _route("GET HEAD PUT POST PATCH DELETE", r"api/contents(?:/.*)?", Kind.CONTENTS),
)

# Asked for, known, and refused: first word of the path -> what to tell the person.
WHY = {
    "files": RELEASES,
    "view": RELEASES,
    "nbconvert": RELEASES,
    "api/nbconvert": RELEASES,
    "terminals": "there is no terminal in a room: use a notebook cell that begins with !",
    "api/terminals": "there is no terminal in a room: use a notebook cell that begins with !",
    "metrics": "the room's inner figures are not shown",
    "api/shutdown": "close the room on the Hub's home page",
    "logout": "log out on the Hub's home page",
    "lsp": "language servers are not in this image",
    "api/collaboration": "a room is one person's",
}
CONTENTS_TYPES = frozenset({"file", "directory", "notebook"})
CONTENTS_FORMATS = frozenset({"text", "json"})


@dataclass(frozen=True)
class Passage:
    """What is forwarded: exactly what was judged."""

    path: str
    query: str
    kind: Kind

    @property
    def target(self) -> str:
        """Path and query, encoded, for the room."""
        return f"{self.path}?{self.query}" if self.query else self.path


def split(target: str) -> tuple[str, list[tuple[str, str]]]:
    """Decode a request target once; return its path and query, or refuse."""
    if len(target) > LONGEST:
        raise Denied("the address is too long")
    raw, _, query = target.partition("?")
    path = _text(raw)
    if any(part in {".", ".."} for part in path.split("/")) or "//" in path or "\\" in path or path[:1] != "/":
        raise Denied("the address is not plain")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=20)
    except ValueError:
        raise Denied("the address's query is not plain") from None
    if any(_odd(text) for pair in pairs for text in pair):
        raise Denied("the address's query is not plain")
    return path, pairs


def _text(raw: str) -> str:
    try:
        text = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeError:
        raise Denied("the address is not UTF-8") from None
    if _odd(text):
        raise Denied("the address is not plain")
    return text


def _odd(text: str) -> bool:
    return any(sign in CONTROL or "\ud800" <= sign <= "\udfff" for sign in text)  # the latter: bytes that are no UTF-8


def judge(method: str, target: str, prefix: str) -> Passage:
    """Say what of a request may be forwarded, or refuse with the reason."""
    path, query = split(target)
    if not path.startswith(prefix):
        raise Denied("the address is not in this room")
    below = path[len(prefix) :]
    kind = _kind(method, below)
    _check_query(kind, query)
    return Passage(quote(path, safe=SAFE), urlencode(query), kind)


def _kind(method: str, below: str) -> Kind:
    known = [route for route in ROUTES if route.path.fullmatch(below)]
    if not known:
        raise Denied(_why(below))
    for route in known:
        if method in route.methods:
            return route.kind
    raise Denied("this method is not on the gateway's list for this address")


def _why(below: str) -> str:
    first, _, rest = below.partition("/")
    two = f"{first}/{rest.partition('/')[0]}"
    return WHY.get(two) or WHY.get(first) or "this address is not on the gateway's list"


def _check_query(kind: Kind, query: Iterable[tuple[str, str]]) -> None:
    for key, value in ((key.lower(), value.lower()) for key, value in query):  # each, also one that is named twice
        if key == "download" or (key == "format" and value not in CONTENTS_FORMATS):
            raise Denied(RELEASES)
        if kind is Kind.CONTENTS and key == "type" and value not in CONTENTS_TYPES:
            raise Denied("contents are files, folders or notebooks")


def check_upload(body: bytes) -> None:
    """Refuse a file that comes in from outside: text that was typed may be saved, bytes may not be carried in."""
    if not body:
        return
    try:
        model = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Denied("what is saved must be JSON") from None
    if isinstance(model, dict) and (model.get("format") == "base64" or "chunk" in model):
        raise Denied("files come in through the committee, not through the browser")


def check_contents(body: bytes | bytearray) -> None:
    """Refuse a file that would go out whole in base64: what is no text has nothing to be edited for."""
    try:
        model = orjson.loads(body)
    except orjson.JSONDecodeError:
        return
    if isinstance(model, dict) and model.get("format") == "base64":
        raise Denied(RELEASES)
