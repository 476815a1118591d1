"""What the host's operator does with linkages: load them, look at their numbers, and let a person withdraw.

An id is read from standard input and never from the command line, where every process of the host could read it.
"""

import json
from pathlib import Path

from cyclopts import App

from tre import show
from tre.data import catalogue, linkage, withdrawals
from tre.errors import NotFound
from tre.governance.operator import house, id_from_input
from tre.records.tables import LinkageRow

app = App(name="linkage", help="Whose each id of each source system is.")


@app.command(name="load")
def linkage_load(name: str, file: Path, /) -> None:
    """Load a table of system, type, value and subject as the next version; it holds from now on."""
    with house() as at:
        number = linkage.load(at.records, at.settings, name, file, actor=at.actor, now=at.now)
        with at.records.read() as session:
            row = next(one for one in linkage.listed(session) if (one.name, one.number) == (name, number))
    said = f"linkage {name} version {number}: {row.ids} ids of {row.subjects} persons, {row.merged} merged"
    show.one({"name": name, "version": number, **_counts(row)}, sentence=said)


@app.command(name="list")
def linkage_list() -> None:
    """Show the version of each linkage that holds."""
    with house() as at, at.records.read() as session:
        newest = {row.name: row for row in linkage.listed(session)}
    rows = [{"name": row.name, "version": row.number, **_counts(row)} for row in newest.values()]
    show.rows(rows, none="no linkage yet: `tre linkage load NAME FILE`")


@app.command(name="show")
def linkage_show(name: str, /) -> None:
    """Show one linkage: its versions, and how many ids of which kind the newest has."""
    with house() as at, at.records.read() as session:
        rows = [row for row in linkage.listed(session) if row.name == name]
    if not rows:
        raise NotFound(f"there is no linkage {name[:40]!r}: `tre linkage list` shows those there are")
    said = json.loads(rows[-1].manifest)["ids"]
    kinds = [{"system_and_type": kind, "ids": count} for kind, count in said.items()]
    versions = [{"version": row.number, **_counts(row)} for row in rows]
    if show.as_json.get():
        show.one({"name": name, "versions": versions, "ids": said})
        return
    show.rows(versions, none="")
    show.rows(kinds, none="no ids")


@app.command(name="withdraw")
def linkage_withdraw(name: str, system: str, kind: str, /, *, reason: str, dataset: str = "") -> None:
    """Leave the person whose id is read from standard input out of every further extract."""
    value = id_from_input()
    with house() as at:
        if dataset:
            with at.records.read() as session:
                catalogue.get(session, dataset)
        about = (system, kind, value)
        linkage.withdraw(
            at.records, at.settings, name, about, dataset=dataset, reason=reason, actor=at.actor, now=at.now
        )
    show.one({"linkage": name, "dataset": dataset or None, "withdrawn": True}, sentence=withdrawals.SAID)


def _counts(row: LinkageRow) -> dict[str, object]:
    return {"ids": row.ids, "subjects": row.subjects, "merged": row.merged, "loaded_at": row.loaded_at}
