"""What a table of the OMOP Common Data Model 5.4 is: its columns, their types, and which of them must be filled.

The table of tables is `cdm54.tsv`. Numbers are 64 bits wide, since a person's number has 63.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import pyarrow as pa

VERSION = "5.4"
_TYPES = {
    "integer": pa.int64(),
    "float": pa.float64(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us"),
    "text": pa.string(),
}
_VARCHAR = re.compile(r"varchar\(([0-9]+)\)")


@dataclass(frozen=True)
class Column:
    """One column as the standard has it."""

    name: str
    type: str
    required: bool

    @property
    def longest(self) -> int | None:
        """How many characters a text may have."""
        found = _VARCHAR.fullmatch(self.type)
        return int(found[1]) if found else None

    @property
    def field(self) -> pa.Field:
        """The column in a Parquet file."""
        kind = pa.string() if self.longest else _TYPES[self.type]
        return pa.field(self.name, kind, nullable=not self.required)


@dataclass(frozen=True)
class Table:
    """One table."""

    name: str
    columns: tuple[Column, ...]

    @property
    def key(self) -> str:
        """The column that numbers its rows."""
        return self.columns[0].name

    @property
    def schema(self) -> pa.Schema:
        """The columns in a Parquet file, in the standard's order."""
        return pa.schema([column.field for column in self.columns])


def rows(name: str) -> tuple[dict[str, str], ...]:
    """Read a table of rules of this package: tab-separated, the first line says the columns."""
    head, *lines = files("tre.data.harmonise").joinpath(name).read_text("utf-8").splitlines()
    return tuple(dict(zip(head.split("\t"), line.split("\t"), strict=True)) for line in lines)


@cache
def tables() -> Mapping[str, Table]:
    """Return the tables that are made, by name, in the standard's order."""
    columns: dict[str, list[Column]] = {}
    for row in rows("cdm54.tsv"):
        columns.setdefault(row["table"], []).append(Column(row["column"], row["type"], row["required"] == "yes"))
    return MappingProxyType({name: Table(name, tuple(found)) for name, found in columns.items()})
