"""Who is counted is said in a small language of comparisons, and nothing else of SQL gets through it.

cohort = parse("age >= 40 and arm in ('placebo', 'zidovudine') and death is not null", columns)
cohort.text      equal for cohorts that say the same in another order or with other words
cohort.sql()     a condition for DuckDB: quoted columns, quoted literals, and operators of this module
"""

import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tre.data import engine
from tre.errors import Unreadable

LONGEST = 4000
DEEPEST = 40
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?(?![\w.]))
    |'(?P<text>(?:[^']|'')*)' | "(?P<double>(?:[^"]|"")*)" | `(?P<back>[^`]+)`
    |(?P<word>[^\W\d]\w*) | (?P<sign><=|>=|!=|<>|==|=|<|>|\(|\)|,))\s*""",
    re.VERBOSE,
)
_KEPT = frozenset({"and", "or", "not", "in", "between", "is", "null"})
_SIGNS = {"==": "=", "<>": "!="}
_NOT = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">", "is null": "is not null"}
_NOT["is not null"] = "is null"
_TURNED = {"=": "=", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}

Value = float | str | None


class Term(NamedTuple):
    """One comparison of a column with a literal."""

    column: str
    sign: str
    value: Value


class Joined(NamedTuple):
    """Parts that hold together (`and`), or of which one does (`or`)."""

    word: str
    parts: tuple["Part", ...]


Part = Term | Joined


@dataclass(frozen=True)
class Cohort:
    """Who is counted; two that are equal count the same people."""

    text: str
    """The one way in which it is written, whatever the author wrote; empty for everybody."""
    columns: tuple[str, ...]
    _part: Part | None

    def sql(self) -> str:
        """Write it for DuckDB. Numbers compare as numbers, texts as texts, and what is missing is in no comparison."""
        return "true" if self._part is None else _sql(self._part)


def parse(text: str, columns: Collection[str]) -> Cohort:
    """Read who is counted, or say in one line where it cannot be read."""
    if len(text) > LONGEST or "\0" in text:
        raise Unreadable(f"cohort: write at most {LONGEST} characters, none of them NUL")
    if not text.strip():
        return Cohort("", (), None)
    reader = _Reader(tuple(_tokens(text)), columns)
    part = reader.any_of(0)
    reader.end()
    part = _plain(part)
    return Cohort(_text(part), tuple(sorted(set(_columns(part)))), part)


# --- reading ----------------------------------------------------------------------------------------------------------
class _Token(NamedTuple):
    sort: str
    said: str
    at: int


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise Unreadable(f"cohort, character {at + 1}: not a comparison; write column, =, numbers and 'texts'")
        sort = found.lastgroup or ""
        said = found[sort]
        if sort in {"text", "double"}:
            said = said.replace("''", "'") if sort == "text" else said.replace('""', '"')
        elif sort == "word" and said.lower() in _KEPT:
            sort, said = "kept", said.lower()
        elif sort == "sign":
            said = _SIGNS.get(said, said)
        yield _Token(sort, said, found.start() + 1)
        at = found.end()


class _Reader:
    """Goes once over the tokens, from the left."""

    def __init__(self, tokens: tuple[_Token, ...], columns: Collection[str]) -> None:
        self._tokens = tokens
        self._columns = columns
        self._at = 0

    def any_of(self, depth: int) -> Part:
        if depth > DEEPEST:
            raise Unreadable(f"cohort: more than {DEEPEST} parentheses in each other")
        return self._joined("or", depth)

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise self._wrong("write and, or, or nothing more")

    def _joined(self, word: str, depth: int) -> Part:
        parts = [self._part(word, depth)]
        while self._take(word):
            parts.append(self._part(word, depth))
        return Joined(word, tuple(parts))

    def _part(self, word: str, depth: int) -> Part:
        return self._joined("and", depth) if word == "or" else self._one(depth)

    def _one(self, depth: int) -> Part:
        if self._take("not"):
            if depth > DEEPEST:
                raise Unreadable(f"cohort: more than {DEEPEST} times not")
            return _negated(self._one(depth + 1))
        if self._take("("):
            part = self.any_of(depth + 1)
            self._need(")")
            return part
        return self._compared()

    def _compared(self) -> Part:
        if self._sort() in {"number", "text"}:
            value = self._value()
            sign = self._sign()
            return Term(self._column(), _TURNED[sign], value)
        column = self._column()
        if self._take("is"):
            sign = "is not null" if self._take("not") else "is null"
            self._need("null")
            return Term(column, sign, None)
        if self._take("not"):
            return _negated(self._among(column))
        if self._sort() == "kept":
            return self._among(column)
        return Term(column, self._sign(), self._value())

    def _among(self, column: str) -> Part:
        if self._take("between"):
            low = Term(column, ">=", self._value())
            self._need("and")
            return Joined("and", (low, Term(column, "<=", self._value())))
        self._need("in")
        self._need("(")
        parts = [Term(column, "=", self._value())]
        while self._take(","):
            parts.append(Term(column, "=", self._value()))
        self._need(")")
        return Joined("or", tuple(parts))

    def _sort(self) -> str:
        return self._tokens[self._at].sort if self._at < len(self._tokens) else ""

    def _next(self, sorts: str, what: str) -> _Token:
        if self._sort() not in sorts.split():
            raise self._wrong(what)
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, said: str) -> bool:
        taken = self._sort() in {"kept", "sign"} and self._tokens[self._at].said == said
        self._at += taken
        return taken

    def _need(self, said: str) -> None:
        if not self._take(said):
            raise self._wrong(f"write {said}")

    def _sign(self) -> str:
        token = self._next("sign", "write =, !=, <, <=, >, >=, in, between or is")
        if token.said not in _TURNED:
            self._at -= 1
            raise self._wrong("write =, !=, <, <=, >, >=, in, between or is")
        return token.said

    def _value(self) -> float | str:
        token = self._next("number text double", "write a number or a 'text'")
        if token.sort != "number":
            return token.said
        if not math.isfinite(number := float(token.said)):
            raise Unreadable(f"cohort, character {token.at}: this number is too large")
        return number

    def _column(self) -> str:
        token = self._next("word double back", "write the name of a column")
        if token.said in self._columns:
            return token.said
        alike = [name for name in self._columns if name.casefold() == token.said.casefold()]
        if len(alike) == 1:
            return alike[0]
        known = ", ".join(sorted(self._columns)[:12])
        raise Unreadable(f"cohort, character {token.at}: the table has no column of this name; it has {known}")

    def _wrong(self, what: str) -> Unreadable:
        at = f"character {self._tokens[self._at].at}" if self._at < len(self._tokens) else "at its end"
        return Unreadable(f"cohort, {at}: {what}")


def _negated(part: Part) -> Part:
    """Push a `not` inwards: by De Morgan, which holds with missing values too."""
    if isinstance(part, Term):
        return part._replace(sign=_NOT[part.sign])
    return Joined("or" if part.word == "and" else "and", tuple(_negated(each) for each in part.parts))


def _plain(part: Part) -> Part:
    """Flatten what is joined by one word, sort it, and say nothing twice."""
    if isinstance(part, Term):
        return part
    flat = dict[str, Part]()
    for each in map(_plain, part.parts):
        inner = each.parts if isinstance(each, Joined) and each.word == part.word else (each,)
        flat.update((_text(one), one) for one in inner)
    parts = tuple(flat[key] for key in sorted(flat))
    return parts[0] if len(parts) == 1 else Joined(part.word, parts)


# --- writing ----------------------------------------------------------------------------------------------------------
def _text(part: Part) -> str:
    if isinstance(part, Joined):
        return f" {part.word} ".join(f"({_text(p)})" if isinstance(p, Joined) else _text(p) for p in part.parts)
    value = "" if part.value is None else f" {_literal(part.value)}"
    return f"{engine.name(part.column)} {part.sign}{value}"


def _sql(part: Part) -> str:
    if isinstance(part, Joined):
        return "(" + f" {part.word} ".join(map(_sql, part.parts)) + ")"
    column = engine.name(part.column)
    if part.value is None:
        return f"({column} {part.sign})"
    kind = "VARCHAR" if isinstance(part.value, str) else "DOUBLE"
    return f"(TRY_CAST({column} AS {kind}) {part.sign} {_literal(part.value)})"


def _literal(value: float | str) -> str:
    if isinstance(value, str):
        return engine.text(value)
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)


def _columns(part: Part) -> Iterator[str]:
    if isinstance(part, Term):
        yield part.column
    else:
        for each in part.parts:
            yield from _columns(each)
