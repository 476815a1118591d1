"""A short number or a single name is looked for where its own person is written of.

A surname or a number of six digits stands in many files by chance, so `search` does not look for it. On the lines of
its own person it tells: each line of text, and the head of each file that is named after one person, is cut into
words, and those are compared with what is short and theirs. Found is what stands there more often than chance
explains.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from tre.data import engine
from tre.data.deid import spelling
from tre.data.deid.pseudonyms import SHAPE

LEAST = 4  # letters or digits
HEAD = 256 * 1024  # bytes at the start of a file that is one person's
BATCH = 200_000
CHANCE = 3  # times more often than chance explains

_PERSON = re.compile(SHAPE.pattern.encode())
_WORD = re.compile(rb"[A-Za-z0-9\x80-\xff]{%d,}" % LEAST)
_BY_LINE = frozenset({".ndjson", ".json", ".tsv", ".csv", ".txt", ".md"})
_OWN = pa.schema([("person", pa.binary()), ("word", pa.binary())])
_SCHEMA = pa.schema([("person", pa.binary()), ("word", pa.binary()), ("file", pa.string())])


@dataclass(frozen=True)
class Short:
    """What was looked for, and the files in which it stands."""

    identifiers: int
    words: int
    found: tuple[tuple[str, int], ...]
    """File, places."""

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not self.found


def search(folder: Path, own: Iterable[tuple[str, str]]) -> Short:
    """Look for `own`, (pseudonym, identifier), in the lines and files of their persons."""
    with engine.connection() as con:
        con.register("own_given", pa.table(_columns(own), schema=_OWN))
        con.execute("CREATE TABLE own AS SELECT DISTINCT * FROM own_given")
        con.execute("CREATE TABLE shared AS SELECT word, count(DISTINCT person) AS persons FROM own GROUP BY word")
        con.execute("CREATE TABLE met (file VARCHAR, own BOOLEAN, chance DOUBLE)")
        words = sum(_met(con, batch) for batch in _batches(folder))
        found = con.execute(
            "SELECT file, count(*) FILTER (own) AS hits FROM met GROUP BY file"
            " HAVING hits > ? * sum(chance) ORDER BY hits DESC, file",
            [CHANCE],
        ).fetchall()
        (count,) = con.execute("SELECT count(*) FROM own").fetchone() or (0,)
    return Short(int(count), words, tuple((str(file), int(hits)) for file, hits in found))


def _columns(own: Iterable[tuple[str, str]]) -> dict[str, list[bytes]]:
    """Keep what is short: what is distinctive is looked for everywhere."""
    persons, words = [], []
    for person, value in own:
        for word in {spelling.plain(value), *(spelling.plain(one) for one in value.split())}:
            if len(word.encode()) >= LEAST and not spelling.distinctive(word):
                persons.append(person.encode())
                words.append(word.encode())
    return {"person": persons, "word": words}


def _met(con: duckdb.DuckDBPyConnection, batch: pa.Table) -> int:
    """Keep the words that are anybody's; say how many words there were."""
    con.register("word_met", batch)
    con.execute(
        "INSERT INTO met SELECT w.file, w.person IN (SELECT person FROM own WHERE own.word = w.word),"
        " s.persons / (SELECT count(DISTINCT person) FROM own) FROM word_met AS w JOIN shared AS s ON s.word = w.word"
    )
    con.unregister("word_met")
    return int(batch.num_rows)


def _batches(folder: Path) -> Iterator[pa.Table]:
    rows: dict[str, list[object]] = {"person": [], "word": [], "file": []}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        name = path.relative_to(folder).as_posix()
        for person, text in _of_persons(path, name):
            words = {_plain(word) for word in _WORD.findall(_PERSON.sub(b" ", text))}
            rows["person"] += [person] * len(words)
            rows["word"] += sorted(words)
            rows["file"] += [name] * len(words)
            if len(rows["word"]) >= BATCH:
                yield pa.table(rows, schema=_SCHEMA)
                rows = {"person": [], "word": [], "file": []}
    yield pa.table(rows, schema=_SCHEMA)


def _plain(word: bytes) -> bytes:
    """Write a word without case and accents, in whichever of two encodings it is."""
    if word.isascii():
        return word.lower()
    try:
        return spelling.plain(word.decode()).encode()
    except UnicodeDecodeError:
        return spelling.plain(word.decode("latin-1")).encode()


def _of_persons(path: Path, name: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield (pseudonym, text) of each line that names a person, or of a file that is named after one."""
    if whose := _PERSON.search(name.encode()):
        with path.open("rb") as file:
            head = file.read(HEAD)
        yield whose.group(), head
        yield whose.group(), head.replace(b"\0", b"")
    elif path.suffix in _BY_LINE:
        with path.open("rb") as file:
            for line in file:
                if whose := _PERSON.search(line):
                    yield whose.group(), line
