"""What a recall leaves behind: bytes that do not leave again, and a project that rests until an incident is closed."""

from collections.abc import Iterable

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from airlock.states import FileState
from airlock.tables import FileRow, IncidentRow, LinkRow, RequestRow

RECALLED = "recalled"
"""The check that what was recalled stays: only a named exception lets the same bytes go."""


def open_of(session: Session, project: str) -> tuple[int, ...]:
    """Return the incidents of a project that nobody has closed."""
    asked = select(IncidentRow.id).join(RequestRow, RequestRow.id == IncidentRow.request)
    asked = asked.where(RequestRow.project == project, IncidentRow.closed_at.is_(None))
    return tuple(session.scalars(asked.order_by(IncidentRow.id)))


def recalled(session: Session, hashes: Iterable[str]) -> frozenset[str]:
    """Return which of these bytes were recalled, in whatever project and under whatever name."""
    asked = tuple(filter(None, hashes))
    rows = select(FileRow.sha256, FileRow.leaves_sha256).where(
        FileRow.state == FileState.RECALLED, or_(FileRow.sha256.in_(asked), FileRow.leaves_sha256.in_(asked))
    )
    return frozenset(asked) & {name for both in session.execute(rows) for name in both}


def collections(session: Session, request: int) -> tuple[LinkRow, ...]:
    """Return the links with which somebody collected a request, as they did."""
    used = select(LinkRow).where(LinkRow.request == request, LinkRow.used_at.is_not(None))
    return tuple(session.scalars(used.order_by(LinkRow.used_at)))
