"""The FHIR part of an extract: one file a type, one resource a line, in the order of their names in this project."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import orjson

from tre.data.deid.fhir import check, dates, source
from tre.data.deid.fhir.at import HeldBack
from tre.data.deid.fhir.part import Dates, Fhir
from tre.data.deid.fhir.record import Made, Taker, named
from tre.data.deid.fhir.runs import MOST, Runs, newest
from tre.data.deid.pseudonyms import Domain, Person
from tre.data.deid.stored import Stored, Summary
from tre.data.deid.who import Who

FOLDER = "fhir"
_EVERY = 1000  # records between two words on how far it has come
_HIDDEN = 10**13  # milliseconds


def make(files: Iterable[Stored], folder: Path, *, part: Fhir, who: Who, tell: Callable[[int], None]) -> Summary:
    """Write `fhir/<Type>.ndjson`; of two resources with one id the newer stays, of equally new ones the later."""
    summary = Summary()
    place = folder / FOLDER
    runs_at = place / ".runs"
    runs_at.mkdir(parents=True)
    try:
        made = _Extract(Taker(part, who), runs_at, summary)
        for stored in sorted(files, key=lambda one: one.number):
            made.read(stored, tell)
        made.write(place)
    finally:
        shutil.rmtree(runs_at)
    if not summary.files:
        place.rmdir()
    summary.counts.update({what: count for what, count in made.taker.counts.items() if count})
    summary.rules.update(made.taker.rules.hashes)
    return summary


class _Extract:
    """All records of one version on their way."""

    def __init__(self, taker: Taker, runs_at: Path, summary: Summary) -> None:
        self.taker, self._at, self._summary = taker, runs_at, summary
        self._types: dict[str, Runs] = {}
        self._born: dict[str, tuple[tuple[int, int, int], str, int]] = {}
        self._last: dict[str, str] = {}
        self._count = 0
        # A line's rank goes to disk; the day it was changed does not, so it is moved as well.
        self._offset = taker.who.naming.number(Domain.ORDER, "fhir rank") % _HIDDEN

    def read(self, stored: Stored, tell: Callable[[int], None]) -> None:
        with stored.open() as file:
            for item in source.items(file, self.taker.part):
                if item.fault:
                    self._summary.held[item.fault] += 1
                    continue
                try:
                    self._add(self.taker.take(item))
                except HeldBack as reason:
                    self._summary.held[str(reason)] += 1
                    self._summary.identifiers.update(("", one) for one in named(item.resource))
                if self._count % _EVERY == 0:
                    tell(self._count)
        tell(self._count)

    def _add(self, made: Made) -> None:
        self._count += 1
        if made.person is not None:
            name = made.person.pseudonym
            if made.last > self._last.setdefault(name, ""):
                self._last[name] = made.last
            self._summary.identifiers.update((name, one) for one in made.names)
            if made.born:
                new = (*made.rank, self._count), made.born, self._days(made.person)
                self._born[name] = max(self._born.get(name, new), new)
        runs = self._types.get(made.type)
        if runs is None:
            runs = self._types[made.type] = Runs(self._at, made.type)
        rank_ = b"%016d.%09d.%015d" % (made.rank[0] + self._offset, made.rank[1], self._count)
        runs.add(b"%b\t%b\t%b\n" % (made.id.encode(), rank_, orjson.dumps(made.resource)))
        if runs.bytes > MOST // 4 and sum(one.bytes for one in self._types.values()) > MOST:
            for one in self._types.values():
                one.spill()

    def write(self, place: Path) -> None:
        for kind in sorted(self._types):
            with (place / f"{kind}.ndjson").open("xb") as file:
                for at, (name, json) in enumerate(newest(self._types[kind].sorted())):
                    line = self._with_birth(name.decode(), json) if kind == "Patient" else json
                    if at < check.SAMPLE:
                        check.valid(kind, line)
                    file.write(line)
                    self._summary.records += 1
            self._summary.files.append(f"{FOLDER}/{kind}.ndjson")
        self._summary.persons.update(self._last)

    def _with_birth(self, name: str, line: bytes) -> bytes:
        """Write when a person was born, as far as it may be told now that their last day is known."""
        self._summary.persons.add(name)
        if name not in self._born:
            return line
        _, born, days = self._born[name]
        patient = orjson.loads(line)
        patient["birthDate"] = dates.birth(born, dates.moved(self._last[name], -days) or self._last[name])
        return orjson.dumps(patient) + b"\n"

    def _days(self, person: Person) -> int:
        """Return by how many days the last day of this person was moved."""
        return person.days if self.taker.part.dates is Dates.SHIFT else 0
