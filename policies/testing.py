"""The rules' own examples: situations with their answers, and whether a rule is missed when it is taken away."""

import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policies import book, facts
from policies.engine import Rules

SCENARIOS = book.HERE / "scenarios"
GOOD = "good.toml"
"""The situation in which everything holds; a scenario says what is different from it."""

Table = dict[str, Any]  # a TOML table: its values are what the scenario's author wrote

# section of a scenario -> how its facts are made.
SECTIONS: Mapping[str, Callable[..., object]] = {
    "person": facts.Person,
    "project": facts.Project,
    "dataset": facts.Dataset,
    "export": facts.Export,
    "application": facts.Application,
    "arriving": facts.Import,
    "recontact": facts.Recontact,
    "change": facts.Change,
    "emergency": facts.Emergency,
}
HOUSE = ("agreement", "log_stands", "clock_sound")
"""What an ask says of the house itself: a scenario may change these by themselves."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One situation at one moment, and the exact reasons expected; none for a yes."""

    says: str
    file: str
    ask: facts.Ask
    denied: frozenset[str]

    def __str__(self) -> str:
        return f"{self.file}: {self.ask.verb}: {self.says}"


def cases() -> tuple[Case, ...]:
    """Every scenario at each of its moments."""
    good = tomllib.loads((SCENARIOS / GOOD).read_text("utf-8"))
    found: list[Case] = []
    for file in sorted(SCENARIOS.glob("*.toml")):
        if file.name != GOOD:
            found += _cases(file.stem, tomllib.loads(file.read_text("utf-8")), good)
    return tuple(found)


def good(verb: str, **sections: Table) -> facts.Ask:
    """Make an ask at which everything holds, but for what `sections` changes."""
    return _ask(verb, sections, tomllib.loads((SCENARIOS / GOOD).read_text("utf-8")))


def faults(rules: Rules, which: tuple[Case, ...]) -> Iterator[str]:
    """Each case that does not come out as it says, in one line."""
    for case in which:
        decision = rules.decide(case.ask)
        if decision.allowed is bool(case.denied) or set(decision.rules) != case.denied:
            expected = ", ".join(sorted(case.denied)) or "allowed"
            got = ", ".join(decision.rules) or "allowed"
            yield f"{case}: expected {expected}, got {got}"


def survivors(
    which: tuple[Case, ...],
    ticks: Callable[[int], object] = lambda _: None,
    *,
    rules: Rules | None = None,
    moments: Collection[str] = tuple(facts.MOMENTS),
) -> Iterator[str]:
    """Each statement that can be taken away at a moment without any case noticing: there shall be none."""
    whole = rules or Rules.load()
    for part in whole.parts:
        verb = part.partition("@")[2]
        if verb not in moments:
            continue
        at_this_moment = tuple(case for case in which if case.ask.verb == verb)
        ticks(1)
        if not any(faults(whole.less((part,)), at_this_moment)):
            yield part


def _cases(file: str, table: Table, good: Table) -> Iterator[Case]:
    for row in table["scenario"]:
        if odd := row.keys() - SECTIONS.keys() - {"says", "verbs", "denied", *HOUSE}:
            raise ValueError(f"{file}: {row['says']}: nobody reads {', '.join(sorted(odd))}")
        for verb in _moments(row["verbs"], good):
            if odd := row.keys() & SECTIONS.keys() - facts.MOMENTS[verb] - {"person"}:
                raise ValueError(f"{file}: {row['says']}: {verb} does not look at {', '.join(sorted(odd))}")
            denied = frozenset(row.get("denied", ()))
            yield Case(says=row["says"], file=file, ask=_ask(verb, row, good), denied=denied)


def _moments(verbs: list[str], good: Table) -> Iterator[str]:
    """Moments by their own names, or by the names that `good.toml` has for several; `all` are all there are."""
    several = {"all": list(facts.MOMENTS)} | good["moments"]
    for verb in verbs:
        yield from several.get(verb, [verb])


def _ask(verb: str, row: Mapping[str, Any], good: Table) -> facts.Ask:
    here = good.get(verb, {})
    made: Table = {
        name: SECTIONS[name](**_read(good[name] | here.get(name, {}) | row.get(name, {})))
        for name in ("person", *sorted(facts.MOMENTS[verb]))
    }
    return facts.Ask(verb=verb, now=good["now"], **{name: row.get(name, good[name]) for name in HOUSE}, **made)


def _read(section: Table) -> Table:
    """TOML has no sets: a list of names is one."""
    return {key: frozenset(value) if isinstance(value, list) else value for key, value in section.items()}
