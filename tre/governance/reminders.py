"""People are told thirty days, seven days and one day before something of theirs lapses, once each.

What was missed while the house was down is not told afterwards: only the most urgent of the three is.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from tre.governance import endings, notices
from tre.governance.endings import Ending
from tre.records.tables import MemberRow, NoticeRow, PersonRow, ProjectRow

DAYS = (1, 7, 30)
SAYS = {
    "course": "Your course {what} lapses",
    "agreement": "The {what} begins, and must be signed by then,",
    "membership": "Your membership of project {what} ends",
    "project": "The approval of project {what} ends",
    "retention": "Project {what} may keep its data no longer and they are deleted",
    "approval": "The approval of {what} for project {project} ends",
    "ethics": "The ethics vote of project {project} ends",
    "condition": "A condition of project {project} is due: {what}",
    "duty": "A duty of project {project} is due: {what}",
}
"""Kind of an ending -> how it is said; an emergency ends in hours, and its page says so."""


def send(session: Session, now: datetime) -> int:
    """Tell everybody what they have not been told yet; return how many notices were new."""
    known = set(session.execute(select(NoticeRow.person, NoticeRow.key)).all())
    new = 0
    for person, project, ending in _concerned(session, now):
        key = due(ending, project, now)
        if key and (person, key) not in known:
            text = said(ending, project, now)
            new += notices.tell(session, person, key=key, text=text, url=ending.url, now=now)
    return new


def due(ending: Ending, project: str, now: datetime) -> str:
    """Return the key of the warning whose time has come, or nothing."""
    left = ending.until - now
    stage = next((days for days in DAYS if timedelta(0) < left <= timedelta(days=days)), None)
    if stage is None or ending.kind not in SAYS:
        return ""
    what = "/".join(filter(None, (project, ending.what)))[:120]
    return f"{ending.kind}/{what}/{ending.until:%Y-%m-%d}/{stage}"


def said(ending: Ending, project: str, now: datetime) -> str:
    """Say what ends when, and what to do."""
    days = (ending.until - now).days
    when = f"{ending.until:%Y-%m-%d %H:%M} UTC ({'in less than a day' if days < 1 else f'in {days} days'})"
    what = SAYS[ending.kind].format(what=ending.what, project=project)
    return f"{what} on {when}. {ending.remedy}".strip()


def _concerned(session: Session, now: datetime) -> Iterator[tuple[str, str, Ending]]:
    """Give each person everything that ends for them: their own, and that of their projects."""
    names = tuple(session.scalars(select(PersonRow.name).where(PersonRow.suspended.is_(False))))
    for person, own in endings.of_people(session, names, now).items():
        yield from ((person, "", ending) for ending in own)
    members = _members(session, now)
    for project, ours in endings.of_projects(session, tuple(members), now).items():
        for ending in ours:
            yield from ((person, project, ending) for person in sorted(members[project].intersection(names)))


def _members(session: Session, now: datetime) -> dict[str, set[str]]:
    rows = (
        select(MemberRow.project, MemberRow.person)
        .join(ProjectRow, ProjectRow.name == MemberRow.project)
        .where(MemberRow.removed_at.is_(None), MemberRow.until > now, ProjectRow.closed_at.is_(None))
    )
    found: defaultdict[str, set[str]] = defaultdict(set)
    for project, person in session.execute(rows):
        found[project].add(person)
    return dict(found)
