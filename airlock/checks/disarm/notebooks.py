"""A notebook that leaves is what its author typed: code and prose, without outputs, with nothing around them."""

import re

from airlock.checks.disarm import objects, prose
from airlock.checks.disarm.cannot import Cannot
from airlock.checks.thresholds import Thresholds

_FORMAT = 4
_CELLS = ("code", "markdown", "raw")
_LANGUAGES = re.compile(r"python|R|julia")


def rewrite(content: bytes, limits: Thresholds) -> bytes:
    """Write a new notebook of the same sources."""
    del limits
    book = objects.read(prose.decoded(content))
    if not isinstance(book, dict) or book.get("nbformat") != _FORMAT or not isinstance(book.get("cells"), list):
        raise Cannot("is not a notebook of format 4", "save it with JupyterLab")
    cells = [_cell(at, cell) for at, cell in enumerate(book["cells"], 1)]
    about = {"language_info": {"name": _language(book.get("metadata"))}}
    return objects.written({"cells": cells, "metadata": about, "nbformat": _FORMAT, "nbformat_minor": 5})


def _cell(at: int, cell: object) -> dict[str, object]:
    if not isinstance(cell, dict) or cell.get("cell_type") not in _CELLS:
        raise Cannot("is no cell of a notebook", "save it with JupyterLab", f"cell {at}")
    more: dict[str, object] = {"execution_count": None, "outputs": []} if cell["cell_type"] == "code" else {}
    source = prose.plain(_text(at, cell.get("source", ""))).strip("\n")
    return {"cell_type": cell["cell_type"], "id": f"cell-{at}", "metadata": {}, "source": _lines(source), **more}


def _text(at: int, source: object) -> str:
    if isinstance(source, str):
        return source
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        return "".join(source)
    raise Cannot("has a source that is no text", "save it with JupyterLab", f"cell {at}")


def _lines(source: str) -> list[str]:
    *first, last = source.split("\n")
    return [f"{line}\n" for line in first] + ([last] if last else [])


def _language(about: object) -> str:
    """Return the language if it is one of those we know: it is a free text otherwise."""
    said = about.get("language_info") if isinstance(about, dict) else None
    name = said.get("name") if isinstance(said, dict) else None
    return name if isinstance(name, str) and _LANGUAGES.fullmatch(name) else "python"
