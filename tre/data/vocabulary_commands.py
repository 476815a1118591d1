"""What the host's operator does with OMOP vocabularies: load what Athena delivered, and see which loading holds."""

import json
from pathlib import Path

from cyclopts import App

from tre import show
from tre.data.harmonise import vocabulary as vocabularies
from tre.governance.operator import house
from tre.records.tables import VocabularyRow

vocabulary = App(name="vocabulary", help="OMOP vocabularies and the house's own mappings.")


@vocabulary.command(name="load")
def vocabulary_load(folder: Path, /) -> None:
    """Take in a folder of Athena's (CONCEPT.csv and so on), of `*.sssom.tsv`, or of both; it holds from now on."""
    with house() as at, show.progress("load vocabulary"):
        number = vocabularies.load(at.records, at.settings, folder, actor=at.actor, now=at.now)
        said = _said(vocabularies.newest(at.records))
    show.one(
        said, sentence=f"vocabulary {number} holds: {said['concepts']} concepts, {said['edition'] or 'mappings only'}"
    )


@vocabulary.command(name="show")
def vocabulary_show() -> None:
    """Show the loading that holds: its edition, its files and how much is in each."""
    with house() as at:
        row = vocabularies.newest(at.records)
    said = _said(row)
    if show.as_json.get():
        show.one({**said, "files": json.loads(row.manifest)["files"]})
        return
    show.one(said)
    show.rows(json.loads(row.manifest)["files"], none="no file")


def _said(row: VocabularyRow) -> dict[str, object]:
    return {
        "number": row.number,
        "edition": json.loads(row.manifest)["edition"],
        "concepts": row.concepts,
        "loaded_at": row.loaded_at,
    }
