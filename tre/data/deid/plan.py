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
                                      all actions and what they take: `columns`
    quasi_identifiers: [people.born, people.age]
    sensitive: [people.outcome]
    profile: hipaa-safe-harbor      a standard that the plan must meet; optional
    hierarchies: {places: ...}      what `generalise` goes up by; optional (see `hierarchy`)

Where one linkage holds the ids of all source systems, the plan names it, and a subject column says which id it has:

    linkage: {name: hospital}
    tables:
      labs:
        subject: mrn
        columns:
          mrn: {action: pseudonym, of: subject, system: ehr, id: mrn, reason: ...}

Other kinds of data have sections of their own: `fhir`, `omop`, `dicom`, `variants`, `reads` (see their `part.py`);
`about` is what the catalogue says, `data_use` what people agreed to (see `use`). A quasi-identifier may be a column of
a table that is made (`omop/person.year_of_birth`).

Pure: text in, a frozen Plan out, or one line that says where the plan is wrong.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from policies.limitation import DataUse
from tre.data.deid import about as about_part
from tre.data.deid import columns, hierarchy, profiles, reading
from tre.data.deid import omop as omop_part
from tre.data.deid import use as use_part
from tre.data.deid.about import About
from tre.data.deid.columns import TAKES, Action, Column, Type
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

__all__ = ["TAKES", "Action", "Column", "Plan", "Table", "Type", "parse"]

TABLE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
WHEN = re.compile(r"\d{4}(-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]))?")


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
    profile: str = ""
    """The standard that the plan says it meets (`profiles/*.toml`)."""
    about: About = field(default_factory=About)
    use: DataUse | None = None
    """What people agreed to; None if there is no section, and `about.duo` says it in short."""
    fhir: Fhir | None = None
    omop: Omop | None = None
    dicom: Dicom | None = None
    variants: Variants | None = None
    reads: Reads | None = None

    def table(self, name: str) -> Table | None:
        """Return a table by its name."""
        return next((table for table in self.tables if table.name == name), None)

    @property
    def parts(self) -> dict[str, object]:
        """The sections of the other kinds of data, those that there are not too."""
        return {name: getattr(self, name) for name in SECTIONS}


SECTIONS = ("fhir", "omop", "dicom", "variants", "reads")
_NEEDS = frozenset({"quasi_identifiers"})
_WORDS = frozenset({"missing", "linkage", "sensitive", "tables", "hierarchies", "profile", "about", "data_use"})
_MAY = _WORDS | frozenset(SECTIONS)


def parse(text: str) -> Plan:
    """Read a plan strictly: an unknown key, a missing reason or a wrong option is one clear line."""
    said = reading.mapping(reading.from_yaml(text), "plan", needs=_NEEDS, may=_MAY)
    levels = hierarchy.read(said.get("hierarchies", {}), "plan, hierarchies")
    named = reading.mapping(said.get("tables", {}), "plan, tables")
    tables = tuple(_table(name, part, levels) for name, part in named.items())
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
        profile=reading.string(said.get("profile", ""), "plan, profile"),
        about=about_part.read(said.get("about", {}), "plan, about"),
        use=use_part.read(said["data_use"], "plan, data_use") if "data_use" in said else None,
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
    if plan.use is not None:
        _groups_told(plan, plan.use)
    if plan.profile:
        named = ((table.name, table.columns) for table in plan.tables)
        profiles.check(plan.profile, named, plan.parts, plan.quasi_identifiers)
    for table in plan.tables:
        for column in table.columns:
            if bool(column.system and column.id) != bool(plan.linkage_name) and column.is_person:
                where = f"plan, table {table.name}, column {column.name}"
                raise Unreadable(f"{where}: `system` and `id` go together with `linkage: {{name: ...}}`")
    return plan


def _groups_told(plan: Plan, use: DataUse) -> None:
    """Refuse a plan that says its data use twice, or tells consent groups by a column that there is not."""
    if plan.about.duo:
        raise Unreadable("plan: `about.duo` and `data_use` say the same; leave `about.duo` out")
    for where in (group.where for group in use.groups if group.where):
        table = plan.table(where.table)
        if table is None or table.column(where.column) is None:
            raise Unreadable(f"plan, data_use: no column {where.table}.{where.column} that says who is in which group")


def _table(name: str, said: object, levels: Mapping[str, hierarchy.Hierarchy]) -> Table:
    where = f"plan, table {name}"
    if not TABLE_NAME.fullmatch(name):
        raise Unreadable(f"{where}: a table's name is its file's, 1-60 characters A-Z, a-z, 0-9, _ and -")
    parts = reading.mapping(said, where, needs={"subject", "columns"})
    subject = reading.string(parts["subject"], f"{where}, subject")
    said_columns = reading.mapping(parts["columns"], f"{where}, columns")
    table = Table(
        name, subject, tuple(columns.read(column, part, where, levels) for column, part in said_columns.items())
    )
    who = table.column(subject)
    if who is None:
        raise Unreadable(f"{where}: its subject column {subject} is not among its columns")
    if not who.is_person:
        raise Unreadable(f"{where}, column {subject}: it is the subject, so it needs `action: pseudonym, of: subject`")
    for column in table.columns:
        _check_other_column(column, table, where)
    return table


def _check_other_column(column: Column, table: Table, where: str) -> None:
    """Refuse an age at a moment that is no column of dates, no day and no year."""
    if column.action is not Action.AGE or _is_day(column.when):
        return
    other = table.column(column.when)
    if other is None or other.type not in columns.DATES:
        raise Unreadable(f"{where}, column {column.name}, when: needs a column of dates, YYYY-MM-DD or YYYY")


def _is_day(when: str) -> bool:
    if not WHEN.fullmatch(when):
        return False
    try:
        date.fromisoformat(when if "-" in when else f"{when}-01-01")
    except ValueError:
        return False
    return True


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
