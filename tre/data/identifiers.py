"""What names a person in the source: found again in a file without keeping a single name.

An index holds keyed hashes (64 bits of HMAC-SHA256 under the project's key) of the identifiers that cannot occur by
chance: nine digits or more, two words or more, or letters and digits mixed. Case, accents, spaces and punctuation do
not count. Shorter numbers and single words are looked for only in the extract itself, on the person's own rows.
"""

import json
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tre.data.deid.pseudonyms import Mac
from tre.data.deid.spelling import DIGITS, LETTERS, MIXED, WORD, distinctive, plain, spellings
from tre.errors import Tampered

__all__ = [
    "DIGITS", "LETTERS", "MIXED", "Index", "distinctive", "find", "plain", "read", "runs", "spellings", "write",
]  # fmt: skip

WORDS = 6  # words that one identifier may have
GAP = 3  # characters that may stand between two words of one identifier
MAGIC = "tre identifiers 1"


@dataclass(frozen=True)
class Index:
    """Hashes of the identifiers of one extract, and the lengths at which looking is worth while."""

    hashes: "array[int]"
    lengths: frozenset[int]

    def __contains__(self, hashed: int) -> bool:
        """Say whether this hash is one of them."""
        at = bisect_left(self.hashes, hashed)
        return at < len(self.hashes) and self.hashes[at] == hashed


def write(path: Path, values: Iterable[str], key: bytes) -> int:
    """Write the index of these identifiers, readable by the owner only; return how many it holds."""
    mac = Mac(key)
    forms = {form for value in values if distinctive(value) for form in spellings(value)}
    hashes = array("Q", sorted({_hash(form, mac) for form in forms}))
    head = {"what": MAGIC, "count": len(hashes), "lengths": sorted({len(form) for form in forms})}
    path.touch(0o600)
    path.write_bytes(json.dumps(head).encode() + b"\n" + hashes.tobytes())
    return len(hashes)


def read(path: Path) -> Index:
    """Read an index; one that is missing or cut short is no index."""
    try:
        head, _, body = path.read_bytes().partition(b"\n")
        said = json.loads(head)
        index = Index(array("Q", body), frozenset(said["lengths"]))
        whole = said["what"] == MAGIC and len(index.hashes) == said["count"]
    except (OSError, ValueError, KeyError):
        whole = False
    if not whole:
        raise Tampered(f"{path} is not the index of an extract's identifiers: prepare the extract again")
    return index


def find(text: str, index: Index, key: bytes) -> Iterator[int]:
    """Yield the places in a text where an identifier of the index stands."""
    mac = Mac(key)
    for at, joined in runs(text, index.lengths):
        if _hash(joined, mac) in index:
            yield at


def runs(text: str, lengths: frozenset[int]) -> Iterator[tuple[int, str]]:
    """Yield each run of neighbouring words whose joined length is that of an identifier."""
    write = str.lower if text.isascii() else plain
    words = [(*found.span(), write(found[0])) for found in WORD.finditer(text)]
    longest = _longest(lengths)
    for first, (at, end, joined) in enumerate(words):
        run, last = joined, end
        for start, stop, word in [(at, end, ""), *words[first + 1 : first + WORDS]]:
            if start - last > GAP:
                break
            run, last = run + word, stop
            if len(run) > longest:
                break
            if len(run) in lengths:
                yield at, run


@lru_cache(maxsize=8)
def _longest(lengths: frozenset[int]) -> int:
    return max(lengths, default=0)


def _hash(form: str, mac: Mac) -> int:
    return int.from_bytes(mac(b"identifier|" + form.encode())[:8])
