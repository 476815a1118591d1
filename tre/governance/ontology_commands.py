"""What the host's operator does with ontologies of diseases: load one, and find a disease in it."""

from pathlib import Path

from cyclopts import App

from tre import show
from tre.governance import ontology as ontologies
from tre.governance.operator import house

app = App(name="ontology", help="Ontologies of diseases: MONDO and the Human Disease Ontology.")


@app.command(name="load")
def ontology_load(name: str, file: Path, /) -> None:
    """Take in a whole ontology, `mondo` or `doid`, as .obo, .obo.gz or OBO-graph .json; it holds from now on."""
    with house() as at, show.progress(f"load {name}"):
        row = ontologies.load(at.records, at.settings, name, file, actor=at.actor, now=at.now)
    show.one(
        {"ontology": row.name, "number": row.number, "version": row.version, "terms": row.terms},
        sentence=f"{row.name} {row.number} holds: {row.terms} terms, version {row.version or 'not said'}",
    )


@app.command(name="show")
def ontology_show(code: str, /) -> None:
    """Show one disease, e.g. MONDO:0005105, and everything that it is a kind of."""
    with house() as at, at.records.read() as session:
        diseases = ontologies.current(session, at.settings)
    term = ontologies.get(diseases, code)
    above = [{"id": one, "name": diseases.label(one)} for one in sorted(diseases.ancestors(term.id))]
    if show.as_json.get():
        show.one({"id": term.id, "name": term.label, "obsolete": term.obsolete, "ancestors": above})
        return
    show.one({"id": term.id, "name": term.label} | ({"obsolete": True} if term.obsolete else {}))
    show.rows(above, none="it is a kind of nothing else")


@app.command(name="search")
def ontology_search(*words: str) -> None:
    """Find diseases by words of their names."""
    with house() as at, at.records.read() as session:
        found = ontologies.current(session, at.settings).search(" ".join(words))
    show.rows(
        [{"id": code, "name": label} for code, label in found],
        none="no disease of that name here: load the whole ontology (`tre ontology load mondo FILE`)",
    )
