"""A notebook leaves as code and prose: no outputs, no attachments, no metadata that could hold them."""

import json
from collections.abc import Iterator

from airlock.checks.file import File
from airlock.checks.finding import Finding, Severity
from airlock.checks.thresholds import Thresholds

_TOP = {"cells", "metadata", "nbformat", "nbformat_minor"}
_CELL = {"cell_type", "id", "metadata", "source", "outputs", "execution_count"}
_ABOUT = {"kernelspec", "language_info"}
_SHORT = 1000
_ID = 64


def check(file: File, limits: Thresholds) -> Iterator[Finding]:
    """Point at everything in a notebook that its author did not type as code or prose."""
    del limits
    book = json.loads(file.content)
    if not isinstance(book, dict) or not isinstance(book.get("cells"), list) or book.get("nbformat") != 4:  # noqa: PLR2004
        yield _says("file", "is not a notebook of format 4: save it with JupyterLab")
        return
    if set(book) - _TOP:
        yield _says("file", "has parts that a notebook does not have: save it with JupyterLab")
    about = book.get("metadata", {})
    if not isinstance(about, dict) or set(about) - _ABOUT or len(json.dumps(about)) > _SHORT:
        yield _says("metadata", "more than kernel and language: remove the notebook's metadata")
    for at, cell in enumerate(book["cells"], 1):
        yield from _cell(f"cell {at}", cell)


def _cell(where: str, cell: object) -> Iterator[Finding]:
    if not isinstance(cell, dict) or cell.get("cell_type") not in {"code", "markdown", "raw"}:
        yield _says(where, "is no cell of a notebook: save it with JupyterLab")
        return
    if cell.get("outputs"):
        yield _says(where, "has outputs: clear all outputs and save")
    if cell.get("attachments"):
        yield _says(where, "has attachments: remove them")
    if cell.get("metadata"):
        yield _says(where, "has metadata: remove it")
    if set(cell) - _CELL - {"attachments"} or len(str(cell.get("id", ""))) > _ID:
        yield _says(where, "has parts that a cell does not have: save it with JupyterLab")
    if not isinstance(cell.get("execution_count"), int | None):
        yield _says(where, "has an execution count that is no number: clear all outputs and save")


def _says(where: str, message: str) -> Finding:
    return Finding("notebook", Severity.BLOCK, where, message)
