"""What the hospital's databases give: the linkage, and four tables in three formats."""

import csv
import io
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from tests.golden import people
from tests.golden.key import Answer, Key
from tests.golden.people import Somebody

LABS = ("718-7", "2160-0", "4548-4", "2345-7")
HOUR = time(8, 30)


def write(folder: Path, everybody: tuple[Somebody, ...], stranger: Somebody, key: Key) -> None:
    """Write linkage.csv and the tables."""
    (folder / "linkage.csv").write_text(_csv([("system", "type", "value", "subject"), *linkage(everybody)]), "utf-8")
    (folder / "tables").mkdir()
    patients = [row for one in (*everybody, stranger) for row in _patients(one, everybody, key)]
    (folder / "tables" / "patients.csv").write_text(_csv([PATIENTS, *patients]), "utf-8")
    labs = [row for one in (*everybody, stranger) for row in _labs(one, key)]
    columns = [pa.array(column) for column in zip(*labs, strict=True)]
    pyarrow.parquet.write_table(pa.table(columns, names=list(LAB_COLUMNS)), folder / "tables" / "labs.parquet")
    stays = [row for one in (*everybody, stranger) for row in _encounters(one, key)]
    (folder / "tables" / "encounters.tsv").write_text(_csv([STAYS, *stays], "\t"), "utf-8")
    notes = [row for one in (*everybody, stranger) for row in _notes(one, key)]
    (folder / "tables" / "notes.csv").write_text(_csv([NOTES, *notes]), "utf-8")


def linkage(everybody: tuple[Somebody, ...]) -> Iterator[tuple[str, str, str, str]]:
    """Yield whose each id is; then which records were merged into which."""
    for one in everybody:
        for record in (one, *one.old):
            yield "ehr", "mrn", record.mrn, record.subject
            yield "ehr", "fhir", record.fhir, record.subject
            yield "pacs", "mrn", record.pacs, record.subject
            yield "lab", "sample", record.sample, record.subject
        yield "ehr", "nhs", one.nhs, one.subject
        for old in one.old:
            yield "subject", "subject", old.subject, old.into


def taken(one: Somebody, at: int) -> datetime:
    """Return when a value was measured."""
    return datetime.combine(one.stay.start + timedelta(days=at), HOUR)


PATIENTS = tuple("mrn name nhs phone email address zip sex born age race died twin remark".split())  # noqa: SIM905 -- short


def _patients(one: Somebody, everybody: tuple[Somebody, ...], key: Key) -> Iterator[tuple[object, ...]]:
    twin = _twin(one, everybody)
    page = key.say("table", "tables/patients.csv", "", one.subject)
    remark = f"see also {one.given} {one.family}, {one.nhs}"
    died = one.died.isoformat() if one.died else ""
    if one.number == people.COUNT:
        page = key.say("table", "tables/patients.csv", one.mrn, "")
        page("mrn", one.mrn, Answer.HELD, trap="missing in the linkage")
    else:
        _say_patient(one, twin, page)
    for record in (one, *one.old):
        yield (
            *(record.mrn, f"{one.given} {one.family}", one.nhs, one.phone, one.email, one.street, one.zip, one.sex),
            *(one.born.isoformat(), one.age, one.race, died, twin, remark),
        )


def _say_patient(one: Somebody, twin: str, page) -> None:
    page("mrn", one.mrn, Answer.PSEUDONYM)
    for place, value in (("name", one.family), ("nhs", one.nhs), ("phone", one.phone), ("email", one.email)):
        page(place, value, Answer.REMOVED)
    page("address", one.street, Answer.REMOVED)
    page("remark", one.nhs, Answer.REMOVED, trap="identifier in free text")
    page("zip", one.zip, Answer.GENERALISED, one.zip[:3])
    page("sex", one.sex, Answer.KEPT)
    page("race", one.race, Answer.KEPT)
    page("born", one.born, Answer.YEAR, trap="leap day" if one.number == people.LEAP else "")
    page("age", one.age, Answer.GENERALISED, min(one.age, 90), "age 93" if one.age == 93 else "")
    if one.died:
        page("died", one.died, Answer.SHIFTED)
    if twin:
        page("twin", twin, Answer.PSEUDONYM, trap="twins")


def _twin(one: Somebody, everybody: tuple[Somebody, ...]) -> str:
    first, second = people.TWINS
    return {first: everybody[second].mrn, second: everybody[first].mrn}.get(one.number, "")


LAB_COLUMNS = ("mrn", "test", "value", "unit", "taken", "accession", "comment")


def _labs(one: Somebody, key: Key) -> Iterator[tuple[str, ...]]:
    mrns = [record.mrn for record in (one, *one.old)]
    for at, value in enumerate(one.stay.values):
        mrn = mrns[at % len(mrns)]
        accession = f"A{mrn}{at}"
        page = key.say("table", "tables/labs.parquet", str(value), one.subject)
        if one.number == people.COUNT:
            page("value", value, Answer.HELD, trap="missing in the linkage")
        else:
            page("mrn", mrn, Answer.PSEUDONYM, trap="" if mrn == one.mrn else "merged MRNs")
            page("test", LABS[at], Answer.KEPT)
            page("value", value, Answer.KEPT)
            page("unit", "mmol/L", Answer.KEPT)
            page("taken", _moment(taken(one, at)), Answer.SHIFTED)
            page("accession", accession, Answer.REMOVED)
            page("comment", one.family, Answer.REMOVED)
        comment = f"{one.family}, {one.given}: repeat"
        yield mrn, LABS[at], str(value), "mmol/L", _moment(taken(one, at)), accession, comment


STAYS = ("mrn", "encounter", "admitted", "discharged", "ward", "doctor")


def _encounters(one: Somebody, key: Key) -> Iterator[tuple[object, ...]]:
    ward = ("medical", "surgical", "maternity")[one.number % 3]
    page = key.say("table", "tables/encounters.tsv", "", one.subject)
    if one.number == people.COUNT:
        key.say("table", "tables/encounters.tsv", one.mrn, "")("mrn", one.mrn, Answer.HELD)
    else:
        page("mrn", one.mrn, Answer.PSEUDONYM)
        page("encounter", f"enc-{one.mrn}", Answer.REMOVED)
        page("admitted", one.stay.start, Answer.SHIFTED, trap="leap day" if _leap(one.stay.start) else "")
        page("discharged", one.stay.end, Answer.SHIFTED)
        page("ward", ward, Answer.KEPT)
        page("doctor", "Dr Oskar Nebelung", Answer.REMOVED)
    yield one.mrn, f"enc-{one.mrn}", one.stay.start, one.stay.end, ward, "Dr Oskar Nebelung"


NOTES = ("mrn", "written", "kind", "text")


def _notes(one: Somebody, key: Key) -> Iterator[tuple[object, ...]]:
    words = f"{one.family} {one.given} (NHS {one.nhs[:3]} {one.nhs[3:6]} {one.nhs[6:]}) called from {one.phone}."
    page = key.say("table", "tables/notes.csv", "", one.subject)
    if one.number == people.COUNT:
        key.say("table", "tables/notes.csv", one.mrn, "")("mrn", one.mrn, Answer.HELD)
    else:
        page("mrn", one.mrn, Answer.PSEUDONYM)
        page("written", one.stay.end, Answer.SHIFTED)
        page("kind", "discharge", Answer.KEPT)
        page("text", one.family, Answer.REMOVED, trap="reversed name order")
    yield one.mrn, one.stay.end, "discharge", words


def _leap(day: date) -> bool:
    return (day.month, day.day) == (2, 29)


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")


def _csv(rows: list[tuple[object, ...]], delimiter: str = ",") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return out.getvalue()
