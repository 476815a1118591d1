"""An extract that was made is measured and searched before anybody works with it, by those who did not make it.

Three searches: table by table, with what is each person's own (`leaks`); byte by byte, with every identifier of the
source (`search`); and on the lines of each person, with what is too short for the others (`short`). A search that
could not read everything did not pass.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

from tre.data import confined, engine, identifiers, leaks, looking, risk, search, short
from tre.data.deid.stored import Summary
from tre.data.kinds import Persons
from tre.data.making import Order


@dataclass(frozen=True)
class Report:
    """All checks of an extract."""

    risk: risk.Risk
    leaks: leaks.Search
    search: search.Sweep
    short: short.Short

    @property
    def passed(self) -> bool:
        """Whether all of them passed; a search that had nothing to look for did not."""
        return (
            self.risk.passed and self.leaks.passed and self.search.passed and self.short.passed and self.looked_for > 0
        )

    @property
    def looked_for(self) -> int:
        """How many identifiers the searches had to look for."""
        return self.leaks.identifiers + self.search.identifiers + self.short.identifiers

    def to_json(self) -> str:
        """Write it for the records."""
        return json.dumps(asdict(self) | {"passed": self.passed}, sort_keys=True)


def assess(
    con: duckdb.DuckDBPyConnection,
    order: Order,
    made: Path,
    kinds: Mapping[str, Summary],
    persons: Persons | None,
    *,
    tell: Callable[[int], None],
) -> Report:
    """Look at the extract in `made`/data, and leave `made`/identifiers: what the airlock looks for later."""
    values = sorted({value for _, value in _named(con, kinds, persons)} | _unknown(persons))
    own = sorted({(name, value) for name, value in _named(con, kinds, persons) if name})
    allow = (search.Sweep, search.Found, short.Short)
    swept, met = confined.run(
        looking.look_through, made / "data", values, own, folder=made / "data", allow=allow, tell=tell
    )
    index = [*values, *(str(number) for number in _numbers(con, made, kinds))]
    identifiers.write(made / "identifiers", index, order.keys.pseudonym)
    return Report(
        risk=risk.assess(
            con,
            order.plan,
            smallest=order.smallest,
            tables=_held(con, order, made, kinds),
            asked=risk.thresholds(order.asked),
        ),
        leaks=leaks.search(con, order.plan),
        search=swept,
        short=met,
    )


def _held(
    con: duckdb.DuckDBPyConnection, order: Order, made: Path, kinds: Mapping[str, Summary]
) -> dict[str, risk.Held]:
    """Show every table of the extract, the plan's and those that were made, with its column that says who."""
    held = {table.name: risk.Held(f"out_{table.name}", table.subject) for table in order.plan.tables}
    for name, person in sorted(
        {name: person for done in kinds.values() for name, person in done.tables.items()}.items()
    ):
        path = engine.text(str(made / "data" / f"{name}.parquet"))
        con.execute(f"CREATE VIEW {engine.name('out_' + name)} AS SELECT * FROM read_parquet({path})")  # noqa: S608
        held[name] = risk.Held(f"out_{name}", person)
    return held


def _named(
    con: duckdb.DuckDBPyConnection, kinds: Mapping[str, Summary], persons: Persons | None
) -> Iterator[tuple[str, str]]:
    """Yield (pseudonym, what names that person): of the tables, of the linkage, and of what the kinds met."""
    yield from con.execute("SELECT DISTINCT pseudonym, value FROM identifier").fetchall()
    for made in kinds.values():
        yield from made.identifiers
    if persons is not None:
        for _, subject, value in persons.links.identifiers():
            if subject not in persons.withdrawn:
                yield persons.naming.pseudonym(subject), value


def _unknown(persons: Persons | None) -> set[str]:
    """Return what names those who withdrew: they are looked for like everybody."""
    if persons is None:
        return set()
    return {value for _, subject, value in persons.links.identifiers() if subject in persons.withdrawn}


def _numbers(con: duckdb.DuckDBPyConnection, made: Path, kinds: Mapping[str, Summary]) -> list[int]:
    """Return the persons' numbers of OMOP: no result needs one."""
    if "omop" not in kinds:
        return []
    path = engine.text(str(made / "data/omop/person.parquet"))
    return [number for (number,) in con.execute(f"SELECT person_id FROM read_parquet({path})").fetchall()]  # noqa: S608
