"""Free text leaves only with what is recognised cut out of it, and what a recogniser cannot see is said with it.

A recogniser is a row of `RECOGNISERS`: a plan names it, and it is told the identifiers of the dataset. `known` cuts
out every identifier that the plan drops or replaces (of the row's own person, whatever its length from two letters or
digits; of anybody else, if it is distinctive) and everything with the shape of one. It cannot see the name of somebody
who is in no column, a nickname, a rare disease, a place or an event; the label says so.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import ahocorasick_rs
import duckdb
import pyarrow as pa
from duckdb.func import PythonUDFType

from tre.data.deid.columns import Action, Column, Recogniser
from tre.data.deid.shapes import SHAPES
from tre.data.deid.spelling import WORD, distinctive, plain, spellings

REMOVED = "[removed]"
ANYWHERE = 8
"""From this length on an identifier is cut out inside words too, as the search of the extract finds it there."""
SHORTEST = 2
FUNCTION = "tre_cut_{}"

_SHAPES = tuple(re.compile(shape.pattern, re.IGNORECASE) for shape in SHAPES)
Span = tuple[int, int]


@dataclass
class Known:
    """The identifiers of a dataset, to be cut out of its texts."""

    everybody: ahocorasick_rs.AhoCorasick | None = None
    own: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Pseudonym -> forms of that person's identifiers and their words."""

    def cut(self, text: str, pseudonym: str) -> str:
        """Return the text without what is recognised."""
        return _without(text, [*self._spans(text, pseudonym), *_shaped(text)])

    def _spans(self, text: str, pseudonym: str) -> Iterator[Span]:
        letters, places = _letters(text)
        starts = {places[at] for at in range(len(places)) if at == 0 or _apart(places[at - 1], places[at])}
        ends = {places[at] for at in range(len(places)) if at + 1 == len(places) or _apart(*places[at : at + 2])}
        for begin, stop in _found(self.everybody, letters):
            first, last = places[begin], places[stop - 1]
            if stop - begin >= ANYWHERE or (first in starts and last in ends):
                yield first, last + 1
        mine = self.own.get(pseudonym, set())
        for begin, stop in _found(_searcher(mine), letters) if mine else ():
            first, last = places[begin], places[stop - 1]
            if first in starts and last in ends:
                yield first, last + 1


def register(con: duckdb.DuckDBPyConnection, columns: Iterable[Column]) -> None:
    """Let the connection cut texts, if a column is one. `identifier` (place, pseudonym, value) is there already."""
    wanted = {column.recogniser for column in columns if column.action is Action.TEXT}
    for recogniser in sorted(wanted - {None}, key=str):
        found = con.execute("SELECT DISTINCT pseudonym, value FROM identifier ORDER BY ALL").fetchall()
        cut = RECOGNISERS[Recogniser(str(recogniser))](found)
        con.create_function(
            FUNCTION.format(recogniser), _in_batches(cut), ["VARCHAR", "VARCHAR"], "VARCHAR", type=PythonUDFType.ARROW
        )


def known(identifiers: Iterable[tuple[str, str]]) -> Callable[[str, str], str]:
    """Gather (pseudonym, value) pairs into what cuts them out."""
    gathered, everybody = Known(), set[str]()
    for pseudonym, value in identifiers:
        forms = {*spellings(value), *map(plain, WORD.findall(value) if _is_name(value) else ())}
        gathered.own[pseudonym] |= {form for form in forms if len(form) >= SHORTEST}
        if distinctive(value):
            everybody.update(spellings(value))
    gathered.everybody = _searcher(everybody) if everybody else None
    return gathered.cut


RECOGNISERS: dict[Recogniser, Callable[[Iterable[tuple[str, str]]], Callable[[str, str], str]]] = {
    Recogniser.KNOWN: known,
}
BLIND = {
    Recogniser.KNOWN: "it cannot see names of people who are in no column, nicknames, places, events, rare conditions",
}


def _in_batches(cut: Callable[[str, str], str]) -> Callable[[pa.Array, pa.Array], pa.Array]:
    def all_of(texts: pa.Array, pseudonyms: pa.Array) -> pa.Array:
        rows = zip(texts.to_pylist(), pseudonyms.to_pylist(), strict=True)
        return pa.array([text if text is None else cut(text, who) for text, who in rows], pa.string())

    return all_of


def _searcher(forms: set[str]) -> ahocorasick_rs.AhoCorasick:
    return ahocorasick_rs.AhoCorasick(sorted(forms))


def _found(searcher: ahocorasick_rs.AhoCorasick | None, letters: str) -> Iterator[Span]:
    if searcher is not None:
        for _, begin, stop in searcher.find_matches_as_indexes(letters, overlapping=True):
            yield begin, stop


def _is_name(value: str) -> bool:
    """Say whether its words name a person too, each by itself."""
    return plain(value).isalpha()


def _letters(text: str) -> tuple[str, list[int]]:
    """Return the plain form of a text, and where in the text each of its characters stands."""
    if text.isascii():
        places = [at for at, letter in enumerate(text) if letter.isalnum()]
        return plain(text), places
    forms = [plain(letter) for letter in text]
    return "".join(forms), [at for at, form in enumerate(forms) for _ in form]


def _apart(one: int, other: int) -> bool:
    """Say whether something stands between two letters that are neighbours in the plain form."""
    return other - one > 1


def _shaped(text: str) -> Iterator[Span]:
    for shape in _SHAPES:
        yield from (found.span() for found in shape.finditer(text))


def _without(text: str, spans: list[Span]) -> str:
    """Cut the spans out; neighbours and overlaps are one."""
    parts, at = [], 0
    for first, last in _joined(spans):
        parts += [text[at:first], REMOVED]
        at = last
    return "".join([*parts, text[at:]])


def _joined(spans: list[Span]) -> Iterator[Span]:
    held: Span | None = None
    for first, last in sorted(spans):
        if held is None or first > held[1]:
            if held:
                yield held
            held = first, last
        else:
            held = held[0], max(held[1], last)
    if held:
        yield held
