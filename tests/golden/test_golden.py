"""Sixty people go through the front door in every modality, and what two projects see of them is what the key says."""

import json
from collections import Counter

import pytest

from tests.golden import across, make, score, search
from tests.golden.journey import PROJECTS
from tests.golden.key import Answer

pytestmark = pytest.mark.timeout(900)  # the first test waits until the cohort has gone the whole way

ENOUGH = 0.999
LEAST_ROWS = 20_000


@pytest.fixture(scope="module")
def scores(golden):
    return {name: score.score(folder, golden.key, golden.project(name)) for name, folder in golden.extracts.items()}


@pytest.fixture(scope="module")
def copies(golden):
    return [across.Copy(folder, golden.project(name)) for name, folder in golden.extracts.items()]


def test_the_cohort_is_the_same_each_time(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert make.generate(first).rows == make.generate(second).rows
    files = [path.relative_to(first) for path in sorted(first.rglob("*")) if path.is_file()]
    assert files == [path.relative_to(second) for path in sorted(second.rglob("*")) if path.is_file()]
    assert [file for file in files if (first / file).read_bytes() != (second / file).read_bytes()] == []
    assert (
        sum((first / "delivery" / file).stat().st_size for file in files if (first / "delivery" / file).is_file())
        < 5_000_000
    )


def test_the_key_asks_for_over_removal_as_well_as_for_leaks(golden):
    asked = Counter(row.answer for row in golden.key.rows)
    assert len(golden.key.rows) > LEAST_ROWS
    assert min(asked[Answer.KEPT], asked[Answer.REMOVED], asked[Answer.SHIFTED], asked[Answer.RENAMED]) > 500
    assert set(asked) == set(Answer)


@pytest.mark.parametrize("project", PROJECTS)
@pytest.mark.parametrize("kind", ["table", "fhir", "omop", "dicom", "variants", "reads"])
def test_what_should_become_of_each_value_became_of_it(scores, project, kind):
    made = scores[project]
    assert made.asked[kind] > 400
    assert made.accuracy_of(kind) >= ENOUGH, made.told()


@pytest.mark.parametrize("project", PROJECTS)
def test_no_planted_value_is_left_in_any_byte(scores, project):
    assert dict(scores[project].leaks) == {}


def test_the_search_finds_each_planted_value_where_it_was_delivered(golden):
    """A search that finds nothing anywhere would be content with everything."""
    good = [path for path in golden.delivery.iterdir() if path.is_dir() and path.name != "junk"]
    found = [place for folder in good for place in search.leaks(folder, golden.key.planted)]
    for place in (
        "patients.csv",
        "labs.parquet",
        "Observation.ndjson.gz",
        ".dcm",
        "cohort.vcf.gz",
        "alone.bcf",
        ".bam",
        ".cram",
    ):
        assert any(place in one for one in found), place


@pytest.mark.parametrize("project", PROJECTS)
def test_everybody_is_one_person_in_every_carrier(golden, project):
    met = across.met(golden.extracts[project], golden.key, golden.project(project))
    assert len(met) == 60
    assert [subject for subject, one in met.items() if not one.agree] == []
    carriers = {kind for one in met.values() for kind in one.names}
    assert carriers == {"table", "fhir", "omop", "dicom", "variants", "reads", "path"}
    assert all(set(one.days) == {"table", "fhir", "omop", "dicom"} for one in met.values())


def test_two_projects_share_no_name_and_no_order(copies):
    assert across.overlap(*copies) == {
        "pseudonym": 0, "FHIR id": 0, "OMOP id": 0, "UID": 0, "accession number": 0, "file name": 0, "order": 0,
    }  # fmt: skip
    assert min(len(names) for names in copies[0].names.values()) > 20


def test_two_projects_are_told_the_same_of_what_was_measured(copies):
    """Nothing in common but what was measured: the pixels, the genotypes, the reads and the values are all there."""
    first, second = (copy.extract for copy in copies)
    assert set(first.images) == set(second.images)
    assert {sample.calls for sample in first.samples} == {sample.calls for sample in second.samples}
    assert set(first.reads) == set(second.reads)


def test_junk_is_refused_with_a_reason_and_the_rest_is_taken(golden):
    said = golden.tre("--json", "dataset", "quarantine", "golden")
    told = {one["path"].removeprefix("delivery/"): one for one in json.loads(said.out)}
    for row in golden.key.of("file"):
        assert (told[row.file]["state"], bool(told[row.file]["reason"])) == ("refused", True), row.file
    held = {row.file for row in golden.key.rows if row.answer is Answer.HELD}
    assert {path for path, one in told.items() if one["state"] != "refused"} >= {
        path for path in held if path.startswith(("dicom", "reads"))
    }
    assert not any(value in one["reason"] for one in told.values() for value in golden.key.planted)


def test_the_same_input_key_and_plan_give_the_same_bytes(golden):
    first = golden.extracts[PROJECTS[0]]
    again = golden.prepare(PROJECTS[0])
    files = [path.relative_to(first) for path in sorted(first.rglob("*")) if path.is_file()]
    assert files == [path.relative_to(again) for path in sorted(again.rglob("*")) if path.is_file()]
    assert [file for file in files if (first / file).read_bytes() != (again / file).read_bytes()] == []
