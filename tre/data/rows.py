"""Each value of a column is what the plan says it is, or the file does not come in."""

import pyarrow as pa
import pyarrow.compute as pc

from tre.data.deid import shapes
from tre.data.deid.plan import Action, Column, Table, Type
from tre.data.people import People, Place, check_people
from tre.errors import Unreadable

DATE = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
SHAPES = {
    Type.INTEGER: r"^[+-]?\d{1,18}(\.0+)?$",
    Type.NUMBER: r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$",
    Type.DATE: DATE + "$",
    Type.DATETIME: DATE + r"[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?$",
}
PARTIAL = r"^\d{4}(-(0[1-9]|1[0-2]))?$"
CUT = frozenset({Action.DROP, Action.PSEUDONYM, Action.TEXT})
MEANT = {
    Type.INTEGER: "a whole number",
    Type.NUMBER: "a number",
    Type.DATE: "a whole date YYYY-MM-DD",
    Type.DATETIME: "a whole time YYYY-MM-DD HH:MM",
}


def same_columns(columns: tuple[str, ...], table: Table, name: str) -> None:
    """Refuse a file with a column that the plan does not name, or without one that it does."""
    planned = {column.name for column in table.columns}
    for column in columns:
        if column not in planned:
            raise Unreadable(f"{name}: column {column} is not in the plan for {table.name}; add it, or `drop` it there")
    for column in sorted(planned - set(columns)):
        raise Unreadable(f"{name}: column {column} is in the plan for {table.name} but not in the file")


def check(batch: pa.RecordBatch, table: Table, people: People, *, name: str, first_row: int) -> None:
    """Refuse the first value that is not what the plan says, by its column and row."""
    for column in table.columns:
        values = batch.column(column.name)
        place = Place(f"{name}, column {column.name}", first_row)
        _check_type(values, column, place)
        _check_claim(values, column, place)
        if column.is_person:
            check_people(values, people, place, table=table, column=column)


def _check_type(values: pa.Array, column: Column, place: Place) -> None:
    if column.type is Type.TEXT or column.action is Action.DROP:
        return
    if column.partial:
        values = pc.if_else(pc.match_substring_regex(values, PARTIAL), pa.scalar(None, pa.string()), values)
    good = pc.match_substring_regex(values, SHAPES[column.type])
    place.refuse_first(pc.invert(good), f"not {MEANT[column.type]}")
    if column.type in {Type.DATE, Type.DATETIME}:
        _check_days(pc.utf8_slice_codeunits(values, 0, 10), place)


def _check_claim(values: pa.Array, column: Column, place: Place) -> None:
    """Refuse a value that looks like what names a person where the plan says that the column holds something else."""
    if not column.holds or column.type is not Type.TEXT or column.action in CUT:
        return
    for shape in shapes.SHAPES:
        if shape.always:
            found = pc.match_substring_regex(values, shape.pattern, ignore_case=True)
            place.refuse_first(found, f"looks like {shape.means}, but the plan says `is: {column.holds}`; drop it")


def _check_days(days: pa.Array, place: Place) -> None:
    """Refuse 30 February, which has the shape of a date."""
    try:
        days.cast(pa.date32())
    except pa.ArrowInvalid:
        moments = pc.strptime(days, format="%Y-%m-%d", unit="s", error_is_null=True)
        same = pc.fill_null(pc.equal(pc.strftime(moments, format="%Y-%m-%d"), days), fill_value=False)
        place.refuse_first(pc.and_(pc.is_valid(days), pc.invert(same)), "no such day in the calendar")
