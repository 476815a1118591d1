"""The committee reads an application: a panel without interest in it votes blindly, the chair decides by the votes."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy.orm import Session

from policies.duo import Verdict
from tre.errors import NotFound, StepRefused, Unreadable
from tre.governance import accounts, text
from tre.governance.applications import asks, independence, matching, rest, told
from tre.governance.applications import papers as on_file
from tre.governance.applications.asks import Deciding
from tre.governance.applications.independence import count, why_not
from tre.governance.applications.states import By, Kind, State, Vote, settle, take
from tre.records import audit
from tre.records.tables import ApplicationRow, ApplicationVoteRow, ConditionRow, PanelRow, RulingRow


class Asked(StrEnum):
    """What a committee may ask of an extract beside k; numbers and sources are in `tre/data/risk.toml`."""

    NONE = "none"
    DIVERSE = "diverse"
    CLOSE = "close"
    PUBLIC = "public"
    PARTNERS = "partners"


UNDECIDED = frozenset({State.DRAFT, State.SUBMITTED, State.RETURNED, State.IN_REVIEW})


class Condition(NamedTuple):
    """What is asked for beside: before the work begins, or by a day."""

    text: str
    due: datetime | None = None


# --- who reads it -----------------------------------------------------------------------------------------------------
def triage(session: Session, number: int, person: str, *, panel: Sequence[str] = (), now: datetime) -> tuple[str, ...]:
    """Name who decides, or more of them; without names, everybody of the committee who can. Return who was named."""
    row = _at(session, number, "triage", By.COMMITTEE)
    sits(session, row, person, "triage")
    held = {one.person for one in independence.panel(session, number)}
    names = tuple(dict.fromkeys((*(panel or independence.free(session, row)), *independence.chairs(session, row))))
    for name in names:
        sits(session, row, name, "be named for")
    fresh = tuple(name for name in names if name not in held)
    quorum = on_file.numbers(session).quorum
    if len(held) + len(fresh) < quorum:
        raise StepRefused(f"a panel is at least {quorum} people without an interest: name more")
    session.add_all(PanelRow(application=number, person=name, named_at=now) for name in fresh)
    on_file.move(row, "triage", By.COMMITTEE, now=now)
    session.flush()
    _record(session, row, "triage", person, now=now, panel=list(fresh))
    told.named(session, row, fresh, now=now)
    return fresh


def send_back(session: Session, number: int, person: str, *, why: str, now: datetime) -> None:
    """Return an application to the applicant with reasons; once it is in review, that is for the chair."""
    row = on_file.get(session, number)
    by = By.CHAIR if row.state == State.IN_REVIEW else By.COMMITTEE
    take("return", State(row.state), by)
    sits(session, row, person, "return")
    if by is By.CHAIR:
        _presides(session, row, person)
    row.why = text.line(why, "reason", longest=2000)
    on_file.move(row, "return", by, now=now)
    _forget(session, row)
    rest.go_on(session, row, now=now)
    _record(session, row, "return", person, now=now, why=row.why)
    told.returned(session, row, now=now)


def declare(session: Session, number: int, person: str, conflict: str = "", *, now: datetime) -> None:
    """Say which interest one has in an application, or none; a vote of one who has an interest does not count."""
    row = _at(session, number, "declare", By.PANEL)
    said = session.get(PanelRow, (number, person))
    if said is None:
        raise StepRefused(f"{person} is not on the panel of application {number}")
    if said.conflict:
        raise StepRefused(f"{person} declared an interest in application {number}, and that stays")
    said.conflict = text.line(conflict, "interest", longest=1000) if conflict.strip() else ""
    said.declared_at = now
    _record(session, row, "declare", person, now=now, conflict=said.conflict)


# --- votes ------------------------------------------------------------------------------------------------------------
def vote(session: Session, number: int, person: str, choice: str, *, reason: str, seen: str, now: datetime) -> None:
    """Cast one vote on the form with the hash `seen`: one each, and it stays."""
    row = _at(session, number, "vote", By.PANEL)
    sits(session, row, person, "vote on")
    said = _vote(choice)
    _declared(session, row, person, "vote on")
    held = session.get(ApplicationVoteRow, (row.id, person))
    if held and held.form_sha256 == row.form_sha256:
        raise StepRefused(f"{person} has voted on application {row.id} already")
    if seen != row.form_sha256:
        raise StepRefused(f"application {row.id} was changed since {person} read it: read it again, then vote")
    why = text.line(reason, "reason", longest=2000)
    asks.require(session, "vote_application", row, person, now=now, deciding=Deciding(seen=seen))
    if held:
        session.delete(held)
        session.flush()
    session.add(
        ApplicationVoteRow(
            application=row.id, person=person, vote=said.value, reason=why, form_sha256=row.form_sha256, at=now
        )
    )
    session.flush()
    _record(session, row, "vote", person, now=now, vote=said.value, reason=why, form=row.form_sha256)
    if count(session, row).total() >= on_file.numbers(session).quorum:
        told.voted(session, row, now=now)


def votes(session: Session, number: int, viewer: str = "") -> tuple[ApplicationVoteRow, ...]:
    """Return the votes: to nobody before the decision, save to those who have cast their own."""
    row = on_file.get(session, number)
    cast = on_file.cast(session, number)
    mine = {one.person for one in cast if one.form_sha256 == row.form_sha256}
    return () if row.state in UNDECIDED and viewer not in mine else cast


def votes_in(session: Session, number: int) -> int:
    """How many have voted, which tells nobody how."""
    return len(on_file.cast(session, on_file.get(session, number).id))


def rule(
    session: Session, number: int, person: str, dataset: str, code: str, *, allows: bool, reason: str, now: datetime
) -> None:
    """Say what a use limitation means here that a human must read; a later ruling takes the place of an earlier one."""
    row = _at(session, number, "rule", By.PANEL)
    sits(session, row, person, "rule on")
    _declared(session, row, person, "rule on")
    found = [one for one in matching.points(session, row) if (one.dataset, one.code) == (dataset, code)]
    if not found:
        raise NotFound(f"application {number} has no point {code[:40]!r} of dataset {dataset[:40]!r} to rule on")
    if not any(one.verdict == Verdict.MANUAL for one in found):
        raise StepRefused(f"{code} of {dataset} says {found[0].verdict} by itself: nobody rules on that")
    ruling = session.get(RulingRow, (number, dataset, code))
    if ruling is None:
        ruling = RulingRow(application=number, dataset=dataset, code=code)
        session.add(ruling)
    ruling.allows, ruling.reason = allows, text.line(reason, "reason", longest=2000)
    ruling.person, ruling.at = person, now
    session.flush()
    _record(session, row, "rule", person, now=now, dataset=dataset, code=code, allows=allows, reason=ruling.reason)


# --- the decision -----------------------------------------------------------------------------------------------------
def decide(
    session: Session,
    number: int,
    person: str,
    *,
    now: datetime,
    until: datetime | None = None,
    conditions: Sequence[Condition] = (),
    remark: str = "",
    smallest_k: int | None = None,
    asked: Asked = Asked.NONE,
    why: str = "",
) -> State:
    """Settle an application by its votes: approved by more than half of them, and then until a date; else rejected.

    `active.decide` also begins what waits for nothing.
    `smallest_k` and `asked` are what its extracts must keep; fewer than the project's own k is never enough.
    """
    row = _at(session, number, "decide", By.CHAIR)
    sits(session, row, person, "decide")
    _presides(session, row, person)
    _declared(session, row, person, "decide")
    counted, outcome = count(session, row), settled(session, row)
    approving = outcome is State.APPROVED_PENDING
    latest = on_file.last_end(session, row, now=now)
    end = _end(row, until, latest, now=now) if approving else None
    if approving:
        matching.match_all(session, row, now=now)
        _no_open_point(session, row)
    said = Deciding(seen=row.form_sha256, until=end or latest, approving=approving)
    asks.require(session, "decide_application", row, person, now=now, deciding=said)
    on_file.move(row, "decide", By.CHAIR, now=now, to=outcome)
    row.decided_at, row.decided_by, row.approved_until = now, person, end
    row.why = text.line(why, "reason", longest=2000) if why.strip() else ""
    if approving:
        row.smallest_k, row.asked = at_least(smallest_k), asked.value
        row.conditions = text.line(remark, "conditions", longest=2000) if remark else ""
        _ask_for(session, row, conditions, end or now, now=now)
    facts: dict[str, audit.Fact] = {
        "state": row.state,
        "approve": counted[Vote.APPROVE],
        "reject": counted[Vote.REJECT],
        "until": audit.stamp(end) if end else None,
        "conditions": [row.conditions, *(one.text for one in conditions)] if row.conditions or conditions else [],
        "smallest_k": row.smallest_k,
        "asked": row.asked,
        "datasets": [f"{one.dataset}@{one.version}" for one in on_file.datasets(session, number)],
        "form": row.form_sha256,
    }
    if outcome is State.REJECTED:
        rest.go_on(session, row, now=now)
    _record(session, row, "decide", person, now=now, **facts)
    return outcome


def settled(session: Session, row: ApplicationRow) -> State:
    """Return what the votes make of an application, or refuse because too few are in."""
    counted = count(session, row)
    return settle(counted[Vote.APPROVE], counted[Vote.REJECT], quorum=on_file.numbers(session).quorum)


def confirms(row: ApplicationRow, verb: str) -> str:
    """Say what a person's code confirms: the verb, and the very bytes of the form."""
    return f"application/{row.id} {verb} {row.form_sha256 or audit.digest([row.project, row.applicant, row.purpose])}"


def at_least(smallest_k: int | None) -> int | None:
    """Return the smallest group that is asked for, or say that there is none so small."""
    if smallest_k is not None and smallest_k < 1:
        raise StepRefused("the smallest group cannot be below 1 person")
    return smallest_k


def sits(session: Session, row: ApplicationRow, person: str, verb: str) -> None:
    """Refuse whoever has no say in an application."""
    accounts.person(session, person)
    why = why_not(session, row, person)
    if why:
        raise StepRefused(f"{person} cannot {verb} application {row.id}: {why}")


def _presides(session: Session, row: ApplicationRow, person: str) -> None:
    if not independence.presides(session, row, person):
        chairs = ", ".join(independence.chairs(session, row)) or "the panel"
        raise StepRefused(f"{person} cannot decide application {row.id}: that is for {chairs}")


def _declared(session: Session, row: ApplicationRow, person: str, verb: str) -> None:
    said = session.get(PanelRow, (row.id, person))
    if said is None:
        raise StepRefused(f"{person} cannot {verb} application {row.id}: not on its panel")
    if said.declared_at is None:
        raise StepRefused(
            f"{person} cannot {verb} application {row.id} before declaring whether they have an interest in it"
        )


def _vote(choice: str) -> Vote:
    try:
        return Vote(choice)
    except ValueError:
        raise Unreadable(f"a vote is {' or '.join(Vote)}, not {choice[:20]!r}") from None


def _end(row: ApplicationRow, until: datetime | None, latest: datetime, *, now: datetime) -> datetime:
    if until is None:
        raise StepRefused(f"cannot approve application {row.id} without an end: give the date until which it counts")
    begin = on_file.form_of(row).begin
    if text.ahead(until, "approval", now=now) > latest:
        last = f"{latest:%Y-%m-%d}"
        if row.kind == Kind.DATASETS:
            raise StepRefused(f"approval {row.id} would outlast the project's own ({last}): name an earlier date")
        raise StepRefused(f"approval {row.id} would end later than any may ({last}): name an earlier date")
    if begin is not None and until <= begin:
        raise StepRefused(f"approval {row.id} would end before it begins ({begin:%Y-%m-%d}): name a later date")
    return until


def _no_open_point(session: Session, row: ApplicationRow) -> None:
    for one in matching.open_points(session, row):
        what = f"{one.code} of dataset {one.dataset}"
        if one.verdict == Verdict.DENY:
            said, remedy = f"says no ({one.reason})", "return it to the applicant, or reject it"
        elif one.ruled is None:
            said, remedy = f"needs a human to rule on it ({one.reason})", f"rule on {what}"
        else:
            said, remedy = f"was ruled against by {one.ruled_by}", "return it to the applicant, or reject it"
        raise StepRefused(f"cannot approve application {row.id}: {what} {said}", rules=("R12",), remedies=(remedy,))


def _ask_for(
    session: Session, row: ApplicationRow, conditions: Sequence[Condition], end: datetime, *, now: datetime
) -> None:
    for one in conditions:
        if one.due is not None and not now < one.due <= end:
            raise StepRefused(f"a condition is due between now and {end:%Y-%m-%d}, not on {one.due:%Y-%m-%d}")
        words = text.line(one.text, "condition", longest=1000)
        session.add(ConditionRow(application=row.id, text=words, due=one.due))
    session.flush()


def _forget(session: Session, row: ApplicationRow) -> None:
    """Let the panel say anew whether they have an interest in what comes back; an interest stays one."""
    for one in independence.panel(session, row.id):
        if not one.conflict:
            one.declared_at = None


def _at(session: Session, number: int, verb: str, by: By) -> ApplicationRow:
    """Return an application for one step, or refuse the step from where it stands, or while its project rests."""
    row = on_file.get(session, number)
    if verb == "decide":
        take(verb, State(row.state), by, to=State.REJECTED)
    else:
        take(verb, State(row.state), by)
    project = on_file.project(session, row)
    if verb in {"vote", "decide"} and project is not None:
        if project.closed_at:
            raise StepRefused(f"cannot {verb} on application {row.id}: project {project.name} is closed")
        if project.suspended and row.kind == Kind.DATASETS:
            raise StepRefused(f"cannot {verb} on application {row.id}: project {project.name} is suspended")
    return row


def _record(
    session: Session, row: ApplicationRow, verb: str, person: str, *, now: datetime, **facts: audit.Fact
) -> None:
    audit.append(session, f"committee.{verb}", actor=person, subject=on_file.subject(row), at=now, **facts)
