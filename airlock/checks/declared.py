"""The tables of a file whose author says how they can be made again, with what the data say of each number."""

from collections.abc import Iterator
from typing import NamedTuple

from airlock.checks.about import Made
from airlock.checks.case import Case
from airlock.checks.file import Table
from tre.data.measures import Measured, Why


class Declared(NamedTuple):
    """A table, its number in the file, and itself made again."""

    nth: int
    table: Table
    made: Made
    again: Measured | Why


def tables(case: Case) -> tuple[Declared, ...]:
    """Return the tables that the manifest of a file describes: the only one, or those with its columns."""
    made = case.about.made
    if made is None:
        return ()
    return tuple(
        Declared(nth, table, made, case.evidence.measured(made, table.heads, table.rows))
        for nth, table in enumerate(case.look.tables)
        if len(case.look.tables) == 1 or _fits(table, made)
    )


def judged(case: Case, table: Table) -> frozenset[int]:
    """Return the columns of a table whose numbers were made again, and its dimensions."""
    return frozenset(at for each in tables(case) if each.table is table for at in _known(each))


def _known(each: Declared) -> Iterator[int]:
    if isinstance(each.again, Measured):
        yield from (at for at in range(len(each.table.heads)) if at not in each.again.unsaid)


def _fits(table: Table, made: Made) -> bool:
    heads = {head.strip() for head in table.heads}
    return len(set(made.dimensions) - heads) <= 1 and (
        {measure.head for measure in made.measures} <= heads or not set(made.dimensions) <= heads
    )
