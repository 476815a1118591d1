"""What a regression rests on, made again from the data: persons, freedom, leverage, who is alone in a column.

The design is one row a record and one column a term: numbers as they are, texts as one column for each value but the
first, interactions as products. Leverage is the diagonal of X (X'X)^-1 X' (Hoaglin and Welsch 1978); a record whose
leverage is 1 draws the fitted line through its own value, so its coefficient tells that value exactly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tre.data import cohorts, engine
from tre.data.measures import Held, Why
from tre.errors import Unreadable

MOST_COLUMNS = 500
MOST_RECORDS = 2_000_000
RANK = 1e-9

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Term:
    """One column of 0 and 1 in the design, and how many persons have each."""

    name: str
    ones: int
    zeros: int


@dataclass(frozen=True)
class Regressed:
    """What there is to know about a fit without fitting it."""

    records: int
    persons: int
    rank: int
    leverage: float
    """The largest of any record."""
    categorical: bool
    """Every term is a column of 0 and 1: the coefficients are a table of cells in other words."""
    cells: int
    """Different rows of the design, when it is categorical."""
    terms: tuple[Term, ...]

    @property
    def freedom(self) -> int:
        """Degrees of freedom by persons: further records of a person add none that protects them."""
        return self.persons - self.rank


def told(datasets: Sequence[Held], more: Mapping[str, object]) -> Regressed | Why:
    """Look at a fit as described: dataset, table, outcome, regressors, and cohort and interactions if any."""
    found = _place(datasets, more)
    if isinstance(found, Why):
        return found
    path, person = found
    try:
        return regressed(
            path, person, cohort=str(more.get("cohort") or ""), outcome=str(more["outcome"]),
            regressors=_names(more["regressors"]),
            interactions=[_names(each) for each in _list(more.get("interactions"))],
        )  # fmt: skip
    except Unreadable as error:
        return Why(f"the fit cannot be looked at: {error}")


def everybody(datasets: Sequence[Held], more: Mapping[str, object]) -> int | Why:
    """Count the persons of the table that an author describes."""
    found = _place(datasets, more)
    if isinstance(found, Why):
        return found
    path, person = found
    sql = f"SELECT count(DISTINCT {engine.name(person)}) FROM read_parquet({engine.text(str(path))})"  # noqa: S608 -- quoted
    with engine.question() as con:
        return int((con.execute(sql).fetchone() or (0,))[0])


def _place(datasets: Sequence[Held], more: Mapping[str, object]) -> tuple[Path, str] | Why:
    dataset, table = str(more.get("dataset", "")), str(more.get("table", ""))
    for held in datasets:
        if held.dataset == dataset and table in held.person:
            return held.folder / f"{table}.parquet", held.person[table]
    return Why("the description names no dataset and table that this project has: name those of the room")


def _list(given: object) -> Sequence[object]:
    return given if isinstance(given, list) else []


def _names(given: object) -> list[str]:
    return [str(each) for each in _list(given)]


def regressed(
    path: Path,
    person: str,
    *,
    cohort: str,
    outcome: str,
    regressors: Sequence[str],
    interactions: Sequence[Sequence[str]],
) -> Regressed:
    """Look at the design of one regression on a table of the project's extract."""
    with engine.question() as con:
        con.execute(f"CREATE TEMP VIEW held AS SELECT * FROM read_parquet({engine.text(str(path))})")  # noqa: S608 -- quoted
        kinds = {name: kind for name, kind, *_ in con.execute("DESCRIBE held").fetchall()}
        asked = list(dict.fromkeys([outcome, *regressors, *(part for each in interactions for part in each)]))
        if missing := [name for name in asked if name not in kinds]:
            raise Unreadable(f"no column {missing[0][:60]!a} in the data")
        where = cohorts.parse(cohort, kinds).sql() if cohort else "true"
        whole = " AND ".join(f"{engine.name(name)} IS NOT NULL" for name in asked)
        sql = (
            f"SELECT {', '.join(engine.name(name) for name in [person, *asked])} FROM held WHERE ({where}) AND {whole}"  # noqa: S608 -- quoted
        )
        columns: Mapping[str, np.ndarray] = con.execute(f"{sql} LIMIT {MOST_RECORDS + 1}").fetchnumpy()
    return _looked_at(dict(columns), person, regressors, interactions, kinds)


def _looked_at(
    columns: dict[str, np.ndarray], person: str, regressors: Sequence[str], interactions: Sequence[Sequence[str]],
    kinds: Mapping[str, str],
) -> Regressed:  # fmt: skip
    who = np.unique(np.asarray(columns[person], dtype=object).astype(str), return_inverse=True)[1]
    if not len(who):
        raise Unreadable("nobody is left to fit on: check the cohort")
    if len(who) > MOST_RECORDS:
        raise Unreadable(f"more than {MOST_RECORDS} records: fit on fewer")
    single = {name: _terms(name, columns[name], kinds[name]) for name in {*regressors, *_flat(interactions)}}
    named = [term for name in regressors for term in single[name]]
    for parts in interactions:
        named += _product([single[part] for part in parts])
    if len(named) > MOST_COLUMNS:
        raise Unreadable(f"{len(named)} terms: describe a fit of at most {MOST_COLUMNS}")
    design = np.column_stack([np.ones(len(who)), *(values for _, values in named)])
    rank, leverage = _leverage(design)
    binary = [(name, values) for name, values in named if np.isin(values, (0.0, 1.0)).all()]
    return Regressed(
        records=len(who), persons=int(who.max()) + 1, rank=rank, leverage=leverage,
        categorical=len(binary) == len(named), cells=_rows(design) if len(binary) == len(named) else 0,
        terms=tuple(_counted(name, values, who) for name, values in binary),
    )  # fmt: skip


def _flat(parts: Sequence[Sequence[str]]) -> list[str]:
    return [name for each in parts for name in each]


def _terms(name: str, values: np.ndarray, kind: str) -> list[tuple[str, Matrix]]:
    if kind not in {"VARCHAR", "BOOLEAN"} and not kind.startswith(("ENUM", "DATE", "TIMESTAMP")):
        return [(name, np.asarray(values, dtype=float))]
    levels, coded = np.unique(np.asarray(values, dtype=object).astype(str), return_inverse=True)
    if len(levels) > MOST_COLUMNS:
        raise Unreadable(f"{name[:60]!a} has {len(levels)} different texts: it is no regressor")
    return [(f"{name}[{level}]", (coded == at).astype(float)) for at, level in enumerate(levels) if at]


def _product(parts: Sequence[list[tuple[str, Matrix]]]) -> list[tuple[str, Matrix]]:
    made = parts[0]
    for more in parts[1:]:
        made = [(f"{left}:{right}", one * other) for left, one in made for right, other in more]
    return made


def _leverage(design: Matrix) -> tuple[int, float]:
    """Rank and largest leverage, by the singular values of X'X with its columns scaled."""
    scale = np.sqrt((design**2).sum(axis=0))
    scaled = design / np.where(scale > 0, scale, 1)
    values, vectors = np.linalg.eigh(scaled.T @ scaled)
    kept = values > RANK * values.max()
    drawn = (scaled @ vectors[:, kept]) ** 2 @ (1 / values[kept])
    return int(kept.sum()), float(min(drawn.max(), 1.0))


def _rows(design: Matrix) -> int:
    return len(np.unique(design, axis=0))


def _counted(name: str, values: Matrix, who: np.ndarray) -> Term:
    return Term(name, len(np.unique(who[values == 1])), len(np.unique(who[values == 0])))
