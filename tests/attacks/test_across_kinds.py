"""What somebody with two extracts, or with a little knowledge of a person, does with all kinds of data at once."""

import base64
import hashlib
import json
from itertools import combinations

import ahocorasick_rs
import pyarrow.parquet
import pytest

from tests.golden import across, people, score, search
from tests.golden.journey import PROJECTS
from tests.golden.key import Answer

pytestmark = pytest.mark.timeout(900)  # the first test waits until the cohort has gone the whole way

EVERYBODY = people.everybody()
BY_SUBJECT = {one.subject: one for one in EVERYBODY}


@pytest.fixture(scope="module")
def copies(golden):
    return {name: across.Copy(folder, golden.project(name)) for name, folder in golden.extracts.items()}


@pytest.fixture(scope="module")
def met(golden):
    return {name: across.met(folder, golden.key, golden.project(name)) for name, folder in golden.extracts.items()}


@pytest.fixture(scope="module")
def everything(golden):
    """All bytes of an extract, packed and unpacked, in one piece; by project."""
    return {
        name: b"\n".join(
            content for path in sorted(folder.rglob("*")) if path.is_file() for content in search.contents(path)
        )
        for name, folder in golden.extracts.items()
    }


# --- two projects are laid side by side -------------------------------------------------------------------------------
def test_the_order_of_rows_samples_images_and_files_does_not_tell_who_is_who(copies):
    first, second = copies.values()
    assert across.linked_orders(first, second) == []
    assert len(first.orders) > 12


def test_the_order_of_the_delivery_is_gone_too(copies):
    by_number = {one.subject: one.number for one in EVERYBODY}
    for copy in copies.values():
        ranks = [by_number[subject] for subject in copy.orders["rows of patients"]]
        assert abs(across.correlation(ranks)) < across.CHANCE


@pytest.mark.parametrize("kind", ["UID", "accession number", "FHIR id", "OMOP id", "pseudonym", "file name"])
def test_no_name_of_one_project_stands_in_the_other(copies, everything, kind):
    (one, first), (other, second) = copies.items()
    assert len(first.names[kind]) > 20
    assert first.names[kind] & second.names[kind] == set()
    if kind != "OMOP id":  # a number in Parquet's bytes is no text
        assert not _holds(everything[other], first.names[kind] - {""})
        assert not _holds(everything[one], second.names[kind] - {""})


def _holds(content, words):
    found = ahocorasick_rs.BytesAhoCorasick([word.encode() for word in words if len(word) > 8])
    return found.find_matches_as_indexes(content)


# --- dates ------------------------------------------------------------------------------------------------------------
def test_the_days_between_two_persons_are_not_those_of_the_source(met):
    """One shift for all would keep them; whoever knows one date would know all."""
    for project in met.values():
        days = {subject: next(iter(one.days["table"])) for subject, one in project.items()}
        same = [pair for pair in combinations(days, 2) if days[pair[0]] == days[pair[1]]]
        assert len(same) < len(days) * (len(days) - 1) / 2 / 20


def test_two_projects_move_a_person_by_unrelated_days(met):
    first, second = (
        {subject: next(iter(one.days["table"])) for subject, one in met[name].items()} for name in PROJECTS
    )
    apart = {first[subject] - second[subject] for subject in first}
    assert len(apart) > len(first) / 2
    order = sorted(first, key=first.get)
    ranks = sorted(first, key=second.get)
    assert abs(across.correlation([ranks.index(subject) for subject in order])) < across.CHANCE


def test_a_known_birth_date_does_not_give_the_shift_away(golden, met):
    """Whoever finds the birth date moved has the shift, and with it every real date of the person."""
    for name, folder in golden.extracts.items():
        for line in (folder / "fhir" / "Patient.ndjson").read_text("utf-8").splitlines():
            assert len(json.loads(line).get("birthDate", "")) in {0, 4}
        told = pyarrow.parquet.read_table(folder / "omop" / "person.parquet").to_pylist()
        assert {(one["month_of_birth"], one["day_of_birth"], one["birth_datetime"]) for one in told} == {(None,) * 3}
        assert {str(image.image.get("PatientBirthDate", "")) for image in _images(golden, name)} <= {""}


def _images(golden, name):
    return across.Copy(golden.extracts[name], golden.project(name)).extract.images.values()


def test_no_date_of_the_source_stands_where_it_was(golden):
    """Even one that was forgotten would give the shift away, from the dates beside it."""
    for name, folder in golden.extracts.items():
        made = score.score(folder, golden.key, golden.project(name))
        assert [row.place for row, _ in made.wrong if row.answer is Answer.SHIFTED] == []


# --- names ------------------------------------------------------------------------------------------------------------
HASHES = ("md5", "sha1", "sha256", "sha512", "blake2b", "sha3_256")


def test_a_dictionary_of_every_number_hashed_without_the_key_finds_nobody(golden, everything):
    values = [
        value
        for one in EVERYBODY
        for value in (one.nhs, one.mrn, one.fhir, one.pacs, one.sample, one.subject, f"hospital:{one.subject}")
    ]
    guesses = {guess for value in values for name in HASHES for guess in _written(hashlib.new(name, value.encode()))}
    assert len(guesses) > 10_000
    dictionary = ahocorasick_rs.BytesAhoCorasick(sorted(guesses))
    for content in everything.values():
        assert dictionary.find_matches_as_indexes(content) == []


def _written(hashed):
    digest = hashed.digest()
    yield from (digest[:16], digest.hex().encode()[:16], digest.hex().upper().encode()[:16])
    yield from (base64.b64encode(digest)[:16], base64.b32encode(digest)[:16])
    yield f"2.25.{int.from_bytes(digest[:16])}".encode()


def test_nobody_who_is_missing_in_the_linkage_is_anywhere(golden, everything):
    them = people.stranger()
    extract = [across.Copy(folder, golden.project(name)).extract for name, folder in golden.extracts.items()]
    held = [row for row in golden.key.rows if row.answer is Answer.HELD]
    assert {row.kind for row in held} == {"table", "fhir", "dicom", "variants", "reads"}
    assert [row for row in held for one in extract if one.record(row) is not None] == []
    words = [
        them.family,
        them.given,
        them.nhs,
        them.mrn,
        them.fhir,
        them.pacs,
        them.sample,
        *map(str, them.stay.values),
    ]
    for content in everything.values():
        assert [word for word in words if word.encode() in content] == []


def test_merged_records_have_one_pseudonym_and_everybody_else_one_each(golden, met):
    for name, project in met.items():
        names = {subject: set().union(*one.names.values()) for subject, one in project.items()}
        assert {subject: len(found) for subject, found in names.items()} == dict.fromkeys(BY_SUBJECT, 1)
        assert len(set().union(*names.values())) == len(EVERYBODY)
        whole = set(across.Copy(golden.extracts[name], golden.project(name)).names["pseudonym"])
        assert whole == set().union(*names.values())


def test_twins_are_two_people(met):
    first, second = (EVERYBODY[number].subject for number in people.TWINS)
    for project in met.values():
        assert project[first].names["dicom"] != project[second].names["dicom"]


def test_one_string_in_two_fields_becomes_two_names(golden, copies):
    """The MRN of one person is the accession number of another's images, and the PACS id of a third."""
    one, lender, twin = (EVERYBODY[n] for n in (people.SAME_STRING, people.LENDER, people.TWINS[0]))
    assert one.mrn == twin.pacs
    for name, copy in copies.items():
        names = golden.project(name).names
        assert len({names[one.subject], names[lender.subject], names[twin.subject]}) == 3
        accessions = copy.names["accession number"]
        assert not any(accession in pseudonym for accession in accessions for pseudonym in names.values())
        ids = {kind: _ids(copy.folder / "fhir" / f"{kind}.ndjson") for kind in ("Encounter", "Observation")}
        assert ids["Encounter"] & ids["Observation"] == set()  # some had one id in the delivery


def _ids(path):
    return {json.loads(line)["id"] for line in path.read_text("utf-8").splitlines()}


# --- a person withdraws -----------------------------------------------------------------------------------------------
def test_a_person_who_withdrew_is_in_no_modality_of_the_next_extract(golden, tmp_path):
    them = EVERYBODY[people.WITHDRAWN]
    with golden.copied(tmp_path) as house:
        done = house.tre("linkage", "withdraw", "hospital", "ehr", "mrn", "--reason", "asked to", typed=them.mrn + "\n")
        assert done.code == 0, done.whole
        for name in list(PROJECTS)[:1]:  # one extract tells, and takes long enough
            project, folder = house.project(name), house.prepare(name)
            made = score.score(folder, house.key, project, withdrawn={them.subject})
            assert [row for row, _ in made.wrong if row.person == them.subject] == []
            assert made.accuracy >= 0.999, made.told()
            content = b"\n".join(one for path in folder.rglob("*") if path.is_file() for one in search.contents(path))
            assert project.names[them.subject].encode() not in content
            assert len(across.Copy(folder, project).names["pseudonym"]) == len(EVERYBODY) - 1
