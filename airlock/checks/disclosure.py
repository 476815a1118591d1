"""A number is safe if enough people are behind it, none of them makes it up, and it tells no one's own value.

Each rule is a function over what the data say of one number (`tre.data.measures.Weight`) and over the limits that
hold; `check` asks them of every number that a declared table shows. A number counts as its author printed it only
where rounding is asked after: a true count of 3 that is shown as 5 is a count of 3.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from airlock.checks import declared, dominance, numbers, rounding, rules
from airlock.checks.case import Case
from airlock.checks.declared import Declared
from airlock.checks.finding import Finding, Severity
from airlock.checks.numbers import Printed
from airlock.checks.thresholds import Thresholds
from tre.data.measures import Group, Measured, Place, Weight

NAME = "disclosure"
SUMMED = frozenset({"sum", "mean", "sd"})
"""What single persons may make up."""
REFUSED = "refused"


class Breach(NamedTuple):
    """A rule that a number breaks, and how."""

    rule: str
    says: str
    severity: Severity = Severity.BLOCK


class Shown(NamedTuple):
    """A number as it is printed, under its head, and as its author says it was rounded."""

    printed: Printed
    head: str = ""
    round_to: int = 1
    bounds: tuple[float, ...] = ()
    """Values that the author says are the ends of a scale."""


Number = tuple[Weight, Shown, Thresholds]


def check(case: Case) -> Iterator[Finding]:
    """Ask every rule of every number whose table was made again."""
    for each in declared.tables(case):
        if isinstance(each.again, Measured):
            yield from _told(_breaches(each, each.again, case), each.nth)


# --- each number ------------------------------------------------------------------------------------------------------
def few(number: Number) -> Iterator[Breach]:
    """F1, minimum frequency: unsafe if 1 <= persons < t (Handbook, chapter 4; ACRO MinimumThresholdCheck)."""
    weight, shown, limits = number
    if not 1 <= weight.persons < limits.smallest_count:
        return
    if weight.verb == "persons" and _is_midpoint(shown, limits) and _midpoint(shown, weight.persons):
        return
    yield Breach(
        "F2b" if "hes" in limits.profile else "F1", f"fewer than {limits.smallest_count} persons are behind it"
    )


def uneven(number: Number) -> Iterator[Breach]:
    """F2, rounding: a shown count v is 0 mod b, or where midpoints of six are taken v = 0 or 3 mod 6 (OpenSAFELY)."""
    weight, shown, limits = number
    if weight.verb != "persons" or limits.round_to == 1:
        return
    if _is_midpoint(shown, limits):
        if not rounding.is_midpoint(shown.printed.value):
            yield Breach("F2", "a count that is no midpoint of six, as its author says")
    elif shown.printed.value % limits.round_to:
        yield Breach("F2", f"a count that is no multiple of {limits.round_to}")


def exact_rate(number: Number) -> Iterator[Breach]:
    """F2, rates: where counts are rounded, a rate is of the rounded counts, within half its last digit (OpenSAFELY)."""
    weight, shown, limits = number
    if weight.verb != "proportion" or limits.round_to == 1 or not weight.persons:
        return
    exact = weight.total / weight.persons
    either = list(rounding.shares(weight.total, weight.persons, limits.round_to, midpoint=bool(limits.midpoint)))
    scale = 100.0 if shown.printed.value > 1 else 1.0
    if numbers.agrees(shown.printed, scale * exact) and not any(
        numbers.agrees(shown.printed, scale * share) for share in either
    ):
        yield Breach("F2", "a rate of counts before they were rounded")


def implied(number: Number) -> Iterator[Breach]:
    """F4, proportions: with p of n, neither p n nor n - p n may be from 1 to t - 1 (All of Us)."""
    weight, _, limits = number
    if weight.verb != "proportion" or weight.persons < limits.smallest_count:
        return
    with_, without = weight.total, weight.persons - weight.total
    if 1 <= with_ < limits.smallest_count or 1 <= without < limits.smallest_count:
        yield Breach("F4", f"a share that stands for fewer than {limits.smallest_count} persons, or leaves so few out")


def everybody(number: Number) -> Iterator[Breach]:
    """F3, proportions of nobody, of everybody, or of nearly everybody in a group (ESSnet; ACRO)."""
    weight, _, limits = number
    if weight.verb != "proportion" or weight.persons < limits.smallest_count:
        return
    if weight.total in {0, weight.persons}:
        yield Breach("F3", "a share of nobody or of everybody in the group", _zeros(limits))
    elif weight.total >= limits.group_share * weight.persons:
        yield Breach("F3", f"a share of {limits.group_share:.0%} of the group or more", Severity.WARN)


def dominated(number: Number) -> Iterator[Breach]:
    """M1, (n,k): unsafe if x1 + ... + xn > k X, over sizes where some are negative (M4)."""
    weight, _, limits = number
    if _is_sum(weight) and dominance.dominated(
        weight.largest, weight.absolute, n=limits.dominance_n, k=limits.dominance_k
    ):
        yield Breach("M1", f"{limits.dominance_n} persons make up more than {limits.dominance_k:.0%} of it")


def close(number: Number) -> Iterator[Breach]:
    """M2, p%: unsafe if X - x1 - x2 < p x1, over sizes where some are negative (M4)."""
    weight, _, limits = number
    if _is_sum(weight) and dominance.close(weight.largest, weight.absolute, p=limits.dominance_p):
        yield Breach("M2", f"the largest can be told to within {limits.dominance_p:.0%}")


def negative(number: Number) -> Iterator[Breach]:
    """M4: dominance is not defined for negatives; sizes were judged instead, cell by cell (Handbook, chapter 4)."""
    weight, _, _ = number
    if _is_sum(weight) and weight.negatives:
        yield Breach("M4", "negative contributions, judged by their size", Severity.NOTE)


def endpoint(number: Number) -> Iterator[Breach]:
    """E1: a smallest or largest value leaves only if t persons have exactly it, or it is a bound of the scale."""
    weight, shown, limits = number
    if weight.verb not in {"min", "max"} or not 1 <= weight.at < limits.smallest_count:
        return
    if weight.value in shown.bounds:
        yield Breach("E1", "an end of what is measured, says its author", Severity.WARN)
    else:
        yield Breach("E1", f"a value that fewer than {limits.smallest_count} persons have")


def position(number: Number) -> Iterator[Breach]:
    """E2: a percentile has t persons on either side of it, or at it; and is of t as it is printed, or looked at."""
    weight, _, limits = number
    if weight.verb not in {"median", "percentile"} or weight.persons < limits.smallest_count:
        return
    t = limits.smallest_count
    if weight.below + weight.at < t or weight.above + weight.at < t:
        yield Breach("E2", f"fewer than {t} persons on one side of it")
    elif 1 <= weight.at < t:
        yield Breach("E2", f"fewer than {t} persons have it, as exactly as it is printed", Severity.WARN)


def alike(number: Number) -> Iterator[Breach]:
    """E3: a mode that all have, or too few; a value that all have (ACRO Mode, AllSameValuesCheck)."""
    weight, _, limits = number
    if weight.persons < limits.smallest_count:
        return
    if weight.verb == "mode":
        if weight.at == weight.persons:
            yield Breach("E3", "everybody in the group has this value")
        elif weight.at < limits.smallest_count:
            yield Breach("E3", f"a value that fewer than {limits.smallest_count} persons have", Severity.WARN)
    elif weight.verb not in {"persons", "proportion"} and weight.low == weight.high:
        yield Breach("E3", "everybody in the group has the same value", _zeros(limits))


RULES = (few, uneven, exact_rate, implied, everybody, dominated, close, negative, endpoint, position, alike)
"""Each rule that looks at one number by itself."""


def _is_sum(weight: Weight) -> bool:
    return weight.verb in SUMMED and weight.persons > 0


def _is_midpoint(shown: Shown, limits: Thresholds) -> bool:
    return limits.midpoint == rounding.MIDPOINT and (shown.round_to == rounding.MIDPOINT or "midpoint6" in shown.head)


def _midpoint(shown: Shown, persons: int) -> bool:
    return shown.printed.value == rounding.midpoint_of(persons)


def _zeros(limits: Thresholds) -> Severity:
    """Say how much it weighs that nobody or everybody is in a cell: a category may be impossible."""
    return Severity.BLOCK if limits.zeros == REFUSED else Severity.WARN


# --- numbers beside each other ----------------------------------------------------------------------------------------
def classes(shown: Mapping[int, object], groups: Sequence[Group], limits: Thresholds) -> Iterator[tuple[int, Breach]]:
    """F3, class disclosure: of those who share all other dimensions, (nearly) all are in one cell (ESSnet; ACRO)."""
    totals, held = defaultdict[tuple[object, ...], int](int), defaultdict[tuple[object, ...], int](int)
    wide = len(groups[0].key) if groups else 0
    full = [(nth, group) for nth, group in enumerate(groups) if None not in group.key]
    values = [len({group.key[dim] for _, group in full}) for dim in range(wide)]
    if wide < 2:  # noqa: PLR2004 -- one dimension has no group within which to compare
        return
    for _, group in full:
        for dim in range(wide):
            totals[_others(group.key, dim)] += group.persons
            held[_others(group.key, dim)] += 1
    for nth, group in full:
        for dim in (dim for dim in range(wide) if nth in shown and values[dim] > 1):
            others = _others(group.key, dim)
            if group.persons < limits.smallest_count or group.persons < limits.group_share * totals[others]:
                continue
            if held[others] == 1:
                yield nth, Breach("F3", "everybody in the group is in this cell", _zeros(limits))
            else:
                yield nth, Breach("F3", f"{limits.group_share:.0%} of the group or more is in this cell", Severity.WARN)


def totals(shown: Mapping[int, float], groups: Sequence[Group]) -> Iterator[tuple[int, Breach]]:
    """F2, totals: where counts are rounded, a total is the sum of the rounded counts beside it (OpenSAFELY)."""
    parts = defaultdict[tuple[object, ...], list[int]](list)
    for nth, group in enumerate(groups):
        for dim in (dim for dim, one in enumerate(group.key) if one is not None):
            parts[_others(group.key, dim)].append(nth)
    for nth, value in shown.items():
        key = groups[nth].key
        each = [parts[_others(key, dim)] for dim, one in enumerate(key) if one is None]
        if any(p and all(one in shown for one in p) and sum(shown[one] for one in p) != value for p in each):
            yield nth, Breach("F2", "a total that is not the sum of the rounded counts", Severity.WARN)


def _others(key: tuple[str | None, ...], dim: int) -> tuple[object, ...]:
    return (dim, *key[:dim], *key[dim + 1 :])


# --- a table ----------------------------------------------------------------------------------------------------------
def _breaches(each: Declared, again: Measured, case: Case) -> Iterator[tuple[Place, Breach]]:
    limits, bounds = case.limits, _bounds(case)
    printed = {at: numbers.column(each.table.column(at)) for at in {place.column for place in again.places}}
    counted = dict[int, Place]()
    for place in again.places:
        cell, behind = printed[place.column][place.row], again.of(place)
        if behind is None:
            if _empty(cell, each, place) and limits.zeros == REFUSED:
                yield place, Breach("F3", "nobody is in this group: everybody of its row is known not to be")
            continue
        _, weight = behind
        if cell.sort is numbers.Sort.HIDDEN or (cell.sort is not numbers.Sort.NUMBER and weight.verb != "mode"):
            continue
        head = each.table.heads[place.column].strip()
        shown = Shown(cell, head.lower(), each.made.round_to, bounds.get(head, ()))
        yield from ((place, breach) for rule in RULES for breach in rule((weight, shown, limits)))
        if weight.verb == "persons":
            counted.setdefault(place.group, place)
    yield from ((counted[nth], breach) for nth, breach in classes(counted, again.groups, limits))
    if limits.round_to > 1:
        values = {nth: printed[place.column][place.row].value for nth, place in counted.items()}
        yield from ((counted[nth], breach) for nth, breach in totals(values, again.groups))


def _empty(cell: Printed, each: Declared, place: Place) -> bool:
    return cell.sort is numbers.Sort.NUMBER and not cell.value and each.made.measures[place.measure].verb == "persons"


def _bounds(case: Case) -> dict[str, tuple[float, ...]]:
    """Read what the author says are the ends of scales: `{"bounds": {"age": [18, 90]}}`, by heads of the file."""
    said = case.about.more.get("bounds")
    if not isinstance(said, Mapping):
        return {}
    return {
        str(head): tuple(float(one) for one in ends if isinstance(one, int | float))
        for head, ends in said.items()
        if isinstance(ends, list | tuple)
    }


def _told(breaches: Iterable[tuple[Place, Breach]], nth: int) -> Iterator[Finding]:
    """Say each breach once, with all its cells; a person is pointed at the first."""
    cells = defaultdict[Breach, list[tuple[int, int, int]]](list)
    for place, breach in breaches:
        cells[breach].append((nth, place.row, place.column))
    for breach, found in cells.items():
        places = sorted(set(found))
        _, row, column = places[0]
        where, number = f"column {column + 1}, row {row + 1}", f"{len(places)} cell{'s' * (len(places) > 1)}"
        message, fix = f"{number}: {breach.says}", rules.fix_of(breach.rule)
        yield Finding(NAME, breach.severity, where, message, breach.rule, fix, tuple(places))
