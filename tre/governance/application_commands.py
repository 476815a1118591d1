"""A project applies for data, the committee votes and decides, and each confirms it with a code."""

from cyclopts import App
from sqlalchemy.orm import Session

from tre import show
from tre.governance import committee, projects
from tre.governance.operator import As, Code, Day, House, house, last_moment
from tre.records import audit
from tre.records.tables import ApplicationRow

application = App(name="application", help="A project's application for a dataset, and the committee's decision.")


@application.command(name="submit")
def application_submit(project: str, dataset: str, /, *, by: As, purpose: str = "", version: int | None = None) -> None:
    """Enter a member's application for a dataset; its purpose is the project's unless given."""
    with house() as at, at.records.act(at.actor, "committee.apply", f"project/{project[:30]}") as session:
        number = committee.apply(
            session, project, dataset, version=version, applicant=by, now=at.now, actor=at.actor,
            purpose=purpose or projects.get(session, project).purpose,
        )  # fmt: skip
    show.one({"application": number}, sentence=f"application {number} waits for the committee")


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
) -> None:
    """Settle an application by its votes; an approval needs its last day. Extracts must keep what is asked of risk."""
    end = last_moment(until, "--until") if until else None
    with house() as at:
        at.confirm(by, code, _about(at, number, "decide"))
        with at.records.act(by, "committee.decide", f"application/{number}") as session:
            state = committee.decide(
                session, number, actor=by, until=end, conditions=conditions, smallest_k=smallest_k, asked=asked,
                now=at.now,
            )  # fmt: skip
    show.one({"application": number, "state": state.value}, sentence=f"application {number} is {state}")


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


@application.command(name="list")
def application_list() -> None:
    """Every application there is or was."""
    with house() as at, at.records.read() as session:
        rows = [_summary(session, row) for row in committee.listed(session)]
    show.rows(rows, none="no application yet: `tre application submit PROJECT DATASET --as NAME`")


@application.command(name="show")
def application_show(number: int, /) -> None:
    """One application; votes are shown once it is decided."""
    with house() as at, at.records.read() as session:
        row = committee.get(session, number)
        record = _summary(session, row) | {
            "purpose": row.purpose,
            "conditions": row.conditions or None,
            "smallest_k": row.smallest_k,
            "asked": row.asked,
            "votes_in": committee.votes_in(session, number),
            "votes": [f"{one.person}: {one.vote} ({one.reason})" for one in committee.votes(session, number)],
        }
    show.one(record)


def _about(at: House, number: int, verb: str) -> str:
    """Say what a code confirms: the verb, and the very words of the application."""
    with at.records.read() as session:
        row = committee.get(session, number)
        wanted = [[one.dataset, one.version] for one in committee.datasets(session, row.id)]
        asked = audit.digest([row.id, row.project, wanted, row.applicant, row.purpose])
    return f"application/{number} {verb} {asked}"


def _summary(session: Session, row: ApplicationRow) -> dict[str, object]:
    wanted = committee.datasets(session, row.id)[0]
    return {
        "application": row.id,
        "project": row.project,
        "dataset": wanted.dataset,
        "version": wanted.version,
        "applicant": row.applicant,
        "state": row.state,
        "until": row.approved_until,
    }
