import itertools
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.checks import bounds, cells, intervals, thresholds
from airlock.checks.about import Made, Measure
from airlock.checks.file import Table
from airlock.checks.finding import Exhibit, Finding, Severity
from airlock.checks.intervals import Puzzle, Sum

TEN = thresholds.load("default")
N = (Measure("n", "persons"),)


@pytest.fixture
def database():
    """No database matters here."""
    return ""


def table(text: str) -> Table:
    heads, *rows = [tuple(cell.strip() for cell in line.split(",")) for line in text.strip().splitlines()]
    return Table(heads, tuple(rows))


def made(*dimensions: str, cohort: str = "", measures=N) -> Made:
    return Made("trial", 1, "visits", cohort, dimensions, measures)


def look(*texts: str, mades=None, limits=TEN):
    """Audit the first table; the others left before."""
    mades = mades or [None] * len(texts)
    first, *rest = (
        bounds._source(table(text), said, limits, "request 4" if at else "this file", 0 if not at else -1)
        for at, (text, said) in enumerate(zip(texts, mades, strict=True))
    )
    return list(bounds.audit([first], rest, limits))


def blocked(found) -> list[Finding]:
    return [one for one in found if isinstance(one, Finding) and one.severity is Severity.BLOCK]


def ends(found) -> list[list[object]]:
    return next((one.shows["cells"] for one in found if isinstance(one, Exhibit)), [])


# --- one table --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "interval", "is_blocked"),
    [
        ("arm,n\na,30\nb,*\ntotal,35", (5, 5), True),
        ("arm,n\na,30\nb,<10\ntotal,35", (5, 5), True),
        ("arm,n\na,30\nb,\nall,35", (5, 5), True),
        ("arm,n\na,30\nb,[c]\nOverall,35", (5, 5), True),
        ("arm,n\na,30\nb,NaN\nTotal,35", (5, 5), True),
        ("arm,n\na,30\nb,suppressed\n,35", (5, 5), True),
        ("arm,n\na,30\nb,1-7\ntotal,35", (5, 5), True),
        ("arm,n (%)\na,30 (86%)\nb,x\ntotal,35 (100%)", (5, 5), True),
        ("arm,n\na,30\nb,*\nc,*\ntotal,32", (0, 2), True),
        ("arm,n\na,30\nb,<10\nc,20", (0, 9), False),
        ("arm,n\na,30\nb,*\nc,20", (0, 9), False),
        ("arm,n\na,*\nb,*\ntotal,135", None, False),
        ("arm,n\na,30\nb,<10\nc,*\ntotal,95", (0, 9), False),
        ("arm,n\na,30\nb,*\ntotal,30", (0, 0), False),
        ("arm,f,m,Total\na,30,<10,35\nb,40,50,90\nTotal,70,55,125", (5, 5), True),
        ("sex,n,deaths\nf,30,<10\nm,40,20\nall,70,25", (5, 5), True),
        ("arm,sex,n\na,f,30\na,m,*\na,all,34\nb,f,20\nb,m,20\nb,all,40\nall,all,74", (4, 4), True),
        ("arm,mean_age\na,30.5\nb,*\ntotal,35.5", None, False),
        ("sex,n,total\nf,30,100\nm,*,100", (0, 9), False),
    ],
)
def test_what_a_reader_works_out_of_a_hidden_cell(text, interval, is_blocked):
    found = look(text)
    assert bool(blocked(found)) is is_blocked, found
    if interval:
        assert tuple(ends(found)[0][2:]) == interval


def test_the_finding_names_the_rule_the_cell_and_no_value():
    (found,) = blocked(look("arm,n\na,30\nb,*\ntotal,35"))
    assert (found.rule, found.where, found.cells) == ("L1", "column 2, row 2", ((0, 1, 1),))
    assert not any(number in found.message + found.fix for number in ("5", "30", "35"))


def test_rounded_numbers_do_not_give_a_cell_away():
    fives = replace(TEN, round_to=5)
    assert not blocked(look("arm,n\na,30\nb,*\nc,<10\ntotal,40", limits=fives))
    assert blocked(look("arm,n\na,31\nb,*\ntotal,36", limits=fives))


def test_three_dimensions_with_all_margins():
    rows = ["a,b,c,n"]
    for at, group in enumerate(itertools.product(["0", "1", "all"], repeat=3)):
        number = int(np.prod([1 if one != "all" else 2 for one in group])) * 20
        rows.append(f"{','.join(group)},{'*' if at == 0 else number - 13 * all(one != '1' for one in group)}")
    assert ends(look("\n".join(rows)))[0][2:] == [7, 7]


def test_a_sum_of_money_is_hidden_as_closely_as_a_count():
    said = made("arm", measures=(Measure("cost", "sum", "cost"),))
    assert blocked(look("arm,cost\na,900.5\nb,*\ntotal,1000.5", mades=[said]))
    assert not blocked(look("arm,cost\na,*\nb,*\ntotal,1000.5", mades=[said]))


def test_totals_that_do_not_fit_are_shown_to_the_approvers():
    found = look("arm,n\na,30\nb,<10\ntotal,95")
    assert [one.severity for one in found if isinstance(one, Finding)] == [Severity.WARN]


def test_more_than_can_be_worked_out_is_a_no():
    rows = "\n".join(f"{at},*" for at in range(bounds.MOST_HIDDEN + 1))
    (found,) = blocked(look(f"site,n\n{rows}\ntotal,90000"))
    assert "not worked out in time" in found.message


# --- tables together --------------------------------------------------------------------------------
def test_a_cell_without_totals_is_told_by_those_of_another_table():
    first = "region,sub,n\nr1,a,<10\nr1,b,<10\nr1,c,14\nr2,d,30"
    assert not blocked(look(first, mades=[made("region", "sub")]))
    assert blocked(look(first, "region,n\nr1,24\nr2,30", mades=[made("region", "sub"), made("region")]))


def test_a_hierarchy_is_told_through_a_second_table():
    """Two hidden parts of one region; another table groups one of them with a shown part."""
    first = "region,sub,n\nr1,a,*\nr1,b,*\nr1,c,14\nr1,all,29"
    second = "group,sub,n\ng1,a,*\ng1,c,14\ng1,all,20"
    alone = look(first, mades=[made("region", "sub")])
    assert [cell[2:] for cell in ends(alone)] == [[6, 9], [6, 9]]
    both = look(first, second, mades=[made("region", "sub"), made("group", "sub")])
    assert [cell[2:] for cell in ends(both)] == [[6, 6], [9, 9]]
    assert "2 of them exactly" in blocked(both)[0].message


def test_a_table_that_gives_away_what_another_hides_is_returned():
    found = blocked(look("arm,n\na,30\nb,35", "arm,sex,n\na,f,20\na,m,10\nb,f,*\nb,m,30",
                         mades=[made("arm"), made("arm", "sex")]))  # fmt: skip
    assert "request 4" in found[0].message


def test_a_table_of_other_people_says_nothing():
    texts = ("arm,sex,n\na,f,20\na,m,<10", "arm,n\na,25")
    assert not blocked(look(*texts, mades=[made("arm", "sex"), made("arm", cohort="age > 50")]))


# --- what to do --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    [
        "arm,n\na,30\nb,*\nc,25\ntotal,60",
        "arm,f,m,Total\na,30,*,35\nb,40,50,90\nc,22,23,45\nTotal,92,78,170",
        "arm,f,m,x,Total\na,30,*,20,55\nb,40,50,*,97\nc,22,23,24,69\nTotal,92,78,51,221",
    ],
)
def test_the_cells_to_hide_besides_are_named_and_suffice(text):
    held, limits = table(text), TEN
    source = bounds._source(held, None, limits, "this file", 0)
    more = bounds.further(source, (), limits)
    assert more
    opened = [replace(c, low=0, high=np.inf, hidden=True) if (c.row, c.column) in more else c for c in source.cells]
    assert not blocked(bounds.audit([replace(source, cells=tuple(opened))], [], limits))


# --- against counting out all that fits -------------------------------------------------------------------------------
@st.composite
def puzzles(draw):
    """Two or three dimensions of two or three values, some cells hidden, some sums known."""
    shape = draw(st.sampled_from([(2, 2), (2, 3), (3, 3), (2, 2, 2)]))
    true = np.array(draw(st.lists(st.integers(0, 4), min_size=int(np.prod(shape)), max_size=int(np.prod(shape)))))
    hidden = draw(st.sets(st.integers(0, len(true) - 1), min_size=1, max_size=6))
    places = np.arange(len(true)).reshape(shape)
    lines = [
        tuple(map(int, line))
        for axis in range(len(shape))
        for line in np.moveaxis(places, axis, -1).reshape(-1, shape[axis])
    ]
    known = draw(st.lists(st.sampled_from([*lines, tuple(map(int, places.ravel()))]), unique=True, max_size=8))
    low = np.array([0 if at in hidden else value for at, value in enumerate(true)], dtype=float)
    high = np.array([4 if at in hidden else value for at, value in enumerate(true)], dtype=float)
    slack = draw(st.sampled_from([0, 0, 1]))
    sums = [Sum(line, (1.0,) * len(line), float(true[list(line)].sum() - slack), float(true[list(line)].sum() + slack))
            for line in known]  # fmt: skip
    return Puzzle(low, high, np.ones(len(true), bool), tuple(sums)), sorted(hidden)


@settings(max_examples=60, deadline=None)
@given(puzzles())
def test_the_limits_are_those_of_all_tables_that_fit(drawn):
    puzzle, hidden = drawn
    fits = []
    for tried in itertools.product(range(5), repeat=len(hidden)):
        numbers = puzzle.low.copy()
        numbers[hidden] = tried
        if all(one.low <= numbers[list(one.at)].sum() <= one.high for one in puzzle.sums):
            fits.append(tried)
    low, high = intervals.solve(puzzle)
    assert [low[at] for at in hidden] == np.min(fits, axis=0).tolist()
    assert [high[at] for at in hidden] == np.max(fits, axis=0).tolist()


def test_no_numbers_that_fit_is_a_contradiction():
    with pytest.raises(intervals.Contradiction):
        intervals.solve(Puzzle(np.zeros(2), np.ones(2), np.ones(2, bool), (Sum((0, 1), (1.0, 1.0), 5.0, 5.0),)))


def test_what_takes_too_long_is_unfinished():
    many = np.full(40, 9.0)
    sums = (Sum(tuple(range(40)), (1.0,) * 40, 100.0, 101.0),)
    with pytest.raises(intervals.Unfinished):
        intervals.solve(Puzzle(np.zeros(40), many, np.ones(40, bool), sums), seconds=0.0)


# --- reading --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("cell", "limits"),
    [("12", (12, 12)), ("1,234", (1234, 1234)), ("<10", (0, 9)), ("≤ 7", (0, 7)), ("> 5", (6, np.inf)), ("1-7", (1, 7)),
     ("*", (0, np.inf)), ("", (0, np.inf)), ("n/a", (0, np.inf)), ("3 (1.2%)", (3, 3)), ("2.5", (2.5, 2.5)),
     ("placebo", None)],
)  # fmt: skip
def test_a_cell_says_within_which_limits_its_number_is(cell, limits):
    said = cells.known(cell)
    assert (said and said[:2]) == limits


def test_thirty_by_twenty_is_quick():
    random = np.random.default_rng(5)
    held = random.integers(10, 200, (30, 20))
    few = random.choice(600, 35, replace=False)
    held.flat[few] = random.integers(1, 10, 35)
    shown = [["*" if row * 20 + column in few else str(held[row, column]) for column in range(20)] for row in range(30)]
    lines = [f"r{row},{','.join(line)},{held[row].sum()}" for row, line in enumerate(shown)]
    heads = ",".join(f"c{at}" for at in range(20))
    total = f"Total,{','.join(map(str, held.sum(axis=0)))},{held.sum()}"
    began = time.perf_counter()
    found = look(f"site,{heads},Total\n" + "\n".join(lines) + f"\n{total}")
    assert len(blocked(found)[0].cells) == 35
    assert time.perf_counter() - began < 10  # the bench says how much less
