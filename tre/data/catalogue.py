"""Which datasets there are, under which plan, and in which versions."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.orm import Session

from policies import duo
from tre.data.deid import plan as plans
from tre.data.deid import use as use_part
from tre.data.manifest import Manifest
from tre.errors import NotFound, Refused, Unreadable
from tre.records import audit
from tre.records.tables import DatasetRow, DatasetVersionRow
from tre.settings import checked_name


@dataclass(frozen=True)
class Listed:
    """A dataset as the catalogue shows it; the numbers are those of its newest version."""

    name: str
    title: str
    version: int
    persons: int
    rows: int
    withdrawn: bool


def register(session: Session, name: str, *, plan: str, title: str, actor: str, now: datetime) -> DatasetRow:
    """Put a dataset under its plan. A new plan for a known name holds from the next ingest on."""
    checked_name(name, "dataset")
    parsed = plans.parse(plan)
    row = session.get(DatasetRow, name, with_for_update=True)
    if row is None:
        row = DatasetRow(name=name, registered_at=now, withdrawn=False)
        session.add(row)
    if row.withdrawn:
        raise Refused(f"dataset {name} is withdrawn: register another name")
    row.title = title or row.title or name
    row.plan, row.plan_sha256 = plan, sha256(plan.encode()).hexdigest()
    use = said_use(parsed)
    if use.groups:
        row.data_use = use.to_json()
    tables = [table.name for table in parsed.tables]
    audit.append(
        session,
        "dataset.register",
        actor=actor,
        subject=f"dataset/{name}",
        at=now,
        plan_sha256=row.plan_sha256,
        tables=tables,
        data_use=[duo.told(one) for group in use.groups for one in group.codes],
    )
    return row


def said_use(plan: plans.Plan) -> duo.DataUse:
    """Return what a plan says that people agreed to; no groups if it does not say."""
    return plan.use if plan.use is not None else use_part.short(plan.about.duo)


def restrict(session: Session, name: str, *, plan: str, actor: str, now: datetime) -> DatasetRow:
    """Let what another plan says of data use hold from now on, for data that are here already too."""
    use = said_use(plans.parse(plan))
    if not use.groups:
        raise Unreadable("plan: it says nothing of data use; add `data_use`")
    row = in_use(session, name, for_update=True)
    before, row.data_use = row.data_use, use.to_json()
    audit.append(
        session, "dataset.use", actor=actor, subject=f"dataset/{name}", at=now, before=before, after=row.data_use
    )
    return row


def withdraw(session: Session, name: str, *, why: str, actor: str, now: datetime) -> None:
    """Take a dataset out of use: nothing more comes in, no extract is made, no room mounts it."""
    row = get(session, name, for_update=True)
    if row.withdrawn:
        raise Refused(f"dataset {name} is withdrawn already")
    row.withdrawn = True
    audit.append(session, "dataset.withdraw", actor=actor, subject=f"dataset/{name}", at=now, why=why)


def get(session: Session, name: str, *, for_update: bool = False) -> DatasetRow:
    """Return a dataset, or say that there is none of this name."""
    row = session.get(DatasetRow, name, with_for_update=for_update)
    if row is None:
        raise NotFound(f"no dataset {name[:40]}: `tre dataset list` shows those there are")
    return row


def in_use(session: Session, name: str, *, for_update: bool = False) -> DatasetRow:
    """Return a dataset that is not withdrawn."""
    row = get(session, name, for_update=for_update)
    if row.withdrawn:
        raise Refused(f"dataset {name} is withdrawn", remedies=["use another dataset"])
    return row


def versions(session: Session, name: str) -> tuple[DatasetVersionRow, ...]:
    """Return what each ingest brought, the newest last."""
    wanted = select(DatasetVersionRow).where(DatasetVersionRow.dataset == name).order_by(DatasetVersionRow.number)
    return tuple(session.scalars(wanted))


def version(session: Session, name: str, number: int) -> tuple[DatasetVersionRow, Manifest]:
    """Return one version and its manifest."""
    row = session.get(DatasetVersionRow, (name, number))
    if row is None:
        raise NotFound(f"dataset {name} has no version {number}: `tre dataset ingest {name} FILE...`")
    return row, Manifest.from_json(row.manifest, f"dataset {name}, version {number}")


def listed(session: Session) -> tuple[Listed, ...]:
    """Return all datasets by name."""
    newest = {row.dataset: row for row in session.scalars(select(DatasetVersionRow).order_by(DatasetVersionRow.number))}
    return tuple(
        _listed(row, newest.get(row.name)) for row in session.scalars(select(DatasetRow).order_by(DatasetRow.name))
    )


def _listed(row: DatasetRow, newest: DatasetVersionRow | None) -> Listed:
    if newest is None:
        return Listed(row.name, row.title, 0, 0, 0, row.withdrawn)
    return Listed(row.name, row.title, newest.number, newest.persons, newest.rows, row.withdrawn)
