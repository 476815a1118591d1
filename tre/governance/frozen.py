"""What waits for a decision rests on facts too: when one of them lapses, it is frozen, which is said once and aloud.

Frozen changes no state: every act on it asks the rules again anyhow. When the facts hold again it is thawed, and that
is said as well.
"""

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from policies.engine import Decision
from tre.governance import notices
from tre.records import audit
from tre.records.tables import EntryRow

STANDING = frozenset({"R00", "R01", "R03", "R04", "R05", "R06", "R07", "R08", "R09", "R10", "R27", "R29"})
"""Rules about the person, the project and the data behind a request; the others are for whoever acts on it."""


def lapsed(decision: Decision) -> tuple[str, ...]:
    """Return the rules that freeze what waits; none if its facts hold."""
    return tuple(rule for rule in decision.rules if rule in STANDING)


def frozen(session: Session, kind: str, subjects: Collection[str]) -> frozenset[str]:
    """Return which of these the log says are frozen now."""
    acts = (f"{kind}.frozen", f"{kind}.thawed")
    rows = select(EntryRow.subject, EntryRow.act).where(EntryRow.subject.in_(subjects), EntryRow.act.in_(acts))
    last = dict(session.execute(rows.order_by(EntryRow.seq)).all())
    return frozenset(about for about, act in last.items() if act == acts[0])


def note(
    session: Session,
    kind: str,
    subject: str,
    decision: Decision,
    *,
    people: Iterable[str],
    url: str,
    actor: str,
    now: datetime,
) -> None:
    """Record that something was frozen or thawed, and tell those concerned."""
    rules = lapsed(decision)
    act = f"{kind}.{'frozen' if rules else 'thawed'}"
    remedies = dict(zip(decision.rules, decision.remedies, strict=True))
    why = " ".join(remedies[rule] for rule in rules)
    seq = audit.append(session, act, actor=actor, subject=subject, at=now, rules=list(rules), why=why)
    what = subject.replace("/", " ")
    text = f"The {what} rests. {why}" if rules else f"The {what} goes on. What it stands on holds again."
    for person in dict.fromkeys(people):
        notices.tell(session, person, key=f"{subject}/{act}/{seq}", text=text, url=url, now=now)
