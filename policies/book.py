"""What each rule says in plain words, its remedy, source and owner; a role's courses, and the committee's numbers.

Rules are texts under names: those of the package, or those that a house adopted. The schema is always the package's:
it says what the code gathers.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
SCHEMA = HERE / "tre.cedarschema"
CEDAR = HERE / "cedar"
RULES = HERE / "rules.toml"
TRAININGS = HERE / "trainings.toml"
COMMITTEE = HERE / "committee.toml"
THRESHOLDS = HERE / "thresholds"

POLICY_ERROR = "E00"
NO_PERMIT = "E01"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One row of `rules.toml`."""

    sentence: str
    remedy: str
    sources: tuple[str, ...]
    owner: str
    at_once: bool = False
    """A room stops the moment this rule says no; else it has a few seconds to save what is open."""


class Numbers(NamedTuple):
    """What the committee works by: the rows of `committee.toml`."""

    quorum: int
    longest_days: int
    retained_days: int


# what a house may choose -> the least and the most; nobody decides alone, and nothing is granted without an end
WITHIN = {"quorum": (2, 100), "longest_days": (1, 3653), "retained_days": (0, 36_525)}


def bundle() -> dict[str, str]:
    """Return the rules that come with the package, name -> text: `cedar/*.cedar` and the three tables beside them."""
    files = {f"cedar/{file.name}": file for file in sorted(CEDAR.glob("*.cedar"))}
    files |= {file.name: file for file in (RULES, TRAININGS, COMMITTEE)}
    return {name: file.read_text("utf-8") for name, file in files.items()}


def profiles() -> tuple[str, ...]:
    """Return the names of the profiles of disclosure control."""
    return tuple(sorted(file.stem for file in THRESHOLDS.glob("*.toml")))


def book(text: str | None = None) -> dict[str, Rule]:
    """All rules by their id, in the order in which they are written; the package's if no other text is given."""
    table = tomllib.loads(RULES.read_text("utf-8") if text is None else text)
    return {rule: Rule(**{**row, "sources": tuple(row["sources"])}) for rule, row in table.items()}


def courses(text: str | None = None) -> Mapping[str, tuple[str, ...]]:
    """Moment -> the courses that the role acting at it must have in date."""
    table = tomllib.loads(TRAININGS.read_text("utf-8") if text is None else text)
    return {verb: tuple(table["courses"][role]) for verb, role in table["acting"].items()}


def by_role(text: str | None = None) -> Mapping[str, tuple[str, ...]]:
    """Role -> the courses that it demands."""
    table = tomllib.loads(TRAININGS.read_text("utf-8") if text is None else text)
    return {role: tuple(courses) for role, courses in table["courses"].items()}


def committee(text: str | None = None) -> Numbers:
    """Return what the committee works by, or say which number is none that a house may choose."""
    table = tomllib.loads(COMMITTEE.read_text("utf-8") if text is None else text)
    if odd := sorted(table.keys() ^ WITHIN.keys()):
        raise ValueError(f"{', '.join(odd)}: the numbers are {', '.join(WITHIN)}")
    for name, (least, most) in WITHIN.items():
        if type(table[name]) is not int or not least <= table[name] <= most:
            raise ValueError(f"{name} is a whole number from {least} to {most}")
    return Numbers(**table)


def table() -> str:
    """All rules as a Markdown table, for the README."""
    lines = ["| Rule | What must hold | If it does not | Source | Owner |", "|---|---|---|---|---|"]
    for name, rule in book().items():
        lines.append(f"| {name} | {rule.sentence} | {rule.remedy} | {', '.join(rule.sources)} | {rule.owner} |")
    return "\n".join(lines)
