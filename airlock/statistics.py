"""How the airlock does: how long people wait, how long looking takes, whether approvers agree, what is sent back.

Numbers about people are shown to those who run the house, to see whether there are enough approvers and whether they
see alike; no number is a score.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from statistics import median

from sqlalchemy import select
from sqlalchemy.orm import Session

from airlock.checks.finding import Severity
from airlock.states import State
from airlock.tables import FindingRow, OpenedRow, ReleaseRow, RequestRow, RoundRow, VoteRow

Key = tuple[int, int]
"""A round: request and number."""


@dataclass(frozen=True)
class Approver:
    """One approver: in how many rounds they voted, how long they looked, how often the other said the same."""

    name: str
    rounds: int
    median_minutes: float | None
    """From first looking to voting; nothing if it was never noted."""
    agreement: float | None
    """Share of files on which the first vote was what the other's was; nothing while there was no other."""

    def as_json(self) -> dict[str, object]:
        """Return it as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Wait:
    """How long something takes, over the requests it happened to."""

    what: str
    requests: int
    median_hours: float | None
    longest_hours: float | None

    def as_json(self) -> dict[str, object]:
        """Return it as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Statistics:
    """All of it, for some days."""

    since: datetime
    states: tuple[tuple[str, int], ...]
    """How many requests stand where, now."""
    approvers: tuple[Approver, ...]
    waits: tuple[Wait, ...]
    rules: tuple[tuple[str, int], ...]
    """Rule (or check of form) -> files it sent back, most first."""
    exported: int
    """Rounds of which something was released."""

    def as_json(self) -> dict[str, object]:
        """Return it as plain values, with times as texts."""
        return {
            "since": self.since.isoformat(),
            "states": dict(self.states),
            "approvers": [each.as_json() for each in self.approvers],
            "waits": [each.as_json() for each in self.waits],
            "rules": dict(self.rules),
            "exported": self.exported,
        }


def of(session: Session, *, now: datetime, days: int = 90) -> Statistics:
    """Count over the rounds that were submitted within so many days."""
    since = now - timedelta(days=days)
    rounds = session.scalars(select(RoundRow).where(RoundRow.submitted_at > since)).all()
    keys = {(row.request, row.number): row for row in rounds}
    votes = [v for v in session.scalars(select(VoteRow).order_by(VoteRow.id)) if (v.request, v.round) in keys]
    looked = {(o.request, o.round, o.person): o.at for o in session.scalars(select(OpenedRow))}
    left = {(r.request, r.round): r.released_at for r in session.scalars(select(ReleaseRow))}
    stand = Counter(session.scalars(select(RequestRow.state)).all())
    return Statistics(
        since=since,
        states=tuple((state.value, stand[state]) for state in State if stand[state]),
        approvers=tuple(_approvers(votes, looked)),
        waits=tuple(_waits(keys, votes, looked, left)),
        rules=_rules(session, keys),
        exported=sum(key in left for key in keys),
    )


def _approvers(votes: Sequence[VoteRow], looked: dict[tuple[int, int, str], datetime]) -> Iterator[Approver]:
    blind: dict[tuple[int, int, int], dict[str, str]] = defaultdict(dict)
    for vote in votes:
        if vote.turn == 1:
            blind[vote.request, vote.round, vote.position][vote.approver] = vote.verdict
    for name in sorted({vote.approver for vote in votes}):
        first = {(v.request, v.round): v for v in reversed(votes) if v.approver == name}
        minutes = [
            (vote.at - looked[(*key, name)]).total_seconds() / 60
            for key, vote in first.items()
            if (*key, name) in looked
        ]
        both = [said for said in blind.values() if name in said and len(said) > 1]
        same = sum(len(set(said.values())) == 1 for said in both)
        yield Approver(name, len(first), _rounded(minutes), round(same / len(both), 2) if both else None)


def _waits(
    keys: dict[Key, RoundRow],
    votes: Sequence[VoteRow],
    looked: dict[tuple[int, int, str], datetime],
    left: dict[Key, datetime],
) -> Iterator[Wait]:
    first = {(v.request, v.round): v.at for v in reversed(votes)}
    last = {(v.request, v.round): v.at for v in votes}
    checked = {key: row.checked_at for key, row in keys.items() if row.checked_at}
    yield _wait("from submission to the end of the checks", _hours(keys, checked))
    yield _wait(
        "from the checks to the first vote", [_between(checked[k], first[k]) for k in checked.keys() & first.keys()]
    )
    yield _wait("from the first vote to the last", [_between(first[k], last[k]) for k in first.keys() & keys.keys()])
    yield _wait("from submission to release", _hours(keys, {key: at for key, at in left.items() if key in keys}))
    looks = [
        _between(looked[(*k, v.approver)], v.at) for v in votes if (*(k := (v.request, v.round)), v.approver) in looked
    ]
    yield _wait("looking, of one approver", looks)


def _hours(keys: dict[Key, RoundRow], until: dict[Key, datetime]) -> list[float]:
    return [_between(keys[key].submitted_at, at) for key, at in until.items()]


def _between(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds() / 3600


def _wait(what: str, hours: Sequence[float]) -> Wait:
    return Wait(what, len(hours), _rounded(hours), round(max(hours), 2) if hours else None)


def _rounded(values: Sequence[float]) -> float | None:
    return round(median(values), 2) if values else None


def _rules(session: Session, keys: Iterable[Key]) -> tuple[tuple[str, int], ...]:
    """Count the files that each rule sent back; a check of form stands under its own name."""
    wanted = frozenset(keys)
    rows = session.scalars(select(FindingRow).where(FindingRow.severity == Severity.BLOCK))
    files = {(f.rule or f.check, f.request, f.round, f.position) for f in rows if (f.request, f.round) in wanted}
    return tuple(Counter(rule for rule, *_ in files).most_common())
