"""The OMOP vocabularies are licensed, so a house brings its own: what Athena delivered, and mappings of its own codes.

A folder with CONCEPT.csv, CONCEPT_RELATIONSHIP.csv, VOCABULARY.csv and DOMAIN.csv (tab-separated, nothing quoted), or
with `*.sssom.tsv`, or with both, becomes the next loading; it is immutable, and the newest holds. Other files of
Athena's are not taken.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import file_digest
from pathlib import Path

import duckdb
from sqlalchemy import func, select

from tre.data import engine, keeping
from tre.data.harmonise import sssom
from tre.errors import NotFound, Unreadable
from tre.records import audit, files
from tre.records.db import Records
from tre.records.tables import VocabularyRow
from tre.settings import Settings

# File -> its columns, exactly as Athena has them, and their types.
ATHENA: Mapping[str, Mapping[str, str]] = {
    "CONCEPT": {
        "concept_id": "BIGINT",
        "concept_name": "VARCHAR",
        "domain_id": "VARCHAR",
        "vocabulary_id": "VARCHAR",
        "concept_class_id": "VARCHAR",
        "standard_concept": "VARCHAR",
        "concept_code": "VARCHAR",
        "valid_start_date": "DATE",
        "valid_end_date": "DATE",
        "invalid_reason": "VARCHAR",
    },
    "CONCEPT_RELATIONSHIP": {
        "concept_id_1": "BIGINT",
        "concept_id_2": "BIGINT",
        "relationship_id": "VARCHAR",
        "valid_start_date": "DATE",
        "valid_end_date": "DATE",
        "invalid_reason": "VARCHAR",
    },
    "VOCABULARY": {
        "vocabulary_id": "VARCHAR",
        "vocabulary_name": "VARCHAR",
        "vocabulary_reference": "VARCHAR",
        "vocabulary_version": "VARCHAR",
        "vocabulary_concept_id": "BIGINT",
    },
    "DOMAIN": {"domain_id": "VARCHAR", "domain_name": "VARCHAR", "domain_concept_id": "BIGINT"},
}
MEMORY = "1GB"


@dataclass(frozen=True)
class Vocabulary:
    """One loading, as harmonising needs it."""

    folder: Path
    """Holds concept.parquet and concept_relationship.parquet, mappings, or both."""
    number: int
    edition: str
    """Athena's release; empty if only mappings were loaded."""

    def parquet(self, name: str) -> Path | None:
        """Return where a table of Athena's lies."""
        path = self.folder / f"{name.lower()}.parquet"
        return path if path.is_file() else None

    @property
    def mappings(self) -> tuple[Path, ...]:
        """Return the house's own mappings."""
        return tuple(sorted(self.folder.glob(f"*{sssom.SUFFIX}")))


def load(records: Records, settings: Settings, source: Path, *, actor: str, now: datetime) -> int:
    """Take a folder in as the next loading; return its number."""
    found = _found(source)
    with keeping.alone(settings.vocabularies, "the vocabulary"), keeping.aside(settings.vocabularies) as made:
        number = _next(records)
        tables = [_taken(path, made) for path in found]
        edition = _edition(made)
        for path in made.iterdir():
            path.chmod(0o400)
            files.sync(path)
        concepts = sum(int(table["rows"]) for table in tables if table["name"] == "concept")
        said = {"edition": edition, "files": tables}
        with records.act(actor, "vocabulary.load", f"vocabulary/{number}") as session:
            row = VocabularyRow(
                number=number, manifest=json.dumps(said, sort_keys=True), concepts=concepts, loaded_at=now
            )
            session.add(row)
            audit.append(
                session,
                "vocabulary.load",
                actor=actor,
                subject=f"vocabulary/{number}",
                at=now,
                edition=edition,
                files={str(table["name"]): str(table["sha256"]) for table in tables},
            )
            session.flush()
            keeping.settle(made, settings.vocabularies / str(number))
    return number


def current(records: Records, settings: Settings) -> Vocabulary | None:
    """Return the newest loading, if there is one."""
    with records.read() as session:
        row = session.scalar(select(VocabularyRow).order_by(VocabularyRow.number.desc()).limit(1))
        if row is None:
            return None
        return Vocabulary(settings.vocabularies / str(row.number), row.number, json.loads(row.manifest)["edition"])


def newest(records: Records) -> VocabularyRow:
    """Return the record of the newest loading, or say that there is none."""
    with records.read() as session:
        row = session.scalar(select(VocabularyRow).order_by(VocabularyRow.number.desc()).limit(1))
        if row is None:
            raise NotFound("no vocabulary is loaded: `tre vocabulary load FOLDER` takes what Athena delivered")
        session.expunge(row)
        return row


def _next(records: Records) -> int:
    with records.read() as session:
        return (session.scalar(select(func.max(VocabularyRow.number))) or 0) + 1


def _found(source: Path) -> list[Path]:
    """Return what is taken of a folder."""
    if not source.is_dir():
        raise Unreadable(f"{source}: no folder; unpack what Athena delivered and name its folder")
    mappings = sorted(source.glob(f"*{sssom.SUFFIX}"))
    athena = [source / f"{name}.csv" for name in ATHENA]
    missing = [path.name for path in athena if not path.is_file()]
    if len(missing) == len(athena) and mappings:
        return mappings
    if missing:
        raise Unreadable(f"{source}: {', '.join(missing)} is missing; unpack the whole of what Athena delivered")
    return [*athena, *mappings]


def _taken(path: Path, made: Path) -> dict[str, str | int]:
    """Copy one file in, checked, and say what it was."""
    if path.name.endswith(sssom.SUFFIX):
        name, rows = path.name, _mapping(path, made / path.name)
    else:
        name = path.stem.lower()
        rows = _table(path, made / f"{name}.parquet")
    with path.open("rb") as file:
        return {"name": name, "rows": rows, "sha256": file_digest(file, "sha256").hexdigest()}


def _mapping(path: Path, into: Path) -> int:
    try:
        if path.stat().st_size > sssom.LARGEST:
            raise Unreadable(f"{path.name}: too long for a mapping")
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(f"{path.name}, byte {error.start}: not UTF-8") from None
    rows = sum(1 for _ in sssom.read(text, path.name))
    into.write_text(text, "utf-8")
    return rows


def _table(path: Path, into: Path) -> int:
    """Stream one of Athena's files into Parquet, each value of its type or a fault with its line."""
    columns = ATHENA[path.stem]
    _check_head(path, columns)
    names = ", ".join(f"{engine.text(name)}: {engine.text(kind)}" for name, kind in columns.items())
    try:
        with engine.connection() as con:
            con.execute(f"SET memory_limit = '{MEMORY}'")
            con.execute(
                f"COPY (FROM read_csv({engine.text(str(path))}, delim = '\t', quote = '', escape = '', header = true,"
                f" columns = {{{names}}}, dateformat = '%Y%m%d', nullstr = '', auto_detect = false, strict_mode = true,"
                f" encoding = 'utf-8', max_line_size = 1000000))"
                f" TO {engine.text(str(into))} (FORMAT parquet, COMPRESSION zstd)"
            )
            (rows,) = con.execute(f"SELECT count(*) FROM read_parquet({engine.text(str(into))})").fetchone() or (0,)  # noqa: S608
    except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
        line = next((word for word in _after("Line:", str(error))), "?")
        raise Unreadable(
            f"{path.name}, line {line}: not as Athena writes it (tab-separated, dates as 20991231)"
        ) from None
    return int(rows)


def _check_head(path: Path, columns: Mapping[str, str]) -> None:
    with path.open("rb") as file:
        head = file.readline(10_000).decode("utf-8", "replace").rstrip("\r\n").split("\t")
    if [name.lower() for name in head] != list(columns):
        raise Unreadable(f"{path.name}, line 1: its columns must be {', '.join(columns)}, separated by tabs")


def _after(word: str, text: str) -> Iterator[str]:
    _, found, rest = text.partition(word)
    if found:
        yield from (one for one in rest.split()[:1] if one.isdigit())


def _edition(made: Path) -> str:
    """Return Athena's release: the version of the vocabulary called None."""
    path = made / "vocabulary.parquet"
    if not path.is_file():
        return ""
    with engine.connection() as con:
        found = con.execute(
            f"SELECT vocabulary_version FROM read_parquet({engine.text(str(path))}) WHERE vocabulary_id = 'None'"  # noqa: S608
        ).fetchone()
    if found is None or not found[0]:
        raise Unreadable("VOCABULARY.csv: the release (the line of the vocabulary None) is missing")
    return str(found[0])
