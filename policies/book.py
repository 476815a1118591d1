"""What each rule says in plain words, its remedy, source and owner; and which courses a role needs.

Rules are texts under names: those of the package, or those that a house adopted. The schema is always the package's:
it says what the code gathers.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
SCHEMA = HERE / "tre.cedarschema"
CEDAR = HERE / "cedar"
RULES = HERE / "rules.toml"
TRAININGS = HERE / "trainings.toml"

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


def bundle() -> dict[str, str]:
    """Return the rules that come with the package: name -> text of `cedar/*.cedar`, `rules.toml`, `trainings.toml`."""
    files = {f"cedar/{file.name}": file for file in sorted(CEDAR.glob("*.cedar"))}
    files |= {RULES.name: RULES, TRAININGS.name: TRAININGS}
    return {name: file.read_text("utf-8") for name, file in files.items()}


def book(text: str | None = None) -> dict[str, Rule]:
    """All rules by their id, in the order in which they are written; the package's if no other text is given."""
    table = tomllib.loads(RULES.read_text("utf-8") if text is None else text)
    return {rule: Rule(**{**row, "sources": tuple(row["sources"])}) for rule, row in table.items()}


def courses(text: str | None = None) -> Mapping[str, tuple[str, ...]]:
    """Moment -> the courses that the role acting at it must have in date."""
    table = tomllib.loads(TRAININGS.read_text("utf-8") if text is None else text)
    return {verb: tuple(table["courses"][role]) for verb, role in table["acting"].items()}


def table() -> str:
    """All rules as a Markdown table, for the README."""
    lines = ["| Rule | What must hold | If it does not | Source | Owner |", "|---|---|---|---|---|"]
    for name, rule in book().items():
        lines.append(f"| {name} | {rule.sentence} | {rule.remedy} | {', '.join(rule.sources)} | {rule.owner} |")
    return "\n".join(lines)
