import json

import pytest

from tests.tre.data import made
from tre.data import ingest
from tre.data.deid import plan as plans
from tre.data.entry import Held, data_use, entry, rounded
from tre.records.tables import DatasetVersionRow

ABOUT = """
about:
  source: St Elsewhere
  duo: [GRU]
"""


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "none"),
        (1, "fewer than 10"),
        (9, "fewer than 10"),
        (10, "about 10"),
        (14, "about 10"),
        (16, "about 20"),
        (12_345, "about 12,340"),
    ],
)
def test_a_count_is_said_so_that_one_person_does_not_show(count, said):
    assert rounded(count) == said


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("GRU", "GRU: general research use"),
        ("DS:MONDO_0005148", "DS:MONDO_0005148: disease specific research"),
        ("XYZ", "XYZ"),
    ],
)
def test_a_code_of_data_use_is_said_in_words(code, said):
    assert data_use(code) == said


def test_an_entry_says_what_is_held_in_rounded_counts():
    plan = plans.parse(made.PLAN + ABOUT)
    kinds = {"vcf": Held(3, 62), "dicom": Held(151, 151)}
    said = entry(plan, title="A trial", persons=63, rows={"people": 63}, kinds=kinds)
    assert (said["title"], said["persons"], said["about"]["source"]) == ("A trial", "about 60", "St Elsewhere")
    assert said["data_use"][0] == "GRU: general research use"
    assert [(one["name"], one["rows"]) for one in said["tables"]] == [("people", "about 60"), ("visits", "none")]
    assert said["tables"][0]["columns"][0] == {
        "name": "id", "type": "text", "action": "pseudonym", "reason": "the person",
    }  # fmt: skip
    assert [tuple(one.values()) for one in said["kinds"]] == [
        ("dicom", "images (DICOM)", "about 150", "about 150"),
        ("vcf", "variants (VCF)", "fewer than 10", "about 60"),
    ]


def test_an_ingest_writes_the_entry_of_its_version_and_no_value_of_the_data(records, settings, now, tmp_path):
    made.bring_in(records, settings, now, made.files(tmp_path), plan=made.PLAN + ABOUT)
    people = list(made.some_people())
    ingest.ingest(records, settings, "trial", made.files(tmp_path, people[:40]), actor="host/test", now=now)
    with records.read() as session:
        first, second = (session.get(DatasetVersionRow, ("trial", number)).entry for number in (1, 2))
    assert (json.loads(first)["persons"], json.loads(second)["persons"]) == ("about 60", "about 40")
    assert [table["rows"] for table in json.loads(first)["tables"]] == ["about 60", "about 120"]
    values = {value for person in people for name, value in person.items() if name not in {"sex", "note"}}
    assert [value for value in values if value in first] == []
