"""The `airlock` command: asking, looking, deciding, collecting and checking, without a browser.

`--home DIR` and `--json` are understood by every command. What is a person's own act is confirmed by their code.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from sqlalchemy import select

from airlock import (
    certificate,
    exceptions,
    import_commands,
    queries,
    recall_commands,
    release,
    requests,
    states,
    statistics,
)
from airlock.states import State, Verdict
from airlock.tables import RequestRow
from tre import __version__, show
from tre.cli import run
from tre.errors import TREError, Unreadable
from tre.governance.operator import As, Code, House, house
from tre.records import checkpoint
from tre.settings import load

app = App(name="airlock", version=__version__, help=__doc__, result_action="return_value")

Seen = Annotated[str, Parameter(help="SHA-256 of the manifest you looked at, as `airlock show` prints it")]
Abouts = Annotated[Path | None, Parameter(help="JSON: what each file is, and how its numbers are made again")]
Previous = Annotated[Path | None, Parameter(help="the project's certificate before this one, to check that it follows")]
Recalled = Annotated[Path | None, Parameter(help="the signed list that `airlock recalled` wrote, to check it stands")]
SHORTEST_SEEN = 12


@app.command(name="request")
def request_command(project: str, /, *paths: str, why: str, about: Abouts = None, by: As, code: Code) -> None:
    """Ask for files of a person's outbox to leave."""
    said = _abouts(about)
    with house() as at:
        at.confirm(by, code, f"project/{project[:30]} request an export")
        files = requests.ready(
            at.records, at.settings, project=project[:30], person=by, paths=paths, about=said, now=at.now
        )
        with at.records.act(by, "export.submit", f"project/{project[:30]}") as session:
            row = requests.submit(session, at.settings, project=project, person=by, ready=files, why=why, now=at.now)
    _said(row)


@app.command
def resubmit(number: int, /, *paths: str, why: str, about: Abouts = None, by: As, code: Code) -> None:
    """Submit a returned request again, with new files."""
    said = _abouts(about)
    with house() as at:
        at.confirm(by, code, f"export/{number} resubmit")
        files = requests.ready(at.records, at.settings, request=number, person=by, paths=paths, about=said, now=at.now)
        with at.records.act(by, "export.submit", f"export/{number}") as session:
            row = requests.resubmit(session, at.settings, request=number, person=by, ready=files, why=why, now=at.now)
    _said(row)


def _abouts(path: Path | None) -> dict[str, dict[str, object]]:
    """Read what is said about the files: {"path": {"kind": ..., "made": ...}, ...}."""
    if path is None:
        return {}
    try:
        said = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        raise Unreadable(f"{path}: cannot be read as JSON") from None
    if not isinstance(said, dict) or not all(isinstance(each, dict) for each in said.values()):
        raise Unreadable(f"{path}: give an object with a path for each file, and an object of what is said about it")
    return said


@app.command(name="list")
def list_command(*, project: str = "", state: State | None = None) -> None:
    """List export requests, newest first."""
    query = select(RequestRow).order_by(RequestRow.id.desc())
    if project:
        query = query.where(RequestRow.project == project)
    if state:
        query = query.where(RequestRow.state == state)
    with house() as at, at.records.read() as session:
        rows = [
            {
                "id": row.id,
                "project": row.project,
                "requester": row.requester,
                "state": row.state,
                "since": row.moved_at,
            }
            for row in session.scalars(query)
        ]
    show.rows(rows, none="no export requests")


@app.command(name="show")
def show_command(number: int, /) -> None:
    """Show a request: its files, findings, what it waits for; never how an undecided vote stands."""
    with house() as at, at.records.read() as session:
        seen = queries.host_json(session, at.settings, number)
    if show.as_json.get():
        show.one(seen)
        return
    files, _ = seen.pop("files"), seen.pop("may")
    show.one(seen)
    _files(files)


def _files(files: object) -> None:
    listed = files if isinstance(files, list) else []
    show.rows([{key: file[key] for key in ("name", "kind", "size", "sha256")} for file in listed], none="no files")
    found = [{"file": file["name"], **finding} for file in listed for finding in file["findings"]]
    show.rows(found, none="no findings")


@app.command
def vote(number: int, verdict: Verdict, /, *, reason: str, seen: Seen, by: As, code: Code) -> None:
    """Vote as an approver on the manifest you looked at."""
    with house() as at:
        manifest = _whole(at, number, seen)
        at.confirm(by, code, f"export/{number} {verdict} {manifest}")
        with at.records.act(by, "export.vote", f"export/{number}") as session:
            said = requests.same(session, request=number, verdict=verdict, reason=reason)
            row = requests.vote(
                session, request=number, person=by, verdicts=said, reason=reason, seen=manifest,
                second_factor=True, now=at.now,
            )  # fmt: skip
    _said(row)


@app.command(name="except")
def except_command(number: int, file: int, check: str, /, *, reason: str, seen: Seen, by: As, code: Code) -> None:
    """Let a file (1 is the first) go on although a check said no, as a member of the committee."""
    with house() as at:
        manifest = _whole(at, number, seen)
        at.confirm(by, code, f"export/{number} except {check[:40]} {manifest}")
        with at.records.act(by, "export.except", f"export/{number}") as session:
            row = exceptions.grant(
                session, request=number, person=by, position=file - 1, check=check, reason=reason, seen=manifest,
                second_factor=True, now=at.now,
            )  # fmt: skip
    _said(row)


@app.command(name="statistics")
def statistics_command(*, days: int = 90) -> None:
    """Tell how requests and approvers did: waiting, hours of review, agreement, and which rules sent files back."""
    with house() as at, at.records.read() as session:
        said = statistics.of(session, now=at.now, days=days)
    if show.as_json.get():
        show.one(said.as_json())
        return
    show.rows([each.as_json() for each in said.approvers], none="no votes")
    show.rows([each.as_json() for each in said.waits], none="no requests")
    show.rows([{"rule": rule, "files": files} for rule, files in said.rules], none="no findings that block")


@app.command
def comment(number: int, text: str, /, *, by: As, code: Code) -> None:
    """Say something about a request."""
    with house() as at:
        at.confirm(by, code, f"export/{number} comment")
        with at.records.act(by, "export.comment", f"export/{number}") as session:
            requests.comment(session, request=number, person=by, text=text, now=at.now)
    show.one({"request": number}, sentence=f"{by} commented on export request {number}")


@app.command
def withdraw(number: int, /, *, by: As, code: Code) -> None:
    """Take a request back."""
    with house() as at:
        at.confirm(by, code, f"export/{number} withdraw")
        with at.records.act(by, "export.withdraw", f"export/{number}") as session:
            row = requests.withdraw(session, request=number, person=by, now=at.now)
    _said(row)


@app.command(name="release")
def release_command(number: int, /) -> None:
    """Release an approved request now, as the worker would."""
    with house() as at:
        with at.records.act(at.actor, "export.release", f"export/{number}") as session:
            release.release(session, at.settings, request=number, now=at.now, actor=at.actor)
        with at.records.read() as session:
            row = session.get_one(RequestRow, number)
    _said(row)


@app.command
def collect(number: int, /, *, to: Path, by: As, code: Code) -> None:
    """Write a release into a file: a zip with its certificate."""
    if to.exists():
        raise Unreadable(f"{to}: is there already; name a new file")
    with house() as at:
        at.confirm(by, code, f"export/{number} collect")
        with at.records.act(by, "export.link", f"export/{number}") as session:
            token = release.link(session, at.settings, request=number, person=by, now=at.now)
        with at.records.act(by, "export.collect", f"export/{number}") as session:
            bundle = release.collect(session, at.settings, token=token, person=by, now=at.now)
        _write(to, release.stream(at.settings, bundle))
    show.one({"request": number, "file": str(to)}, sentence=f"export request {number} is in {to}")


def _write(to: Path, parts: Iterable[bytes]) -> None:
    """Write a file that was not there, whole or not at all."""
    try:
        with to.open("xb") as file:
            try:
                file.writelines(parts)
                file.flush()
            except BaseException:
                to.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise Unreadable(f"{to}: cannot be written ({error.strerror}); nothing is there") from None


@app.command
def verify(path: Path, /, *, key: Path | None = None, previous: Previous = None, recalled: Recalled = None) -> None:
    """Check a collected release offline, with the TRE's public key (PEM; this home's unless given)."""
    try:
        pem = key.read_text("ascii") if key else checkpoint.public_key(load())
    except (OSError, UnicodeDecodeError):
        raise Unreadable(f"{key}: cannot be read as a public key in PEM") from None
    said = certificate.verify(path, pem, previous=_bytes(previous), recalled=_bytes(recalled))
    files = said["files"] if isinstance(said["files"], list) else []
    sentence = f"{len(files)} files, released from {said['project']} as request {said['request']}: all as signed"
    show.one({"verified": True, **said}, sentence=sentence)


def _bytes(path: Path | None) -> bytes | None:
    try:
        return path.read_bytes() if path else None
    except OSError as error:
        raise Unreadable(f"{path}: cannot be read ({error.strerror})") from None


app.command(recall_commands.recall)
app.command(recall_commands.recalled)
app.command(recall_commands.incident)
app.command(import_commands.arriving)


@app.command
def serve() -> None:
    """Serve the airlock's pages until interrupted."""
    from airlock.app import serve as serve_pages

    serve_pages(load())


@app.command
def work() -> None:
    """Check what is submitted and release what is approved, until interrupted."""
    from airlock.worker import work as work_on

    work_on(load())


def _whole(at: House, number: int, seen: str) -> str:
    """Return the manifest on the table if `seen` is it or its beginning; else `seen`, which no vote fits."""
    with at.records.read() as session:
        row = session.get(RequestRow, number)
        manifest = requests.manifest(session, row)[1] if row else ""
    return manifest if len(seen) >= SHORTEST_SEEN and manifest.startswith(seen) else seen


def _said(row: RequestRow) -> None:
    state = State(row.state)
    sentence = f"export request {row.id} is {states.words(state)}. {states.says(state)}"
    show.one({"id": row.id, "state": row.state, "round": row.round, "says": states.says(state)}, sentence=sentence)


def main() -> None:
    """Entry point of the console script."""
    try:
        sys.exit(run(app, sys.argv[1:]))
    except TREError as error:
        sys.exit(show.fault(error))


if __name__ == "__main__":
    main()
