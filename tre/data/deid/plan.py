"""A plan says for every column of a dataset what a project may see of it, and why; what it does not name stays out.

    missing: ["", "NA"]             values that stand for nothing; optional
    linkage: people                 table that lists all persons of the dataset; optional
    tables:
      people:                       the file people.csv or people.parquet
        subject: pidnum             the column that says who
        columns:
          pidnum:   {action: pseudonym, of: subject, reason: ...}
          name:     {action: drop, reason: ...}
          born:     {action: year, reason: ...}
          postcode: {action: generalise, prefix: 2, reason: ...}
          age:      {action: bin, width: 10, low: 20, high: 60, reason: ...}
    quasi_identifiers: [people.born, people.age]
    sensitive: [people.outcome]

Where one linkage holds the ids of all source systems, the plan names it, and a subject column says which id it has:

    linkage: {name: hospital}
    tables:
      labs:
        subject: mrn
        columns:
          mrn: {action: pseudonym, of: subject, system: ehr, id: mrn, reason: ...}

Other kinds of data have sections of their own: `fhir`, `omop`, `dicom`, `variants`, `reads` (see their `part.py`);
`about` is what the catalogue says. A quasi-identifier may be a column of a table that is made
(`omop/person.year_of_birth`).

Pure: text in, a frozen Plan out, or one line that says where the plan is wrong.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from tre.data.deid import about as about_part
from tre.data.deid import omop as omop_part
from tre.data.deid import reading
from tre.data.deid.about import About
from tre.data.deid.dicom import part as dicom_part
from tre.data.deid.dicom.part import Dicom
from tre.data.deid.fhir import part as fhir_part
from tre.data.deid.fhir.part import Fhir
from tre.data.deid.omop import Omop
from tre.data.deid.reads import part as reads_part
from tre.data.deid.reads.part import Reads
from tre.data.deid.variants import part as variants_part
from tre.data.deid.variants.part import Variants
from tre.errors import Unreadable


class Action(StrEnum):
    """What may happen to a column."""

    PSEUDONYM = "pseudonym"
    SHIFT = "shift"
    YEAR = "year"
    GENERALISE = "generalise"
    BIN = "bin"
    TOPCODE = "topcode"
    KEEP = "keep"
    DROP = "drop"


class Type(StrEnum):
    """What the values of a column are."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    DATE = "date"
    DATETIME = "datetime"


@dataclass(frozen=True)
class Takes:
    """What one action needs, what else it may have, and which types it works on (the first if none is said)."""

    needs: frozenset[str]
    may: frozenset[str]
    types: tuple[Type, ...]


def _takes(needs: str = "", may: str = "", types: tuple[Type, ...] = (Type.TEXT,)) -> Takes:
    return Takes(frozenset(needs.split()), frozenset(may.split()), types)


TAKES: dict[Action, Takes] = {
    Action.PSEUDONYM: _takes("of", may="system id"),
    Action.SHIFT: _takes(types=(Type.DATE, Type.DATETIME)),
    Action.YEAR: _takes(types=(Type.DATE, Type.DATETIME)),
    Action.GENERALISE: _takes(may="prefix mapping"),
    Action.BIN: _takes("width", "low high", (Type.NUMBER, Type.INTEGER)),
    Action.TOPCODE: _takes("max", "min", (Type.NUMBER, Type.INTEGER)),
    Action.KEEP: _takes(types=tuple(Type)),
    Action.DROP: _takes(may="identifier"),
}
TABLE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")


@dataclass(frozen=True)
class Column:
    """One column and what is done to it."""

    name: str
    action: Action
    reason: str
    type: Type = Type.TEXT
    width: float = 0
    low: float | None = None
    high: float | None = None
    prefix: int = 0
    mapping: tuple[tuple[str, str], ...] = ()
    identifier: bool = False
    """Its values name a person: they are looked for in the extract and in what leaves."""
    system: str = ""
    """Source system and type of the id, where the linkage of the house says whose it is."""
    id: str = ""


@dataclass(frozen=True)
class Table:
    """One file of the dataset."""

    name: str
    subject: str
    columns: tuple[Column, ...]

    @property
    def kept(self) -> tuple[Column, ...]:
        """Columns of the extract, in the plan's order."""
        return tuple(column for column in self.columns if column.action is not Action.DROP)

    @property
    def identifiers(self) -> tuple[Column, ...]:
        """Columns whose values name a person."""
        return tuple(column for column in self.columns if column.identifier)

    def column(self, name: str) -> Column | None:
        """Return a column by its name."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True)
class Plan:
    """What a dataset holds and what of it may be seen."""

    tables: tuple[Table, ...]
    missing: tuple[str, ...]
    linkage: str
    quasi_identifiers: tuple[tuple[str, str], ...]
    sensitive: tuple[tuple[str, str], ...]
    linkage_name: str = ""
    """The linkage of the house that says whose each id is; then `linkage` is empty."""
    about: About = field(default_factory=About)
    fhir: Fhir | None = None
    omop: Omop | None = None
    dicom: Dicom | None = None
    variants: Variants | None = None
    reads: Reads | None = None

    def table(self, name: str) -> Table | None:
        """Return a table by its name."""
        return next((table for table in self.tables if table.name == name), None)


SECTIONS = ("fhir", "omop", "dicom", "variants", "reads")
_NEEDS = frozenset({"quasi_identifiers"})
_MAY = frozenset({"missing", "linkage", "sensitive", "tables", "about", *SECTIONS})


def parse(text: str) -> Plan:
    """Read a plan strictly: an unknown key, a missing reason or a wrong option is one clear line."""
    said = reading.mapping(reading.from_yaml(text), "plan", needs=_NEEDS, may=_MAY)
    tables = tuple(_table(name, part) for name, part in reading.mapping(said.get("tables", {}), "plan, tables").items())
    if not tables and not any(section in said for section in SECTIONS):
        raise Unreadable("plan, tables: there is none, and no other kind of data")
    table, name = _linkage(said.get("linkage", ""))
    plan = Plan(
        tables=tables,
        missing=reading.strings(said.get("missing", [""]), "plan, missing"),
        linkage=table,
        linkage_name=name,
        quasi_identifiers=tuple(_places(said["quasi_identifiers"], "quasi_identifiers", tables)),
        sensitive=tuple(_places(said.get("sensitive", []), "sensitive", tables)),
        about=about_part.read(said.get("about", {}), "plan, about"),
        fhir=fhir_part.read(said["fhir"], "plan, fhir") if "fhir" in said else None,
        omop=omop_part.read(said["omop"], "plan, omop") if "omop" in said else None,
        dicom=dicom_part.read(said["dicom"], "plan, dicom") if "dicom" in said else None,
        variants=variants_part.read(said["variants"], "plan, variants") if "variants" in said else None,
        reads=reads_part.read(said["reads"], "plan, reads") if "reads" in said else None,
    )
    return _whole(plan)


def _linkage(said: object) -> tuple[str, str]:
    """Return the table of the plan that lists the persons, or the name of a linkage of the house."""
    if isinstance(said, str):
        return said, ""
    return "", reading.string(reading.mapping(said, "plan, linkage", needs={"name"})["name"], "plan, linkage, name")


def _whole(plan: Plan) -> Plan:
    """Refuse a plan whose parts do not fit each other."""
    if plan.linkage and plan.table(plan.linkage) is None:
        raise Unreadable(f"plan, linkage: no table {plan.linkage}")
    for section in ("fhir", "dicom", "variants", "reads"):
        if getattr(plan, section) is not None and not plan.linkage_name:
            raise Unreadable(f"plan, {section}: only a linkage says whose these are; add `linkage: {{name: ...}}`")
    if plan.omop is not None and plan.fhir is None:
        raise Unreadable("plan, omop: it is made from FHIR resources; add `fhir`")
    for table in plan.tables:
        for column in table.columns:
            if bool(column.system and column.id) != bool(plan.linkage_name) and _is_person(column):
                where = f"plan, table {table.name}, column {column.name}"
                raise Unreadable(f"{where}: `system` and `id` go together with `linkage: {{name: ...}}`")
    return plan


def _is_person(column: Column) -> bool:
    return column.action is Action.PSEUDONYM


def _table(name: str, said: object) -> Table:
    where = f"plan, table {name}"
    if not TABLE_NAME.fullmatch(name):
        raise Unreadable(f"{where}: a table's name is its file's, 1-60 characters A-Z, a-z, 0-9, _ and -")
    parts = reading.mapping(said, where, needs={"subject", "columns"})
    columns = reading.mapping(parts["columns"], f"{where}, columns")
    subject = reading.string(parts["subject"], f"{where}, subject")
    table = Table(name, subject, tuple(_column(column, part, where) for column, part in columns.items()))
    who = table.column(subject)
    if who is None:
        raise Unreadable(f"{where}: its subject column {subject} is not among its columns")
    if who.action is not Action.PSEUDONYM:
        raise Unreadable(f"{where}, column {subject}: it is the subject, so it needs `action: pseudonym, of: subject`")
    return table


def _column(name: str, said: object, table: str) -> Column:
    where = f"{table}, column {name}"
    options = reading.mapping(said, where)
    action = reading.one_of(Action, options.pop("action", None), f"{where}, action")
    reason = reading.string(options.pop("reason", ""), f"{where}, reason").strip()
    if not reason:
        raise Unreadable(f"{where}: the reason is missing; say why it is treated so")
    takes = TAKES[action]
    kind = reading.one_of(Type, options.pop("type", str(takes.types[0])), f"{where}, type")
    if kind not in takes.types:
        raise Unreadable(f"{where}: {action} is for {' and '.join(takes.types)}, not for {kind}")
    reading.only(options, where, needs=takes.needs, may=takes.may)
    return _checked(_with_options(Column(name, action, reason, kind), options, where), options, where)


def _with_options(column: Column, options: Mapping[str, object], where: str) -> Column:
    """Fill in what the action takes."""
    numbers = {
        field: reading.number(options[word], f"{where}, {word}")
        for word, field in (("width", "width"), ("low", "low"), ("high", "high"), ("max", "high"), ("min", "low"))
        if word in options
    }
    identifies = column.action is Action.PSEUDONYM
    if column.action is Action.DROP:
        identifies = reading.flag(options.get("identifier", True), f"{where}, identifier")
    return replace(
        column,
        width=numbers.get("width", 0),
        low=numbers.get("low"),
        high=numbers.get("high"),
        prefix=int(reading.number(options.get("prefix", 0), f"{where}, prefix")),
        mapping=tuple(_mapping_of(options.get("mapping", {}), f"{where}, mapping")),
        identifier=identifies,
        system=reading.string(options.get("system", ""), f"{where}, system"),
        id=reading.string(options.get("id", ""), f"{where}, id"),
    )


def _mapping_of(said: object, where: str) -> Iterator[tuple[str, str]]:
    for value, becomes in reading.mapping(said, where).items():
        yield value, reading.string(becomes, f"{where}, {value}")


def _checked(column: Column, options: Mapping[str, object], where: str) -> Column:
    """Refuse options that make no sense together."""
    if column.action is Action.PSEUDONYM and options["of"] != "subject":
        raise Unreadable(f"{where}, of: only `subject`")
    if column.action is Action.GENERALISE and (column.prefix < 1) == (not column.mapping):
        raise Unreadable(f"{where}: generalise takes either `prefix` (1 or more) or `mapping`")
    if column.action is Action.BIN:
        _check_bins(column, where)
    if column.low is not None and column.high is not None and column.low >= column.high:
        raise Unreadable(f"{where}: the lower end is not below the upper end")
    return column


def _check_bins(column: Column, where: str) -> None:
    if column.width <= 0:
        raise Unreadable(f"{where}, width: needs a number above 0")
    if column.high is not None and (column.high - (column.low or 0)) % column.width:
        raise Unreadable(f"{where}: `high` is not a whole number of bins above {'`low`' if column.low else '0'}")


def _places(said: object, what: str, tables: tuple[Table, ...]) -> Iterator[tuple[str, str]]:
    """Read `table.column` words; each must be a column of the extract that says something of a person."""
    for place in reading.strings(said, f"plan, {what}"):
        name, _, column_name = place.partition(".")
        if "/" in name and column_name:  # of a table that is made; whether it is there is seen when it is
            yield name, column_name
            continue
        table = next((table for table in tables if table.name == name), None)
        column = table.column(column_name) if table else None
        if column is None:
            raise Unreadable(f"plan, {what}: no column {place}; write table.column")
        if column.action in {Action.DROP, Action.PSEUDONYM}:
            raise Unreadable(f"plan, {what}: {place} is not in the extract ({column.action})")
        yield name, column_name
