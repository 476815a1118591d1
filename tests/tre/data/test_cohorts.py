"""Who is counted is said in a language in which nothing but comparisons of columns with literals can be said."""

import re

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tre.data import cohorts
from tre.errors import Unreadable

COLUMNS = ("age", "arm", "death", "a b", 'q"x')


@pytest.fixture
def database():
    """No records are asked."""
    return ""


@pytest.fixture(scope="module")
def people():
    with duckdb.connect() as con:
        con.execute("""CREATE TABLE people (age INTEGER, arm VARCHAR, death DATE, "a b" DOUBLE, "q""x" BOOLEAN)""")
        con.execute("""INSERT INTO people VALUES (39, 'placebo', NULL, 1.5, true),
            (40, 'o''brien', '2020-01-02', 2, false),
            (41, 'placebo', '2021-05-06', NULL, NULL), (NULL, '40', NULL, 1.5, true)""")
        yield con


def held(people, text):
    sql = cohorts.parse(text, COLUMNS).sql()
    return [at for (at,) in people.execute(f"SELECT rowid FROM people WHERE {sql} ORDER BY 1").fetchall()]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", [0, 1, 2, 3]),
        ("age >= 40", [1, 2]),
        ("40 <= AGE and arm = 'placebo'", [2]),
        ("arm = 'o''brien'", [1]),
        ('arm = "o\'brien"', [1]),
        ("age between 39 and 40", [0, 1]),
        ("age not between 39 and 40", [2]),
        ("age in (39, 41.0)", [0, 2]),
        ("not (age in (39, 41) or arm = 'x')", [1]),
        ("death is null", [0, 3]),
        ("death >= '2021-01-01'", [2]),
        ("not death is null and not not age < 41", [1]),
        ('"a b" = 1.5 and "q""x" = 1', [0, 3]),
        ("`a b` <> 1.5", [1]),
        ("arm > 5 or age = 'x'", [3]),
        ("age = 39 or age = 40 and arm = 'nobody'", [0]),
    ],
)
def test_a_cohort_is_who_it_says(people, text, rows):
    assert held(people, text) == rows


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("age >= 40 and arm = 'a'", "arm == 'a' AND (40.0 <= age)"),
        ("age between 1 and 2", "age <= 2 and age >= 1.0"),
        ("arm in ('b', 'a')", "arm = 'a' or (arm = 'b' or arm = 'a')"),
        ("not (age < 40 or arm = 'a')", "age >= 40 and arm != 'a'"),
        ("age not in (1, 2)", "age <> 2 and age <> 1"),
        ("death is not null", "not death is null"),
    ],
)
def test_equal_cohorts_are_written_alike(one, other):
    assert cohorts.parse(one, COLUMNS) == cohorts.parse(other, COLUMNS)
    assert cohorts.parse(cohorts.parse(one, COLUMNS).text, COLUMNS) == cohorts.parse(one, COLUMNS)


@pytest.mark.parametrize(
    "text",
    [
        "age", "age =", "age = arm", "1 = 1", "age = 1; DROP TABLE people", "age = 1 -- and more", "age = 1 /* */",
        "age in (SELECT 1)", "age = abs(1)", "age = 1 or true", "name = 'x'", "age = 'x", "age is 3", "age = 0x10",
        "age = 1e999", "age = 1 union select 1", "age = $1", "age = ?", "age::int = 1", "arm like 'a%'", "age in ()",
        "(" * 60 + "age = 1" + ")" * 60, "not " * 60 + "age = 1", "age = 1 and", "age = 1 arm = 'x'", "\0", "a" * 4001,
        "age = nan", "read_text('/etc/passwd') = 'x'", "age = 1)", "age between 1 or 2", "'age' = 1",
    ],
)  # fmt: skip
def test_nothing_else_gets_through(text):
    with pytest.raises(Unreadable, match="cohort") as wrong:
        cohorts.parse(text, COLUMNS)
    assert "\n" not in str(wrong.value)


ONLY = re.compile(
    r"""'(?:[^']|'')*' | TRY_CAST\("(?:age|arm|death|a\ b|q""x")"\ AS\ (?:DOUBLE|VARCHAR)\)
    | "(?:age|arm|death|a\ b|q""x")" | -?\d+(?:\.\d+)?(?:e[+-]?\d+)?
    | \b(?:and|or|is\ not\ null|is\ null|true)\b | [<>]=? | != | = | [()\ ]""",
    re.VERBOSE,
)
SIGNS = ["'", '"', "''", "--", "/*", ";", "(", ")", ",", "=", "<", ">=", "!=", "1", "-2.5", "1e9", " ", "\n", "\\"]
WORDS = ["and", "or", "not", "in", "between", "is", "null", "select", "from", "people", "x", "'; drop"]
PIECES = st.sampled_from([*COLUMNS, '"a b"', "`a b`", *SIGNS, *WORDS])


@given(st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=14).map(" ".join)))
@example("arm = '\\'' or age = 1 --'")
@example("arm = ''' or 1=1 --'")
@example('"a b" = "x"" or 1=1"')
def test_whatever_is_written_only_columns_literals_and_our_words_come_out(people, text):
    try:
        cohort = cohorts.parse(text, COLUMNS)
    except Unreadable:
        return
    assert ONLY.sub("", cohort.sql()) == ""
    assert set(cohort.columns) <= set(COLUMNS)
    people.execute(f"SELECT count(*) FROM people WHERE {cohort.sql()}").fetchall()
    again = cohorts.parse(cohort.text, COLUMNS)
    assert again == cohort


TESTS = st.builds(
    "{} {} {}".format, st.sampled_from(["age", "arm", '"a b"']), st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
    st.one_of(st.integers(30, 50).map(str), st.text("ab'", max_size=3).map(lambda t: "'" + t.replace("'", "''") + "'")),
)  # fmt: skip
TREES = st.recursive(
    TESTS,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("not ({})".format, inner),
    ),
    max_leaves=8,
)  # fmt: skip


@given(TREES)
def test_the_one_way_to_write_it_counts_the_same_people(people, text):
    assert held(people, text) == held(people, cohorts.parse(text, COLUMNS).text)
