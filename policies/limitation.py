"""What people agreed that their data may be used for, in the codes of GA4GH's Data Use Ontology (`duo.toml`).

Everybody of a consent group agreed to the same: one permission, and what narrows or widens it.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from policies.facts import ALWAYS, ANY

TABLE: Mapping[str, Any] = tomllib.loads(Path(__file__).with_name("duo.toml").read_text("utf-8"))  # Any: TOML
EDITION = "v2021-02-23"


class DataUseUnfit(ValueError):
    """A use limitation that contradicts itself or the ontology; says where in one line."""


@dataclass(frozen=True, kw_only=True)
class Code:
    """One row of the ontology."""

    short: str
    """Its shorthand, or its id where it has none."""
    id: str
    label: str
    parent: str
    kind: str
    """permission, auto, manual, evidence, duty, widening or abstract."""
    parameter: str = ""
    """What goes with it: diseases, countries, institutions, users, projects, date, months, topic, collaborator."""
    duty: str = ""


CODES: Mapping[str, Code] = {short: Code(short=short, **row) for short, row in TABLE["codes"].items()}
BY_ID: Mapping[str, Code] = {code.id: code for code in CODES.values()}
REGIONS: Mapping[str, frozenset[str]] = {name: frozenset(said) for name, said in TABLE["regions"].items()}

# Parameter -> what each of its values looks like, and how a person is told.
SHAPES: Mapping[str, tuple[re.Pattern[str], str]] = {
    "diseases": (re.compile(r"(MONDO|DOID):\d{1,10}"), "ids of MONDO or DOID, e.g. DS:MONDO_0005105"),
    "countries": (re.compile(r"[A-Z]{2}|EEA"), "codes of ISO 3166, e.g. GS:DE,FR"),
    "institutions": (re.compile(r"https://ror\.org/0[a-z0-9]{8}"), "ROR ids, e.g. IS:https://ror.org/02crff812"),
    "users": (re.compile(r"[a-z][a-z0-9-]{0,29}"), "names of persons, e.g. US:ana,ben"),
    "projects": (re.compile(r"[a-z][a-z0-9-]{0,29}"), "names of projects, e.g. PS:lung"),
    "date": (re.compile(r"\d{4}-\d{2}-\d{2}"), "one day, e.g. MOR:2028-06-30"),
    "months": (re.compile(r"[1-9]\d{0,3}"), "a number of months, e.g. TS:12"),
}
_DISEASE = re.compile(r"(?:http://purl\.obolibrary\.org/obo/)?(MONDO|DOID)[_:](\d+)", re.IGNORECASE)
SINGLE = frozenset({"date", "months"})
TAG = re.compile(r"DUO[:_]?(\d{7})")
MOST = 200
"""Consent groups of a dataset, codes of a group, values of a code."""


@dataclass(frozen=True)
class Use:
    """One code with what goes with it. A code that the ontology does not have is kept: a person must read it."""

    code: str
    values: tuple[str, ...] = ()

    @property
    def row(self) -> Code | None:
        """Its row of the ontology, if there is one."""
        return CODES.get(self.code)

    def __str__(self) -> str:
        return f"{self.code}:{','.join(self.values)}" if self.values else self.code


@dataclass(frozen=True)
class Where:
    """How a person's group is told: a value in a column of a table that has a subject."""

    table: str
    column: str
    value: str


@dataclass(frozen=True)
class Group:
    """Persons who agreed to the same."""

    name: str = ""
    codes: tuple[Use, ...] = ()
    where: Where | None = None
    """None: everybody of the dataset."""

    def __post_init__(self) -> None:
        said = [use.code for use in self.codes if use.row and use.row.kind == "permission"]
        if len(said) > 1:
            name = f" {self.name}" if self.name else ""
            raise DataUseUnfit(f"consent group{name}: one permission, not {', '.join(said)}; several diseases go with"
                               " one DS, e.g. DS:MONDO_0005148,MONDO_0005105")  # fmt: skip

    @property
    def permission(self) -> Use | None:
        """What for its data may be used; None if it says nothing of that."""
        return next((use for use in self.codes if use.row and use.row.kind == "permission"), None)

    def has(self, code: str) -> bool:
        """Whether a code is among its codes."""
        return any(use.code == code for use in self.codes)


@dataclass(frozen=True)
class DataUse:
    """What may be done with a dataset."""

    groups: tuple[Group, ...] = ()
    embargo_until: datetime | None = None
    """Until when nobody works with it."""
    networks: tuple[str, ...] = ()
    """Zones from which it may be seen; none named: all."""
    combine: tuple[str, ...] | None = None
    """Datasets with which it may be together in a project; None: with all."""

    def __post_init__(self) -> None:
        names = [group.name for group in self.groups]
        if len(set(names)) != len(names):
            raise DataUseUnfit("consent groups: two have the same name")
        if len(self.groups) > 1 and not all(group.name and group.where for group in self.groups):
            raise DataUseUnfit("consent groups: where there are several, each needs a name, and `where` says who is in")
        if len({(w.table, w.column) for group in self.groups if (w := group.where)}) > 1:
            raise DataUseUnfit("consent groups: one column of one table says who is in which")
        values = [group.where.value for group in self.groups if group.where]
        if len(set(values)) != len(values):
            raise DataUseUnfit("consent groups: two have the same value")

    @property
    def grouped(self) -> bool:
        """Whether only some persons may be in an extract: those of the groups that were approved."""
        return any(group.where for group in self.groups)

    @property
    def zones(self) -> frozenset[str]:
        """Zones from which it may be seen, as the facts say it."""
        return frozenset(self.networks) or frozenset({ANY})

    def goes_with(self, dataset: str) -> bool:
        """Whether it may be in a project together with another dataset."""
        return self.combine is None or dataset in self.combine

    def to_json(self) -> str:
        """Return what `from_json` reads."""
        until = self.embargo_until.astimezone(UTC).isoformat() if self.embargo_until else None
        said = {
            "groups": [_written(group) for group in self.groups],
            "embargo_until": until,
            "networks": list(self.networks),
            "combine": None if self.combine is None else list(self.combine),
        }
        return json.dumps(said, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "DataUse":
        """Read what `to_json` wrote; `{}` says nothing. Anything else is DataUseUnfit, in one line."""
        try:
            said = json.loads(text)
            until = said.get("embargo_until")
            combine = said.get("combine")
            return cls(
                groups=tuple(_group(one) for one in said.get("groups", ())),
                embargo_until=datetime.fromisoformat(until).astimezone(UTC) if until else None,
                networks=tuple(map(str, said.get("networks", ()))),
                combine=None if combine is None else tuple(map(str, combine)),
            )
        except DataUseUnfit:
            raise
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise DataUseUnfit(f"a use limitation that cannot be read: {' '.join(str(error).split())[:120]}") from None


def code_of(said: str) -> str:
    """Return the shorthand of a code, however it is written: DS, ds, DUO:0000007, DUO_0000007."""
    word = said.strip().upper()
    if tag := TAG.fullmatch(word):
        found = BY_ID.get(f"DUO:{tag[1]}")
        return found.short if found else f"DUO:{tag[1]}"
    return word


def parse(text: str) -> Use:
    """Read a code as people write it: GRU, DS:MONDO_0005148,MONDO_0005105, DUO:0000022:DE."""
    word = text.strip()
    tag = TAG.match(word.upper())
    code, rest = (word[: tag.end()], word[tag.end() :].lstrip(":")) if tag else word.partition(":")[::2]
    code = code_of(code)
    row = CODES.get(code)
    words = [rest] if row and row.parameter in {"topic", "collaborator"} else rest.split(",")
    values = [word.strip() for word in words if word.strip()]
    return Use(code, tuple(spelled(code, value) for value in values))


def spelled(code: str, value: str) -> str:
    """Write a disease as MONDO:0005148, however it came."""
    row = CODES.get(code)
    if row is None or row.parameter != "diseases":
        return value
    if found := _DISEASE.fullmatch(value):
        return f"{found[1].upper()}:{found[2]}"
    return value


def checked(use: DataUse, where: str = "data use") -> DataUse:
    """Return a limitation that says only what the ontology has, each with what goes with it; or say what is wrong."""
    for group in use.groups:
        place = f"{where}, group {group.name}" if group.name else where
        for one in group.codes:
            _check(one, place)
    return use


def _check(use: Use, where: str) -> None:
    row = use.row
    if row is None:
        raise DataUseUnfit(f"{where}: no code {use.code[:20]!r} in the Data Use Ontology {EDITION}")
    if row.kind == "abstract":
        raise DataUseUnfit(f"{where}: {row.id} ({row.label}) is a heading and says nothing; name a code below it")
    if not row.parameter:
        if use.values:
            raise DataUseUnfit(f"{where}: {use.code} ({row.label}) takes nothing after it")
        return
    shape = SHAPES.get(row.parameter)
    if shape is None:
        return
    pattern, told = shape
    fits = all(pattern.fullmatch(value) for value in use.values) and len(use.values) <= (
        1 if row.parameter in SINGLE else MOST
    )
    if not use.values or not fits or (row.parameter == "date" and day(use.values[0]) is None):
        raise DataUseUnfit(f"{where}: {use.code} ({row.label}) needs {told}")


def day(said: str) -> datetime | None:
    """Return the first moment of a day, or None if it is none."""
    try:
        return datetime.strptime(said, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None


def moratorium(use: DataUse, groups: Iterable[str] | None = None) -> datetime | None:
    """Return until when nothing may be published of it (MOR); None if nobody asks for that."""
    wanted = None if groups is None else frozenset(groups)
    ends = [
        (day(one.values[0]) if one.values else None) or ALWAYS
        for group in use.groups
        if not wanted or group.name in wanted
        for one in group.codes
        if one.code == "MOR"
    ]
    return max(ends, default=None)


def told(use: Use, label: Callable[[str], str] = str) -> str:
    """Say a code in words: `DS: disease specific research (melanoma, MONDO:0005105)`; `label` names a disease."""
    row = use.row
    if row is None:
        return f"{use}: not a code of the Data Use Ontology"
    named = (one if label(one) == one else f"{label(one)}, {one}" for one in use.values)
    return f"{use.code}: {row.label}" + (f" ({'; '.join(named)})" if use.values else "")


def said(use: DataUse, label: Callable[[str], str] = str) -> Iterator[str]:
    """Say a whole limitation, consent group by consent group."""
    for group in use.groups:
        for one in group.codes:
            yield f"{group.name}: {told(one, label)}" if group.name else told(one, label)
    if use.embargo_until:
        yield f"nobody works with it before {use.embargo_until:%Y-%m-%d}"


def _written(group: Group) -> dict[str, Any]:  # Any: JSON
    where = group.where and {"table": group.where.table, "column": group.where.column, "value": group.where.value}
    return {"name": group.name, "codes": [[use.code, list(use.values)] for use in group.codes], "where": where}


def _group(said: Mapping[str, Any]) -> Group:  # Any: JSON
    where = said.get("where")
    return Group(
        name=str(said.get("name", "")),
        codes=tuple(Use(code_of(code), tuple(spelled(code_of(code), str(one)) for one in values))
                    for code, values in said["codes"]),
        where=Where(str(where["table"]), str(where["column"]), str(where["value"])) if where else None,
    )  # fmt: skip
