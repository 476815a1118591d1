"""Who was counted is written down in a few kilobytes: enough to know how few others were counted another time.

From two sketches of one project the difference of their cohorts is known exactly as long as it is small, also when the
data they were made of is gone. It is an invertible Bloom lookup table (Eppstein, Goodrich, Uyeda, Varghese 2011): each
person is added into three cells that a keyed hash chooses.
"""

import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

CELLS = 512
TURNS = 3
SKETCH = "tre cohort 1"

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sketch:
    """A cohort of any size in a few kilobytes."""

    persons: int
    key: str
    """Which key it was made with: others cannot be compared."""
    counts: npt.NDArray[np.int32]
    sums: npt.NDArray[np.uint64]


def write(people: Iterable[str], key: bytes) -> bytes:
    """Write down who is in a cohort: enough to know how few others are in another, and nothing to know who."""
    names = np.array([_hashed(name, key) for name in people], dtype=np.uint64)
    counts, sums = np.zeros(CELLS, np.int32), np.zeros(CELLS, np.uint64)
    for place in _cells_of(names):
        np.add.at(counts, place, 1)
        np.bitwise_xor.at(sums, place, names)
    head = json.dumps({"what": SKETCH, "persons": len(names), "key": _called(key)}).encode()
    return head + b"\n" + zlib.compress(counts.astype("<i4").tobytes() + sums.astype("<u8").tobytes())


def read(data: bytes) -> Sketch | None:
    """Read what `write` wrote; None where nothing was."""
    head, _, body = data.partition(b"\n")
    try:
        said, held = json.loads(head), zlib.decompress(body)
        if said["what"] != SKETCH or len(held) != CELLS * 12:
            return None
        counts, sums = np.frombuffer(held[: CELLS * 4], "<i4"), np.frombuffer(held[CELLS * 4 :], "<u8")
        return Sketch(int(said["persons"]), str(said["key"]), counts.astype(np.int32), sums.astype(np.uint64))
    except (ValueError, KeyError, TypeError, zlib.error):
        return None


class Differs(NamedTuple):
    """People in one cohort only, and in the other only; at least so many where it is not exact."""

    here: int
    there: int
    exact: bool


def differs(one: Sketch, other: Sketch) -> Differs | None:
    """Return how two cohorts differ; None where they were written with different keys."""
    if one.key != other.key:
        return None
    counts, sums = one.counts - other.counts, one.sums ^ other.sums
    touched = int(np.count_nonzero((counts != 0) | (sums != 0)))
    here, there = 0, 0
    for _ in range(CELLS):  # a cell that only looks like one person's might lead round in circles
        if not len(single := _single(counts, sums)):
            break
        at = single[0]
        sign, name = int(counts[at]), sums[at]
        here, there = here + (sign > 0), there + (sign < 0)
        for (place,) in _cells_of(np.array([name], np.uint64)):
            counts[place] -= sign
            sums[place] ^= name
    if not np.any(counts) and not np.any(sums):
        return Differs(here, there, exact=True)
    return Differs(-(-touched // TURNS), 0, exact=False)


def _single(counts: npt.NDArray[np.int32], sums: npt.NDArray[np.uint64]) -> Places:
    """Return the cells that hold one person: their name leads back to the cell."""
    maybe = np.flatnonzero(np.abs(counts) == 1)
    if not len(maybe):
        return maybe
    home = np.stack(_cells_of(sums[maybe]))
    return maybe[np.any(home == maybe, axis=0)]


def _cells_of(names: npt.NDArray[np.uint64]) -> list[Places]:
    """Return the three cells of each name, one in each third of the table."""
    third = CELLS // TURNS
    return [
        ((names >> np.uint64(21 * turn)) & np.uint64((1 << 21) - 1)).astype(np.int64) % third + turn * third
        for turn in range(TURNS)
    ]


def _hashed(name: str, key: bytes) -> int:
    return int.from_bytes(blake2b(name.encode(), key=key[:64], digest_size=8, person=b"tre cohort").digest())


def _called(key: bytes) -> str:
    return blake2b(b"which key", key=key[:64], digest_size=8, person=b"tre cohort").hexdigest()
