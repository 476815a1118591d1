"""A project's copy of a dataset: each column as the plan says, under this project's pseudonyms and dates.

It is made aside, measured and searched there, and gets its place only if it passed; one that did not is recorded with
its report, and its bytes are gone. The same version, plan and keys give the same bytes.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tre import volumes
from tre.data import assessing, canaries, catalogue, consent, engine, keeping, kinds, linkage, report, silo, withdrawals
from tre.data.assessing import Report
from tre.data.consent import Consent
from tre.data.deid import plan as plans
from tre.data.deid import pseudonyms
from tre.data.deid.stored import nobody
from tre.data.evidence import epoch_of, index_of
from tre.data.harmonise import vocabulary
from tre.data.made import Made, labelled
from tre.data.making import Order, make
from tre.errors import NotFound, Refused, Unavailable
from tre.governance import access, projects, superseded
from tre.records import audit, files
from tre.records.db import Records
from tre.records.tables import ApprovalRow, ExtractRow, ProjectRow
from tre.settings import Settings

SAID = 5  # findings that a refusal names one by one


def prepare(
    records: Records,
    settings: Settings,
    dataset: str,
    project: str,
    *,
    actor: str,
    now: datetime,
    tell: Callable[[int], None] = nobody,
) -> ExtractRow:
    """Make the next extract of the version that the committee approved for this project; `tell` hears of bytes."""
    with records.act(actor, "extract.prepare", f"project/{project}") as session:
        order, agreed = _ordered(session, settings, dataset, project, now=now)
        access.require(session, access.prepare_ask(session, dataset, order.version, project, actor, now=now))
        cleared = kinds.cleared(session, dataset)
    order = replace(order, inside=consent.inside(order, agreed))
    persons = _persons(order)
    words = vocabulary.current(records, settings) if order.plan.omop else None
    home = settings.extracts / project / dataset
    with (
        volumes.working(settings, project),
        keeping.alone(silo.folder_of(settings, dataset), f"dataset {dataset}"),
        keeping.aside(home) as folder,
    ):
        with engine.connection() as con:
            tables = make(con, order, folder)
            others = kinds.make(order, folder / "data", persons, cleared=cleared, vocabulary=words, tell=tell)
            said = labelled(order.plan, folder / "data")
            canaries.write(folder / "data", order.keys.pseudonym)
            checks = assessing.assess(con, order, folder, others, persons, tell=tell)
        done = Made(order, folder, checks, tables, others, said)
        return _record(records, done, agreed, actor=actor, now=now)


def _persons(order: Order) -> kinds.Persons | None:
    if order.links is None:
        return None
    everybody = order.links.subjects.to_pylist()
    gone = order.withdrawn.among(everybody) if order.withdrawn else frozenset()
    outside = order.outside(everybody) - gone
    return kinds.Persons(order.links, pseudonyms.Naming(order.keys), gone | outside, outside)


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
    said = json.loads(row.report)
    measured, found = said["risk"], said["leaks"]["found"]
    remedies = []
    if measured["k"] < measured["smallest"]:
        which = ", ".join(measured["quasi_identifiers"])
        remedies.append(
            f"{measured['below']} persons are in groups smaller than {measured['smallest']}"
            f" (smallest: {measured['k']}): generalise {which} further in the plan, or drop one"
        )
    remedies += [why for why in measured.get("failed", ()) if not why.startswith("a group has fewer than")]
    remedies += [f"{one['table']}.{one['column']} holds {one['how']} in {one['cells']} cells: drop it" for one in found]
    remedies += list(_searched(said))
    again = f"register the plan again, ingest again and apply for the new version of {row.dataset}"
    return Refused(
        f"extract {row.number} of {row.dataset} for {row.project} is not mounted: it did not pass its checks",
        remedies=[*remedies, again],
    )


def _searched(said: dict[str, Any]) -> Iterator[str]:  # Any: JSON
    """Say what the search of all bytes found; reports of older days have none."""
    swept, own = said.get("search", {}), said.get("short", {})
    if not any(found.get("identifiers", 1) for found in (said["leaks"], swept, own)):
        yield "the searches had no identifier to look for: a search for nothing finds nothing; look at the linkage"
    for one in swept.get("found", [])[:SAID]:
        how = f", {one['how']}" if one["how"] else ""
        yield f"{one['file']} holds identifiers of persons in {one['places']} places{how}: mend the plan for it"
    for why in swept.get("unread", [])[:SAID]:
        yield f"{why}: tell whoever looks after the house"
    for name, places in own.get("found", [])[:SAID]:
        yield f"{name} holds short identifiers of its own persons in {places} places: mend the plan for it"


def _ordered(
    session: Session, settings: Settings, dataset: str, project: str, *, now: datetime
) -> tuple[Order, Consent]:
    """Find what the committee approved; without an approval nothing is made."""
    asked = projects.get(session, project)
    held = catalogue.in_use(session, dataset)
    approval = _approved(session, dataset, project, now=now)
    agreed = consent.of(held, approval)
    version = approval.version
    _, manifest = catalogue.version(session, dataset, version)
    plan = plans.parse(manifest.plan)
    scope = withdrawals.scope_of(dataset, plan.linkage_name)
    order = Order(
        settings=settings,
        dataset=dataset,
        version=version,
        project=project,
        smallest=max(asked.smallest_k, approval.smallest_k or 0),
        asked=approval.asked,
        manifest=manifest,
        plan=plan,
        keys=pseudonyms.keys_of(settings, project, epoch=asked.epoch),
        data_key=silo.open_key(settings, dataset, version, manifest.key),
        epoch=asked.epoch,
        links=linkage.newest(session, settings, plan.linkage_name) if plan.linkage_name else None,
        withdrawn=withdrawals.gather(session, settings, scope, dataset),
        groups=agreed.groups,
    )
    return order, agreed


def _approved(session: Session, dataset: str, project: str, *, now: datetime) -> ApprovalRow:
    """Return the approval in force of the newest version that the committee approved for this project."""
    granted = select(ApprovalRow).where(
        ApprovalRow.project == project,
        ApprovalRow.dataset == dataset,
        ApprovalRow.revoked_at.is_(None),
        ApprovalRow.until > now,
    )
    found = session.scalars(granted.order_by(ApprovalRow.version.desc(), ApprovalRow.id.desc())).first()
    if found is None:
        raise Refused(
            f"project {project} has no approval in force for dataset {dataset}",
            remedies=[f"apply for it: `tre application submit {project} {dataset}`, then let the committee decide"],
        )
    return found


# --- keeping ---------------------------------------------------------------------------------------------------------
def _record(records: Records, done: Made, agreed: Consent, *, actor: str, now: datetime) -> ExtractRow:
    """Write the extract down and, if it passed, give it its place, in one act."""
    order, checks, manifest = done.order, done.report, done.manifest()
    subject = f"extract/{order.project}/{order.dataset}"
    with records.act(actor, "extract.prepare", f"project/{order.project}") as session:
        held = catalogue.in_use(session, order.dataset, for_update=True)
        access.require(
            session, access.prepare_ask(session, order.dataset, order.version, order.project, actor, now=now)
        )
        _nobody_withdrew(session, order)
        if consent.of(held, _approved(session, order.dataset, order.project, now=now)) != agreed:
            raise Unavailable("what people agreed to, or what was approved, changed meanwhile; prepare it again")
        row = ExtractRow(
            project=order.project,
            dataset=order.dataset,
            version=order.version,
            number=_next(session, order),
            manifest=manifest,
            report=checks.to_json(),
            assessed=checks.passed,
            groups=json.dumps(order.groups),
            prepared_at=now,
        )
        session.add(row)
        subject = f"{subject}/{row.number}"
        audit.append(
            session,
            "extract.prepare",
            actor=actor,
            subject=subject,
            at=now,
            version=order.version,
            plan_sha256=order.manifest.plan_sha256,
            manifest_sha256=sha256(manifest.encode()).hexdigest(),
        )
        audit.append(session, "extract.assess", actor=actor, subject=subject, at=now, **_told(checks))
        _keep_report(done, row)
        if checks.passed:
            _place(done, row)
    return row


def _nobody_withdrew(session: Session, order: Order) -> None:
    """Refuse what still holds somebody who withdrew while it was made: no notice would come after it."""
    scope = withdrawals.scope_of(order.dataset, order.plan.linkage_name)
    known = order.withdrawn.marks if order.withdrawn else frozenset()
    if withdrawals.gather(session, order.settings, scope, order.dataset).marks != known:
        raise Unavailable("a person withdrew while the extract was prepared; nothing was kept, prepare it again")


def _keep_report(done: Made, row: ExtractRow) -> None:
    """Lay the report beside the extract, as a page and as JSON; that of one that did not pass too."""
    place = done.order.settings.extract(row.project, row.dataset, row.number)
    said, words = json.loads(row.report), json.loads(done.label.to_json())
    title = f"{row.dataset} for {row.project}, extract {row.number}"
    files.replace(place.with_name(f"{place.name}.report.html"), report.page(said, words, title=title).encode())
    files.replace(place.with_name(f"{place.name}.report.json"), report.to_json(said).encode())


def _told(checks: Report) -> dict[str, audit.Fact]:
    """Return what the audit log keeps of the checks: numbers, and where."""
    return {
        "passed": checks.passed,
        "k": checks.risk.k,
        "smallest": checks.risk.smallest,
        "persons": checks.risk.persons,
        "leaks": [f"{found.table}.{found.column}" for found in checks.leaks.found],
        "identifiers": checks.search.identifiers,
        "files": checks.search.files,
        "files_with_identifiers": len(
            {one.file for one in checks.search.found} | {one for one, _ in checks.short.found}
        ),
        "files_unread": len(checks.search.unread),
    }


def _next(session: Session, order: Order) -> int:
    mine = select(func.max(ExtractRow.number)).where(
        ExtractRow.project == order.project, ExtractRow.dataset == order.dataset
    )
    return (session.scalar(mine) or 0) + 1


def _place(done: Made, row: ExtractRow) -> None:
    """Put the index beside and the folder where rooms find it."""
    place = done.order.settings.extract(row.project, row.dataset, row.number)
    index = index_of(done.order.settings, row)
    files.sync(done.folder / "identifiers")
    (done.folder / "identifiers").replace(index)
    for path in (done.folder / "data").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o444)
    (done.folder / "data").chmod(0o755)
    made = int(row.prepared_at.timestamp())
    for path in (*(done.folder / "data").rglob("*"), done.folder / "data"):
        os.utime(path, (made, made))  # when each file was written tells the order of the source
    keeping.sync_all(done.folder)
    keeping.settle(done.folder / "data", place)
