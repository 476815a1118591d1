"""Where a file names a person: a pseudonym of any project by its check digits, an identifier by its keyed hash.

Every layer of the file (`layers`) is searched. Pseudonyms are found with and without their prefix, with anything
between their letters, backwards, and with their alphabet turned. Identifiers are found cell by cell, and in small
files also across cells; numbers that equal one as often as any other numbers would are chance.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import numpy as np

from tre.data import canaries, identifiers, packed
from tre.data.deid import pseudonyms
from tre.data.deid.pseudonyms import Mac
from tre.data.deid.spelling import DIGITS, plain
from tre.data.layers import SMALL, Budget, Layer, layers

Found = TypeVar("Found")

SHOWN = 100
"""Places of one kind in one layer; more of the same tell no more."""
CANDIDATES = 300_000
"""Bare strings whose check is tried."""
CHANCE = 3
"""Times more often than chance explains."""
ACROSS = 8
"""Least length of letters and digits that are looked for across cells."""
LETTERS = 8
"""Different letters of a pseudonym, at least; fewer has not one in a hundred million."""
DOWN = 4000
"""Letters of one column that are looked through without a prefix."""

_LENGTH = pseudonyms.PAYLOAD + pseudonyms.CHECK
_SHAPED = re.compile(rb"tre1[-_]([A-Z2-7]{8,})", re.IGNORECASE)
_JOINED = re.compile(rb"tre1(?=([A-Z2-7]{%d}))" % _LENGTH, re.IGNORECASE)
_TURNED = re.compile(rb"([A-Z]{3})1[-_]?([A-Z2-7]{%d})" % _LENGTH, re.IGNORECASE)
_NOT_ALNUM = bytes(byte for byte in range(256) if byte > 0x7F or not chr(byte).isalnum())  # noqa: PLR2004 -- ASCII
_APART = {code: " " for code in range(128) if not chr(code).isalnum()}
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BASE32 = _LETTERS + _LETTERS.lower() + b"234567"
_NAMING = _BASE32 + b"1-_"
_CELL = r"(?<![^\W_])(?:\d{1,5}[ -])?\d*[^\W\d_][^\W_]*(?:[ ._/#:'-]{1,3}[^\W_]+)*"
"""Words of which the first or the second has a letter."""
_NUMBERS = b"0123456789 -/_"
_NAMES = r"[^\W\d_](?<![^\W\d_]{2})[^\W\d_]++(?:[^\w\n]{1,3}[^\W\d_]{2,}+)+"
_PATTERNS = {
    ascii_only: tuple(re.compile(each, re.ASCII * ascii_only) for each in (_CELL, _NAMES)) for ascii_only in (0, 1)
}


@dataclass(frozen=True)
class Leak:
    """A place in a file that names a person. `detail` says whose, never what."""

    kind: str
    """pseudonym: check digits of a project; pseudonym-shape: looks like one; identifier: of the source; canary: of
    nobody, laid out to be found; unread."""
    where: str
    detail: str


class Known:
    """What is known of those who may be named: keys of pseudonyms by project, indexes of identifiers, canaries."""

    def __init__(
        self, keys: tuple[tuple[str, bytes], ...], indexes: tuple[tuple[identifiers.Index, bytes], ...], project: str
    ) -> None:
        """Key each HMAC once."""
        self.project = project
        self.indexes = tuple((index, Mac(key)) for index, key in indexes)
        self.canaries = canaries.known(keys)
        self._macs = tuple((name, Mac(key)) for name, key in keys)

    def owner(self, letters: bytes) -> str | None:
        """Name the project whose check 26 letters bear."""
        body = letters.upper()
        payload, check = b"check|" + body[: pseudonyms.PAYLOAD], body[pseudonyms.PAYLOAD :]
        return next((name for name, mac in self._macs if pseudonyms.checks(mac, payload) == check), None)


@dataclass
class _Tries:
    """How many bare strings were tried."""

    left: int = CANDIDATES
    told: bool = field(default=False)


def leaks(data: bytes, known: Known) -> tuple[Leak, ...]:
    """Point at every place of a file that names a person."""
    budget, tries, found = Budget(), _Tries(), dict[Leak, None]()
    for layer in layers(data, budget):
        found.update(dict.fromkeys(_pseudonyms(layer, known, tries)))
        found.update(dict.fromkeys(_identifiers(layer, known)))
    if budget.spent:
        found[Leak("unread", "the file", "unpacks to more than can be searched")] = None
    return tuple(found)


# --- pseudonyms ------------------------------------------------------------------------------------------------------
def _pseudonyms(layer: Layer, known: Known, tries: _Tries) -> Iterator[Leak]:
    for found in _at_most(_SHAPED.finditer(layer.data)):
        project, where = known.owner(found[1][:_LENGTH]), _where(layer, found.start())
        yield (
            _says(where, known, found[1][:_LENGTH], project)
            if project
            else Leak("pseudonym-shape", where, "the shape of a pseudonym, whole or in part")
        )
    yield from _bare(layer, known, tries)
    letters = layer.data.translate(None, _NOT_ALNUM)
    small = letters.lower()
    ways = (("with separators", b"tre1", letters), ("backwards", b"1ert", letters[::-1]))
    for way, _, text in (each for each in ways if each[1] in small):
        for found in _at_most(_JOINED.finditer(text)):
            if project := known.owner(found[1]):
                yield _says(_told(layer, f"perhaps {way}"), known, found[1], project)
    for found in _at_most(_TURNED.finditer(packed.long(layer.data, _NAMING, len(pseudonyms.PREFIX) - 1 + _LENGTH))):
        turned = _turned(found[1].upper(), found[2].upper())
        if turned and (project := known.owner(turned)):
            yield _says(_told(layer, "the file, in another alphabet"), known, turned, project)


def _turned(head: bytes, body: bytes) -> bytes:
    """Turn the alphabet back by as much as makes the prefix; nothing if it is not turned."""
    by = (head[0] - ord("T")) % len(_LETTERS)
    back = bytes.maketrans(_LETTERS[by:] + _LETTERS[:by], _LETTERS)
    return body.translate(back) if by and head.translate(back) == b"TRE" else b""


def _bare(layer: Layer, known: Known, tries: _Tries) -> Iterator[Leak]:
    """Pseudonyms without their prefix, glued to anything; known by their check digits alone."""
    for begin, end in packed.runs(layer.data, _BASE32, _LENGTH):
        text = layer.data[begin:end]
        before = layer.data[max(0, begin - 5) : begin].lower()
        if text.isalpha() or (before in {b"tre1-", b"tre1_"} and len(text) == _LENGTH):
            continue  # no word, or told with its prefix
        if layer.leaf and len(text) > DOWN:
            continue
        for start in range(len(text) - _LENGTH + 1):
            window = text[start : start + _LENGTH]
            if window.isalpha() or len(set(window)) < LETTERS:
                continue  # DNA, long words, one colour's pixels; one real pseudonym in two hundred has no digit
            tries.left -= 1
            if project := known.owner(window):
                yield _says(_where(layer, begin + start), known, window, project)
        if tries.left < 0:
            yield Leak("unread", _where(layer, begin), "more strings than can be tried")
            return


def _says(where: str, known: Known, letters: bytes, project: str) -> Leak:
    if whose := known.canaries.get(plain(pseudonyms.PREFIX + letters.decode("ascii"))):
        return Leak("canary", where, f"a canary of project {whose}: a copy of a whole file of its data")
    return Leak("pseudonym", where, f"a pseudonym of project {project}")


# --- identifiers -----------------------------------------------------------------------------------------------------
def _identifiers(layer: Layer, known: Known) -> Iterator[Leak]:
    text = _text(layer)
    small = len(text) <= SMALL
    if not text or (layer.leaf and not small):
        return
    lengths = frozenset[int]().union(*(index.lengths for index, _ in known.indexes), map(len, known.canaries))
    cells = _forms(text, lengths)
    across = identifiers.runs(text, lengths) if small else ()
    for forms in (cells, {form: at for at, form in across if form not in cells and _crosses(form)}):
        for form in _at_most(_hits(forms, known)):
            said = f"an identifier of a person in the source of project {known.project}"
            yield Leak("identifier", _told(layer, _line(text, forms[form])), said)
        for form in forms.keys() & known.canaries.keys():
            said = f"a canary of project {known.canaries[form]}: a copy of a whole file of its data"
            yield Leak("canary", _told(layer, _line(text, forms[form])), said)


def _line(text: str, place: int | str) -> str:
    at = place if isinstance(place, int) else text.find(place)
    return f"line {text.count(chr(10), 0, at) + 1}"


def _crosses(form: str) -> bool:
    return form.isalpha() or form.isdecimal() or len(form) >= ACROSS


def _forms(text: str, lengths: frozenset[int]) -> dict[str, int | str]:
    """Return what could be an identifier within a cell, or a name over several, each once, and in what it stands."""
    met = {chunk for pattern in _PATTERNS[text.isascii()] for chunk in pattern.findall(text)}
    raw = text.encode("latin-1", "replace")  # a byte a letter: places are those of the text
    for start, end in packed.runs(raw, _NUMBERS, DIGITS):
        if raw[start - 1 : start] != b"." or start == 0:
            met.add(text[start:end])
    found = dict[str, int | str]()
    for chunk in met:
        if not chunk.isascii():
            found.update((form, chunk) for _, form in identifiers.runs(chunk, lengths))
            continue
        words = chunk.lower().translate(_APART).split()
        if len(words) <= 2:  # noqa: PLR2004 -- most cells; faster than all runs of many
            forms: Iterable[str] = (*words, "".join(words))
        else:
            forms = (form for _, form in identifiers.runs(chunk, lengths))
        for form in forms:
            if len(form) in lengths:
                found[form] = chunk
    return found


def _hits(forms: Mapping[str, int | str], known: Known) -> Iterator[str]:
    """Yield the forms that are identifiers; numbers only where more of them are than a random choice would hit."""
    tried = Counter(len(form) for form in forms if form.isdecimal())
    for index, mac in known.indexes:
        numbers = Counter[int]()
        places = dict[int, list[str]]()
        for form in _held(forms, index, mac):
            if form.isdecimal():
                numbers[len(form)] += 1
                places.setdefault(len(form), []).append(form)
            else:
                yield form
        for length, hits in numbers.items():
            if hits > CHANCE * tried[length] * len(index.hashes) / 10**length:
                yield from places[length]


def _held(forms: Iterable[str], index: identifiers.Index, mac: Mac) -> Iterator[str]:
    """Yield the forms whose hash the index holds; all are asked at once."""
    asked = [form for form in forms if len(form) in index.lengths and (len(form) >= DIGITS or not form.isdecimal())]
    hashes = (mac(b"identifier|" + form.encode("utf-8", "surrogatepass"))[:8] for form in asked)
    hashed = np.frombuffer(b"".join(hashes), ">u8").astype(np.uint64)
    known = np.frombuffer(index.hashes, np.uint64)
    if not len(known):
        return
    at = np.minimum(np.searchsorted(known, hashed), len(known) - 1)
    yield from (asked[nth] for nth in np.flatnonzero(known[at] == hashed))


def _at_most(found: Iterator[Found]) -> Iterator[Found]:
    return islice(found, SHOWN)


def _text(layer: Layer) -> str:
    """Read the layer as text; of what was unpacked only the lines that are text."""
    try:
        return layer.data.decode("utf-8", "strict" if layer.how else "replace")
    except UnicodeDecodeError:
        return "\n".join(_lines(layer.data))


def _lines(data: bytes) -> Iterator[str]:
    for line in data.split(b"\n"):
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError:
            continue


def _where(layer: Layer, at: int) -> str:
    return _told(layer, f"line {layer.data.count(10, 0, at) + 1}" if at < len(layer.data) else "the file")


def _told(layer: Layer, place: str) -> str:
    return f"inside {layer.how}" if layer.how else place
