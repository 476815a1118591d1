"""A matrix of genotypes is a person in each row or column, whatever its cells are written as."""

import re
from collections.abc import Iterator

from airlock.checks.file import Table
from airlock.checks.finding import Finding
from airlock.checks.inspect.people import RESULTS
from airlock.checks.inspect.seen import Seen, block, first

_DOSES = frozenset({"0", "1", "2", "0.0", "1.0", "2.0", "", "NA", "nan", "NaN", "-9", "-1", ".", "9", "3"})
_BASE = frozenset("ACGT")
_BASES = _BASE | frozenset({"0", "N", "-", "", "NA"})
_TWO = frozenset({"2", "2.0"})
_TOKEN = re.compile(r"(?<![\w./|-])[0-3.][/|][0-3.](?=[:\s,;\"']|$)")
_PAIR = re.compile(r"([ACGTDI])[/| ]?([ACGTDI])")
_VARIANT = re.compile(r"rs\d{2,}(?:_[ACGT]+)?|(?:chr)?[0-9XYM]{1,2}[:_]\d{3,}[:_][ACGT]+[:_][ACGT]+", re.IGNORECASE)
_RUN = re.compile(
    r"^\W{0,3}(?:\S{1,40}[ \t,;])?[012]{25,}\W{0,3}$|^\W{0,3}(?:\S{1,40}[ \t,;])?[ACGTNacgtn]{25,}\W{0,3}$",
    re.MULTILINE,
)
_MOST_TOKENS = 20
_SIDE, _CELLS, _ALIKE, _PAIRS, _ROWS = 5, 100, 3, 20, 3


def look(seen: Seen) -> Iterator[Finding]:
    """Point at matrices of doses, of GT tokens, of letters, and at lines of nothing but them."""
    tokens = sum(1 for _ in _TOKEN.finditer(seen.text))
    if tokens >= _MOST_TOKENS:
        yield block("file", f"holds {tokens} genotypes, written as in a VCF", RESULTS)
    if len(lines := list(_RUN.finditer(seen.text))) >= _ALIKE:
        yield block(seen.line(lines[0].start()), f"{len(lines)} lines of genotypes without separators", RESULTS)
    yield from first(found for at, table in enumerate(seen.tables, 1) for found in _matrix(f"table {at}", table))


def _matrix(where: str, table: Table) -> Iterator[Finding]:
    columns = [
        {cell.strip() for cell in column} for column in zip(*table.rows, strict=False)
    ]  # of ragged rows the shortest counts; another check points at them
    doses = [at for at, cells in enumerate(columns) if cells <= _DOSES and cells & {"0", "1", "2", "0.0", "1.0", "2.0"}]
    twos = sum(1 for at in doses if columns[at] & _TWO)
    if (
        len(doses) >= _SIDE
        and len(table.rows) >= _SIDE
        and len(doses) * len(table.rows) >= _CELLS
        and 2 * twos >= len(doses)
    ):
        yield block(where, f"{len(doses)} columns of 0, 1 and 2 alone: genotypes of {len(table.rows)} people", RESULTS)
    named = [at for at, head in enumerate(table.heads) if _VARIANT.fullmatch(head.strip())]
    if len(named) >= _ALIKE and len(table.rows) >= _ROWS:
        yield block(where, f"{len(named)} columns are named as variants: a row of it is a person", RESULTS)
    bases = sum(1 for cells in columns if cells <= _BASES and cells & _BASE)
    if bases >= 2 * _ALIKE and len(table.rows) >= _ROWS:
        yield block(where, f"{bases} columns of bases: alleles of {len(table.rows)} people", RESULTS)
    yield from _letters(where, table)


def _letters(where: str, table: Table) -> Iterator[Finding]:
    """Alleles of a variant differ; genotypes are alike on both sides as often as not."""
    for at, column in enumerate(zip(*table.rows, strict=False), 1):
        pairs = [found for cell in column if (found := _PAIR.fullmatch(cell.strip()))]
        same = sum(found[1] == found[2] for found in pairs)
        if len(pairs) >= _PAIRS and same >= _ALIKE and 10 * len(pairs) >= 9 * len(column):
            yield block(f"{where}, column {at}", f"{len(pairs)} genotypes, written as letters", RESULTS)
            return
