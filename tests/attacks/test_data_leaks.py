"""What an analyst, or a careless plan, does to carry a person's name past the door."""

import base64
import gzip
import json
import random
import shutil
from datetime import UTC, datetime

import pyarrow as pa
import pytest

import tre.settings
from tests.tre.data import made
from tre.data import evidence, extract
from tre.data.deid import pseudonyms
from tre.records.db import opened


@pytest.fixture
def database():
    """What stands in the data does not depend on where the records lie: one database is enough."""
    return ""


SOURCE = list(made.some_people())
VICTIM = SOURCE[7]


# --- an identifier left in a column that the plan keeps ---------------------------------------------------------------
PLANTED = {
    "the id, on the person's own row": (lambda person: person["id"],),
    "a cell that is an identifier": (
        lambda person: person["name"],
        lambda person: ", ".join(reversed(person["name"].split())),
        lambda person: person["nhs"],
        lambda person: f"{person['nhs'][:3]} {person['nhs'][3:6]} {person['nhs'][6:]}",
        lambda person: person["email"],
        lambda person: person["postcode"].replace(" ", "").lower(),
    ),
    "the name in a sentence": (lambda person: f"spoke to {person['name'].upper()} today",),
    "the number glued to letters": (lambda person: f"ref{person['nhs']}x",),
    "the postcode in a sentence": (lambda person: f"moved to {person['postcode']} in May",),
}


@pytest.mark.parametrize("how", PLANTED)
def test_each_identifier_in_a_kept_column_is_counted_and_stops_the_extract(settings, records, now, tmp_path, how):
    """Each way on the row of another person: none is missed if all are counted."""
    planted = {person["id"]: said(person) for person, said in zip(SOURCE[7:], PLANTED[how], strict=False)}
    people = [{**person, "note": planted.get(person["id"], person["note"])} for person in SOURCE]
    row = made.an_extract(records, settings, now, tmp_path, people=people)
    (found,) = json.loads(row.report)["leaks"]["found"]
    assert (found["table"], found["column"], found["cells"]) == ("people", "note", len(PLANTED[how]))
    assert not row.assessed
    assert "people.note holds an identifier" in extract.refusal(row).remedies[0]
    assert not settings.extract("sunrise", "trial", 1).exists()


@pytest.mark.parametrize("columns", [("id",), ("name", "nhs", "email", "postcode")], ids=["short", "distinctive"])
def test_any_identifier_of_the_source_is_found_in_another_table_too(settings, records, now, tmp_path, columns):
    held = {person["id"]: person[columns[at % len(columns)]] for at, person in enumerate(SOURCE)}
    visits = [{**visit, "place": held[visit["id"]]} for visit in made.some_visits(SOURCE)]
    plan = made.PLAN.replace("prefix: 9", "prefix: 99")
    made.bring_in(records, settings, now, made.files(tmp_path, SOURCE, visits), plan=plan)
    made.let_use(records, settings, now)
    row = made.prepare(records, settings, now)
    found = json.loads(row.report)["leaks"]["found"]
    assert [(one["table"], one["column"], one["cells"]) for one in found] == [("visits", "place", len(visits))]


def test_numbers_that_only_look_like_ids_do_not_stop_an_extract(settings, records, now, tmp_path):
    """Doses reach into the range of the ids, on other persons' rows: chance, not a leak."""
    visits = [{**visit, "dose": str(40001 + at)} for at, visit in enumerate(made.some_visits(SOURCE))]
    plan = made.PLAN.replace("action: topcode, type: integer, max: 90", "action: keep, type: integer")
    made.bring_in(records, settings, now, made.files(tmp_path, SOURCE, visits), plan=plan)
    made.let_use(records, settings, now)
    assert made.prepare(records, settings, now).assessed


# --- a pseudonym or an identifier in a file that asks to leave --------------------------------------------------------
@pytest.fixture(scope="module")
def home(made_home, tmp_path_factory):
    """A home in which project sunrise has an extract, and project moonrise may use the same data."""
    folder, now = tmp_path_factory.mktemp("leaks"), datetime(2026, 11, 2, 9, tzinfo=UTC)
    shutil.copytree(made_home, folder / "home", symlinks=True)
    settings = tre.settings.load(folder / "home")
    records = opened(settings)
    made.an_extract(records, settings, now, folder, people=SOURCE)
    made.let_use(records, settings, now, "moonrise")
    with records.read() as session:
        found = evidence.of(session, settings, "sunrise")
    records.close()
    return settings, found


@pytest.fixture
def looked(home):
    """The evidence of project sunrise."""
    return home[1]


@pytest.fixture
def moonrise(home):
    """The pseudonym of a person in project moonrise."""
    return pseudonyms.pseudonym(VICTIM["id"], pseudonyms.keys_of(home[0], "moonrise").pseudonym)


DISGUISES = {
    "as it is": lambda p: p.encode(),
    "in a row": lambda p: f"n,who\n3,{p}\n".encode(),
    "in lower case": lambda p: p.lower().encode(),
    "without its prefix": lambda p: p[5:].encode(),
    "glued between letters": lambda p: f"abc{p[5:]}def".encode(),
    "with hyphens": lambda p: "-".join(p).encode(),
    "one letter a line": lambda p: "\n".join(p).encode(),
    "backwards": lambda p: p[::-1].encode(),
    "with invisible characters": lambda p: "\u200b".join(p).encode(),
    "in full-width letters": lambda p: "".join(chr(ord(c) + 0xFEE0) for c in p).encode(),
    "in UTF-16, little end first": lambda p: p.encode("utf-16-le"),
    "in UTF-16, big end first": lambda p: p.encode("utf-16-be"),
    "in base64": lambda p: base64.b64encode(p.encode()),
    "in base64 for URLs": lambda p: base64.urlsafe_b64encode(b"\xff\xfe\xfd" + p.encode()),
    "in base64, shifted by one": lambda p: b"x" + base64.b64encode(p.encode()),
    "in base32": lambda p: base64.b32encode(p.encode()),
    "in base32, shifted and small": lambda p: base64.b32encode(b"abc" + p.encode()).lower(),
    "in base64, twice": lambda p: base64.b64encode(base64.b64encode(p.encode())),
    "in base64, wrapped into lines": lambda p: base64.encodebytes(
        b"some words before it to fill a line: " + p.encode()
    ),
    "in UTF-16 in base64": lambda p: base64.b64encode(p.encode("utf-16")),
    "in hexadecimal digits": lambda p: p.encode().hex().encode(),
    "in gzip": lambda p: gzip.compress(p.encode()),
    "in gzip in base64": lambda p: base64.b64encode(gzip.compress(p.encode())),
    "in percent escapes": lambda p: "".join(f"%{ord(c):02x}" for c in p).encode(),
    "in HTML escapes": lambda p: "".join(f"&#{ord(c)};" for c in p).encode(),
    "in a notebook's JSON": lambda p: json.dumps(
        {"cells": [{"source": "".join(f"\\u{ord(c):04x}" for c in p)}]}
    ).encode(),
}


@pytest.mark.parametrize("how", DISGUISES)
def test_a_pseudonym_is_found_in_every_disguise_and_its_project_named(looked, moonrise, how):
    found = looked.leaks(DISGUISES[how](moonrise))
    assert ("pseudonym", "a pseudonym of project moonrise") in {(leak.kind, leak.detail) for leak in found}


def test_a_pseudonym_with_a_changed_letter_still_looks_like_one(looked, moonrise):
    changed = moonrise[:-1] + "A"
    assert {leak.kind for leak in looked.leaks(changed.encode())} <= {"pseudonym", "pseudonym-shape"}
    assert looked.leaks(changed.encode())
    assert [leak.kind for leak in looked.leaks(moonrise[:20].encode())] == ["pseudonym-shape"]


IDENTIFIERS = {
    "the name": VICTIM["name"],
    "the name in two cells": VICTIM["name"].replace(" ", '","'),
    "the name, last name first": ", ".join(reversed(VICTIM["name"].split())),
    "the number": VICTIM["nhs"],
    "the number with hyphens": f"{VICTIM['nhs'][:3]}-{VICTIM['nhs'][3:6]}-{VICTIM['nhs'][6:]}",
    "the address": VICTIM["email"],
    "the postcode": VICTIM["postcode"].lower(),
    "the name with accents": VICTIM["name"].replace("a", "á"),
}


@pytest.mark.parametrize("how", IDENTIFIERS)
@pytest.mark.parametrize("code", ["utf-8", "utf-16", "base64"])
def test_an_identifier_of_the_source_is_found_and_not_told(looked, how, code):
    text = f"a,b\n1,{IDENTIFIERS[how]},2\n"
    data = base64.b64encode(text.encode()) if code == "base64" else text.encode(code)
    found = looked.leaks(data)
    assert "identifier" in {leak.kind for leak in found}
    for leak in found:
        assert not any(part.lower() in repr(leak).lower() for part in VICTIM.values() if len(part) > 4)


def test_a_place_is_told_by_its_line(looked, moonrise):
    (found, *_) = looked.leaks(f"a\nb\n{moonrise}\n".encode())
    assert found.where == "line 3"


def test_honest_results_raise_no_alarm(looked):
    """Counts, estimates, prose, DNA, noise in base64, and the ids' own range: nobody is named."""
    chance = random.Random(7)
    table = "\n".join(",".join(str(chance.randint(0, 99999)) for _ in range(8)) for _ in range(3000))
    prose = "The hazard ratio was 0.62 (95% CI 0.48-0.81). Follow-up began on 2020-01-01T10:00:00Z. " * 200
    dna = "".join(chance.choice("ACGT") for _ in range(20000))
    noise = base64.b64encode(chance.randbytes(50000)).decode()
    for text in (table, prose, dna, noise, "\n".join(person["id"] for person in SOURCE)):
        assert looked.leaks(text.encode()) == ()


def test_what_unpacks_to_more_than_can_be_searched_is_not_clean(looked):
    bombs = b" ".join(base64.b64encode(gzip.compress(bytes([97 + at]) * 12 * 1024 * 1024)) for at in range(6))
    assert "unread" in {leak.kind for leak in looked.leaks(bombs)}


# --- counts -----------------------------------------------------------------------------------------------------------
def test_a_count_is_of_persons_in_the_extract_that_has_the_columns(looked):
    assert looked.persons(pa.table({"sex": ["m", "f", "x"]})) == (30, 30, 0)
    assert looked.persons(pa.table({"age": ["20-29", "60 and over", "Total"]})) == (10, 18, 60)
    assert looked.persons(pa.table({"dose": ["90", "51"]})) == (20, 1)
    assert looked.persons(pa.table({"sex": ["m"], "dose": [51]})) is None


def test_the_projects_datasets_are_those_that_passed(looked):
    assert [(one.dataset, one.version, one.number, dict(one.person)) for one in looked.datasets] == [
        ("trial", 1, 1, {"people": "id", "visits": "id"})
    ]
