"""A third party says in a list who passed which course; a list with a fault in it is not taken at all."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from tre.errors import TREError, Unreadable
from tre.governance import identities, text, training
from tre.records.tables import PersonRow

COLUMNS = ("person", "course", "until", "certificate")
LARGEST = 5_000_000
SHOWN = 20
"""Faults that are told at once; who has more mends these first."""


class Line(NamedTuple):
    """One course of one person, as the list says."""

    person: str
    course: str
    until: datetime
    certificate: str


def read(session: Session, file: Path, *, now: datetime) -> tuple[Line, ...]:
    """Read a whole list, or say of each bad row in one line what is wrong with it."""
    people = _people(session)
    lines, faults = [], []
    for number, row in _rows(file):
        try:
            lines.append(_line(row, people, now=now))
        except TREError as fault:
            faults.append(f"row {number}: {fault}")
    if faults:
        more = f"\n... and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise Unreadable(f"{file.name}: nothing was recorded\n" + "\n".join(faults[:SHOWN]) + more)
    if not lines:
        raise Unreadable(f"{file.name}: it has no rows")
    return tuple(lines)


def _rows(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        if file.stat().st_size > LARGEST:
            raise Unreadable(f"{file.name}: larger than {LARGEST} bytes; split it")
        table = csv.DictReader(io.StringIO(file.read_text("utf-8-sig"), newline=""), strict=True)
        if tuple(table.fieldnames or ()) != COLUMNS:
            raise Unreadable(f"{file.name}: its first row must be {','.join(COLUMNS)}")
        yield from enumerate(table, start=2)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Unreadable(f"{file.name}: this is no CSV in UTF-8 ({type(error).__name__})") from None


def _line(row: dict[str, str], people: dict[str, str], *, now: datetime) -> Line:
    if None in row or None in row.values():
        raise Unreadable(f"it has not {len(COLUMNS)} fields")
    who = row["person"].strip()
    name = people.get(identities.spelling(who) if "@" in who else who)
    if name is None:
        raise Unreadable("person: nobody of that name or e-mail address has an account")
    until = text.ahead(_day(row["until"]), "the course", now=now)
    training.checked_course(row["course"].strip())
    certificate = row["certificate"].strip()
    return Line(name, row["course"].strip(), until, text.line(certificate, "certificate") if certificate else "")


def _day(written: str) -> datetime:
    try:
        day = datetime.strptime(written.strip(), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise Unreadable("until: write the last day as 2027-06-30") from None
    return day.replace(hour=23, minute=59, second=59)


def _people(session: Session) -> dict[str, str]:
    """Everybody by name, and by e-mail address in its one spelling."""
    rows = session.execute(select(PersonRow.name, PersonRow.email)).all()
    return {name: name for name, _ in rows} | {identities.spelling(address): name for name, address in rows if address}
