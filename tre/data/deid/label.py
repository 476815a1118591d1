"""What an extract is, in the words of the standards: which one it meets, and for each column the row it answers.

label.of(plan) -> Label        to_json() for machines, markdown() to be read beside the data
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import groupby

from tre.data.deid import profiles
from tre.data.deid.columns import Action, Column
from tre.data.deid.plan import Plan
from tre.data.deid.profiles import Profile, Verdict
from tre.data.deid.text import BLIND

NONE = "none"
KINDS = {
    "fhir": "FHIR resources",
    "omop": "OMOP tables",
    "dicom": "DICOM images",
    "variants": "variants",
    "reads": "reads",
}


@dataclass(frozen=True)
class Line:
    """One column or part of the extract, and the row of the standard that its treatment answers."""

    place: str
    action: str
    row: str
    words: str
    reason: str
    """The plan's own."""
    stops: str = ""
    """Why the standard is not met here."""


@dataclass(frozen=True)
class Label:
    """The strictest standard that an extract meets, by what, and what keeps it from the others."""

    profile: str
    title: str
    source: str
    lines: tuple[Line, ...]
    notes: tuple[str, ...]
    stops: dict[str, tuple[str, ...]]
    """Standard that is not met -> what stops it."""

    def to_json(self) -> str:
        """Write it for machines."""
        return json.dumps(asdict(self), sort_keys=True)


def of(plan: Plan) -> Label:
    """Label what this plan lets out."""
    said = {profile: list(_verdicts(profile, plan)) for profile in profiles.known()}
    against = {profile: tuple(_against(each)) for profile, each in said.items()}
    stops = {profile.title: lines for profile, lines in against.items() if lines}
    met = next((profile for profile, lines in against.items() if not lines), None)
    if met:
        return _label(met, said[met], plan, stops)
    loosest = profiles.known()[-1]
    return Label(NONE, "No standard", "", _label(loosest, said[loosest], plan, stops).lines, tuple(_blind(plan)), stops)


def markdown(label: Label) -> str:
    """Write the label as a page that is short and reads well in a notebook."""
    head = [f"# {label.title}", "", f"{label.source}" if label.source else "This extract meets none of the standards."]
    return "\n".join([*head, "", *_notes(label), *_rows(label), *_stops(label)]).rstrip() + "\n"


def _verdicts(profile: Profile, plan: Plan) -> Iterator[Verdict]:
    tables = ((table.name, table.columns) for table in plan.tables)
    return profiles.verdicts(profile, tables, plan.parts, plan.quasi_identifiers)


def _against(said: list[Verdict]) -> Iterator[str]:
    """Tell what stops a standard; what stops it in many places is told once."""
    places = dict[tuple[str, str], list[str]]()
    for each in said:
        if each.why:
            places.setdefault((each.row, each.why), []).append(each.place)
    for (row, why), where in places.items():
        yield f"{', '.join(where)}: {'' if row == profiles.UNSAID else f'row {row}, '}{why}"


def _label(profile: Profile, said: list[Verdict], plan: Plan, stops: dict[str, tuple[str, ...]]) -> Label:
    columns = {f"{table.name}.{column.name}": column for table in plan.tables for column in table.columns}
    lines = tuple(_line(each, columns.get(each.place)) for each in said)
    return Label(profile.name, profile.title, profile.source, lines, (*profile.notes, *_blind(plan)), stops)


def _line(said: Verdict, column: Column | None) -> Line:
    if column is None:
        return Line(said.place, "by its own rules", said.row, said.words, KINDS[said.place], said.why)
    return Line(said.place, told(column), said.row, said.words, column.reason, said.why)


def told(column: Column) -> str:
    """Tell an action in the few words that make it what it is."""
    more = {
        Action.PSEUDONYM: f" of {column.of}",
        Action.GENERALISE: _to(column),
        Action.BIN: f" of {column.width:g}",
        Action.ROUND: f" to {column.width:g}",
        Action.AGE: f", {column.at or 0:g}+",
        Action.TOPCODE: f" at {_end(column):g}",
        Action.REGION: f" of {column.least:,} people or more",
        Action.SUPPRESS: f" below {column.least} persons",
        Action.TEXT: f" without what is {column.recogniser}",
    }.get(column.action, "")
    rare = column.least and column.action not in {Action.REGION, Action.SUPPRESS}
    return f"{column.action}{more}{f', {column.least} persons or more' if rare else ''}"


def _to(column: Column) -> str:
    if column.hierarchy:
        return f" to {column.level}"
    return f" to {column.prefix} characters" if column.prefix else f" to {len({b for _, b in column.mapping})} values"


def _end(column: Column) -> float:
    return column.at if column.at is not None else column.high or 0


def _blind(plan: Plan) -> Iterator[str]:
    used = {column.recogniser for table in plan.tables for column in table.columns if column.recogniser}
    yield from (f"Free text was cut by `{each}`: {BLIND[each]}." for each in sorted(used))


# --- the page ---------------------------------------------------------------------------------------------------------
def _notes(label: Label) -> Iterator[str]:
    for note in label.notes:
        yield f"> {note}"
        yield ">"
    yield ""


def _rows(label: Label) -> Iterator[str]:
    yield from ("| column | what was done | row | why |", "|---|---|---|---|")
    for line in label.lines:
        why = f"{line.reason} **Not met: {line.stops}**" if line.stops else line.reason
        yield f"| {_cell(line.place)} | {_cell(line.action)} | {_cell(line.row)} | {_cell(why)} |"
    yield ""
    words = sorted({(line.row, line.words) for line in label.lines if line.words})
    for row, several in groupby(words, key=lambda pair: pair[0]):
        yield f"- **{row}** {'; '.join(words for _, words in several)}"
    yield ""


def _stops(label: Label) -> Iterator[str]:
    for title, against in label.stops.items():
        yield f"## What stops it from meeting {title}"
        yield ""
        yield from (f"- {each}" for each in against)
        yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
