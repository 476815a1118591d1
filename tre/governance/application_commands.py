"""Research applies for data, the committee votes and decides, and each confirms it with a code.

`submit PROJECT DATASET --as NAME` is the short way to more data for a project that stands; a project that is to be
begins with `new`, and its form is a file of JSON or TOML.
"""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from sqlalchemy.orm import Session

from tre import show
from tre.errors import Unreadable
from tre.governance import committee, projects, register, visas
from tre.governance.applications import active, drafts, duties, independence, matching, papers, review, states, turns
from tre.governance.applications import form as forms
from tre.governance.applications.review import Condition
from tre.governance.operator import As, Code, Day, House, house, last_moment
from tre.records import audit
from tre.records.tables import ApplicationRow, ConditionRow

application = App(name="application", help="An application for data, and the committee's decision.")

FormFile = Annotated[Path | None, Parameter(name="--form", help="the form as JSON or TOML")]
LONGEST_FORM = 200_000


# --- the applicant ----------------------------------------------------------------------------------------------------
@application.command(name="new")
def application_new(*, by: As, form: FormFile = None) -> None:
    """Begin an application for a project that is to be; what is not in the form yet is added with `edit`."""
    values = _read(form)
    with house() as at, at.records.act(at.actor, "application.create", f"person/{by[:30]}") as session:
        number = drafts.create(session, by, values=values, now=at.now, actor=at.actor)
    _standing(number)


@application.command(name="edit")
def application_edit(number: int, /, *, by: As, form: FormFile, edition: int | None = None) -> None:
    """Save a form, right or wrong; with `--edition` only if nobody saved since that one."""
    values = _read(form)
    with house() as at, at.records.act(at.actor, "application.save", f"application/{number}") as session:
        held = edition if edition is not None else papers.get(session, number).edition
        drafts.save(session, number, by, values, held, now=at.now, actor=at.actor)
    _standing(number)


@application.command(name="submit")
def application_submit(
    what: str, dataset: str = "", /, *, by: As, purpose: str = "", version: int | None = None
) -> None:
    """Submit draft NUMBER; or PROJECT DATASET, to ask for more data for a project that stands.

    The purpose is the project's unless given.
    """
    if what.isascii() and what.isdigit() and not dataset:
        with house() as at, at.records.act(at.actor, "committee.apply", f"application/{what[:12]}") as session:
            drafts.submit(session, int(what[:12]), by, now=at.now, actor=at.actor)
        return _standing(int(what[:12]))
    if not dataset:
        raise Unreadable("name a draft's number, or a project and a dataset")
    with house() as at, at.records.act(at.actor, "committee.apply", f"project/{what[:30]}") as session:
        number = committee.apply(
            session, what, dataset, version=version, applicant=by, now=at.now, actor=at.actor,
            purpose=purpose or projects.get(session, what).purpose,
        )  # fmt: skip
    show.one({"application": number}, sentence=f"application {number} waits for the committee")
    return None


@application.command(name="accept")
def application_accept(number: int, /, *, by: As, code: Code) -> None:
    """Agree, as somebody whom the form names, to what it says."""
    with house() as at:
        with at.records.read() as session:
            seen = forms.agreed(papers.form_of(papers.get(session, number)))
        at.confirm(by, code, f"application/{number} accept {seen}")
        with at.records.act(by, "application.accept", f"application/{number}") as session:
            drafts.accept(session, number, by, seen=seen, now=at.now)
    _standing(number)


@application.command(name="amend")
def application_amend(number: int, /, *, by: As, form: FormFile = None) -> None:
    """Begin a change of what was approved; the project goes on as it is, unless its purpose changes."""
    _child(number, by, form, renewal=False)


@application.command(name="renew")
def application_renew(number: int, /, *, by: As, form: FormFile = None) -> None:
    """Begin to ask for a later end."""
    _child(number, by, form, renewal=True)


@application.command(name="evidence")
def application_evidence(condition: int, words: str, /, *, by: As) -> None:
    """Show, for the applicant, how a condition is met."""
    with house() as at, at.records.act(at.actor, "committee.evidence", f"condition/{condition}") as session:
        active.evidence(session, condition, by, words, now=at.now)
    show.one({"condition": condition}, sentence=f"condition {condition} waits for the committee to accept it")


# --- the committee ----------------------------------------------------------------------------------------------------
@application.command(name="triage")
def application_triage(number: int, /, *, by: As, code: Code, panel: list[str] | None = None) -> None:
    """Name who decides; everybody of the committee who has no interest in it, unless told."""
    with house() as at:
        at.confirm(by, code, _about(at, number, "triage"))
        with at.records.act(by, "committee.triage", f"application/{number}") as session:
            review.triage(session, number, by, panel=panel or (), now=at.now)
    _standing(number)


@application.command(name="return")
def application_return(number: int, /, *, why: str, by: As, code: Code) -> None:
    """Return an application to its applicant with reasons."""
    with house() as at:
        at.confirm(by, code, _about(at, number, "return"))
        with at.records.act(by, "committee.return", f"application/{number}") as session:
            review.send_back(session, number, by, why=why, now=at.now)
    _standing(number)


@application.command(name="declare")
def application_declare(number: int, /, *, by: As, code: Code, conflict: str = "") -> None:
    """Say, as one of the panel, which interest you have in an application; without `--conflict` none."""
    with house() as at:
        at.confirm(by, code, _about(at, number, "declare"))
        with at.records.act(by, "committee.declare", f"application/{number}") as session:
            review.declare(session, number, by, conflict, now=at.now)
    _standing(number)


@application.command(name="ruling")
def application_ruling(
    number: int, dataset: str, point: str, ruling: states.Vote, /, *, reason: str, by: As, code: Code
) -> None:
    """Rule on a point of a dataset's use limitation that a human must read: approve or reject."""
    with house() as at:
        at.confirm(by, code, _about(at, number, f"rule {dataset[:30]} {point[:40]} {ruling}"))
        with at.records.act(by, "committee.rule", f"application/{number}") as session:
            allows = ruling is states.Vote.APPROVE
            review.rule(session, number, by, dataset, point, allows=allows, reason=reason, now=at.now)
    _standing(number)


@application.command(name="vote")
def application_vote(number: int, vote: committee.Vote, /, *, reason: str, by: As, code: Code) -> None:
    """Cast a committee member's vote, confirmed by their code."""
    with house() as at:
        at.confirm(by, code, _about(at, number, vote.value))
        with at.records.act(by, "committee.vote", f"application/{number}") as session:
            committee.vote(session, number, by, vote, reason=reason, now=at.now)
    show.one({"application": number, "vote": vote.value}, sentence=f"{by} votes to {vote} application {number}")


@application.command(name="decide")
def application_decide(
    number: int,
    /,
    *,
    by: As,
    code: Code,
    until: Day = "",
    conditions: str = "",
    smallest_k: int | None = None,
    asked: committee.Asked = committee.Asked.NONE,
    before: list[str] | None = None,
    later: list[str] | None = None,
    why: str = "",
) -> None:
    """Settle an application by its votes; an approval needs its last day. Extracts must keep what is asked of risk.

    `--before TEXT` is a condition that comes before the start, `--later DAY:TEXT` one that is due by a day.
    """
    end = last_moment(until, "--until") if until else None
    wanted = [*map(Condition, before or ()), *map(_due, later or ())]
    with house() as at:
        at.confirm(by, code, _about(at, number, "decide"))
        with at.records.act(by, "committee.decide", f"application/{number}") as session:
            committee.joins(session, papers.get(session, number), by, now=at.now)
            state = active.decide(
                session, number, by, until=end, conditions=wanted, remark=conditions, smallest_k=smallest_k,
                asked=asked, why=why, now=at.now,
            )  # fmt: skip
    said = f"application {number} is {states.words(state)}"
    show.one({"application": number, "state": state.value}, sentence=said)


@application.command(name="condition")
def application_condition(condition: int, /, *, by: As, code: Code) -> None:
    """Accept, for the committee, that a condition is met; with the last one the work begins."""
    with house() as at:
        with at.records.read() as session:
            words = active.condition_words(session, condition)
        at.confirm(by, code, f"condition/{condition} accept {audit.digest(words)}")
        with at.records.act(by, "committee.accept", f"condition/{condition}") as session:
            state = active.accept(session, condition, by, now=at.now)
    show.one({"condition": condition, "state": state.value}, sentence=f"condition {condition} is met")


duty = App(name="duty", help="What a project owes for its data: shown by the project, accepted by the committee.")
application.command(duty)


@duty.command(name="list")
def duty_list(project: str, /) -> None:
    """Everything that a project owes for its data, and whether it is done."""
    with house() as at, at.records.read() as session:
        rows = [
            {"duty": one.id, "dataset": dataset, "code": one.code, "text": one.text, "due": one.due,
             "evidence": one.evidence or None, "done": one.done_at, "accepted_by": one.done_by}
            for one, dataset in duties.of_project(session, projects.get(session, project).name)
        ]  # fmt: skip
    show.rows(rows, none=f"project {project} owes nothing for its data")


@duty.command(name="show")
def duty_show(number: int, words: str, /, *, by: As) -> None:
    """Show, for somebody of the project, how a duty was done."""
    with house() as at, at.records.act(at.actor, "duty.show", f"duty/{number}") as session:
        duties.show(session, number, by, words, now=at.now)
    show.one({"duty": number}, sentence=f"duty {number} waits for the committee to accept it")


@duty.command(name="accept")
def duty_accept(number: int, /, *, by: As, code: Code) -> None:
    """Accept, for the committee, that a duty is done."""
    with house() as at:
        with at.records.read() as session:
            seen = duties.digest(duties.get(session, number).duty)
        at.confirm(by, code, f"duty/{number} accept {seen}")
        with at.records.act(by, "duty.accept", f"duty/{number}") as session:
            duties.accept(session, number, by, seen=seen, now=at.now)
    show.one({"duty": number}, sentence=f"duty {number} is done")


@application.command(name="suspend")
def application_suspend(number: int, /, *, why: str, by: As, code: Code) -> None:
    """Let all work of a project rest, confirmed by the chair's code."""
    with house() as at:
        at.confirm(by, code, _about(at, number, "suspend"))
        with at.records.act(by, "committee.suspend", f"application/{number}") as session:
            active.suspend(session, number, by, why=why, now=at.now)
    _standing(number)


@application.command(name="resume")
def application_resume(number: int, /, *, why: str, by: As, code: Code) -> None:
    """Let a suspended project go on, confirmed by the chair's code."""
    with house() as at:
        at.confirm(by, code, _about(at, number, "resume"))
        with at.records.act(by, "committee.resume", f"application/{number}") as session:
            active.resume(session, number, by, why=why, now=at.now)
    _standing(number)


@application.command(name="revoke")
def application_revoke(number: int, /, *, why: str, by: As, code: Code) -> None:
    """Take an approval back, confirmed by a committee member's code."""
    with house() as at:
        at.confirm(by, code, _about(at, number, "revoke"))
        with at.records.act(by, "committee.revoke", f"application/{number}") as session:
            committee.revoke(session, number, why=why, actor=by, now=at.now)
    show.one({"application": number, "state": "revoked"}, sentence=f"application {number} is revoked")


@application.command(name="withdraw")
def application_withdraw(number: int, /, *, by: As) -> None:
    """Take an application back for its applicant, before it is decided."""
    with house() as at, at.records.act(at.actor, "committee.withdraw", f"application/{number}") as session:
        committee.withdraw(session, number, person=by, actor=at.actor, now=at.now)
    show.one({"application": number, "state": "withdrawn"}, sentence=f"application {number} is withdrawn")


# --- looking ----------------------------------------------------------------------------------------------------------
@application.command(name="list")
def application_list(*, waiting: bool = False) -> None:
    """Every application there is or was; with `--waiting` those that are not settled, longest waiting first."""
    with house() as at, at.records.read() as session:
        if waiting:
            rows = [
                _summary(session, row) | {"whose": ", ".join(turn.whose), "days": turn.days}
                for row, turn in turns.queue(session, now=at.now)
            ]
        else:
            rows = [_summary(session, row) for row in papers.listed(session)]
    show.rows(rows, none="no application: `tre application submit PROJECT DATASET --as NAME`")


@application.command(name="show")
def application_show(number: int, /, *, by: Annotated[str, Parameter(name="--as")] = "") -> None:
    """One application: whose turn it is, and since when; votes are shown once it is decided."""
    del by  # votes are blind at the host, whoever looks: a name alone proves nobody
    with house() as at, at.records.read() as session:
        row = papers.get(session, number)
        turn = turns.turn(session, row, now=at.now)
        record = _summary(session, row) | {
            "title": row.title or None,
            "purpose": row.purpose,
            "turn": ", ".join(turn.whose) or None,
            "days": turn.days,
            "next": turn.next,
            "why": row.why or None,
            "conditions": row.conditions or None,
            "to_meet": [_condition(one) for one in papers.conditions(session, number)],
            "smallest_k": row.smallest_k,
            "asked": row.asked,
            "found": [
                f"{one.dataset}: {one.code}: {one.verdict} ({one.reason})" for one in matching.points(session, row)
            ],
            "changes": [f"{one.field}: {one.before} -> {one.after}" for one in drafts.changes(session, row)],
            "panel": [one.person for one in independence.panel(session, number)],
            "vouched": [f"{name}: {said}" for name in _named(row) for said in _vouched(session, at, name)],
            "edition": row.edition,
            "form": show_form(row),
            "missing": [one.message for one in _faults(session, row, at)],
            "votes_in": committee.votes_in(session, number),
            "votes": [f"{one.person}: {one.vote} ({one.reason})" for one in committee.votes(session, number)],
        }
    show.one(record)


@application.command(name="diagram")
def application_diagram() -> None:
    """Draw the states of an application as a Mermaid diagram."""
    show.one({"mermaid": states.mermaid()}, sentence=states.mermaid())


def register_command() -> None:
    """Print the public register: which research is done here, with which data, until when."""
    with house() as at, at.records.read() as session:
        found = register.register(session, now=at.now)
    if show.as_json.get():
        return show.one(register.as_json(found))
    rows = [
        {"project": one.name, "title": one.title, "datasets": ", ".join(one.datasets), "until": one.until,
         "state": one.state, "results": one.outputs}
        for one in found.projects
    ]  # fmt: skip
    return show.rows(rows, none="no project has been given data yet")


def show_form(row: ApplicationRow) -> dict[str, object]:
    """Return the filled-in fields of a form, as they can be saved again."""
    form = papers.form_of(row)
    return {name: getattr(form, name) for name in forms.BY_NAME if getattr(form, name)}


def _found(one: matching.Point) -> str:
    said = f"; {'allowed' if one.ruled else 'not allowed'} by {one.ruled_by}" if one.ruled_by else ""
    return f"{one.dataset}: {one.code}: {one.verdict} ({one.reason}{said})"


def _named(row: ApplicationRow) -> tuple[str, ...]:
    return tuple(dict.fromkeys((row.applicant, *papers.form_of(row).named)))


def _vouched(session: Session, at: House, name: str) -> tuple[str, ...]:
    """Say what others vouch for: evidence for the committee, and never an approval."""
    return visas.evidence(session, at.settings, name, now=at.now)


def _faults(session: Session, row: ApplicationRow, at: House) -> tuple[forms.Fault, ...]:
    writing = row.state in {states.State.DRAFT.value, states.State.RETURNED.value}
    return drafts.faults(session, row, now=at.now) if writing else ()


def _condition(one: ConditionRow) -> str:
    due = f"by {one.due:%Y-%m-%d}" if one.due else "before it begins"
    said = f"accepted by {one.accepted_by}" if one.accepted_at else "shown" if one.evidence else "open"
    return f"{one.id}: {one.text} ({due}; {said})"


def _child(number: int, by: str, form: Path | None, *, renewal: bool) -> None:
    values = _read(form)
    with house() as at, at.records.act(at.actor, "application.create", f"application/{number}") as session:
        begin = drafts.renew if renewal else drafts.amend
        child = begin(session, number, by, now=at.now)
        if values:
            drafts.save(session, child, by, values, papers.get(session, child).edition, now=at.now, actor=at.actor)
    _standing(child)


def _standing(number: int) -> None:
    """Say where an application stands, and whose turn it is."""
    with house() as at, at.records.read() as session:
        row = papers.get(session, number)
        turn = turns.turn(session, row, now=at.now)
    whose = f" ({', '.join(turn.whose)})" if turn.whose else ""
    record = {"application": number, "state": row.state, "edition": row.edition, "turn": list(turn.whose)}
    show.one(record, sentence=f"application {number} is {states.words(row.state)}: {turn.next}{whose}")


def _read(form: Path | None) -> dict[str, object]:
    """Read a form's file; nothing, if none is named."""
    if form is None:
        return {}
    try:
        with form.open("rb") as file:
            text = file.read(LONGEST_FORM + 1).decode()
    except OSError as error:
        raise Unreadable(f"{form}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError:
        raise Unreadable(f"{form}: is not text in UTF-8") from None
    return dict(forms.parse(text))


def _due(said: str) -> Condition:
    day, _, words = said.partition(":")
    if not words:
        raise Unreadable(f"--later {said[:20]!r}: write DAY:TEXT, e.g. '2027-06-30:send the report'")
    return Condition(words, last_moment(day, "--later"))


def _about(at: House, number: int, verb: str) -> str:
    """Say what a code confirms: the verb, and the very words of the application."""
    with at.records.read() as session:
        row = papers.get(session, number)
    return review.confirms(row, verb)


def _summary(session: Session, row: ApplicationRow) -> dict[str, object]:
    wanted = papers.datasets(session, row.id)
    return {
        "application": row.id,
        "kind": row.kind,
        "project": row.project,
        "dataset": ", ".join(one.dataset for one in wanted),
        "version": wanted[0].version if len(wanted) == 1 else ", ".join(str(one.version) for one in wanted),
        "applicant": row.applicant,
        "state": row.state,
        "until": row.approved_until,
    }
