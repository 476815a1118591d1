import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tre.data import made
from tre.data import actg175
from tre.errors import Unavailable


@pytest.fixture(scope="session")
def trial(tmp_path_factory) -> actg175.Written:
    """The trial's files, fetched once."""
    return actg175.write(tmp_path_factory.mktemp("actg175"))


def read(path: Path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_trial_has_its_published_arms(trial):
    """Hammer and others, NEJM 1996, as distributed: 532, 522, 524 and 561 patients."""
    rows = read(trial.tables[1])
    assert [sum(row["arms"] == arm for row in rows) for arm in "0123"] == [532, 522, 524, 561]


def test_the_invented_people_are_the_same_every_time(trial, tmp_path):
    (tmp_path / "w.whl").symlink_to(next(trial.plan.parent.glob("*.whl")))
    (tmp_path / "w.whl").rename(tmp_path / "lifelines-0-py3-none-any.whl")
    again = actg175.write(tmp_path)
    assert [path.read_bytes() for path in again.tables] == [path.read_bytes() for path in trial.tables]


def test_every_invented_number_is_valid_and_belongs_to_one(trial):
    numbers = [row["nhs_number"] for row in read(trial.tables[0])]
    assert len(set(numbers)) == 2139
    for number in numbers:
        assert sum(int(digit) * weight for digit, weight in zip(number, range(10, 0, -1), strict=True)) % 11 == 0


def test_a_published_example_of_an_nhs_number():
    assert actg175.nhs_number(943476591) == "9434765919"


@given(st.integers(0, 999_999_999))
def test_a_check_digit_makes_the_sum_a_multiple_of_eleven(nine):
    number = actg175.nhs_number(nine)
    assert number is None or sum(int(d) * w for d, w in zip(number, range(10, 0, -1), strict=True)) % 11 == 0


def test_the_trial_passes_its_checks_for_a_project(settings, records, now, trial):
    made.bring_in(records, settings, now, trial.tables, plan=trial.plan.read_text("utf-8"))
    made.let_use(records, settings, now)
    row = made.prepare(records, settings, now)
    assert row.assessed, row.report


def test_a_wheel_that_is_another_is_refused(tmp_path):
    (tmp_path / "lifelines-0-py3-none-any.whl").write_bytes(b"no wheel")
    with pytest.raises(Unavailable, match="remove it and run this again"):
        actg175.write(tmp_path)


def test_no_index_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(Unavailable, match="cannot fetch lifelines"):
        actg175.write(tmp_path / "cache")
