"""What left and should not have is called back: nobody collects it any more, and somebody must look into it.

A recall cannot make undone what was collected. So it opens an incident that says whether it was, tells everybody who
answers for it, and keeps the project's other exports at rest until one of the committee, who is not of the project,
has closed the incident with what came of it.
"""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from airlock import certificate, incidents, moves, notify
from airlock.states import By, FileState, State
from airlock.tables import FileRow, IncidentRow, LinkRow, ReleaseRow, RequestRow, VoteRow
from policies.facts import Export, Role
from tre.errors import NotFound, Refused, StepRefused
from tre.governance import access, accounts, notices, projects
from tre.records import audit, checkpoint
from tre.records.tables import MemberRow, ProjectRow, RoleRow
from tre.settings import Settings

ANSWER = (Role.ADMIN, Role.COMMITTEE, Role.CHAIR)
"""Roles whose people are told of every recall."""
SITS = frozenset({Role.COMMITTEE, Role.CHAIR})


def recall(
    session: Session, settings: Settings, *, request: int, person: str, reason: str, second_factor: bool, now: datetime
) -> IncidentRow:
    """Call back all that left of a request.

    `second_factor` is whether the caller has just checked a code of this person for this act.
    """
    row = moves.locked(session, request)
    export = Export(request=str(row.id), requester=row.requester, manifest="")
    access.require(session, access.export_ask(
        session, "recall_export", person=person, project=row.project, export=export, now=now,
        second_factor=second_factor,
    ))  # fmt: skip
    reason = moves.text(reason, "reason")
    released = _released(session, row)
    moves.move(session, row, "recall", By.ENTITLED, now)
    moves.close(session, row)
    ended = _end(session, row, released, now)
    incident = _open(session, row, released, person=person, reason=reason, now=now)
    used = incidents.collections(session, row.id)
    seq = audit.append(
        session, "export.recall", actor=person, subject=moves.subject(row), at=now, incident=incident.id, reason=reason,
        rounds=[one.round for one in released], links_ended=ended,
        certificates=[certificate.digest(one.certificate) for one in released],
        collected=[audit.stamp(each.used_at) for each in used if each.used_at],
    )  # fmt: skip
    told = _told(row, incident, used)
    for name in _concerned(session, row, now):
        notices.tell(session, name, key=f"export/recall/{seq}", text=told, url=notify.url(row.id), now=now)
    checkpoint.sign(session, settings, now, actor="airlock")
    return incident


def close(
    session: Session, *, incident: int, person: str, outcome: str, second_factor: bool, now: datetime
) -> IncidentRow:
    """Say what came of an incident; what waited for it goes on."""
    found = session.get(IncidentRow, incident, with_for_update=True)
    if found is None:
        raise NotFound(f"no incident {incident}: `airlock incident list` shows those there are")
    row = moves.locked(session, found.request)
    _may_close(session, row, person, second_factor=second_factor)
    if found.closed_at is not None:
        raise StepRefused(f"incident {incident} was closed by {found.closed_by}")
    found.closed_by, found.closed_at, found.outcome = person, now, moves.text(outcome, "outcome")
    waiting = update(RequestRow).where(RequestRow.project == row.project, RequestRow.state == State.APPROVED)
    session.execute(waiting.values(retry_at=None, trouble=""))
    seq = audit.append(
        session, "export.incident.close", actor=person, subject=moves.subject(row), at=now, incident=incident,
        outcome=found.outcome,
    )  # fmt: skip
    text = f"Incident {incident} of export request {row.id} is closed. {found.outcome}"
    for name in _concerned(session, row, now):
        notices.tell(session, name, key=f"export/incident/{seq}", text=text, url=notify.url(row.id), now=now)
    return found


def listed(session: Session, *, only_open: bool = False) -> Iterator[dict[str, object]]:
    """Give every incident, newest first, with who collected what left and when."""
    asked = select(IncidentRow, RequestRow).join(RequestRow, RequestRow.id == IncidentRow.request)
    if only_open:
        asked = asked.where(IncidentRow.closed_at.is_(None))
    for one, row in session.execute(asked.order_by(IncidentRow.id.desc())):
        used = incidents.collections(session, row.id)
        yield {
            "id": one.id, "request": row.id, "round": one.round, "project": row.project, "requester": row.requester,
            "opened_by": one.opened_by, "opened_at": one.opened_at, "reason": one.reason, "collected": one.collected,
            "collected_at": [each.used_at for each in used], "closed_by": one.closed_by, "closed_at": one.closed_at,
            "outcome": one.outcome,
        }  # fmt: skip


def signed_list(session: Session, settings: Settings, *, now: datetime) -> bytes:
    """Return the signed list of all recalled releases, by the hashes of their certificates: who holds one can ask."""
    gone = select(ReleaseRow).where(ReleaseRow.recalled_at.is_not(None))
    releases = [
        {"certificate": certificate.digest(one.certificate), "recalled_at": audit.stamp(one.recalled_at)}
        for one in session.scalars(gone.order_by(ReleaseRow.request, ReleaseRow.round))
        if one.recalled_at is not None
    ]
    said = {"format": certificate.RECALLED, "at": audit.stamp(now), "releases": releases}
    signature = checkpoint.sign_bytes(settings, certificate.stated(said), "recalled")
    return certificate.sealed(said, signature, "recalled")


# --- what ends --------------------------------------------------------------------------------------------------------
def _released(session: Session, row: RequestRow) -> tuple[ReleaseRow, ...]:
    asked = select(ReleaseRow).where(ReleaseRow.request == row.id, ReleaseRow.recalled_at.is_(None))
    found = tuple(session.scalars(asked.order_by(ReleaseRow.round)))
    if not found:
        raise StepRefused(f"nothing of export request {row.id} is out: it is {row.state}")
    return found


def _end(session: Session, row: RequestRow, released: tuple[ReleaseRow, ...], now: datetime) -> int:
    """Recall releases and files, and end the links; return how many of these could still be used."""
    for one in released:
        one.recalled_at = now
    out = select(FileRow).where(FileRow.request == row.id, FileRow.state == FileState.RELEASED)
    for file in session.scalars(out):
        moves.move_file(file, "recall")
    alive = select(LinkRow).where(LinkRow.request == row.id, LinkRow.used_at.is_(None), LinkRow.expires_at > now)
    links = tuple(session.scalars(alive))
    for link in links:
        link.expires_at = now
    return len(links)


def _open(
    session: Session, row: RequestRow, released: tuple[ReleaseRow, ...], *, person: str, reason: str, now: datetime
) -> IncidentRow:
    incident = IncidentRow(
        request=row.id, round=released[-1].round, opened_by=person, reason=reason, opened_at=now,
        collected=bool(incidents.collections(session, row.id)), outcome="",
    )  # fmt: skip
    session.add(incident)
    session.flush()
    return incident


# --- who --------------------------------------------------------------------------------------------------------------
def _may_close(session: Session, row: RequestRow, person: str, *, second_factor: bool) -> None:
    sits = accounts.active(session, person) and bool(SITS & set(accounts.roles_of(session, person)))
    aside = person != row.requester and not projects.ever_member(session, row.project, person)
    if not (sits and aside and second_factor):
        raise Refused(
            f"{person} cannot close an incident of project {row.project}",
            remedies=("One of the committee, who never was in the project, closes it with a fresh code.",),
        )


def _concerned(session: Session, row: RequestRow, now: datetime) -> tuple[str, ...]:
    """Name the requester, project's members and lead, who voted, and those who answer for the house."""
    members = select(MemberRow.person).where(
        MemberRow.project == row.project, MemberRow.until > now, MemberRow.removed_at.is_(None)
    )
    voted = select(VoteRow.approver).where(VoteRow.request == row.id)
    answer = select(RoleRow.person).where(or_(*(RoleRow.role == role for role in ANSWER)))
    lead = session.get_one(ProjectRow, row.project).lead
    names = {
        row.requester,
        *([lead] if lead else []),
        *(each for q in (members, voted, answer) for each in session.scalars(q)),
    }
    return tuple(sorted(name for name in names if accounts.active(session, name)))


def _told(row: RequestRow, incident: IncidentRow, used: tuple[LinkRow, ...]) -> str:
    at = ", ".join(f"{each.used_at:%Y-%m-%d %H:%M}" for each in used if each.used_at)
    collected = (
        f"It had been collected at {at} (UTC): whoever has it deletes it." if used else "Nobody had collected it."
    )
    return (
        f"The release of export request {row.id} of project {row.project} is recalled. {collected} Incident"
        f" {incident.id} is open, and nothing leaves the project until the committee has closed it."
    )
