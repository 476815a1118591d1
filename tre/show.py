"""How the command line speaks: a table for people, JSON for machines, progress on a terminal, one line for a fault."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Protocol

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from tre.errors import Refused, TREError

as_json: ContextVar[bool] = ContextVar("as_json", default=False)
"""Set by `--json`, which every command takes."""

# Each fault begins with the word that says what kind of no it is; the exit code says the same to machines.
WORDS = {3: "refused", 4: "not found", 5: "unreadable", 6: "TAMPERED", 7: "unavailable"}


class Ticks(Protocol):
    """Reports how far a long task is."""

    def __call__(self, done: int) -> None:
        """Say that `done` units more are finished."""


def rows(records: Sequence[Mapping[str, object]], *, none: str) -> None:
    """Print records as a table with the keys of the first as heads; `none` is the sentence for an empty list."""
    if as_json.get():
        _dump([dict(record) for record in records])
        return
    if not records:
        print(none)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in records[0]:
        table.add_column(head.replace("_", " "), overflow="fold")
    for record in records:
        table.add_row(*(Text(visible(_word(value))) for value in record.values()))
    Console(highlight=False, soft_wrap=True).print(table)


def one(record: Mapping[str, object], *, sentence: str = "") -> None:
    """Print one record: as JSON, or as its sentence, or key by key."""
    if as_json.get():
        _dump(dict(record))
    elif sentence:
        print(sentence)
    else:
        for key, value in record.items():
            print(f"{key.replace('_', ' '):<18} {_word(value)}")


def fault(error: TREError) -> int:
    """Print why a command failed and what to do, on stderr; return the exit code."""
    rules = error.rules if isinstance(error, Refused) else ()
    remedies = error.remedies if isinstance(error, Refused) else ()
    if as_json.get():
        said = {"error": str(error), "rules": list(rules), "remedies": list(remedies)}
        print(json.dumps(said, ensure_ascii=False), file=sys.stderr)
    else:
        print(f"{WORDS.get(error.exit_code, 'error')}: {error}", file=sys.stderr)
        for remedy in remedies:
            print(f"  - {remedy}", file=sys.stderr)
    return error.exit_code


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Ticks]:
    """Show a bar on a terminal while the block runs; nothing elsewhere."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal or as_json.get()) as bar:
        task = bar.add_task(what, total=total)

        def ticks(done: int) -> None:
            bar.advance(task, done)

        yield ticks


def visible(text: str) -> str:
    """Write what a terminal would obey so that it only shows it: a file's name can hold anything."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def _dump(value: object) -> None:
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2, default=_word)
    print()


def _word(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(str(part) for part in value) or "-"
    return str(value)
