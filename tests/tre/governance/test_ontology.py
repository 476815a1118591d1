import gzip
import json
import time

import pytest

from policies import duo
from tests.builders import HOST
from tre.errors import NotFound, Tampered, Unreadable
from tre.governance import ontology, ontology_file
from tre.records.tables import EntryRow


@pytest.fixture
def database():
    """The database does not matter here."""
    return ""


HEAD = "format-version: 1.2\ndata-version: releases/2026-11-01\nontology: mondo\n"


def term(code, name, *parents, more=""):
    return (
        f"\n[Term]\nid: {code}\nname: {name}\n"
        + "".join(f'is_a: {one} {{source="X"}} ! it\n' for one in parents)
        + more
    )


OBO = (
    HEAD
    + term("MONDO:0000001", "disease")
    + term("MONDO:0004992", "cancer", "MONDO:0000001")
    + term("MONDO:0005105", "melanoma", "MONDO:0004992", "HP:0000118", more='synonym: "naevus: black" EXACT []\n')
    + term("MONDO:0000099", "old name", more="is_obsolete: true\n")
    + term("HP:0000118", "not a disease")
    + "\n[Typedef]\nid: part_of\nname: part of\n"
)
GRAPH = {
    "graphs": [{
        "meta": {"version": "2026-11-01"},
        "nodes": [
            {"id": "http://purl.obolibrary.org/obo/MONDO_0000001", "lbl": "disease", "type": "CLASS"},
            {"id": "http://purl.obolibrary.org/obo/MONDO_0004992", "lbl": "cancer", "type": "CLASS"},
            {"id": "http://purl.obolibrary.org/obo/MONDO_0000099", "type": "CLASS", "meta": {"deprecated": True}},
            {"id": "http://purl.obolibrary.org/obo/part_of", "lbl": "part of", "type": "PROPERTY"},
        ],
        "edges": [{"sub": "http://purl.obolibrary.org/obo/MONDO_0004992", "pred": "is_a",
                   "obj": "http://purl.obolibrary.org/obo/MONDO_0000001"}],
    }]
}  # fmt: skip


@pytest.fixture
def load(records, settings, tmp_path, now):
    def loaded(content=OBO, name="mondo", file="mondo.obo"):
        path = tmp_path / file
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return ontology.load(records, settings, name, path, actor=HOST, now=now)

    return loaded


def here(records, settings):
    with records.read() as session:
        return ontology.current(session, settings)


def test_the_shipped_part_knows_what_the_published_cases_need(records, settings):
    diseases = here(records, settings)
    assert "DOID:162" in diseases.ancestors("DOID:10155")
    assert {"DOID:3119", "DOID:0050686", "DOID:14566", "DOID:4"} <= diseases.ancestors("DOID:10155")
    assert {"MONDO:0005105", "MONDO:0045024"} <= diseases.ancestors("MONDO:0006486")
    assert diseases.label("MONDO:0005148") == "type 2 diabetes mellitus"
    assert diseases.label("MONDO:9999999") == "MONDO:9999999"


def test_a_loaded_ontology_holds_instead_of_the_shipped_part_and_is_recorded(load, records, settings):
    row = load()
    assert (row.number, row.terms, row.version) == (1, 4, "releases/2026-11-01")
    diseases = here(records, settings)
    assert diseases.ancestors("MONDO:0005105") == {"MONDO:0004992", "MONDO:0000001"}
    assert not diseases.known("MONDO:0005148")
    assert diseases.known("DOID:162")  # of the other ontology the shipped part stays
    with records.read() as session:
        assert session.query(EntryRow).filter(EntryRow.act == "ontology.load").count() == 1


def test_an_obsolete_disease_is_nobodys_kind_and_not_found(load, records, settings):
    load()
    diseases = here(records, settings)
    assert not diseases.known("MONDO:0000099")
    assert diseases.search("old name") == ()


@pytest.mark.parametrize("file", ["mondo.obo.gz", "mondo.json"])
def test_other_ways_to_write_it_are_read(load, records, settings, file):
    load(gzip.compress(OBO.encode()) if file.endswith("gz") else json.dumps(GRAPH), file=file)
    assert here(records, settings).ancestors("MONDO:0004992") == {"MONDO:0000001"}
    assert not here(records, settings).known("MONDO:0000099")


DAMAGED = [
    ("mondo.obo", "", "not an OBO file"),
    ("mondo.obo", "<html>not found</html>", "not `tag: value`"),
    ("mondo.obo", HEAD, "holds no term of MONDO"),
    ("mondo.obo", OBO[: OBO.index("name: melanoma")], "MONDO:0005105 has no name"),
    ("mondo.obo", HEAD + term("MONDO:1", "a", "MONDO:2"), "MONDO:2, which is not there"),
    ("mondo.obo", HEAD + term("MONDO:1", "a", "MONDO:2") + term("MONDO:2", "b", "MONDO:1"), "a kind of itself"),
    ("mondo.obo", HEAD + term("MONDO:1", "a", "MONDO:1"), "a kind of itself"),
    ("mondo.obo", OBO + term("MONDO:0004992", "again"), "stands twice"),
    ("mondo.obo", HEAD + "\n[Term]\nname: nobody\n", "has no id"),
    ("mondo.obo", HEAD.encode() + b"\n[Term]\nid: MONDO:1\nname: \xff\n", "not UTF-8"),
    ("mondo.obo.gz", gzip.compress(OBO.encode())[:-20], "cut off or damaged"),
    ("mondo.obo.gz", OBO, "cannot be read"),
    ("mondo.json", json.dumps(GRAPH)[:-9], "not an OBO graph"),
    ("mondo.json", "[]", "not an OBO graph"),
]


@pytest.mark.parametrize(("file", "content", "said"), DAMAGED)
def test_a_damaged_file_is_one_clear_line_and_the_old_version_stays(load, records, settings, file, content, said):
    load()
    with pytest.raises(Unreadable, match=said) as caught:
        load(content, file=file)
    assert "\n" not in str(caught.value)
    assert here(records, settings).label("MONDO:0005105") == "melanoma"


def test_a_file_that_was_changed_in_the_house_is_not_asked(load, records, settings):
    load()
    here(records, settings)
    place = settings.home / "ontology" / "mondo-1.tsv"
    place.chmod(0o600)
    place.write_text(place.read_text("utf-8").replace("MONDO:0004992\t", "MONDO:0000001\t", 1), "utf-8")
    with pytest.raises(Tampered, match="not what was loaded"):
        here(records, settings)
    place.unlink()
    with pytest.raises(Tampered, match="is gone"):
        here(records, settings)


def test_no_other_ontology_is_taken(load):
    with pytest.raises(Unreadable, match="mondo or doid"):
        load(name="hpo")


def test_the_closest_name_is_found_first(records, settings):
    found = here(records, settings).search("Melanoma")
    assert found[0] == ("MONDO:0005105", "melanoma") or found[0] == ("DOID:1909", "melanoma")
    assert ("MONDO:0005012", "cutaneous melanoma") in found
    assert here(records, settings).search("diabetes type 2")[0][1] == "type 2 diabetes mellitus"
    assert here(records, settings).search(" ") == ()


def test_an_unknown_disease_is_said_so(records, settings):
    with pytest.raises(NotFound, match="ontology search"):
        ontology.get(here(records, settings), "MONDO:9999999")


def test_thirty_thousand_diseases_load_in_seconds(load, records, settings):
    text = HEAD + term("MONDO:0000000", "disease") + "".join(
        term(f"MONDO:{n:07}", f"disease {n}", f"MONDO:{n // 2:07}", f"MONDO:{n // 3:07}") for n in range(1, 30_000)
    )  # fmt: skip
    before = time.perf_counter()
    load(text)
    diseases = here(records, settings)
    assert "MONDO:0000000" in diseases.ancestors("MONDO:0029999")
    assert diseases.search("disease 2999")[0] == ("MONDO:0002999", "disease 2999")
    assert time.perf_counter() - before < 20


def test_the_matching_takes_it(records, settings, now):
    use = duo.DataUse((duo.Group("", (duo.parse("DS:DOID_162"),)),))
    purpose = duo.Purpose(text="why", diseases=frozenset({"DOID:10155"}))
    found = duo.match(use, purpose, duo.Situation(now=now), here(records, settings))
    assert found.verdict is duo.Verdict.PERMIT
    assert "intestinal cancer (DOID:10155)" in found.points[0].reason


def test_every_row_that_is_shipped_is_whole():
    terms = ontology_file.whole(ontology._parsed(ontology.SHIPPED.read_text("utf-8")), "diseases.tsv")
    assert len(terms) > 200
