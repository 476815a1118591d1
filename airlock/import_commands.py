"""Bringing files into a project from the command line: asked for by a member, agreed to by another person."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from sqlalchemy import select

from airlock import brought, imports
from airlock.states import ImportState, Verdict
from airlock.tables import ImportRow
from tre import show
from tre.errors import Unreadable
from tre.governance.operator import As, Code, House, house

arriving = App(
    name="import",
    help="Code and reference data that come into a project, read-only, once one other person agreed.",
    result_action="return_value",
)
Seen = Annotated[str, Parameter(help="SHA-256 of the list you looked at, as `airlock import show` prints it")]
SHORTEST_SEEN = 12


@arriving.command(name="ask")
def ask_command(project: str, /, *files: Path, why: str, by: As, code: Code) -> None:
    """Ask for files of the host to come into a project; a folder's files keep their paths below it."""
    with house() as at:
        at.confirm(by, code, f"project/{project[:30]} ask for an import")
        about = f"project/{project[:30]}"
        with at.records.read() as session:
            imports.may_ask(session, project, by, now=at.now)
        kept = imports.keep(at.settings, _read(files, at.settings.largest_file))
        with at.records.act(by, "import.submit", about) as session:
            row = imports.submit(session, project=project, person=by, files=kept, why=why, now=at.now)
            number = row.id
        _standing(at, number)


@arriving.command(name="list")
def list_command(*, project: str = "", state: ImportState | None = None) -> None:
    """List imports, newest first."""
    query = select(ImportRow).order_by(ImportRow.id.desc())
    if project:
        query = query.where(ImportRow.project == project)
    if state:
        query = query.where(ImportRow.state == state)
    with house() as at, at.records.read() as session:
        rows = [
            {"id": row.id, "project": row.project, "requester": row.requester, "state": row.state,
             "since": row.moved_at, "arrived": row.arrived_at} for row in session.scalars(query)
        ]  # fmt: skip
    show.rows(rows, none="no imports")


@arriving.command(name="show")
def show_command(number: int, /) -> None:
    """Show an import: its files, what was found in them, and what it waits for."""
    with house() as at, at.records.read() as session:
        seen = brought.as_json(session, brought.locked(session, number), at.actor)
    del seen["may"]
    if show.as_json.get():
        return show.one(seen)
    files = list(seen.pop("files"))  # type: ignore[call-overload]  # a list of dicts
    show.one(seen)
    show.rows([{key: file[key] for key in ("name", "kind", "size", "sha256")} for file in files], none="no files")
    found = [{"file": file["name"], **one} for file in files for one in file["findings"]]
    return show.rows(found, none="no findings")


@arriving.command(name="vote")
def vote_command(number: int, verdict: Verdict, /, *, reason: str, seen: Seen, by: As, code: Code) -> None:
    """Decide, as an approver who is not of the project, on the files you looked at."""
    with house() as at:
        with at.records.read() as session:
            row = session.get(ImportRow, number)
            known = row.manifest_sha256 if row else ""
        whole = known if len(seen) >= SHORTEST_SEEN and known.startswith(seen) else seen
        at.confirm(by, code, f"import/{number} {verdict} {whole}")
        with at.records.act(by, "import.vote", f"import/{number}") as session:
            imports.vote(
                session, number=number, person=by, verdict=verdict, reason=reason, seen=whole, second_factor=True,
                now=at.now,
            )  # fmt: skip
        _standing(at, number)


@arriving.command(name="withdraw")
def withdraw_command(number: int, /, *, by: As, code: Code) -> None:
    """Take back an import that nobody decided."""
    with house() as at:
        at.confirm(by, code, f"import/{number} withdraw")
        with at.records.act(by, "import.withdraw", f"import/{number}") as session:
            imports.withdraw(session, number=number, person=by, now=at.now)
        _standing(at, number)


@arriving.command(name="work")
def work_command() -> None:
    """Look through what was asked for, and bring in what was agreed to, as the worker would."""
    with house() as at:
        done = imports.step(at.records, at.settings, now=at.now)
    show.one({"moved": done}, sentence=f"{done} imports were looked at or brought in")


def _read(paths: tuple[Path, ...], largest: int) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for path in paths:
        inside = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        for one in inside[: imports.MOST_FILES + 1]:
            name = one.relative_to(path).as_posix() if path.is_dir() else one.name
            try:
                with one.open("rb") as file:
                    found.append((name, file.read(largest + 1)))
            except OSError as error:
                raise Unreadable(f"{one}: cannot be read ({error.strerror})") from None
    return found


def _standing(at: House, number: int) -> None:
    with at.records.read() as session:
        row = session.get_one(ImportRow, number)
        said, says = {"id": row.id, "state": row.state, "manifest_sha256": row.manifest_sha256}, brought.says(row)
    show.one(said, sentence=f"import {number} is {said['state']}. {says}")
