"""What every door asks of the records. Each question is put together once a process, and asked anew each time."""

from typing import Any, Final

from sqlalchemy import BindParameter, bindparam, exists, func, select
from sqlalchemy.orm import aliased

from tre.records.tables import (
    AgreementRow,
    AgreementTextRow,
    ApplicationRow,
    ApprovalRow,
    CheckpointRow,
    DatasetRow,
    EmergencyRow,
    EntryRow,
    ExtractRow,
    HeadRow,
    MemberRow,
    Moment,
    PersonRow,
    ProjectRow,
    RoleRow,
    RoomRow,
    RulingRow,
    TrainingRow,
)

PEOPLE: Final[BindParameter[Any]] = bindparam("people", expanding=True)  # Any: a list in the place of one value
PROJECTS: Final[BindParameter[Any]] = bindparam("projects", expanding=True)
NUMBERS: Final[BindParameter[Any]] = bindparam("numbers", expanding=True)
NOW: Final = bindparam("now", type_=Moment())

# --- the house --------------------------------------------------------------------------------------------------------
_newest = select(EntryRow).order_by(EntryRow.seq.desc()).limit(1)
_head = select(HeadRow).where(HeadRow.id == 1)
_in_force = (
    select(AgreementTextRow.sha256)
    .where(AgreementTextRow.since <= NOW)
    .order_by(AgreementTextRow.since.desc(), AgreementTextRow.number.desc())
    .limit(1)
)
HOUSE: Final = select(
    _head.with_only_columns(HeadRow.size).scalar_subquery().label("size"),
    _head.with_only_columns(HeadRow.last).scalar_subquery().label("last"),
    _newest.with_only_columns(EntryRow.seq).scalar_subquery().label("seq"),
    _newest.with_only_columns(EntryRow.body).scalar_subquery().label("body"),
    select(CheckpointRow.at).order_by(CheckpointRow.size.desc()).limit(1).scalar_subquery().label("signed"),
    _in_force.scalar_subquery().label("agreement"),
    select(func.min(AgreementTextRow.since)).where(AgreementTextRow.since > NOW).scalar_subquery().label("coming"),
)
"""One row: head of the log, its newest entry, when it was last signed; the agreement now, and the day of the next."""

# --- people -----------------------------------------------------------------------------------------------------------
_signed = (
    select(AgreementRow.text_sha256)
    .where(AgreementRow.person == PersonRow.name)
    .order_by(AgreementRow.id.desc())
    .limit(1)
    .scalar_subquery()
)
PERSONS: Final = select(
    PersonRow.name, PersonRow.suspended, PersonRow.country, PersonRow.institution, PersonRow.not_for_profit,
    _signed.label("signed"),
).where(PersonRow.name.in_(PEOPLE))  # fmt: skip
"""Each person, with the agreement that they signed last."""
ROLES: Final = select(RoleRow.person, RoleRow.role).where(RoleRow.person.in_(PEOPLE))
COURSES: Final = (
    select(TrainingRow.person, TrainingRow.course, func.max(TrainingRow.until))
    .where(TrainingRow.person.in_(PEOPLE))
    .group_by(TrainingRow.person, TrainingRow.course)
)
"""When each course of each person lapses; a renewal counts from when it is recorded."""
MEMBERSHIPS: Final = (
    select(MemberRow).where(MemberRow.project.in_(PROJECTS), MemberRow.person.in_(PEOPLE)).order_by(MemberRow.id)
)
EMERGENCIES: Final = select(EmergencyRow.project, EmergencyRow.person, EmergencyRow.since, EmergencyRow.until).where(
    EmergencyRow.project.in_(PROJECTS),
    EmergencyRow.person.in_(PEOPLE),
    EmergencyRow.seconded_by.is_not(None),
    EmergencyRow.ended_at.is_(None),
    EmergencyRow.since <= NOW,
    EmergencyRow.until > NOW,
)

# --- projects ---------------------------------------------------------------------------------------------------------
_other = aliased(ProjectRow)
_doubled = exists().where(_other.uid == ProjectRow.uid, _other.name != ProjectRow.name)
WORK: Final = select(ProjectRow, _doubled.label("doubled")).where(ProjectRow.name.in_(PROJECTS))
"""Each project, and whether another has its numeric user."""
EXTRACTS: Final = (
    select(ExtractRow.project, ExtractRow.dataset, ExtractRow.version, ExtractRow.number, ExtractRow.assessed,
           DatasetRow.withdrawn, DatasetRow.data_use, ExtractRow.groups)
    .join(DatasetRow, DatasetRow.name == ExtractRow.dataset)
    .where(ExtractRow.project.in_(PROJECTS))
    .order_by(ExtractRow.dataset, ExtractRow.number)
)  # fmt: skip
OWN: Final = select(ExtractRow.project, ExtractRow.dataset, ExtractRow.number).where(ExtractRow.project.in_(PROJECTS))
MOUNTED: Final = (
    select(RoomRow.project, RoomRow.mounts).where(RoomRow.closed_at.is_(None), RoomRow.mounts != "[]").distinct()
)
"""What open rooms hold."""
APPROVALS: Final = select(ApprovalRow).where(ApprovalRow.project.in_(PROJECTS)).order_by(ApprovalRow.id)
APPLICATIONS: Final = select(ApplicationRow).where(ApplicationRow.id.in_(NUMBERS))
RULINGS: Final = select(RulingRow.application, RulingRow.dataset, RulingRow.code, RulingRow.allows).where(
    RulingRow.application.in_(NUMBERS)
)
