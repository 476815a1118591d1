"""The same table once more, a little changed: what left before and what is to leave tell of one person together."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from airlock.checks import about, differencing, run, tables, thresholds
from airlock.checks.case import Case
from airlock.checks.confined import Look
from airlock.checks.file import File
from airlock.checks.finding import Exhibit, Severity
from airlock.checks.told import Told
from tests.airlock.house import House
from tre.data import differences, evidence, sketches
from tre.data.deid import pseudonyms
from tre.records.db import opened
from tre.settings import load

TEN = replace(thresholds.load("default"), smallest_count=10)


@pytest.fixture(scope="module")
def house(made_home, tmp_path_factory):
    home = tmp_path_factory.mktemp("differencing") / "home"
    shutil.copytree(made_home, home, symlinks=True)
    records = opened(load(home))
    yield House(records, load(home), datetime(2026, 11, 2, 9, tzinfo=UTC))
    records.close()


class Out:
    """One project's tables, on their way and those that left."""

    def __init__(self, house: House) -> None:
        self.house = house
        with house.records.read() as session:
            self.evidence = evidence.of(session, house.settings, "sunrise")

    def case(self, text: str, **made) -> Case:
        file = File("table.csv", "csv", text.encode())
        look = Look(*({"tables": tables.tables(file), "findings": (), "ran": frozenset(), "read": True}.get(name)
                      for name in Look.__dataclass_fields__))  # fmt: skip
        said = about.read({"kind": "table", "made": manifest(**made)})
        return Case(file=file, look=look, limits=TEN, evidence=self.evidence, about=said, project="sunrise")

    def told(self, text: str, *, project="sunrise", request=7, sealed=None, **made) -> Told:
        case = self.case(text, **made)
        held = case.about.made
        sealed = self.evidence.cohort(held) if sealed is None else sealed
        return Told(
            request, 1, 1, project, "trial", 1, held, case.look.tables[0], sealed, self.house.now - timedelta(2)
        )


def manifest(dims="sex", cohort="", measures=None, **more):
    return {
        "dataset": "trial", "version": 1, "table": "visits", "cohort": cohort, "dimensions": dims.split(),
        "measures": measures or {"n": "persons"}, **more,
    }  # fmt: skip


@pytest.fixture(scope="module")
def out(house):
    return Out(house)


def ours(name, look):
    """Run the check, and let the others have their own tests."""
    return tuple(look()) if name == "differencing" else ()


def said(case, *told, others=()):
    """What `run` finds of differencing."""
    case = replace(case, told=tuple(told), others=tuple(others))
    found = run.run(case, guard=ours)
    return [one for one in found if not isinstance(one, Exhibit) and one.check == "differencing"]


def blocked(*args, **more):
    return [one for one in said(*args, **more) if one.severity is Severity.BLOCK]


BOTH = "sex,n\n0,30\n1,31\n"
LESS = "sex,n\n0,30\n1,30\n"


# --- attempts ---------------------------------------------------------------------------------------------------------
def test_the_same_table_minus_one_person_is_refused_with_the_earlier_release_named(out):
    (found,) = blocked(out.case(LESS, cohort="arm != 'rare'"), out.told(BOTH))
    assert found.rule == "L2"
    assert "request 7" in found.message
    assert found.cells == ((0, 1, 1),)
    assert not any(number in found.message.split("released")[0] + found.fix for number in ("30", "31"))


def test_somebody_added_and_somebody_removed(out):
    earlier = out.told("sex,n\n0,30\n1,30\n", cohort="age < 80")
    (found,) = blocked(out.case("sex,n\n0,29\n1,31\n", cohort="age > 20"), earlier)
    assert set(found.cells) == {(0, 0, 1), (0, 1, 1)}


def test_through_a_margin(out):
    earlier = out.told("arm,sex,n\na,0,15\na,1,15\nb,0,15\nb,1,15\n", dims="arm sex", cohort="arm in ('a', 'b')")
    assert blocked(out.case("arm,n\na,29\nb,30\n", dims="arm", cohort="age > 20 and arm != 'rare'"), earlier)


def test_through_a_total_of_another_table(out):
    earlier = out.told("arm,n\na,30\nb,30\nall,60\n", dims="arm", cohort="arm in ('a', 'b')")
    assert blocked(out.case("sex,n\n0,29\n1,30\n", cohort="age > 20 and arm in ('a', 'b')"), earlier)


def test_by_two_tables_of_one_request(out):
    other = replace(out.case(BOTH), file=File("other.csv", "csv", BOTH.encode()))
    (found,) = blocked(out.case(LESS, cohort="age < 80"), others=[other])
    assert "other.csv" in found.message


def test_by_another_projects_release(out):
    (found,) = blocked(out.case(LESS, cohort="age < 80"), out.told(BOTH, project="sunset", sealed=b""))
    assert "another project" in found.message
    assert "sunset" not in found.message
    assert "7" not in found.message


def test_another_projects_release_that_cannot_be_compared_is_a_no(out):
    earlier = out.told(BOTH, project="sunset", sealed=b"")
    earlier = replace(earlier, made=replace(earlier.made, cohort="weight > 70"))
    (found,) = blocked(out.case(LESS, cohort="age < 80"), earlier)
    assert "cannot be held against" in found.message


def test_rounding_that_is_declared_and_not_done(out):
    earlier = out.told(BOTH, round_to=5)
    assert blocked(out.case(LESS, cohort="age < 80", round_to=5), earlier)


def test_after_a_change_of_version(out, house):
    key = pseudonyms.keys_of(house.settings, "sunrise").pseudonym
    before = sketches.write(house.pseudonyms[:-1], key)
    earlier = out.told(LESS, sealed=before)
    earlier = replace(earlier, version=1, made=replace(earlier.made, version=1))
    case = out.case(BOTH, version=2)
    (found,) = blocked(case, earlier)
    assert found.rule == "L3"
    assert not blocked(out.case("sex,n\n0,30\n1,30\n", version=2, round_to=5), earlier)
    assert blocked(out.case(BOTH, version=2, round_to=5), earlier)


def test_after_a_change_of_version_whose_people_nobody_wrote_down(out):
    earlier = out.told(LESS, sealed=b"")
    assert [one.rule for one in blocked(out.case(BOTH, version=2), earlier)] == ["L3"]


def test_by_a_group_its_complement_and_their_total(out):
    earlier = [out.told("arm,n\na,30\n", dims="arm", cohort="arm = 'a'"),
               out.told("sex,n\n0,15\n1,15\n", cohort="arm = 'b'", request=8)]  # fmt: skip
    (found,) = blocked(out.case("sex,n\n0,30\n1,31\nall,61\n"), *earlier)
    assert "request 7" in found.message
    assert "request 8" in found.message


def test_by_a_row_that_is_left_out_beside_its_total(out):
    other = replace(out.case(BOTH), file=File("other.csv", "csv", BOTH.encode()))
    assert blocked(out.case("arm,n\na,30\nb,30\ntotal,61\n", dims="arm"), others=[other])


def test_by_means_of_nearly_the_same_people(out):
    earlier = out.told("sex,age\n0,49.0\n1,50.97\n", measures={"age": "mean(age)"})
    new = out.case("sex,age\n0,49.0\n1,50.0\n", measures={"age": "mean(age)"}, cohort="age < 80")
    assert [one.cells for one in blocked(new, earlier)] == [((0, 1, 1),)]


def test_with_groups_called_otherwise_than_in_the_data(out):
    assert blocked(out.case("sex,n\nwomen,30\nmen,30\n", cohort="age < 80"), out.told(BOTH))
    assert blocked(out.case("sex,n\n0,30\nmen,30\n", cohort="age < 80"), out.told(BOTH))


def test_without_saying_who_is_counted(out):
    assert blocked(out.case(LESS, cohort="age < 80"), replace(out.told(BOTH), made=None, cohort=b""))
    new = out.case(LESS, cohort="age < 80")
    assert blocked(replace(new, about=about.About()), out.told(BOTH))


def test_the_approvers_see_whose_release_it_was(out):
    case = replace(out.case(LESS, cohort="age < 80"), told=(out.told(BOTH, project="sunset"),))
    found = run.run(case, guard=ours)
    (shown,) = [one for one in found if isinstance(one, Exhibit) and one.name == "overlaps"]
    release = shown.shows["releases"][0]
    assert (release["request"], release["project"], release["persons"]) == (7, "sunset", 1)
    json.dumps(shown.shows)


# --- honest -----------------------------------------------------------------------------------------------------------
def test_tables_of_the_same_people_by_other_columns_pass(out):
    tables_ = [out.told("arm,n\na,30\nb,30\n", dims="arm", cohort="age < 80"), out.told(LESS, cohort="age < 80")]
    assert not said(
        out.case("arm,sex,n\na,0,15\na,1,15\nb,0,15\nb,1,15\n", dims="arm sex", cohort="age < 80"), *tables_
    )


def test_the_same_table_again_passes(out):
    assert not said(out.case(BOTH), out.told(BOTH))
    assert not said(out.case(BOTH), replace(out.told(BOTH), made=None))


def test_groups_far_apart_pass(out):
    earlier = out.told("sex,n\n0,20\n1,21\n", cohort="age >= 40")
    assert not said(
        out.case(BOTH), replace(earlier, table=tables.tables(File("t.csv", "csv", b"sex,n\n0,20\n1,21\n"))[0])
    )
    assert not said(out.case("sex,n\n0,30\n1,31\n"), earlier)


def test_a_cell_that_differs_and_is_hidden_passes(out):
    assert not blocked(out.case("sex,n\n0,30\n1,*\n", cohort="age < 80"), out.told(BOTH))


def test_another_projects_table_of_the_same_people_passes(out):
    assert not said(out.case(BOTH), out.told(BOTH, project="sunset", sealed=b""))


def test_the_data_is_asked_once_whatever_left_before(out, monkeypatch):
    told = [out.told(BOTH, request=at) for at in range(20)]
    asked = []
    real = differences.engine.question
    monkeypatch.setattr(differences.engine, "question", lambda: asked.append(1) or real())
    list(differencing.check(replace(out.case(BOTH), told=tuple(told))))
    assert len(asked) == 1
