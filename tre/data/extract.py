"""A project's copy of a dataset: each column as the plan says, under this project's pseudonyms and dates.

It is made aside, measured and searched there, and gets its place only if it passed; one that did not is recorded with
its report, and its bytes are gone. The same version, plan and keys give the same bytes.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tre.data import catalogue, engine, identifiers, keeping, leaks, linkage, risk, silo, withdrawals
from tre.data.deid import plan as plans
from tre.data.deid import pseudonyms
from tre.data.evidence import epoch_of, index_of
from tre.data.making import Order, make
from tre.errors import NotFound, Refused
from tre.governance import committee, projects, superseded
from tre.records import audit, files
from tre.records.db import Records
from tre.records.tables import ApplicationRow, ExtractRow, ProjectRow
from tre.settings import Settings


def prepare(
    records: Records, settings: Settings, dataset: str, project: str, *, actor: str, now: datetime
) -> ExtractRow:
    """Make the next extract of the version that the committee approved for this project."""
    with records.act(actor, "extract.prepare", f"project/{project}") as session:
        order = _ordered(session, settings, dataset, project, now=now)
    home = settings.extracts / project / dataset
    with keeping.alone(silo.folder_of(settings, dataset), f"dataset {dataset}"), keeping.aside(home) as made:
        with engine.connection() as con:
            tables = make(con, order, made)
            measured = risk.assess(con, order.plan, smallest=order.smallest)
            searched = leaks.search(con, order.plan)
            identifiers.write(made / "identifiers", leaks.distinctive_values(con), order.keys.pseudonym)
        return _record(records, order, made, Report(measured, searched), tables, actor=actor, now=now)


@dataclass(frozen=True)
class Report:
    """Both checks of an extract."""

    risk: risk.Risk
    leaks: leaks.Search

    @property
    def passed(self) -> bool:
        """Whether both passed."""
        return self.risk.passed and self.leaks.passed

    def to_json(self) -> str:
        """Write it for the records."""
        return json.dumps(asdict(self) | {"passed": self.passed}, sort_keys=True)


def newest(session: Session, dataset: str, project: str) -> ExtractRow:
    """Return the newest extract of a dataset for a project."""
    mine = select(ExtractRow).where(ExtractRow.dataset == dataset, ExtractRow.project == project)
    row = session.scalars(mine.order_by(ExtractRow.number.desc())).first()
    if row is None:
        raise NotFound(f"no extract of {dataset} for {project}: `tre extract prepare {dataset} {project}`")
    return row


def listed(session: Session, project: str = "") -> Iterator[tuple[ExtractRow, str]]:
    """Yield the newest extract of each dataset for each project that is not closed, and why it is out of date."""
    wanted = select(ExtractRow, ProjectRow).join(ProjectRow).where(ProjectRow.closed_at.is_(None))
    if project:
        wanted = wanted.where(ExtractRow.project == projects.get(session, project).name)
    found = session.execute(wanted.order_by(ExtractRow.project, ExtractRow.dataset, ExtractRow.number)).all()
    newest = {(row.project, row.dataset): (row, owner) for row, owner in found}
    for row, owner in newest.values():
        yield row, "; ".join(_out_of_date(session, row, owner))


def _out_of_date(session: Session, row: ExtractRow, owner: ProjectRow) -> Iterator[str]:
    if superseded.by_withdrawal(session, row):
        yield "a person withdrew"
    if epoch_of(row) != owner.epoch:
        yield "the project has new keys"


def refusal(row: ExtractRow) -> Refused | None:
    """Say why an extract may not be mounted, and what to do about it."""
    if row.assessed:
        return None
    report = json.loads(row.report)
    measured, found = report["risk"], report["leaks"]["found"]
    remedies = []
    if measured["k"] < measured["smallest"]:
        which = ", ".join(measured["quasi_identifiers"])
        remedies.append(
            f"{measured['below']} persons are in groups smaller than {measured['smallest']}"
            f" (smallest: {measured['k']}): generalise {which} further in the plan, or drop one"
        )
    remedies += [f"{one['table']}.{one['column']} holds {one['how']} in {one['cells']} cells: drop it" for one in found]
    again = f"register the plan again, ingest again and apply for the new version of {row.dataset}"
    return Refused(
        f"extract {row.number} of {row.dataset} for {row.project} is not mounted: it did not pass its checks",
        remedies=[*remedies, again],
    )


def _ordered(session: Session, settings: Settings, dataset: str, project: str, *, now: datetime) -> Order:
    """Find what the committee approved; without an approval nothing is made."""
    asked = projects.get(session, project)
    catalogue.in_use(session, dataset)
    version = _approved(session, dataset, project, now=now)
    _, manifest = catalogue.version(session, dataset, version)
    plan = plans.parse(manifest.plan)
    scope = withdrawals.scope_of(dataset, plan.linkage_name)
    return Order(
        settings=settings,
        dataset=dataset,
        version=version,
        project=project,
        smallest=asked.smallest_k,
        manifest=manifest,
        plan=plan,
        keys=pseudonyms.keys_of(settings, project, epoch=asked.epoch),
        data_key=silo.open_key(settings, dataset, version, manifest.key),
        epoch=asked.epoch,
        links=linkage.newest(session, settings, plan.linkage_name) if plan.linkage_name else None,
        withdrawn=withdrawals.gather(session, settings, scope, dataset),
    )


def _approved(session: Session, dataset: str, project: str, *, now: datetime) -> int:
    """Return the newest version that the committee approved for this project, and whose approval is in force."""
    granted = select(func.max(ApplicationRow.version)).where(
        ApplicationRow.project == project,
        ApplicationRow.dataset == dataset,
        ApplicationRow.state == committee.State.APPROVED.value,
        ApplicationRow.approved_until > now,
    )
    version = session.scalar(granted)
    if version is None:
        raise Refused(
            f"project {project} has no approval in force for dataset {dataset}",
            remedies=[f"apply for it: `tre application submit {project} {dataset}`, then let the committee decide"],
        )
    return version


# --- keeping ---------------------------------------------------------------------------------------------------------
def _record(
    records: Records,
    order: Order,
    made: Path,
    report: Report,
    tables: list[dict[str, object]],
    *,
    actor: str,
    now: datetime,
) -> ExtractRow:
    """Write the extract down and, if it passed, give it its place, in one act."""
    subject = f"extract/{order.project}/{order.dataset}"
    with records.act(actor, "extract.prepare", f"project/{order.project}") as session:
        catalogue.in_use(session, order.dataset, for_update=True)
        row = ExtractRow(
            project=order.project,
            dataset=order.dataset,
            version=order.version,
            number=_next(session, order),
            manifest=_manifest(order, tables),
            report=report.to_json(),
            assessed=report.passed,
            prepared_at=now,
        )
        session.add(row)
        subject = f"{subject}/{row.number}"
        hashes: dict[str, audit.Fact] = {str(table["name"]): str(table["sha256"]) for table in tables}
        audit.append(
            session,
            "extract.prepare",
            actor=actor,
            subject=subject,
            at=now,
            version=order.version,
            plan_sha256=order.manifest.plan_sha256,
            files=hashes,
        )
        audit.append(
            session,
            "extract.assess",
            actor=actor,
            subject=subject,
            at=now,
            passed=report.passed,
            k=report.risk.k,
            smallest=report.risk.smallest,
            persons=report.risk.persons,
            leaks=[f"{found.table}.{found.column}" for found in report.leaks.found],
        )
        if report.passed:
            _place(order, made, row)
    return row


def _next(session: Session, order: Order) -> int:
    mine = select(func.max(ExtractRow.number)).where(
        ExtractRow.project == order.project, ExtractRow.dataset == order.dataset
    )
    return (session.scalar(mine) or 0) + 1


def _manifest(order: Order, tables: list[dict[str, object]]) -> str:
    person = {table.name: table.subject for table in order.plan.tables}
    said = {"files": tables, "person": person, "plan_sha256": order.manifest.plan_sha256, "version": order.version}
    said |= {"epoch": order.epoch, "linkage": withdrawals.scope_of(order.dataset, order.plan.linkage_name)}
    said |= {"linkage_version": order.links.number if order.links else None}
    return json.dumps(said, sort_keys=True)


def _place(order: Order, made: Path, row: ExtractRow) -> None:
    """Put the index beside and the folder where rooms find it."""
    place = order.settings.extract(row.project, row.dataset, row.number)
    index = index_of(order.settings, row)
    files.sync(made / "identifiers")
    (made / "identifiers").replace(index)
    (made / "data").chmod(0o755)
    keeping.settle(made / "data", place)
