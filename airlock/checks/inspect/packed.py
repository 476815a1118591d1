"""What is packed into a text is not read by who approves it: other files, pages, drawings, remarks nobody is shown."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from airlock.checks.finding import Finding
from airlock.checks.inspect.seen import Seen, block, first

_PLAIN = "write out what it says"


class Trace(NamedTuple):
    """What packed or hidden things look like in a text."""

    what: str
    looks: re.Pattern[str]
    fix: str
    kinds: frozenset[str] = frozenset({"csv", "txt", "md", "json", "ipynb"})


def _made(looks: str) -> re.Pattern[str]:
    return re.compile(looks, re.IGNORECASE | re.MULTILINE)


_SIGNS = "[A-Za-z0-9+/_-]"
_TEXTS = frozenset({"csv", "txt", "md", "json"})
_PAGE = r"\A\s*(?:<\?xml|<!doctype|<html|<svg|<[a-z]\w*(?: [a-z-]+=|>))"
_OBJECT = r"<(?:script|svg|iframe|object|embed|style|template|math)\b"
_OTHERS = r"\A\s*(?:@relation\b|ID;P|TABLE\r?\n0,1\r?\n)|^(?:INSERT INTO|COPY) \S{1,200}.{0,400}\b(?:VALUES|FROM stdin)"
TRACES = (
    Trace("a file inside a link (data:)", _made(r"\bdata:[\w.+-]+/[\w.+-]+[;,]|\bdata:;base64,"), "take it out"),
    Trace(
        "packed signs (base64)",
        re.compile(rf"(?<!{_SIGNS})(?={_SIGNS}{{0,60}}[A-Z])(?={_SIGNS}{{0,60}}[0-9+/]){_SIGNS}{{160,}}+={{0,2}}"),
        _PLAIN,
    ),
    Trace(
        "packed signs (base64 over lines)",
        re.compile(r"(?:^[ >\"']{0,4}[A-Za-z0-9+/]{60,76}[\"',]{0,2}\r?\n){3,}", re.MULTILINE),
        _PLAIN,
    ),
    Trace("packed signs (hexadecimal)", re.compile(r"(?<![0-9A-Za-z])(?:[0-9a-fA-F]{2}[ :]?){129,}+"), _PLAIN),
    Trace("packed signs (escapes)", re.compile(r"(?:(?:\\x|%|\\u00|&#x?|=)[0-9A-Fa-f]{2,3};?){24,}+"), _PLAIN),
    Trace("a file in old mail coding (uuencode)", re.compile(r"^begin(?:-base64)? [0-7]{3} \S", re.MULTILINE), _PLAIN),
    Trace("sealed text (PEM, PGP)", re.compile(r"-----BEGIN [A-Z ]+-----"), "take it out"),
    Trace("a page, drawing or other mark-up", _made(_PAGE), "save tables as CSV and pictures as PNG", _TEXTS),
    Trace("script or embedded objects", _made(_OBJECT), "take it out", _TEXTS),
    Trace(
        "remarks that a reader is not shown",
        _made(r"<!--|^\[(?://|comment|#)\]:\s*#"),
        "write them where they are read, or take them out",
        frozenset({"md"}),
    ),
    Trace("a PDF", re.compile(r"^%PDF-\d", re.MULTILINE), "take it out"),
    Trace("a table of another program (ARFF, SYLK, DIF, SQL)", _made(_OTHERS), "write the result as a CSV", _TEXTS),
)


def look(seen: Seen) -> Iterator[Finding]:
    """Point at the first places of each."""
    for trace in TRACES:
        if seen.file.kind in trace.kinds:
            yield from first(
                block(seen.line(found.start()), f"holds {trace.what}", trace.fix)
                for found in trace.looks.finditer(seen.text)
            )
