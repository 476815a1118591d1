"""The committee chooses which numbers of disclosure control a project keeps, or everybody who uses a dataset."""

from datetime import datetime

from sqlalchemy.orm import Session

from policies import book
from policies.facts import Role
from tre.errors import NotFound, StepRefused, Unreadable
from tre.governance import accounts, projects, text
from tre.records import audit
from tre.records.tables import DatasetRow, ProjectRow

SITS = frozenset({Role.COMMITTEE, Role.CHAIR})
HOUSE = "house"
"""Said instead of a profile where no other holds than the house's."""


def of_project(session: Session, name: str, profile: str, *, why: str, person: str, now: datetime) -> ProjectRow:
    """Let a project keep a profile besides the house's: of each number the strictest holds."""
    row = projects.get(session, name)
    _judges(session, person, "project", name)
    if projects.ever_member(session, name, person):
        raise StepRefused(f"{person} cannot choose the numbers of project {name}: is or was a member of it")
    row.disclosure_profile = _pick(session, row, profile, about=f"project/{name}", why=why, person=person, now=now)
    return row


def of_dataset(session: Session, name: str, profile: str, *, why: str, person: str, now: datetime) -> DatasetRow:
    """Let everything that is made of a dataset keep a profile, besides the house's and the project's."""
    row = session.get(DatasetRow, name)
    if row is None:
        raise NotFound(f"there is no dataset {name[:40]!r}: see `tre dataset list`")
    _judges(session, person, "dataset", name)
    row.disclosure_profile = _pick(session, row, profile, about=f"dataset/{name}", why=why, person=person, now=now)
    return row


def _pick(
    session: Session,
    row: ProjectRow | DatasetRow,
    profile: str,
    *,
    about: str,
    why: str,
    person: str,
    now: datetime,
) -> str | None:
    if profile not in (HOUSE, *book.profiles()):
        raise Unreadable(f"no profile {profile[:40]!r}: there are {HOUSE}, {', '.join(book.profiles())}")
    why = text.line(why, "reason", longest=2000)
    was = row.disclosure_profile or HOUSE
    if was == profile:
        raise StepRefused(f"{about} keeps {profile} already")
    act = f"{about.partition('/')[0]}.profile"
    audit.append(session, act, actor=person, subject=about, at=now, was=was, profile=profile, why=why)
    return None if profile == HOUSE else profile


def _judges(session: Session, person: str, what: str, name: str) -> None:
    accounts.person(session, person)
    if not SITS & accounts.roles_of(session, person):
        raise StepRefused(f"{person} cannot choose the numbers of {what} {name}: not on the committee")
    if not accounts.active(session, person):
        raise StepRefused(f"{person} cannot choose the numbers of {what} {name}: suspended")
