"""What is brought into a project: looked at by machine, decided by an approver of another one."""

from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import Response

from airlock import brought, imports, staging
from airlock.checks import arriving
from airlock.pages import parts, previews
from airlock.pages.page import field, go, house, render, visitor
from airlock.pages.show import VERDICTS, Problem, number
from airlock.states import By, ImportState, Verdict, of_import
from airlock.tables import ImportRow
from policies.facts import Role
from tre.errors import NotFound, StepRefused, TREError, Unreadable
from tre.governance import accounts, projects
from tre.settings import Settings

SAYS = {
    Verdict.APPROVE: "It arrives in the project's rooms, read-only.",
    Verdict.SEND_BACK: "Who asked should change something and ask anew.",
    Verdict.REJECT: "It must not come in, and no change would help.",
}


@dataclass(frozen=True)
class Part:
    """A file of an import as the page shows it."""

    file: dict[str, Any]
    view: previews.Preview | None
    """None where it is a table of bytes, or too large for this page."""


def listed(request: Request) -> Response:
    """Show what waits for this person, what they asked for, and what others brought into their projects."""
    here, who, now = house(request), visitor(request), house(request).clock()
    with here.records.read() as session:
        queue = brought.queue(session, who.name) if Role.APPROVER in who.roles else ()
        own = brought.own(session, who.name)
        others = [
            row
            for project in projects.of_person(session, who.name, now=now)
            for row in brought.of_project(session, project.name, who.name, now=now)
            if row.requester != who.name
        ]
        lists = {"queue": list(queue), "own": list(own), "others": others}
        says = {row.id: brought.says(row) for rows in lists.values() for row in rows}
    return render(request, "imports.html", lists=lists, says=says, now=now)


def fresh(request: Request) -> Response:
    """Show the form with which files are brought."""
    return _ask(request, request.query_params.get("project", ""))


def submit(request: Request, sent: FormData) -> Response:
    """Ask for files to come into a project."""
    here, who, now = house(request), visitor(request), house(request).clock()
    project, why = field(sent, "project"), field(sent, "why")
    try:
        with here.records.read() as session:
            projects.get(session, project)
            imports.may_ask(session, project, who.name, now=now)
        kept = imports.keep(here.settings, _sent(sent, here.settings.largest_file))
        with here.records.act(who.name, "import.submit", f"project/{project}") as session:
            row = imports.submit(session, project=project, person=who.name, files=kept, why=why, now=now)
            at = row.id
    except TREError as error:
        return _ask(request, project, problem=Problem.of(error), why=why)
    return go(f"imports/{at}")


def shown(request: Request) -> Response:
    """Show an import: its files, what was found in them, whose turn it is."""
    return _page(request, number(request))


def file(request: Request) -> Response:
    """Send a file of an import as it would arrive; it is saved, never opened here."""
    here, who, at = house(request), visitor(request), number(request)
    with here.records.read() as session:
        position = int(request.path_params["position"])
        content = brought.content(session, here.settings, at, position, who.name, now=here.clock())[1]
    heads = {"content-disposition": "attachment", "x-content-type-options": "nosniff"}
    return Response(content, media_type="application/octet-stream", headers=heads)


def vote(request: Request, sent: FormData) -> Response:
    """Decide on the files that were shown, with a fresh code."""
    here, who, at, now = house(request), visitor(request), number(request), house(request).clock()
    given = {name: field(sent, name) for name in ("verdict", "reason", "seen")}
    try:
        verdict = _ready(request, at, given)
        purpose = f"import/{at} {verdict} {given['seen']}"
        accounts.check_code(here.records, here.settings, who.name, field(sent, "code"), now=now, purpose=purpose)
        with here.records.act(who.name, "import.vote", f"import/{at}") as session:
            imports.vote(
                session, number=at, person=who.name, verdict=verdict, reason=given["reason"], seen=given["seen"],
                second_factor=True, now=now,
            )  # fmt: skip
    except NotFound:
        raise
    except TREError as error:
        return _page(request, at, problem=Problem.of(error), filled=given)
    return go(f"imports/{at}")


def withdraw(request: Request) -> Response:
    """Take back an import that nobody decided."""
    here, who, at = house(request), visitor(request), number(request)
    with here.records.act(who.name, "import.withdraw", f"import/{at}") as session:
        imports.withdraw(session, number=at, person=who.name, now=here.clock())
    return go(f"imports/{at}")


def _sent(sent: FormData, largest: int) -> list[tuple[str, bytes]]:
    """Read the files of a form; one that is too large is read no further than to see it."""
    files = [one for one in sent.getlist("files") if isinstance(one, UploadFile) and one.filename]
    if not files:
        raise Unreadable("files: choose at least one")
    return [(str(one.filename), one.file.read(largest + 1)) for one in files]


def _ready(request: Request, at: int, given: dict[str, str]) -> Verdict:
    """Say what is missing before a code is spent."""
    here, who = house(request), visitor(request)
    with here.records.read() as session:
        row = brought.seen(session, at, who.name, now=here.clock())
        may, state = brought.may(session, row, who.name), ImportState(row.state)
    if given["verdict"] not in set(Verdict):
        raise Unreadable("verdict: choose one")
    verdict = Verdict(given["verdict"])
    if "vote" not in may:
        of_import(verdict, state, By.APPROVERS)
        raise StepRefused("this import is not yours to decide on: an approver of another project does")
    if not given["reason"].strip():
        raise Unreadable("reason: write a sentence")
    return verdict


def _ask(request: Request, project: str, *, problem: Problem | None = None, why: str = "") -> Response:
    here, who = house(request), visitor(request)
    with here.records.read() as session:
        mine = projects.of_person(session, who.name, now=here.clock())
    if not project and len(mine) == 1:
        project = mine[0].name
    return render(
        request, "importing.html", status=problem.status if problem else 200, problem=problem, projects=mine,
        project=project, why=why, endings=", ".join(arriving.KINDS), most=imports.MOST_FILES,
        largest=min(here.settings.largest_file, imports.LARGEST),
    )  # fmt: skip


def _page(
    request: Request, at: int, *, problem: Problem | None = None, filled: dict[str, str] | None = None
) -> Response:
    here, who, now = house(request), visitor(request), house(request).clock()
    with here.records.read() as session:
        row = brought.seen(session, at, who.name, now=now)
        said = brought.as_json(session, row, who.name)
    files: list[dict[str, Any]] = said["files"]  # type: ignore[assignment]  # as_json says so
    return render(
        request, "import.html", status=problem.status if problem else 200, row=row, said=said, now=now,
        problem=problem, parts=[Part(file, _view(here.settings, file)) for file in files], turn=_turn(row, said),
        verdicts=[(value, head, SAYS[value]) for value, head, *_ in VERDICTS],
        filled={"verdict": "", "reason": "", **(filled or {})},
    )  # fmt: skip


def _view(settings: Settings, file: dict[str, Any]) -> previews.Preview | None:
    kind = arriving.shown_as(str(file["name"]))
    if not kind or file["size"] > parts.SMALL:
        return None
    content = staging.kept(settings, str(file.get("arrives_sha256") or file["sha256"]))
    return previews.of(kind, content, wheres=[previews.Pointed(str(one["where"])) for one in file["findings"]])


def _turn(row: ImportRow, said: dict[str, object]) -> str:
    if "vote" in said["may"]:  # type: ignore[operator]  # a list
        return "Yours"
    if row.state == ImportState.CHECKING or (row.state == ImportState.APPROVED and row.arrived_at is None):
        return "The airlock's"
    return {ImportState.IN_REVIEW: "An approver's", ImportState.RETURNED: f"{row.requester}'s"}.get(
        ImportState(row.state), "Nobody's"
    )
