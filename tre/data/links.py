"""Whose each id of each source system is, by one loading of a linkage: in memory, compact, and never written in clear.

A subject is `<linkage>:<subject>`, so that equal numbers of two linkages are two persons.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from tre.data.deid.pseudonyms import Naming, PatientId
from tre.data.deid.who import Who


class Texts:
    """Many short texts as one piece of memory."""

    def __init__(self, values: pa.Array) -> None:
        """Take the bytes over."""
        offsets = pc.cumulative_sum(pc.cast(pc.binary_length(values), pa.int64()))
        self._ends = array("q", [0])
        self._ends.frombytes(offsets.to_numpy(zero_copy_only=False).tobytes())
        self._bytes = b"".join(_buffers(values))

    def __len__(self) -> int:
        """How many."""
        return len(self._ends) - 1

    def __getitem__(self, at: int) -> bytes:
        """Return one as UTF-8."""
        return self._bytes[self._ends[at] : self._ends[at + 1]]


class Ids(Mapping[str, PatientId]):
    """Ids of one system and type, sorted by their bytes: found by halving, without an object for each."""

    def __init__(self, values: pa.Array, whose: pa.Array, subjects: Texts) -> None:
        """Take sorted ids, and for each the place of its subject."""
        self._values = Texts(values)
        self._whose = array("i", whose.cast(pa.int32()).to_numpy(zero_copy_only=False).tobytes())
        self._subjects = subjects

    def __getitem__(self, value: str) -> PatientId:
        """Return the subject of one id."""
        sought = value.encode("utf-8", "surrogatepass")
        at = bisect_left(self._values, sought)
        if at == len(self._values) or self._values[at] != sought:
            raise KeyError(value)
        return PatientId(self._subjects[self._whose[at]].decode())

    def __iter__(self) -> Iterator[str]:
        """Yield the ids."""
        return (self._values[at].decode() for at in range(len(self._values)))

    def __len__(self) -> int:
        """How many ids."""
        return len(self._values)


@dataclass(frozen=True)
class Links:
    """One loading of a linkage."""

    name: str
    number: int
    ids: pa.Table = field(repr=False)
    """system, type, value, subject, sorted; subjects as the file has them, merges followed."""
    merged: pa.Table = field(repr=False)
    """old, subject: who turned out to be somebody else."""

    @cached_property
    def subjects(self) -> pa.Array:
        """Return every subject once, sorted."""
        found = pc.unique(self._prefixed)
        return found.take(pc.array_sort_indices(found))

    def arrow(self) -> pa.Table:
        """Return system, type, value, subject for joins."""
        return self.ids.select(["system", "type", "value"]).append_column("subject", self._prefixed)

    def knows(self, system: str, kind: str, values: Iterable[str]) -> set[str]:
        """Return those ids that are nobody's here."""
        known = self._by_kind.get((system, kind), {})
        return {value for value in values if value.strip() not in known}

    def subject(self, system: str, kind: str, value: str) -> PatientId | None:
        """Return whose an id is."""
        return self._by_kind.get((system, kind), {}).get(value.strip())

    def who(
        self,
        naming: Naming,
        withdrawn: frozenset[PatientId] = frozenset(),
        outside: frozenset[PatientId] = frozenset(),
    ) -> Who:
        """Name these persons for one project."""
        return Who(naming, self._by_kind, withdrawn, outside)

    def of_subject(self, subject: PatientId) -> tuple[tuple[str, str, str], ...]:
        """Return every id of one subject."""
        mine = self.ids.filter(pc.equal(self._prefixed, subject))
        return tuple((row["system"], row["type"], row["value"]) for row in mine.to_pylist())

    def before(self, subject: PatientId) -> tuple[PatientId, ...]:
        """Return the subjects that turned out to be this one."""
        old = self.merged.filter(pc.equal(_named(self.name, self.merged["subject"]), subject))["old"]
        return tuple(PatientId(one) for one in _named(self.name, old).to_pylist())

    def stays(self, subject: PatientId) -> PatientId:
        """Return who a subject turned out to be: mostly itself."""
        found = self.merged.filter(pc.equal(_named(self.name, self.merged["old"]), subject))
        return PatientId(_named(self.name, found["subject"])[0].as_py()) if len(found) else subject

    def ever(self) -> pa.Array:
        """Return every subject, and those who turned out to be another."""
        return pa.concat_arrays([self.subjects, _named(self.name, self.merged["old"])])

    def identifiers(self) -> Iterator[tuple[str, PatientId, str]]:
        """Yield place, subject and value of everything here that names a person, the subjects' own names too."""
        for batch in self.arrow().to_batches(max_chunksize=65_536):
            for row in batch.to_pylist():
                yield f"{row['system']}/{row['type']}", row["subject"], row["value"]
        for subject in self.subjects:
            yield "subject", subject.as_py(), subject.as_py().removeprefix(f"{self.name}:")
        for old, subject in zip(self.merged["old"], _named(self.name, self.merged["subject"]), strict=True):
            yield "subject", subject.as_py(), old.as_py()

    @cached_property
    def _prefixed(self) -> pa.Array:
        return _named(self.name, self.ids["subject"])

    @cached_property
    def _by_kind(self) -> dict[tuple[str, str], Mapping[str, PatientId]]:
        subjects = Texts(self.subjects)
        whose = pc.index_in(self._prefixed, self.subjects)
        found: dict[tuple[str, str], Mapping[str, PatientId]] = {}
        for system, kind in kinds(self.ids):
            mine = pc.and_(pc.equal(self.ids["system"], system), pc.equal(self.ids["type"], kind))
            values = self.ids["value"].combine_chunks().filter(mine.combine_chunks())
            found[system, kind] = Ids(values, whose.filter(mine.combine_chunks()), subjects)
        return found


def kinds(ids: pa.Table) -> dict[tuple[str, str], int]:
    """Count the ids by system and type."""
    counted = ids.group_by(["system", "type"]).aggregate([([], "count_all")])
    return {(row["system"], row["type"]): row["count_all"] for row in counted.to_pylist()}


def _named(name: str, subjects: pa.ChunkedArray) -> pa.Array:
    """Put the linkage's name before each subject."""
    joined = pc.binary_join_element_wise(name, subjects, ":")
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def _buffers(values: pa.Array) -> Iterator[bytes]:
    """Yield the bytes of all values, in portions."""
    for start in range(0, len(values), 65_536):
        yield "".join(values[start : start + 65_536].to_pylist()).encode()
