"""A dataset without a linkage has a table that lists its persons: whoever does not stand there does not come in."""

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from tre.data.deid.plan import Column, Plan, Table
from tre.errors import Unreadable


@dataclass
class People:
    """The persons of a dataset as they come in; with a linkage, those of its table and no others."""

    plan: Plan
    seen: set[str] = field(default_factory=set)
    known: pa.Array | None = None
    """Ids of the linkage table, once it is read."""

    def settle(self) -> None:
        """Let nobody in after this table who is not yet seen."""
        self.known = pa.array(sorted(self.seen), pa.string())


@dataclass(frozen=True)
class Place:
    """A column in a portion of rows: what a fault is told with."""

    where: str
    first_row: int

    def refuse_first(self, bad: pa.Array, why: str) -> None:
        """Refuse the first row that is bad."""
        at = pc.index(bad, value=True).as_py()
        if at >= 0:
            raise Unreadable(f"{self.where}, row {self.first_row + at}: {why}")


def check_people(values: pa.Array, people: People, place: Place, *, table: Table, column: Column) -> None:
    """Refuse a row that is nobody's, or whose person the dataset's own table does not list."""
    is_subject = column.name == table.subject
    if is_subject:
        place.refuse_first(pc.is_null(values), "no id; each row belongs to somebody")
    if people.known is not None:
        strange = pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values, people.known)))
        place.refuse_first(strange, f"an id that is not in the linkage ({people.plan.linkage})")
        return
    if is_subject and table.name == people.plan.linkage:
        _check_once(values, people, place)
    people.seen.update(pc.unique(values.drop_null()).to_pylist())


def _check_once(values: pa.Array, people: People, place: Place) -> None:
    """Refuse a person who stands twice in the linkage."""
    met: set[str] = set()
    for at, one in enumerate(values.to_pylist()):
        if one in met or one in people.seen:
            raise Unreadable(f"{place.where}, row {place.first_row + at}: an id that stands twice in the linkage")
        met.add(one)
