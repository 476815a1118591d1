"""What the host's operator does with data: bring it in under a plan, and prepare a project's copy."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cyclopts import App
from sqlalchemy.orm import Session

from policies import duo
from tre import show
from tre.data import catalogue, held, ingest, persons, withdrawals
from tre.data import extract as extracts
from tre.data.manifest import Manifest
from tre.errors import Unreadable
from tre.governance import committee, ontology, profiles
from tre.governance.operator import As, Code, house, id_from_input
from tre.records.tables import ExtractRow

dataset = App(name="dataset", help="Datasets and their versions.")
extract = App(name="extract", help="A project's pseudonymised copy of a dataset.")

PLAN_SIZE = 1_000_000


@dataset.command(name="register")
def dataset_register(name: str, /, *, plan: Path, title: str = "") -> None:
    """Put a dataset into the catalogue under its plan; a new plan holds from the next ingest on."""
    text = _text(plan)
    with house() as at, at.records.act(at.actor, "dataset.register", f"dataset/{name[:30]}") as session:
        row = catalogue.register(session, name, plan=text, title=title, actor=at.actor, now=at.now)
    show.one(
        {"name": row.name, "title": row.title, "plan_sha256": row.plan_sha256},
        sentence=f"{row.name} is registered; next: `tre dataset ingest {row.name} FILE...`",
    )


@dataset.command(name="use")
def dataset_use(name: str, /, *, plan: Path) -> None:
    """Change what a dataset may be used for to what a plan says; it holds at once, without a new ingest."""
    text = _text(plan)
    with house() as at, at.records.act(at.actor, "dataset.use", f"dataset/{name[:30]}") as session:
        row = catalogue.restrict(session, name, plan=text, actor=at.actor, now=at.now)
        codes = list(duo.said(duo.DataUse.from_json(row.data_use), ontology.here(session).label))
    show.one({"name": name, "data_use": codes}, sentence=f"{name} may be used as it says now: {'; '.join(codes)}")


@dataset.command(name="profile")
def dataset_profile(name: str, profile: str, /, *, why: str, by: As, code: Code) -> None:
    """Choose, for the committee, the disclosure profile that all who use a dataset keep; `house` ends it."""
    with house() as at:
        at.confirm(by, code, f"dataset/{name[:30]} profile {profile[:40]}")
        with at.records.act(by, "dataset.profile", f"dataset/{name[:30]}") as session:
            profiles.of_dataset(session, name, profile, why=why, person=by, now=at.now)
    show.one({"name": name, "profile": profile}, sentence=f"exports from {name} keep {profile} from now on")


@dataset.command(name="ingest")
def dataset_ingest(name: str, /, *paths: Path) -> None:
    """Bring files and folders of any kind in as the next version; run again, it goes on where it was interrupted."""
    with house() as at, show.progress(f"ingest {name}", ingest.measured(paths)) as ticks:
        number = ingest.ingest(at.records, at.settings, name, paths, actor=at.actor, now=at.now, ticks=ticks)
        with at.records.read() as session:
            row, manifest = catalogue.version(session, name, number)
    kinds = [{"kind": kind, **vars(count)} for kind, count in manifest.counts.items()]
    files = [{"name": file.name, "rows": file.rows, "sha256": file.sha256} for file in manifest.files]
    if not show.as_json.get():
        show.rows(kinds, none="")
    show.one(
        {"name": name, "version": number, "persons": row.persons, "rows": row.rows, "files": files, "kinds": kinds},
        sentence=_brought(name, number, row.persons, manifest),
    )


def _brought(name: str, number: int, persons: int, manifest: Manifest) -> str:
    """Say in one sentence what came in and what did not."""
    rows = sum(file.rows for file in manifest.files)
    taken, held, refused = (
        sum(getattr(count, what) for count in manifest.counts.values()) for what in ("files", "held", "refused")
    )
    said = f"{name} version {number}: {persons} persons, {rows} rows in {taken} files"
    if held or refused:
        said += f"; {held} held, {refused} refused: `tre dataset quarantine {name}`"
    return said


@dataset.command(name="quarantine")
def dataset_quarantine(name: str, /) -> None:
    """List what of the newest version was refused or is held, each with its reason."""
    with house() as at, at.records.read() as session:
        number, manifest = _newest(session, name)
        found = [vars(one) for one in held.quarantine(session, at.settings, name, number, manifest)]
    show.rows(found, none=f"nothing of {name} version {number} was refused or is held")


@dataset.command(name="clear")
def dataset_clear(name: str, which: str, /, *, reason: str, region: list[str] | None = None) -> None:
    """Answer for a held image, by its path or number; each `--region X,Y,W,H` of it is blacked out in every extract."""
    regions = [held.region(one) for one in region or []]
    with house() as at:
        with at.records.read() as session:
            number, manifest = _newest(session, name)
            row = held.find(at.settings, name, number, manifest, which=which)
        with at.records.act(at.actor, "dataset.clear", f"dataset/{name[:30]}") as session:
            held.clear(session, name, row, regions=regions, reason=reason, actor=at.actor, now=at.now)
    show.one(
        {"name": name, "number": row.number, "regions": [list(one) for one in regions]},
        sentence=f"file {row.number} of {name} may leave from the next extract on, {len(regions)} regions blacked out",
    )


def _newest(session: Session, name: str) -> tuple[int, Manifest]:
    """Return the newest version of a dataset."""
    catalogue.get(session, name)
    versions = catalogue.versions(session, name)
    number = versions[-1].number if versions else 1
    return number, catalogue.version(session, name, number)[1]


@dataset.command(name="list")
def dataset_list() -> None:
    """All datasets; the numbers are those of the newest version."""
    with house() as at, at.records.read() as session:
        rows = [vars(listed) for listed in catalogue.listed(session)]
    show.rows(rows, none="no dataset yet: `tre dataset register NAME --plan PLAN.yaml`")


@dataset.command(name="show")
def dataset_show(name: str, /) -> None:
    """One dataset: what is held and from where, who uses it, its columns, and what each ingest brought."""
    with house() as at, at.records.read() as session:
        row = catalogue.get(session, name)
        found = catalogue.versions(session, name)
        projects = committee.using(session, name, now=at.now)
        label = ontology.here(session).label
    versions = [
        {"version": one.number, "persons": one.persons, "rows": one.rows, "ingested_at": one.ingested_at}
        for one in found
    ]
    entry = json.loads(found[-1].entry) if found else {}
    if codes := list(duo.said(duo.DataUse.from_json(row.data_use), label)):
        entry["data_use"] = codes  # what holds now
    record = {"name": row.name, "title": row.title, "withdrawn": row.withdrawn, "plan_sha256": row.plan_sha256}
    if show.as_json.get():
        show.one({**record, "projects": projects, "entry": entry, "plan": row.plan, "versions": versions})
        return
    show.one(record | _about(entry) | {"used_by": projects})
    for listed in (list(_held(entry)), list(_columns(entry))):
        if listed:
            print()
            show.rows(listed, none="")
    print()
    show.rows(versions, none=f"nothing ingested yet: `tre dataset ingest {name} FILE...`")


def _about(entry: dict[str, Any]) -> dict[str, object]:  # Any: JSON
    """Return what whoever registered it said of it."""
    about = entry.get("about", {})
    said = {name: about[name] for name in ("source", "owner", "contact", "legal_basis", "collected") if about.get(name)}
    more = {name: entry[name] for name in ("persons", "data_use", "linkage") if entry.get(name)}
    return said | more


def _held(entry: dict[str, Any]) -> Iterator[dict[str, object]]:  # Any: JSON
    """Yield how much there is of each table and kind."""
    for table in entry.get("tables", ()):
        yield {"holds": f"table {table['name']}", "files": None, "records": table["rows"]}
    for kind in entry.get("kinds", ()):
        yield {"holds": kind.get("name", kind["kind"]), "files": kind["files"], "records": kind["records"]}


def _columns(entry: dict[str, Any]) -> Iterator[dict[str, object]]:  # Any: JSON
    """Yield each column of each table, and what becomes of it."""
    for table in entry.get("tables", ()):
        for column in table["columns"]:
            yield {"table": table["name"], "column": column["name"]} | {
                name: column[name] for name in ("type", "action", "reason")
            }


@dataset.command(name="withdraw")
def dataset_withdraw(name: str, /, *, why: str) -> None:
    """Take a dataset out of use; no room mounts it from now on."""
    with house() as at, at.records.act(at.actor, "dataset.withdraw", f"dataset/{name[:30]}") as session:
        catalogue.withdraw(session, name, why=why, actor=at.actor, now=at.now)
    show.one({"name": name, "withdrawn": True}, sentence=f"{name} is withdrawn")


@dataset.command(name="withdraw-person")
def dataset_withdraw_person(name: str, /, *, reason: str) -> None:
    """Leave the person whose id is read from standard input out of every further extract of this dataset."""
    value = id_from_input()
    with house() as at:
        persons.withdraw(at.records, at.settings, name, value, reason=reason, actor=at.actor, now=at.now)
    show.one({"name": name, "withdrawn": True}, sentence=withdrawals.SAID)


@extract.command(name="list")
def extract_list(project: str = "", /) -> None:
    """Each project's newest extracts, which of them are out of date, and what to run then."""
    with house() as at, at.records.read() as session:
        rows = [_listed(row, why) for row, why in extracts.listed(session, project)]
    show.rows(rows, none="no extract yet: `tre extract prepare DATASET PROJECT`")


@extract.command(name="prepare")
def extract_prepare(dataset: str, project: str, /) -> None:
    """Make a project's copy of the version it is approved for, measure its risk and search it for identifiers."""
    with house() as at, show.progress(f"prepare {dataset} for {project}"):
        row = extracts.prepare(at.records, at.settings, dataset, project, actor=at.actor, now=at.now)
    if refusal := extracts.refusal(row):
        raise refusal
    show.one(_summary(row), sentence=f"extract {row.number} of {dataset} for {project} is ready; {_said(row)}")


@extract.command(name="risk")
def extract_risk(dataset: str, project: str, /) -> None:
    """Show what the newest extract's checks found: group sizes in persons, and the search for identifiers."""
    with house() as at, at.records.read() as session:
        row = extracts.newest(session, dataset, project)
        page = at.settings.extract(project, dataset, row.number).with_name(f"{row.number}.report.html")
    report = json.loads(row.report)
    if show.as_json.get():
        show.one(_summary(row) | {"report": report})
        return
    measured, cells, swept = report["risk"], report["leaks"], report.get("search", {})
    show.one(_summary(row) | {head: measured[head] for head in FIGURES if head in measured})
    show.rows([_choice(one) for one in measured.get("choices", ())], none="one choice: all quasi-identifiers together")
    show.one({"identifiers": swept.get("identifiers", cells["identifiers"]), "cells": cells["cells"],
              "files_read": swept.get("files"), "not_searched": cells["not_searched"]})  # fmt: skip
    show.rows(list(_places(report)), none="no identifier of the source was found in the extract")
    if page.is_file():
        print(f"the same as a page: {page}")


FIGURES = ("persons", "k", "smallest", "uniques", "below", "average", "maximum", "sensitive", "failed")


def _choice(said: dict[str, object]) -> dict[str, object]:
    """Tell what one choice of quasi-identifiers tells."""
    names = {"of": "quasi_identifiers", "uniques": "alone"}
    return {names.get(key, key): said[key] for key in ("of", "k", "l", "t", "uniques", "below", "average", "maximum")}


def _places(report: dict[str, Any]) -> Iterator[dict[str, object]]:  # Any: JSON
    """Tell where identifiers of the source stand, whichever search found them."""
    for one in report["leaks"]["found"]:
        yield {"where": f"{one['table']}.{one['column']}", "how": one["how"], "places": one["cells"]}
    for one in report.get("search", {}).get("found", ()):
        yield {"where": one["file"], "how": one["how"] or "as it stands", "places": one["places"]}
    for file, places in report.get("short", {}).get("found", ()):
        yield {"where": file, "how": "short, of its own person", "places": places}
    for why in report.get("search", {}).get("unread", ()):
        yield {"where": why, "how": "not read", "places": 0}


def _listed(row: ExtractRow, why: str) -> dict[str, object]:
    again = f"tre extract prepare {row.dataset} {row.project}" if why else ""
    return _summary(row) | {"prepared_at": row.prepared_at, "out_of_date": why, "run": again}


def _summary(row: ExtractRow) -> dict[str, object]:
    return {
        "dataset": row.dataset,
        "project": row.project,
        "version": row.version,
        "number": row.number,
        "assessed": row.assessed,
    }


def _said(row: ExtractRow) -> str:
    measured = json.loads(row.report)["risk"]
    return f"{measured['persons']} persons, smallest group {measured['k']}"


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > PLAN_SIZE:
            raise Unreadable(f"{path}: too long for a plan")
        return path.read_text("utf-8")
    except OSError as error:
        raise Unreadable(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise Unreadable(f"{path}, byte {error.start}: not UTF-8; save the plan as UTF-8 text") from None
