"""Two tables of nearly the same people tell of the few between them: each new table is held against all that left."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from airlock.checks import cells, equations, published
from airlock.checks.about import Made
from airlock.checks.case import Case
from airlock.checks.cells import Key
from airlock.checks.finding import Exhibit, Finding, Severity
from airlock.checks.published import Published
from airlock.checks.thresholds import Thresholds
from airlock.checks.told import Told
from tre.data.differences import Apart, Few

_SHOWN = 20
_SUBSETS = 3
"""Of more common dimensions only all and none are looked at."""


@dataclass(frozen=True)
class Overlap:
    """What one earlier table and the new one tell together."""

    earlier: Published
    says: str
    persons: int = -1
    """In one of the two only; -1 where that is not known."""
    finding: Finding | None = None


def check(case: Case) -> Iterator[Finding | Exhibit]:
    """Hold every table of a file against the other tables of its request, and against all that left before."""
    own = list(_tables(case, "this file"))
    beside = [each for other in case.others for each in _tables(other, f"file {other.file.name} of this request")]
    before = [_before(told, case) for told in case.told]
    shows = list[dict[str, object]]()
    for at, new in enumerate(own):
        if not any(cell.low == cell.high for cell in new.sheet.cells):
            continue
        overlaps = list(_overlaps(_New(case, at, new), [*own[:at], *beside, *before]))
        yield from (each.finding for each in overlaps if each.finding is not None)
        shows += [_shown(each) for each in overlaps if each.earlier.told is not None and each.says]
    if shows:
        yield Exhibit("overlaps", {"releases": shows[:_SHOWN]})


def _tables(case: Case, name: str) -> Iterator[Published]:
    held = case.look.tables
    for table, made in zip(held, cells.whose(held, case.about.made), strict=True):
        yield published.read(table, made, name)


def _before(told: Told, case: Case) -> Published:
    made = told.made if told.made is not None and cells.fits(told.table, told.made) else None
    return published.read(told.table, made, _name(told, case), told)


def _name(told: Told, case: Case) -> str:
    if told.project != case.project:
        return "a table of another project"
    return f"a table of request {told.request}, released {told.released_at.date()}"


def _shown(overlap: Overlap) -> dict[str, object]:
    told = overlap.earlier.told
    assert told is not None  # noqa: S101 -- who calls it looked
    return {
        "request": told.request, "round": told.round, "position": told.position, "project": told.project,
        "released_at": told.released_at.isoformat(), "persons": overlap.persons, "says": overlap.says,
    }  # fmt: skip


@dataclass(frozen=True)
class _New:
    """A table that is to leave, and where it stands."""

    case: Case
    at: int
    table: Published

    @property
    def limits(self) -> Thresholds:
        return self.case.limits


# --- one new table ------------------------------------------------------------------------------------------
def _overlaps(new: _New, earlier: Sequence[Published]) -> Iterator[Overlap]:
    made = new.table.made
    earlier = [each for each in earlier if made is None or made.dataset in _datasets(each)]
    unsaid = [each for each in earlier if made is None or each.made is None]
    found = [one for each in unsaid if (one := _by_values(new, each)) is not None]
    held = [each for each in earlier if each.made is not None]
    if made is None or not (held or _margins(new.table)):
        yield from found
        return
    apart = new.case.evidence.apart([made, *(each.made for each in held if each.made is not None)])
    sketch = _Sketch(new.case, made)
    found += [one for nth, each in enumerate(held, 1) if (one := _one_by_one(new, each, (apart, nth), sketch))]
    yield from found
    if not any(one.finding is not None and one.finding.severity is Severity.BLOCK for one in found):
        yield from _together([new.table, *held], apart, new.limits)


def _margins(table: Published) -> bool:
    """Return whether a table shows groups beside their parts, or sums over them."""
    return len({len(cell.key) for cell in table.sheet.cells}) > 1


def _datasets(earlier: Published) -> frozenset[str]:
    said = earlier.made or earlier.told
    return frozenset({said.dataset} if said is not None else ())


def _one_by_one(new: _New, earlier: Published, known: tuple[Apart, int], sketch: "_Sketch") -> Overlap | None:
    apart, nth = known
    asked = min(apart.cohort[0], apart.cohort[nth]) >= 0
    one = _with_data(new, earlier, apart, nth) if asked else _unasked(new, earlier, sketch)
    if one is None or one.finding is None:
        return _versions(new, earlier, sketch) or one
    return one


class _Sketch:
    """Who the new table counts, written down only if an earlier one asks for it."""

    def __init__(self, case: Case, made: Made) -> None:
        self._case, self._made = case, made
        self._held: bytes | None = None

    def differ(self, earlier: Published) -> tuple[int, bool] | None:
        """Return by how many people two cohorts differ, and whether exactly; None where that cannot be said."""
        if self._held is None:
            self._held = self._case.evidence.cohort(self._made)
        return self._case.evidence.differ(self._held, earlier.cohort) if earlier.cohort and self._held else None


# --- a) who is in one of them, by the data ---------------------------------------------------------------------------
def _with_data(new: _New, earlier: Published, apart: Apart, nth: int) -> Overlap | None:
    """Look at each group that both tables have, and at the sums of groups."""
    limits = new.limits
    mine = new.table.made
    assert mine is not None and earlier.made is not None  # noqa: S101, PT018 -- who calls it looked
    common = tuple(name for name in mine.dimensions if name in earlier.made.dimensions)
    told: dict[Key, Few] = {}
    persons = -1
    for dims in _subsets(common, deep=new.table.said or earlier.said):
        differ = apart.between(0, nth, dims)
        if not dims:
            persons = sum(few.here + few.there for few in differ.values())
        few = {key: few for key, few in differ.items() if few.here + few.there < limits.smallest_count}
        groups = apart.groups(dims) if few else frozenset()
        told |= {key: one for key, one in few.items() if _told(new.table, earlier, key, groups)}
    if not told:
        return Overlap(earlier, _counted(persons, limits), persons) if 0 <= persons < limits.smallest_count else None
    severity = Severity.WARN if all(few.missing for few in told.values()) else Severity.BLOCK
    said = f"with {earlier.name} it tells of fewer than {limits.smallest_count} people who are in one of the two only"
    if severity is Severity.WARN:
        said += ", all of whom lack a value: may it be known how many?"
    finding = Finding("differencing", severity, _where(new.table, told), said, "L2", _FIX, _cells(new, told))
    return Overlap(earlier, said, persons, finding)


_FIX = (
    "publish the table of the same people as before, or hide in it each cell that differs by few;"
    " or let the groups differ by more people"
)


def _counted(persons: int, limits: Thresholds) -> str:
    return "counts the same people" if not persons else f"differs by fewer than {limits.smallest_count} people, unseen"


def _subsets(common: tuple[str, ...], *, deep: bool) -> Iterator[tuple[str, ...]]:
    yield common
    if deep and len(common) <= _SUBSETS:
        for size in range(len(common) - 1, 0, -1):
            yield from combinations(common, size)
    if common:
        yield ()


def _told(new: Published, earlier: Published, key: Key, groups: frozenset[Key]) -> bool:
    """Return whether both tables show a number of the group, and not the same one."""
    for measure in new.measures & earlier.measures:
        here, there = (_number(each, measure, key, groups) for each in (new, earlier))
        if here is not None and there is not None and (here != there or here == _UNREAD):
            return True
    return False


_UNREAD = -1.0


def _number(table: Published, measure: str, key: Key, groups: frozenset[Key]) -> float | None:
    """Return what is shown of a group; of a table with groups that the data has not, that this may be one of them."""
    found = table.number(measure, key)
    if found is None and key and not table.speaks_of(key):
        return _UNREAD if table.groups(frozenset(name for name, _ in key)) - groups else None
    return found


def _where(new: Published, told: Mapping[Key, object]) -> str:
    places = sorted(new.at(frozenset(told)))
    return f"column {places[0][1] + 1}, row {places[0][0] + 1}" if places else "file"


def _cells(new: _New, told: Mapping[Key, object]) -> tuple[tuple[int, int, int], ...]:
    inner = {key for key in told if key} or set(told)
    return tuple((new.at, row, column) for row, column in sorted(new.table.at(frozenset(inner))))


# --- b) where the data cannot be asked -------------------------------------------------------------------------------
def _unasked(new: _New, earlier: Published, sketch: _Sketch) -> Overlap | None:
    """Compare what was written down of the cohorts; what cannot be compared is not the same."""
    mine = new.table.made
    assert mine is not None and earlier.made is not None  # noqa: S101, PT018 -- who calls it looked
    differ = sketch.differ(earlier)
    if differ is not None:
        persons, exact = differ
        if persons >= new.limits.smallest_count or not persons:
            return None
        said = f"with {earlier.name} it tells of fewer than {new.limits.smallest_count} people"
        said = said if exact else f"{said}, perhaps"
        return Overlap(earlier, said, persons, Finding("differencing", Severity.BLOCK, "file", said, "L2", _FIX))
    if _people(mine) == _people(earlier.made):
        return None
    said = (
        f"it cannot be held against {earlier.name} on the same dataset: this project's data cannot say who was counted"
    )
    fix = "ask for an exception, with the reason why the two groups of people are far apart"
    return Overlap(earlier, said, -1, Finding("differencing", Severity.BLOCK, "file", said, "L2", fix))


def _people(made: Made) -> tuple[str, int, str, str]:
    return made.dataset, made.version, made.table, " ".join(made.cohort.split())


def _by_values(new: _New, earlier: Published) -> Overlap | None:
    """Compare tables that do not both say whom they count: nearly equal numbers of equal groups."""
    shared = [
        (cell, new.table.shown[name], name[1])
        for name, cell in earlier.shown.items()
        if name in new.table.shown and cell.counts
    ]
    gaps = {key: abs(one.low - other.low) for one, other, key in shared}
    close = {key: gap for key, gap in gaps.items() if 1 <= gap < new.limits.smallest_count}
    if not close or (new.table.rounded and earlier.rounded):
        return None
    alike = all(gap < new.limits.smallest_count for gap in gaps.values())
    said = f"{len(close)} counts differ from those of {earlier.name} by fewer than {new.limits.smallest_count}"
    said += "" if alike else ": are they of other people?"
    severity = Severity.BLOCK if alike else Severity.WARN
    fix = "say in the manifest who is counted, so that the people can be compared; or publish the same table"
    finding = Finding("differencing", severity, _where(new.table, close), said, "L2", fix, _cells(new, close))
    return Overlap(earlier, said, -1, finding)


# --- d) another version of the data ----------------------------------------------------------------------------------
def _versions(new: _New, earlier: Published, sketch: _Sketch) -> Overlap | None:
    """People join and leave between two versions of a dataset: then numbers are rounded, or the people are the same."""
    mine = new.table.made
    assert mine is not None and earlier.made is not None  # noqa: S101, PT018 -- who calls it looked
    if mine.version == earlier.made.version or mine.table != earlier.made.table or new.table.rounded:
        return None
    same = _people(mine)[2:] == _people(earlier.made)[2:]
    ours = earlier.told is None or earlier.told.project == new.case.project
    differ = sketch.differ(earlier) if ours else None
    close = _by_values(new, earlier) if same else None
    if differ is not None and not 0 < differ[0] < new.limits.smallest_count and close is None:
        return None
    if differ is None and close is None and not (ours and same):
        return None
    said = f"{earlier.name} is of another version of the data: few people may have joined or left between the two"
    fix = "round all counts (round_to in the manifest, at least 5), or make the table on the same version"
    where, marked = (
        ("file", ()) if close is None or close.finding is None else (close.finding.where, close.finding.cells)
    )
    finding = Finding("differencing", Severity.BLOCK, where, said, "L3", fix, marked)
    return Overlap(earlier, said, differ[0] if differ is not None else -1, finding)


# --- c) all of them together -----------------------------------------------------------------------------------------
def _together(tables: Sequence[Published], apart: Apart, limits: Thresholds) -> Iterator[Overlap]:
    """Look for few people whose number follows from the sums of all tables together, and not without the new one."""
    if apart.cohort[0] < 0:
        return
    found = equations.derived(tables, apart, smallest=limits.smallest_count)
    if not found.sets:
        if found.left_out:
            yield _capped(tables[0], found.left_out)
        return
    severity = Severity.WARN if found.missing else Severity.BLOCK
    names = list(dict.fromkeys(tables[nth].name for nth in found.used if nth))
    with_ = f"with {'; '.join(names[:3])} " if names else ""
    said = f"{with_}its numbers, added and subtracted, tell of fewer than {limits.smallest_count} people"
    if found.missing:
        said += ", all of whom lack a value: may it be known how many?"
    fix = "hide a cell of the table, leave out a total, or merge groups"
    finding = Finding("differencing", severity, "file", said, "L2", fix)
    told = [tables[nth] for nth in found.used if nth and tables[nth].told is not None] or [tables[0]]
    yield Overlap(told[0], said, found.persons, finding)


def _capped(new: Published, left_out: int) -> Overlap:
    said = f"{left_out} earlier tables were compared one by one, and not added up with all others: there are too many"
    return Overlap(new, "", -1, Finding("differencing", Severity.NOTE, "file", said, "L2"))
