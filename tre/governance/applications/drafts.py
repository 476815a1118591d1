"""An applicant writes a form, alone or with those it names; what somebody typed is never lost; then it is submitted."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from policies.facts import Role
from tre.errors import StepRefused, Unreadable
from tre.governance import accounts, ontology
from tre.governance.applications import asks, matching, rest, told
from tre.governance.applications import form as forms
from tre.governance.applications import papers as on_file
from tre.governance.applications.form import Change, Fault, Form, Known
from tre.governance.applications.papers import Papers
from tre.governance.applications.states import FIRST, GRANTED, OPEN, By, Kind, State, take
from tre.records import audit
from tre.records.tables import (
    ApplicationDatasetRow,
    ApplicationRow,
    DatasetRow,
    DatasetVersionRow,
    PersonRow,
    ProjectRow,
    RoleRow,
    RulingRow,
)

CHILDREN = {"amend": Kind.AMENDMENT, "renew": Kind.RENEWAL}


class Meanwhile(StepRefused):
    """Somebody else saved the form since it was opened; both texts are here, and nothing was overwritten."""

    def __init__(self, papers: Papers, edition: int, mine: Form) -> None:
        """Keep what stands and what was to be saved."""
        self.by, self.at, self.edition = papers.saved_by, papers.saved_at, edition
        self.theirs, self.mine = papers.form, mine
        self.changes = forms.difference(self.theirs, self.mine)
        differ = ", ".join(forms.BY_NAME[one.field].label.lower() for one in self.changes) or "nothing"
        super().__init__(
            f"{self.by} saved this form at {self.at[:16].replace('T', ' ')} while you edited it: nothing was "
            f"overwritten; the two differ in: {differ}",
            remedies=(f"compare both, and save again on edition {edition}",),
        )


class Incomplete(Unreadable):
    """A form that cannot go to the committee yet; it is kept as a draft."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        """Keep every fault; say them in one line."""
        self.faults = faults
        super().__init__("the form is not complete, and kept as a draft: " + "; ".join(one.message for one in faults))


# --- writing ----------------------------------------------------------------------------------------------------------
def create(
    session: Session,
    applicant: str,
    *,
    now: datetime,
    values: Mapping[str, object] | None = None,
    actor: str = "",
    kind: Kind = Kind.NEW,
    parent: int | None = None,
) -> int:
    """Begin an application; whatever is given of its form is kept. Returns its number."""
    accounts.person(session, applicant)
    if not accounts.active(session, applicant):
        raise StepRefused(f"{applicant} is suspended and applies for nothing")
    form = forms.read(values or {}, onto=Form(lead=applicant, members=(applicant,)))
    row = ApplicationRow(
        kind=kind.value,
        parent=parent,
        project="",
        applicant=applicant,
        purpose="",
        state=FIRST.value,
        created_at=now,
        moved_at=now,
    )
    on_file.put(row, Papers(form=form, saved_by=applicant, saved_at=audit.stamp(now)))
    session.add(row)
    session.flush()
    facts: dict[str, audit.Fact] = {"kind": kind.value, "parent": parent, "form": forms.digest(form)}
    audit.append(session, "application.create", actor=actor or applicant, subject=on_file.subject(row), at=now, **facts)
    return row.id


def save(
    session: Session,
    number: int,
    person: str,
    values: Mapping[str, object],
    edition: int,
    *,
    now: datetime,
    actor: str = "",
) -> int:
    """Keep the form as it was typed, right or wrong; return its new edition. On an old edition: `Meanwhile`."""
    row = on_file.get(session, number)
    take("save", State(row.state), By.APPLICANT)
    _writes(row, person, "edit")
    papers = on_file.of(row)
    form = forms.read(values, onto=papers.form)
    if edition != row.edition:
        raise Meanwhile(papers, row.edition, form)
    on_file.put(row, replace(papers, form=form, saved_by=person, saved_at=audit.stamp(now)))
    row.edition += 1
    facts: dict[str, audit.Fact] = {
        "edition": row.edition,
        "form": forms.digest(form),
        "fields": [one.field for one in forms.difference(papers.form, form)],
    }
    audit.append(session, "application.save", actor=actor or person, subject=on_file.subject(row), at=now, **facts)
    return row.edition


def accept(session: Session, number: int, person: str, *, seen: str, now: datetime) -> None:
    """Agree, as somebody whom the form names, to what it says; a change of that asks them again."""
    row = on_file.get(session, number)
    take("save", State(row.state), By.APPLICANT)
    papers = on_file.of(row)
    if person not in papers.form.named:
        raise StepRefused(f"application {number} does not name {person}, who has nothing to accept")
    if not accounts.active(session, person):
        raise StepRefused(f"{person} is suspended and accepts nothing")
    if seen != forms.agreed(papers.form):
        raise StepRefused(f"application {number} was changed since {person} read it: read it again, then accept")
    on_file.put(row, replace(papers, accepted={**papers.accepted, person: seen}))
    audit.append(session, "application.accept", actor=person, subject=on_file.subject(row), at=now, agreed=seen)
    told.accepted(session, row, person, now=now)


def amend(session: Session, number: int, person: str, *, now: datetime) -> int:
    """Begin a change of what a project was approved for; it goes on as it is until that is decided."""
    return _child(session, number, person, "amend", now=now)


def renew(session: Session, number: int, person: str, *, now: datetime) -> int:
    """Begin to ask for a later end."""
    return _child(session, number, person, "renew", now=now)


def withdraw(session: Session, number: int, person: str, *, now: datetime, actor: str = "") -> None:
    """Take an application back before it begins; its applicant alone may."""
    row = on_file.get(session, number)
    take("withdraw", State(row.state), By.APPLICANT)
    if person != row.applicant:
        raise StepRefused(f"only {row.applicant}, who applied, can withdraw application {row.id}")
    on_file.move(row, "withdraw", By.APPLICANT, now=now)
    row.decided_at = now
    rest.go_on(session, row, now=now)
    audit.append(session, "committee.withdraw", actor=actor or person, subject=on_file.subject(row), at=now)


# --- handing in -------------------------------------------------------------------------------------------------------
def submit(session: Session, number: int, person: str, *, now: datetime, actor: str = "") -> str:
    """Hand a form to the committee as it stands; return its SHA-256, which is what they will vote on."""
    row = on_file.get(session, number)
    take("submit", State(row.state), By.APPLICANT)
    if person != row.applicant:
        raise StepRefused(f"only {row.applicant}, who applied, can submit application {row.id}")
    if found := faults(session, row, now=now):
        raise Incomplete(found)
    papers = on_file.of(row)
    form = _with_versions(session, papers.form)
    on_file.put(row, replace(papers, form=form))
    if row.form_sha256 != forms.digest(form):
        session.execute(delete(RulingRow).where(RulingRow.application == row.id))  # they were on other words
    row.form_sha256, row.submitted_at, row.why = forms.digest(form), now, ""
    row.ethics_until = form.ethics_end
    ask_for(session, row, form, now=now)
    asks.require(session, "submit_application", row, person, now=now)
    on_file.move(row, "submit", By.APPLICANT, now=now)
    facts: dict[str, audit.Fact] = {
        "kind": row.kind,
        "project": row.project,
        "applicant": row.applicant,
        "form": row.form_sha256,
        "datasets": list(form.datasets),
        "found": {one.dataset: matching.verdict(one) for one in on_file.datasets(session, row.id)},
    }
    audit.append(session, "committee.apply", actor=actor or person, subject=on_file.subject(row), at=now, **facts)
    if any(one.purpose for one in changes(session, row)):
        rest.until_decided(session, row, now=now)
    told.submitted(session, row, now=now)
    return row.form_sha256


def ask_for(session: Session, row: ApplicationRow, form: Form, *, now: datetime) -> None:
    """Write down which versions an application asks for, and what their use limitations say to its purpose."""
    session.execute(delete(ApplicationDatasetRow).where(ApplicationDatasetRow.application == row.id))
    for name, version in form.wanted:
        session.add(ApplicationDatasetRow(application=row.id, dataset=name, version=version or 0))
    session.flush()
    matching.match_all(session, row, now=now)


def faults(session: Session, row: ApplicationRow, *, now: datetime) -> tuple[Fault, ...]:
    """Return everything that stands between a form and the committee, and who has not agreed to it."""
    papers = on_file.of(row)
    found = forms.faults(papers.form, now, known(session, row, now=now))
    open_for = papers.waiting(row.applicant)
    missing = tuple(Fault("members", f"Members: {name} has not accepted yet") for name in open_for)
    return (*found, *(one for one in missing if not any(one.message.split()[1] in old.message for old in found)),
            *_against_parent(session, row, papers.form))  # fmt: skip


def waiting(row: ApplicationRow) -> tuple[str, ...]:
    """Return who is named and has not agreed to the form as it stands."""
    return on_file.of(row).waiting(row.applicant)


def writers(row: ApplicationRow) -> tuple[str, ...]:
    """Return who may save the form: the applicant, and those it names."""
    return tuple(dict.fromkeys((row.applicant, *on_file.form_of(row).named)))


def changes(session: Session, row: ApplicationRow) -> tuple[Change, ...]:
    """Return what an amendment or a renewal changes of what is in force; nothing for an application of its own."""
    parent = on_file.get(session, row.parent) if row.parent else None
    return forms.difference(on_file.form_of(parent), on_file.form_of(row)) if parent else ()


def known(session: Session, row: ApplicationRow, *, now: datetime) -> Known:
    """Gather what the house knows of what a form names."""
    form = on_file.form_of(row)
    newest = func.coalesce(func.max(DatasetVersionRow.number), 0)
    versions = (
        select(DatasetRow.name, newest)
        .outerjoin(DatasetVersionRow, DatasetVersionRow.dataset == DatasetRow.name)
        .where(DatasetRow.name.in_([one.dataset for one in form.wanted]))
        .group_by(DatasetRow.name)
    )
    named = select(PersonRow.name).where(PersonRow.name.in_(form.named), PersonRow.suspended.is_(False))
    admins = select(RoleRow.person).where(RoleRow.person.in_(form.named), RoleRow.role == Role.ADMIN.value)
    gone = select(DatasetRow.name).where(DatasetRow.withdrawn.is_(True))
    return Known(
        people=frozenset(session.scalars(named)),
        admins=frozenset(session.scalars(admins)),
        datasets={name: number for name, number in session.execute(versions)},  # noqa: C416 -- rows are no pairs to mypy
        withdrawn=frozenset(session.scalars(gone)),
        taken=_taken(session, row, form.project),
        latest=on_file.latest(session, form.begin or now),
        disease=ontology.whether_known(session),
    )


def _child(session: Session, number: int, person: str, verb: str, *, now: datetime) -> int:
    row = on_file.get(session, number)
    take(verb, State(row.state), By.APPLICANT)
    _writes(row, person, verb)
    if row.kind == Kind.DATASETS:
        raise StepRefused(f"cannot {verb} application {number}, which brought more data: {verb} the project's own")
    waits = select(ApplicationRow.id).where(
        ApplicationRow.parent == number, ApplicationRow.state.in_([state.value for state in OPEN])
    )
    if earlier := session.scalars(waits).first():
        raise StepRefused(f"application {earlier} changes the same and is not decided yet: wait for it, or withdraw it")
    given = {name: getattr(on_file.form_of(row), name) for name in forms.BY_NAME}
    return create(session, person, now=now, values=given, kind=CHILDREN[verb], parent=number)


def _writes(row: ApplicationRow, person: str, verb: str) -> None:
    if person not in writers(row):
        raise StepRefused(f"only {row.applicant} and those it names can {verb} application {row.id}")


def _taken(session: Session, row: ApplicationRow, name: str) -> bool:
    """Whether a new project would have a name that another has, or has asked for."""
    if row.kind != Kind.NEW or not name:
        return False
    busy = [state.value for state in (OPEN | GRANTED) - {State.DRAFT}]
    asked = select(ApplicationRow.id).where(
        ApplicationRow.project == name,
        ApplicationRow.id != row.id,
        ApplicationRow.kind == Kind.NEW.value,
        ApplicationRow.state.in_(busy),
    )
    return session.get(ProjectRow, name) is not None or session.scalars(asked.limit(1)).first() is not None


def _against_parent(session: Session, row: ApplicationRow, form: Form) -> tuple[Fault, ...]:
    """Keep an amendment to its project; a renewal changes the end and nothing of the purpose."""
    if row.parent is None:
        return ()
    changed = changes(session, row)
    if not changed:
        return (Fault("title", "it changes nothing: edit what is to change"),)
    if form.project != on_file.get(session, row.parent).project:
        return (Fault("project", "Short name: a project keeps its name"),)
    if row.kind == Kind.RENEWAL and any(one.purpose for one in changed):
        return (Fault("purpose", "Purpose: a renewal keeps it; ask for an amendment"),)
    return ()


def _with_versions(session: Session, form: Form) -> Form:
    """Put the number of the newest version where none is named: what is voted on does not move."""
    newest = select(func.max(DatasetVersionRow.number))
    fixed = tuple(
        f"{name}@{version or session.scalar(newest.where(DatasetVersionRow.dataset == name))}"
        for name, version in form.wanted
    )
    return replace(form, datasets=fixed)
