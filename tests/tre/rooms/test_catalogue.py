import json
from contextlib import contextmanager
from datetime import timedelta

import pytest

from policies.facts import Role
from tests.builders import HOST, YEAR, a_dataset, a_person, a_project, an_approval, rules_only
from tre.errors import NotFound
from tre.governance import committee, projects
from tre.records import audit
from tre.records.tables import DatasetRow, DatasetVersionRow, ExtractRow
from tre.rooms import catalogue

ENTRY = {
    "title": "A trial",
    "about": {"source": "St Elsewhere", "owner": "Prof. A. Example", "duo": ["GRU"]},
    "data_use": ["GRU: general research use"],
    "persons": "about 60",
    "tables": [{"name": "labs", "rows": "about 240", "columns": [{"name": "glucose", "reason": "what was measured"}]}],
    "kinds": [{"kind": "dicom", "name": "images (DICOM)", "files": "about 150", "records": "about 150"}],
    "made": ["omop"],
}


@pytest.fixture
def house(records, settings, now):
    """Two datasets; sunrise may use one of them and has an extract of it; sunset has nothing."""
    with records.act(HOST, "test.build", "home") as session:
        for name in ("ann", "nora"):
            a_person(session, name, settings=settings, now=now)
        for role in (Role.ADMIN, Role.APPROVER, Role.COMMITTEE):
            a_person(session, str(role), role, settings=settings, now=now)
        a_dataset(session, "trial", now=now)
        a_dataset(session, "births", now=now)
        session.get(DatasetVersionRow, ("trial", 1)).entry = json.dumps(ENTRY)
        a_project(session, "sunrise", ("ann",), now=now)
        a_project(session, "sunset", ("nora",), now=now)
        an_approval(session, "sunrise", "trial", settings=settings, now=now)
        session.add(an_extract(now))
    folder = settings.extract("sunrise", "trial", 1)
    folder.parent.mkdir(parents=True)
    folder.with_name("1.report.html").write_bytes(b"<p>passed</p>")
    return records


@contextmanager
def changed(house, now):
    with house.act(HOST, "test.build", "home") as session:
        yield session
        audit.append(session, "test.build", actor=HOST, subject="home", at=now)


def an_extract(now, **changed):
    given = {"number": 1, "assessed": True} | changed
    return ExtractRow(
        project="sunrise", dataset="trial", version=1, manifest="{}", report="{}", prepared_at=now, **given
    )


def names(house, now, words=""):
    return [one.name for one in catalogue.listed(house, now=now, words=words)]


def may_read(house, settings, person, now, number=1):
    try:
        return catalogue.report(house, settings, person, project="sunrise", dataset="trial", number=number, now=now)
    except NotFound:
        return None


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", ["births", "trial"]),
        ("trial", ["trial"]),
        ("GLUCOSE  elsewhere", ["trial"]),
        ("general research", ["trial"]),
        ("images", ["trial"]),
        ("sunrise", ["trial"]),
        ("glucose unicorn", []),
        ("columns", []),
        ("the dataset births", ["births"]),
    ],
)
@rules_only
def test_each_word_must_stand_in_what_the_entry_says(house, now, words, found):
    assert names(house, now, words) == found


def test_a_dataset_is_shown_with_its_newest_entry(house, now):
    with changed(house, now) as session:
        newer = json.dumps(ENTRY | {"persons": "about 70"})
        session.add(
            DatasetVersionRow(
                dataset="trial", number=2, manifest="{}", entry=newer, persons=70, rows=70, ingested_at=now
            )
        )
    dataset, _ = catalogue.shown(house, "trial", "nora", now=now)
    assert (dataset.version, dataset.entry["persons"], dataset.ingested_at) == (2, "about 70", now)


def test_one_that_was_only_registered_is_shown_as_such(house, now):
    with changed(house, now) as session:
        session.add(DatasetRow(name="scans", title="Scans", plan="", plan_sha256="0" * 64, registered_at=now))
    dataset, reports = catalogue.shown(house, "scans", "nora", now=now)
    assert (dataset.version, dataset.entry, reports) == (0, {}, ())


def test_a_name_that_nobody_registered_is_not_found(house, now):
    with pytest.raises(NotFound):
        catalogue.shown(house, "unicorns", "ann", now=now)


def test_who_may_work_with_it_now_is_named(house, now):
    def using(then):
        return catalogue.shown(house, "trial", "nora", now=then)[0].projects

    assert using(now) == ("sunrise",)
    assert using(now + YEAR + timedelta(days=1)) == ()
    with changed(house, now) as session:
        committee.revoke(session, 1, why="a test", actor="erin", now=now)
    assert using(now) == ()


def test_a_closed_project_uses_nothing(house, now):
    with changed(house, now) as session:
        projects.close(session, "sunrise", why="done", actor=HOST, now=now)
    assert catalogue.shown(house, "trial", "nora", now=now)[0].projects == ()


@pytest.mark.parametrize(
    ("person", "reads"),
    [("ann", True), ("nora", False), ("admin", True), ("approver", True), ("committee", True)],
)
@rules_only
def test_a_report_is_for_its_project_and_for_those_who_answer_for_data(house, settings, now, person, reads):
    assert (may_read(house, settings, person, now) == b"<p>passed</p>") is reads
    _, listed = catalogue.shown(house, "trial", person, now=now)
    assert bool(listed) is reads


def test_who_left_the_project_reads_its_report_no_more(house, settings, now):
    with changed(house, now) as session:
        projects.remove_member(session, "sunrise", "ann", actor=HOST, now=now)
    assert may_read(house, settings, "ann", now) is None


def test_reports_are_listed_the_newest_first_and_the_failed_too(house, now):
    with changed(house, now) as session:
        session.add(an_extract(now, number=2, assessed=False))
    _, reports = catalogue.shown(house, "trial", "ann", now=now)
    assert [(one.number, one.passed) for one in reports] == [(2, False), (1, True)]


def test_a_report_that_was_never_kept_is_not_found(house, settings, now):
    with changed(house, now) as session:
        session.add(an_extract(now, number=2))
    with pytest.raises(NotFound, match="prepare it again"):
        catalogue.report(house, settings, "ann", project="sunrise", dataset="trial", number=2, now=now)
