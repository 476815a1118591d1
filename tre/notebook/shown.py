"""What a notebook shows under a cell: a table in the browser, lines in a terminal. All words are text, never code."""

from collections.abc import Sequence
from html import escape


def html(heads: Sequence[str], rows: Sequence[Sequence[object]], *, below: str = "") -> str:
    """Write a table for a browser."""
    head = "".join(f'<th style="text-align:left">{escape(name)}</th>' for name in heads)
    body = "".join(
        "<tr>" + "".join(f'<td style="text-align:left">{escape(str(cell))}</td>' for cell in row) + "</tr>"
        for row in rows
    )
    note = f"<p>{escape(below)}</p>" if below else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"


def text(heads: Sequence[str], rows: Sequence[Sequence[object]], *, below: str = "") -> str:
    """Write a table for a terminal."""
    cells = [[str(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([*lines, below] if below else lines)


def size(count: float) -> str:
    """Write a number of bytes as people do."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:  # noqa: PLR2004 -- the prefix
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
