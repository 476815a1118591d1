"""What a column may hold when it comes in: partial dates only where the plan says what becomes of them."""

import duckdb
import pytest

from tests.tre.data import made
from tre.errors import Unreadable


@pytest.fixture
def database():
    """What stands in the data does not depend on where the records lie: one database is enough."""
    return ""


SAYS = [
    ("year", "1961", 1961), ("year", "1961-04", 1961), ("year", "1961-04-07", 1961),
    ("drop", "1961", None), ("drop", "1961-04", None), ("drop", "1961-04-07", 1961),
]  # fmt: skip


def planned(partial):
    return made.PLAN.replace("born: {action: year,", f"born: {{action: year, {partial}")


def born(value):
    return [{**person, "born": value if at == 5 else person["born"]} for at, person in enumerate(made.some_people())]


@pytest.mark.parametrize(("says", "value", "becomes"), SAYS)
def test_a_partial_date_becomes_what_the_plan_says(settings, records, now, tmp_path, says, value, becomes):
    people = born(value)
    made.bring_in(records, settings, now, made.files(tmp_path, people), plan=planned(f"partial: {says},"))
    made.let_use(records, settings, now)
    made.prepare(records, settings, now)
    path = settings.extract("sunrise", "trial", 1) / "people.parquet"
    with duckdb.connect() as con:
        found = sorted(con.execute(f"SELECT born FROM '{path}'").fetchall(), key=str)
    assert found.count((becomes,)) >= 1
    assert sum(1 for (year,) in found if year is None) == (1 if becomes is None else 0)


@pytest.mark.parametrize("value", ["1961", "1961-04"])
def test_a_partial_date_does_not_come_in_where_the_plan_says_nothing(settings, records, now, tmp_path, value):
    with pytest.raises(Unreadable, match="column born, row 7: not a whole date"):
        made.bring_in(records, settings, now, made.files(tmp_path, born(value)))


@pytest.mark.parametrize("value", ["1961-13", "61", "1961-4", "1961-02-30", "April 1961"])
def test_what_is_no_date_at_all_does_not_come_in_as_a_partial_one(settings, records, now, tmp_path, value):
    with pytest.raises(Unreadable, match="column born, row 7"):
        made.bring_in(records, settings, now, made.files(tmp_path, born(value)), plan=planned("partial: year,"))
