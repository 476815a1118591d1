"""A linkage comes as a table of ids, and every id in it is one person's; what is unclear does not come in.

    system,type,value,subject
    ehr,mrn,100234,p1
    pacs,patient-id,A-77,p1
    ehr,mrn,100981,p2
    subject,subject,p2,p1              p2 turned out to be p1

Pure but for reading the file: a file in, two tables or one line that says where the file is wrong.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tre.data import engine, formats
from tre.errors import Unreadable

COLUMNS = ("system", "type", "value", "subject")
MERGE = "subject"
"""System and type of a row that says which subject stays."""
WORD = r"^[A-Za-z0-9][A-Za-z0-9._:/#-]{0,99}$"
VALUE = r"^[^\x00-\x1f\x7f]{1,128}$"
SHAPES = {"system": WORD, "type": WORD, "value": VALUE, "subject": VALUE}
KINDS = 100
"""Kinds of id (system and type) that one house has at most: more, and the columns are in another order."""


@dataclass(frozen=True)
class Brought:
    """What a file says, sorted, merges followed to their ends."""

    ids: pa.Table
    """system, type, value, subject: the one who stays."""
    merged: pa.Table
    """subject that was, subject that stays."""
    format: str
    bytes: int
    sha256: str


def read(path: Path) -> Brought:
    """Read a file strictly."""
    with formats.opened(path, ("",)) as source:
        if set(source.columns) != set(COLUMNS):
            raise Unreadable(f"{source.name}: a linkage has the columns {', '.join(COLUMNS)} and no others")
        rows = pa.Table.from_batches(_checked(source), _SCHEMA)
    if not len(rows):
        raise Unreadable(f"{source.name}: a header and no rows")
    with engine.connection() as con:
        con.register("brought", rows)
        merged = _merged(con, source.name)
        ids = _ids(con, source.name, merged)
    return Brought(ids, merged, source.format, source.watched.bytes, source.watched.sha256)


def follow(merges: Mapping[str, str]) -> dict[str, str]:
    """Return for each subject that was the one who stays; a `ValueError` holds a subject that leads back to itself."""
    ends: dict[str, str] = {}
    for old in merges:
        chain, at = {old: None}, merges[old]
        while at in merges and at not in ends:
            if at in chain:
                raise ValueError(at)
            chain[at] = None
            at = merges[at]
        if at in chain:
            raise ValueError(at)
        ends.update(dict.fromkeys(chain, ends.get(at, at)))
    return ends


_SCHEMA = pa.schema([("row", pa.int64()), *((name, pa.string()) for name in COLUMNS)])


def _checked(source: formats.Source) -> Iterator[pa.RecordBatch]:
    """Yield the portions with their rows' numbers, each value of its shape and without spaces around it."""
    first = source.first_row
    for batch in source.batches:
        columns = {name: pc.utf8_trim_whitespace(batch.column(name)) for name in COLUMNS}
        for name, values in columns.items():
            good = pc.fill_null(pc.match_substring_regex(values, SHAPES[name]), fill_value=False)
            at = pc.index(good, value=False).as_py()
            if at >= 0:
                raise Unreadable(f"{source.name}, row {first + at}: no {name}, or not one that can be")
        lone = pc.xor(pc.equal(columns["system"], MERGE), pc.equal(columns["type"], MERGE))
        at = pc.index(lone, value=True).as_py()
        if at >= 0:
            raise Unreadable(f"{source.name}, row {first + at}: a merge has `{MERGE}` as its system and as its type")
        numbers = pa.array(np.arange(first, first + len(batch), dtype=np.int64))
        table = pa.table({"row": numbers, **columns}).cast(_SCHEMA)
        yield from table.to_batches()
        first += len(batch)


# --- merges ----------------------------------------------------------------------------------------------------------
def _merged(con: duckdb.DuckDBPyConnection, name: str) -> pa.Table:
    """Follow the merges, refuse what leads nowhere."""
    found = con.execute(
        "SELECT value, subject, row FROM brought WHERE system = ? AND type = ? ORDER BY row", [MERGE, MERGE]
    ).fetchall()
    merges: dict[str, str] = {}
    rows: dict[str, int] = {}
    for old, new, row in found:
        if merges.setdefault(old, new) != new:
            raise Unreadable(f"{name}, row {row}: a subject that is merged into two others (first in row {rows[old]})")
        rows.setdefault(old, row)
    try:
        ends = follow(merges)
    except ValueError as error:
        raise Unreadable(f"{name}, row {rows[error.args[0]]}: a merge that leads back to its own subject") from None
    known = {subject for (subject,) in con.execute(
        "SELECT DISTINCT subject FROM brought WHERE system <> ?", [MERGE]).fetchall()} if ends else set()  # fmt: skip
    for old, end in ends.items():
        if end not in known:
            raise Unreadable(f"{name}, row {rows[old]}: a subject that is merged into one without any id")
    pairs = sorted(ends.items())
    return pa.table({"old": pa.array([old for old, _ in pairs], pa.string()),
                     "subject": pa.array([new for _, new in pairs], pa.string())})  # fmt: skip


# --- ids -------------------------------------------------------------------------------------------------------------
_STAYS = (
    "SELECT b.row, b.system, b.type, b.value, coalesce(m.subject, b.subject) AS subject FROM brought AS b"
    " LEFT JOIN merged AS m ON b.subject = m.old WHERE b.system <> 'subject'"
)


def _ids(con: duckdb.DuckDBPyConnection, name: str, merged: pa.Table) -> pa.Table:
    """Return every id once, or refuse one that is two persons'."""
    con.register("merged", merged)
    con.execute(
        "CREATE TEMP TABLE id AS SELECT system, type, value, min(subject) AS subject, max(subject) AS other"  # noqa: S608 -- constants
        f" FROM ({_STAYS}) GROUP BY ALL"
    )
    if con.execute("SELECT 1 FROM id WHERE subject <> other LIMIT 1").fetchall():
        _refuse_first_double(con, name)
    if len(con.execute("SELECT DISTINCT system, type FROM id").fetchall()) > KINDS:
        raise Unreadable(f"{name}: more than {KINDS} kinds of id; are values in the column system or type?")
    return engine.table(con, "SELECT system, type, value, subject FROM id ORDER BY system, type, value")


def _refuse_first_double(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Point at the first id that is two persons'."""
    found = con.execute(
        "SELECT min(s.row) AS first, min(s.row) FILTER (s.subject <> i.subject) AS one,"  # noqa: S608 -- constants
        " min(s.row) FILTER (s.subject <> i.other) AS two"
        f" FROM ({_STAYS}) AS s JOIN id AS i ON (s.system, s.type, s.value) = (i.system, i.type, i.value)"
        " WHERE i.subject <> i.other GROUP BY i.system, i.type, i.value ORDER BY greatest(one, two) LIMIT 1"
    ).fetchall()
    for first, one, two in found:
        raise Unreadable(f"{name}, row {max(one, two)}: an id that is another subject's already (row {first})")
