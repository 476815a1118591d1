"""The log as it leaves the house: files that anyone can check, and the live records checked in the same way."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Select, select, type_coerce
from sqlalchemy.orm import Session
from sqlalchemy.types import NullType

from tre.errors import Unavailable, Unreadable
from tre.records import audit, merkle, note, verify
from tre.records.audit import SUBJECT_LENGTH
from tre.records.tables import CheckpointRow, EntryRow, HeadRow


def write(session: Session, to: Path, key: str, cosigned: Sequence[str] = ()) -> int:
    """Write the log, its checkpoints and its public key into a new folder; return the number of entries.

    `cosigned` are checkpoints as witnesses co-signed them.
    """
    if to.exists():
        raise Unreadable(f"{to} is there already: name a folder that is not")
    being = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        being.mkdir()
        count = _fill(session, being, key, cosigned)
        being.rename(to)
    except OSError as error:
        raise Unavailable(f"cannot write {to}: {error.strerror}") from error
    finally:
        shutil.rmtree(being, ignore_errors=True)
    return count


def examine(
    session: Session, key: str, kept: Mapping[str, str], witnesses: Sequence[note.Verifier] = ()
) -> verify.Report:
    """Verify the records as an outsider would their export; and what only the records hold: columns and head."""
    head = session.scalars(select(HeadRow)).one_or_none() or HeadRow(size=0, frontier=b"", last=b"")
    notes = {f"checkpoint {size}": signed for size, signed in _notes(session).items()}
    faults: list[verify.Fault] = []
    bodies = _with_their_columns(session, faults)
    report = verify.log(bodies, {**notes, **kept}, note.verifier(key), head=(head.size, head.last), witnesses=witnesses)
    if head.size == report.size and merkle.root(merkle.unpack(head.frontier)).hex() != report.root:
        faults.append(verify.Fault(None, "the log's head does not have the root of its entries"))
    return verify.joined(report, faults)


def _fill(session: Session, folder: Path, key: str, cosigned: Sequence[str]) -> int:
    count = 0
    with (folder / verify.ENTRIES).open("xb") as file, session.execute(_in_order(EntryRow.body)) as entries:
        for (body,) in entries:
            file.write(body + b"\n")
            count += 1
    notes = _notes(session)
    for text in cosigned:
        size = verify.stated_size(text)
        notes[size] = note.with_lines(notes.get(size, text), text.rpartition("\n\n")[2])
    lines = (audit.canonical({"size": size, "note": notes[size]}) + b"\n" for size in sorted(notes))
    (folder / verify.CHECKPOINTS).write_bytes(b"".join(lines))
    (folder / verify.KEY).write_text(f"{key}\n", "ascii")
    if notes:
        (folder / "checkpoint").write_text(notes[max(notes)], "utf-8")
    return count


def _with_their_columns(session: Session, faults: list[verify.Fault]) -> Iterator[bytes]:
    """Give the bodies in order; a column that says other than its body is a fault, since people search by columns."""
    at = type_coerce(EntryRow.at, NullType())
    asked = _in_order(EntryRow.seq, EntryRow.body, EntryRow.act, EntryRow.actor, EntryRow.subject, at)
    with session.execute(asked) as entries:
        for place, (seq, body, act, actor, subject, when) in enumerate(entries):
            if not faults:
                columns = {"seq": seq, "act": act, "actor": actor, "subject": subject, "at": _stamp(when)}
                faults += _column_faults(place, body, columns)
            yield body


def _stamp(when: object) -> str:
    """Write a stored moment as entries do; SQLite stores it as text, which may be any."""
    try:
        moment = when if isinstance(when, datetime) else datetime.fromisoformat(str(when)).replace(tzinfo=UTC)
    except ValueError:
        return ""
    return audit.stamp(moment)


def _column_faults(place: int, body: bytes, columns: Mapping[str, object]) -> Iterator[verify.Fault]:
    try:
        said = orjson.loads(body)
        told = {**said, "subject": said["subject"][:SUBJECT_LENGTH]}
    except (ValueError, KeyError, TypeError):
        return  # not an entry: `verify.log` says so
    for name, value in columns.items():
        if told.get(name) != value:
            yield verify.Fault(place, f"entry {place} was changed: its column {name} does not say what the entry says")
            return


def _notes(session: Session) -> dict[int, str]:
    asked = select(CheckpointRow.size, CheckpointRow.note).order_by(CheckpointRow.size)
    return {size: signed for size, signed in session.execute(asked)}  # noqa: C416 -- rows are not plain pairs


def _in_order(*columns: Any) -> Select[Any]:  # noqa: ANN401 -- any columns of the entries
    return select(*columns).order_by(EntryRow.seq).execution_options(yield_per=2000)
