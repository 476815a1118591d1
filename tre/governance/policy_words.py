"""An explanation as lines for a person at a terminal, and as JSON for machines."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime

from tre import show
from tre.governance.explaining import Data, Explanation, Said
from tre.governance.simulation import Differs

Row = dict[str, object]


def record(found: Explanation) -> Row:
    """Return all of it for a machine."""
    return {
        "person": found.person,
        "project": found.project,
        "at": _stamp(found.at),
        "allowed": found.allowed,
        "until": _stamp(found.until),
        "reasons": list(found.decision.rules),
        "remedies": list(found.decision.remedies),
        "policy_hash": found.decision.policy_hash,
        "rules": [_rule(one) for one in found.rules],
        "datasets": [_dataset(one) for one in found.datasets],
        "exports": [_rule(one) for one in found.exports],
        "emergencies": [one._asdict() | {"until": _stamp(one.until), "by": list(one.by)} for one in found.emergencies],
        "errors": list(found.errors),
    }


def tell(found: Explanation) -> None:
    """Print it for a person: what holds, what lacks, since and until when, what to do and whom to ask."""
    print(f"{found.person} {'can' if found.allowed else 'cannot'} open a room in {found.project}.\n")
    if found.until:
        print(f"If nothing changes, that holds until {found.until:%Y-%m-%d %H:%M} UTC.\n")
    for error in found.errors:
        print(f"{show.visible(error)}\n")
    show.rows([_line(one) for one in found.rules], none="no rule speaks of rooms")
    print()
    none = f"{found.project} has no extract of any dataset: the room would be without data"
    show.rows([_seen(one) for one in found.datasets], none=none)
    print("\n".join(["", *_points(found), *_exports(found), *_emergencies(found)]))


def change(one: Differs) -> Row:
    """Return a door that would be judged otherwise as a line of a table."""
    return {
        "project": one.key.project,
        "person": one.key.person,
        "what": one.key.what,
        "before": _answer(one.before.allowed, one.before.rules),
        "after": _answer(one.after.allowed, one.after.rules),
    }


def _answer(allowed: bool, rules: tuple[str, ...]) -> str:  # noqa: FBT001 -- a decision
    return "yes" if allowed else f"no ({', '.join(rules)})"


def _line(one: Said) -> Row:
    return {
        "rule": one.rule,
        "state": "lifted" if one.lifted else "ok" if one.holds else "lacks",
        "what_must_hold": one.what_must_hold,
        "when": _when(one.until, one.days),
        "remedy": one.remedy,
        "ask": "" if one.holds else one.ask,
    }


def _seen(one: Data) -> Row:
    return {
        "dataset": one.dataset,
        "version": one.version,
        "mounted": one.shown,
        "use": one.use,
        "approved": _when(one.approved_until, one.days),
        "because": ", ".join(said.rule for said in one.lacks),
    }


def _points(found: Explanation) -> Iterator[str]:
    """Say what each use limitation says to the purpose, and what lacks besides."""
    for data in found.datasets:
        for point in data.points:
            ruled = f"; {point.ruled}" if point.ruled else ""
            group = f" [{point.group}]" if point.group else ""
            yield f"{data.dataset}{group}: {point.code} {point.says}: {point.reason}{ruled}"
        for one in data.lacks:
            yield f"{data.dataset}: {one.rule} lacks: {one.what_must_hold} To do: {one.remedy} Ask: {one.ask}."


def _exports(found: Explanation) -> Iterator[str]:
    if not found.exports:
        yield "Exports: may be asked for."
    for one in found.exports:
        yield f"Exports: {one.rule} lacks: {one.what_must_hold} To do: {one.remedy} Ask: {one.ask}."


def _emergencies(found: Explanation) -> Iterator[str]:
    for one in found.emergencies:
        until = f" until {one.until:%Y-%m-%d %H:%M} UTC" if one.until else ""
        yield f"Emergency {one.number}: {one.state}{until}, by {' and '.join(one.by)}: {one.reason}"


def _when(until: datetime | None, days: int | None) -> str:
    if until is None or days is None:
        return ""
    return f"until {until:%Y-%m-%d} ({days} days)" if days >= 0 else f"since {until:%Y-%m-%d}"


def _rule(one: Said) -> Row:
    return asdict(one) | {"until": _stamp(one.until), "state": "ok" if one.holds else "lacks"}


def _dataset(one: Data) -> Row:
    return {
        "dataset": one.dataset,
        "version": one.version,
        "mounted": one.shown,
        "approved_until": _stamp(one.approved_until),
        "days": one.days,
        "use": one.use,
        "points": [asdict(point) for point in one.points],
        "because": [said.rule for said in one.lacks],
        "lacks": [_rule(said) for said in one.lacks],
    }


def _stamp(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
