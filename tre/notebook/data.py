"""The data of a room are its project's extracts: tables as Parquet, and beside them images, variants, reads, resources.

tre.load("cohort", "labs")                 a table of the dataset's plan
tre.load("cohort", "omop/person")          a table that was made: OMOP, or the list of images, samples, read files
tre.datasets()["cohort"].path / "dicom"    the files themselves, to be read with pydicom, pysam, ...
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, SupportsIndex, overload

from tre.notebook import shown
from tre.notebook.door import ask
from tre.notebook.errors import RoomError

if TYPE_CHECKING:
    import pandas as pd

HEADS = ("dataset", "version", "tables", "path")


@dataclass(frozen=True)
class Dataset:
    """One dataset as this project has it."""

    name: str
    version: int
    path: Path

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of its tables; each is a Parquet file below `path`. What begins with a dot is not data."""
        files = (file for file in self.path.rglob("*.parquet") if not file.name.startswith("."))
        found = (file.relative_to(self.path).with_suffix("") for file in files)
        return tuple(sorted((name.as_posix() for name in found), key=lambda name: ("/" in name, name)))

    def file(self, table: str | None = None) -> Path:
        """Return the file of a table; the name may be left out where there is only one."""
        tables = self.tables
        if table is None and len(tables) == 1:
            table = tables[0]
        if table not in tables:
            asked = "say which table" if table is None else f"no table {table}"
            raise RoomError(f"{asked}: {self.name} has {', '.join(tables) or 'none'}")
        return self.path / f"{table}.parquet"


class Datasets(tuple[Dataset, ...]):
    """The datasets of this room, shown as a table; `datasets()["trial"]` takes one by name."""

    __slots__ = ()

    @overload
    def __getitem__(self, key: str | SupportsIndex) -> Dataset: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Dataset, ...]: ...
    def __getitem__(self, key: str | SupportsIndex | slice) -> Dataset | tuple[Dataset, ...]:
        """Take one by its name or its place."""
        if not isinstance(key, str):
            return super().__getitem__(key)
        for each in self:
            if each.name == key:
                return each
        names = ", ".join(each.name for each in self) or "none"
        raise RoomError(f"no dataset {key} in this room: it has {names}")

    def __repr__(self) -> str:
        """Show a table in a terminal."""
        return shown.text(HEADS, self._rows()) if self else "no dataset is in this room"

    def _repr_html_(self) -> str:
        return shown.html(HEADS, self._rows()) if self else "<p>no dataset is in this room</p>"

    def _rows(self) -> list[tuple[object, ...]]:
        return [(each.name, each.version, ", ".join(each.tables), each.path) for each in self]


def datasets() -> Datasets:
    """List the datasets of this room."""
    listed = ask("GET", "/v1/me").get("datasets")
    found = listed if isinstance(listed, list) else []
    return Datasets(Dataset(str(one["name"]), int(one["version"]), Path(one["path"])) for one in found)


def load(name: str, table: str | None = None) -> "pd.DataFrame":
    """Read one table of a dataset into memory, with pandas."""
    import pandas as pd

    return pd.read_parquet(datasets()[name].file(table))
