"""What an extract is made of is read once more, byte by byte, by somebody who knows every name of its source.

Nothing here knows how an extract is made: all files below a folder are read as what their bytes say they are, packed
ones unpacked, and each identifier is looked for in all of it at once (Aho and Corasick, 1975). A text and an
identifier are compared by their letters and digits only, so that case, spaces, punctuation and the NULs of UTF-16 do
not matter; accents are tried with and without. Base64 and hexadecimal digits are undone where they stand, and so is
what hides a letter from the eye or from a machine (`respelled`). A file's path is read too.

Only identifiers that cannot occur by chance are looked for (`spelling.distinctive`). A number that stands in no
more places than chance explains is told, and does not stop an extract.
"""

import binascii
import json
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import ahocorasick_rs
import numpy as np

from tre.data import respelled, unpacking
from tre.data.deid import spelling
from tre.data.unpacking import Portion

_Places = list[tuple[int, int, int]]
_Looked = tuple[_Places, list[tuple[Portion, _Places]]]

THREADS = 2
AREA = 2  # different separators of a telephone number with its area code in brackets
CHANCE = 3  # times more often than chance explains
TOLD = 200  # findings of one extract that are told one by one
INSIDE = 8  # least length of letters and digits that are looked for inside words
FULL = 3  # letters of a first and a last name for both to stand without the middle one
GAP = 3  # characters between two of one identifier
OVERLAP = 1024  # bytes that two portions of a file share: no identifier is longer
GLUED = 12  # least length of a name that is looked for inside words
LEFT = 0.8  # share of a name's letters that must be left in an encoding
LEGACY = (
    "cp1250", "cp1251", "koi8-r", "iso8859-5", "iso8859-7", "iso8859-9", "gb18030", "shift_jis", "euc_jp", "euc_kr",
)  # fmt: skip
LONGEST = 120  # letters and digits of one identifier; a longer one is looked for by its beginning

_LOWER = bytes(range(256)).lower()
_NOT_ALNUM = bytes(byte for byte in range(128) if not chr(byte).isalnum())
ASCII = 128
_KEPT = np.array([byte >= ASCII or chr(byte).isalnum() for byte in range(256)])
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{12,}")
_HEX = re.compile(rb"(?:[0-9a-f]{2}){9,}|(?:[0-9A-F]{2}){9,}")
_WORDS = re.compile(rb"tre1-[A-Z2-7]{26}|[A-Za-z]?[a-z]+(?:[A-Z_][a-z]+)*")
_NOTHING = b"\0" + respelled.MARK
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_DIGITS = re.compile(rb"(?<![0-9])[0-9]{%d,40}(?![0-9])" % spelling.DIGITS)
_BETWEEN_DIGITS = frozenset({b" ", b"-", b".", b"/", b"_"})
_AREA_CODE = frozenset({b") ", b")", b"-", b" "})


@dataclass(frozen=True)
class Found:
    """Identifiers that stand in one file."""

    file: str
    how: str
    """Empty: as it stands; else how one comes to it."""
    places: int


@dataclass(frozen=True)
class Sweep:
    """What was looked for, in what, and what was found."""

    identifiers: int
    files: int
    bytes: int
    """Of what was read, unpacked."""
    found: tuple[Found, ...]
    unread: tuple[str, ...]
    """Files that could not be read to their end, and why."""
    by_chance: int
    """Numbers that equal an identifier as often as any other numbers would."""

    @property
    def passed(self) -> bool:
        """Whether everything was read, and nothing found."""
        return not self.found and not self.unread


def nobody(done: int) -> None:
    """Tell nobody."""


def sweep(folder: Path, values: Iterable[str], *, tell: Callable[[int], None] = nobody) -> Sweep:
    """Look for the identifiers `values` in every file below a folder. `tell` hears of bytes read."""
    needles = Needles.of(values)
    seen = _Seen(needles)
    files = sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    unread = []
    for path in files:
        name = path.relative_to(folder).as_posix()
        try:
            seen.file(name, path, tell)
        except unpacking.Unread as why:
            unread.append(f"{name}: {why}")
    return Sweep(needles.count, len(files), seen.bytes, tuple(seen.told()), tuple(unread), seen.by_chance)


@dataclass(frozen=True)
class Needles:
    """The identifiers, each in all its forms, as one automaton."""

    count: int
    forms: list[bytes] = field(repr=False)
    automaton: ahocorasick_rs.BytesAhoCorasick | None = field(repr=False)
    numbers: Counter[int] = field(repr=False)
    """Length -> how many needles are numbers of this length."""

    @classmethod
    def of(cls, values: Iterable[str]) -> "Needles":
        """Build the automaton: about 150 bytes of memory an identifier."""
        forms: set[bytes] = set()
        count = 0
        for value in values:
            if spelling.distinctive(value):
                count += 1
                forms.update(form for form in _forms(value) if len(form) >= spelling.MIXED)
        ordered = sorted(forms)
        contiguous = ahocorasick_rs.Implementation.ContiguousNFA
        automaton = ahocorasick_rs.BytesAhoCorasick(ordered, implementation=contiguous) if ordered else None
        return cls(count, ordered, automaton, Counter(len(form) for form in ordered if form.isdigit()))

    def within(self, text: bytes) -> list[tuple[int, int, int]]:
        """Return (needle, start, end) of each place in bytes of letters and digits."""
        # Overlapping: one identifier may begin like another, or where a chance one ends.
        return self.automaton.find_matches_as_indexes(text, overlapping=True) if self.automaton and text else []


def _forms(value: str) -> Iterator[bytes]:
    """Yield the letters and digits of an identifier as a file may hold them, in whatever encoding."""
    for order in _orders(value):
        yield spelling.plain(order).encode()[:LONGEST]
        if not value.isascii():
            for written in dict.fromkeys((order, order.lower(), order.upper(), order.title())):
                yield from _encoded(written)


def _orders(value: str) -> Iterator[str]:
    """Yield a name also with its last word first, and with its first word last."""
    yield value
    words = value.split()
    if len(words) > 1 and spelling.plain(value).isalpha():
        yield " ".join([words[-1], *words[:-1]])
        yield " ".join([*words[1:], words[0]])
        if len(words) > 2 and min(len(words[0]), len(words[-1])) >= FULL:  # noqa: PLR2004 -- the middle is left out
            yield f"{words[0]} {words[-1]}"
            yield f"{words[-1]} {words[0]}"


def _encoded(written: str) -> Iterator[bytes]:
    least = LEFT * sum(map(str.isalnum, written))
    for encoding in ("utf-8", "latin-1", "utf-16-le", "utf-16-be"):
        if len(form := _form(written.encode(encoding, "ignore"))) >= least:
            yield form  # of other scripts, so little may be left of UTF-16 that it would be found by chance
    for encoding in LEGACY:
        with suppress(UnicodeEncodeError):
            if len(form := _form(written.encode(encoding))) >= INSIDE:
                yield form
    yield _form(written.encode("ascii", "backslashreplace"))
    yield _form(json.dumps(written).encode())


def _form(data: bytes) -> bytes:
    return _letters(data)[:LONGEST]


def _letters(data: bytes) -> bytes:
    return data.translate(_LOWER, _NOT_ALNUM)


def _two_at_a_time(
    look: Callable[[Portion], _Looked], portions: Iterable[Portion]
) -> Iterator[tuple[Portion, _Looked]]:
    """Look at portions in two threads, of which few are held: the automaton's search lets the other one run."""
    with ThreadPoolExecutor(THREADS) as pool:
        ahead = deque[tuple[Portion, Future[_Looked]]]()
        for portion in portions:
            ahead.append((portion, pool.submit(look, portion)))
            if len(ahead) > THREADS:
                first, answer = ahead.popleft()
                yield first, answer.result()
        for first, answer in ahead:
            yield first, answer.result()


class _Seen:
    """What was found so far."""

    def __init__(self, needles: Needles) -> None:
        self._needles = needles
        self.bytes = 0
        self.by_chance = 0
        self._found = Counter[tuple[str, str]]()

    def file(self, name: str, path: Path, tell: Callable[[int], None]) -> None:
        """Read one file, its path first."""
        path_itself = Portion("its path", name.encode("utf-8", "surrogateescape"), last=True)
        self._judge(name, path_itself, self._places(path_itself)[0], None)
        numbers, runs = Counter[int](), Counter[int]()
        for portion, (places, hidden) in _two_at_a_time(self._places, unpacking.portions(path, OVERLAP)):
            self.bytes += len(portion.data)
            self._judge(name, portion, places, numbers)
            for below, within in hidden:
                self._judge(name, below, within, None)
            tell(len(portion.data))
        if numbers:
            for portion in unpacking.portions(path, OVERLAP):
                runs.update(len(run) for run in _DIGITS.findall(portion.data))
            self._numbers(name, numbers, runs)

    def told(self) -> Iterator[Found]:
        """Yield the findings, the worst first."""
        for (file, how), places in self._found.most_common(TOLD):
            yield Found(file, how, places)

    def _places(self, portion: Portion) -> tuple[_Places, list[tuple[Portion, _Places]]]:
        """Return where identifiers may stand in a portion, and in what its base64 hides."""
        how = f"{portion.how}, base64" if portion.how else "base64"
        hidden = [Portion(how, below, last=True) for below in _from_base64(portion.data)]
        if not portion.how:
            hidden += [Portion("unpacked", below, last=True) for below in unpacking.members(portion.data)]
        hidden += [Portion("respelled", below, last=True) for below in respelled.of(portion.data)]
        return self._needles.within(_letters(portion.data)), [
            (below, places) for below in hidden if (places := self._needles.within(_letters(below.data)))
        ]

    def _judge(self, name: str, portion: Portion, places: _Places, numbers: Counter[int] | None) -> None:
        """Count what really stands there; with `numbers`, numbers wait for the end of the file."""
        if not places:
            return
        at = np.flatnonzero(_KEPT[np.frombuffer(portion.data, np.uint8)])
        ends = len(portion.data) if portion.last else len(portion.data) - OVERLAP
        for which, start, end in places:
            form = self._needles.forms[which]
            if portion.how == "respelled" and respelled.MARK not in portion.data[at[start] : at[end - 1] + 2]:
                continue  # it stood there before, and is counted there
            if at[start] < ends and _stands(portion.data, at, start, end, form):
                if numbers is not None and form.isdigit():
                    numbers[len(form)] += 1
                else:
                    self._found[name, portion.how] += 1

    def _numbers(self, name: str, numbers: Counter[int], runs: Counter[int]) -> None:
        """Numbers count when there are more of them than a random choice of numbers would hit."""
        for length, hits in numbers.items():
            expected = runs[length] * self._needles.numbers[length] / 10**length
            if hits > CHANCE * expected:
                self._found[name, f"numbers of {length} digits"] += hits
            else:
                self.by_chance += hits


def _stands(data: bytes, at: "np.ndarray[tuple[int], np.dtype[np.intp]]", start: int, end: int, form: bytes) -> bool:
    """Say whether what equals an identifier stands by itself, and not by chance across words."""
    places = at[start:end]
    steps = np.diff(places)
    if steps.size and int(steps.max()) > GAP + 1:
        return False
    width = int(steps.min()) if steps.size else 1
    before = _neighbour(data, int(places[0]), int(at[start - 1]) if start else -9, width)
    after = _neighbour(data, int(places[-1]), int(at[end]) if end < len(at) else -9, width)
    if form.isdigit():
        between = {data[int(one) + 1 : int(two)].translate(None, _NOTHING) for one, two in pairwise(places)} - {b""}
        alike = len(between) <= 1 and between <= _BETWEEN_DIGITS
        area = len(between) == AREA and between <= _AREA_CODE and any(b")" in one for one in between)
        return (alike or area) and not (before + after).isdigit()
    if form.isalpha():
        return len(form) >= GLUED or not any(chr(byte).isalpha() for byte in before + after if byte < ASCII)
    return len(form) >= INSIDE or not before + after


def _neighbour(data: bytes, here: int, there: int, width: int) -> bytes:
    """Return the letter or digit that touches this place, if one does."""
    return data[there : there + 1] if there >= 0 and abs(there - here) == width else b""


def _from_base64(data: bytes) -> Iterator[bytes]:
    """Undo base64 in every longer run that is not a name of ours, at each of the four places it may begin."""
    met = set(_BASE64.findall(data))
    if digits := sorted(run for run in met if _HEX.fullmatch(run)):
        yield b"\0\0\0\0".join(bytes.fromhex(run.decode("ascii")) for run in digits)
    runs = sorted(run for run in met if _mixed(run))
    for start in range(4 if runs else 0):
        yield b"\0\0\0\0".join(_decoded(run[start:]) for run in runs)


def _mixed(run: bytes) -> bool:
    """Say whether a run has small and capital letters, as base64 of anything this long has."""
    return not (run.isupper() or run.islower() or run.isdigit() or _WORDS.fullmatch(run))


def _decoded(run: bytes) -> bytes:
    whole = len(run) - (len(run) % 4 == 1)
    clear = binascii.a2b_base64(run[:whole].translate(_URL_SAFE) + b"=" * (-whole % 4))
    return (clear.startswith(unpacking.GZIP) and unpacking.beginning(clear)) or clear
