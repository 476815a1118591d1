"""A table is its cells: commas between them, quotes only where they are needed, nothing around them."""

import csv
import io

from airlock.checks.disarm import prose
from airlock.checks.disarm.cannot import Cannot
from airlock.checks.thresholds import Thresholds


def rewrite(content: bytes, limits: Thresholds) -> bytes:
    """Read the cells, and write them again."""
    del limits
    text = prose.plain(prose.decoded(content))
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error:
        raise Cannot("its quotes do not close, or a cell is too long", "write the table with a CSV library") from None
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()
