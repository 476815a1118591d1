import json
import random
import stat

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.builders import HOST, rules_only
from tests.tre.data import linked, made
from tre.data import linkage, linkage_file
from tre.data.deid.pseudonyms import Domain, Naming, PatientId, keys_of
from tre.data.deid.who import Absent
from tre.errors import NotFound, Tampered, Unreadable
from tre.records.tables import EntryRow, LinkageRow

A, B = ("ehr", "mrn", "1", "a"), ("ehr", "mrn", "2", "b")


def a_merge(old, new):
    return ("subject", "subject", old, new)


# --- what comes in ----------------------------------------------------------------------------------------------------
def test_the_newest_loading_holds_and_older_ones_stay(records, settings, now, tmp_path):
    assert linked.load(records, settings, now, tmp_path, [A]) == 1
    assert linked.load(records, settings, now, tmp_path, [A, B]) == 2
    with records.read() as session:
        first, second = linkage.version(session, settings, "hospital", 1), linkage.newest(session, settings, "hospital")
    assert (first.number, first.subjects.to_pylist()) == (1, ["hospital:a"])
    assert (second.number, second.subjects.to_pylist()) == (2, ["hospital:a", "hospital:b"])


@rules_only
@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_a_linkage_comes_in_every_form_of_a_table(records, settings, now, tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    table = pa.table({"subject": ["a", "b"], "system": ["ehr"] * 2, "type": ["mrn"] * 2, "value": [" 1 ", "ä"]})
    if suffix == "parquet":
        pq.write_table(table, path)
    else:
        mark = "," if suffix == "csv" else "\t"
        rows = [table.column_names, *zip(*table.to_pydict().values(), strict=True)]
        path.write_text("".join(mark.join(row) + "\n" for row in rows), "utf-8")
    linkage.load(records, settings, "hospital", path, actor=HOST, now=now)
    assert linked.newest(records, settings).arrow().to_pylist() == [
        {"system": "ehr", "type": "mrn", "value": "1", "subject": "hospital:a"},
        {"system": "ehr", "type": "mrn", "value": "ä", "subject": "hospital:b"},
    ]


BAD = [
    ([("ehr", "mrn", "1", "a"), ("ehr", "mrn", "1", "b")], "row 3: an id that is another subject's already (row 2)"),
    ([A, B, ("ehr", "mrn", "1 ", "b")], "row 4: an id that is another subject's already (row 2)"),
    ([A, ("", "mrn", "2", "b")], "row 3: no system, or not one that can be"),
    ([A, ("ehr", "of Mary", "2", "b")], "row 3: no type, or not one that can be"),
    ([A, ("ehr", "mrn", "  ", "b")], "row 3: no value, or not one that can be"),
    ([A, ("ehr", "mrn", "2\n3", "b")], "row 3: no value, or not one that can be"),
    ([A, ("ehr", "mrn", "9" * 129, "b")], "row 3: no value, or not one that can be"),
    ([A, ("ehr", "mrn", "2", "")], "row 3: no subject, or not one that can be"),
    ([A, ("subject", "mrn", "2", "a")], "row 3: a merge has `subject` as its system and as its type"),
    ([A, ("ehr", "subject", "2", "a")], "row 3: a merge has `subject` as its system and as its type"),
    ([A, a_merge("a", "a")], "row 3: a merge that leads back to its own subject"),
    ([A, B, a_merge("a", "b"), a_merge("b", "a")], "a merge that leads back to its own subject"),
    ([A, B, a_merge("z", "a"), a_merge("z", "b")], "row 5: a subject that is merged into two others (first in row 4)"),
    ([A, a_merge("a", "nobody")], "row 3: a subject that is merged into one without any id"),
    ([A, a_merge("a", "x"), a_merge("x", "y")], "a subject that is merged into one without any id"),
    ([(f"s{at}", "mrn", "1", "a") for at in range(101)], "more than 100 kinds of id"),
]


@pytest.mark.parametrize(("rows", "said"), BAD)
def test_what_is_unclear_does_not_come_in(tmp_path, rows, said):
    with pytest.raises(Unreadable) as refused:
        linkage_file.read(linked.a_file(tmp_path, rows))
    assert said in str(refused.value)
    assert "Mary" not in str(refused.value)


@pytest.mark.parametrize("columns", [("system", "type", "value"), ("system", "type", "value", "person")])
def test_other_columns_are_not_a_linkage(tmp_path, columns):
    with pytest.raises(Unreadable, match="has the columns system, type, value, subject and no others"):
        linkage_file.read(linked.a_file(tmp_path, [("ehr", "mrn", "1", "a")[: len(columns)]], columns=columns))


def test_nothing_is_kept_of_a_file_that_does_not_come_in(records, settings, now, tmp_path):
    with pytest.raises(Unreadable):
        linked.load(records, settings, now, tmp_path, [A, ("ehr", "mrn", "1", "b")])
    with pytest.raises(NotFound), records.read() as session:
        linkage.newest(session, settings, "hospital")
    assert not list(settings.silo.rglob("*.sealed"))


def test_the_same_row_twice_is_one_id(records, settings, now, tmp_path):
    linked.load(records, settings, now, tmp_path, [A, A, B])
    assert len(linked.newest(records, settings).ids) == 2


# --- merges -----------------------------------------------------------------------------------------------------------
def test_merges_are_followed_to_their_end(records, settings, now, tmp_path):
    rows = [A, B, ("ehr", "mrn", "3", "c"), a_merge("c", "b"), a_merge("b", "a"), a_merge("gone", "c")]
    linked.load(records, settings, now, tmp_path, rows)
    found = linked.newest(records, settings)
    assert {found.subject("ehr", "mrn", one) for one in "123"} == {"hospital:a"}
    assert set(found.before(PatientId("hospital:a"))) == {"hospital:b", "hospital:c", "hospital:gone"}


def test_one_number_of_two_who_turned_out_to_be_one_comes_in(records, settings, now, tmp_path):
    linked.load(records, settings, now, tmp_path, [A, ("ehr", "mrn", "1", "b"), a_merge("b", "a")])
    assert linked.newest(records, settings).subject("ehr", "mrn", "1") == "hospital:a"


@given(st.permutations(range(1, 9)), st.lists(st.integers(0, 100), min_size=8, max_size=8), st.randoms())
def test_merges_in_any_order_give_the_same_subjects(names, into, chance):
    merges = [(f"p{name}", f"p{([0, *names])[into[at] % (at + 1)]}") for at, name in enumerate(names)]
    shuffled = chance.sample(merges, len(merges))
    assert linkage_file.follow(dict(merges)) == linkage_file.follow(dict(shuffled))
    assert set(linkage_file.follow(dict(merges)).values()) == {"p0"}


@given(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("abcdefxyz")))
def test_a_circle_of_merges_is_told_and_nothing_else_is(merges):
    def ends(at, seen=()):
        return at if at not in merges else None if at in seen else ends(merges[at], (*seen, at))

    circle = any(ends(one) is None for one in merges)
    if circle:
        with pytest.raises(ValueError, match=r"^[a-f]$"):
            linkage_file.follow(merges)
    else:
        assert linkage_file.follow(merges) == {one: ends(one) for one in merges}


# --- looking up -------------------------------------------------------------------------------------------------------
@rules_only
def test_every_id_is_found_and_no_other(records, settings, now, tmp_path):
    chance = random.Random(4)
    values = {f"{chance.randrange(10**6):x}ä€"[: chance.randrange(1, 9)] for _ in range(500)}
    known = dict.fromkeys(sorted(values)[::2])
    linked.load(records, settings, now, tmp_path, [("ehr", "mrn", value, f"of {value}") for value in known])
    found = linked.newest(records, settings)
    assert found.knows("ehr", "mrn", values) == values - set(known)
    assert {value for value in values if found.subject("ehr", "mrn", value) == f"hospital:of {value}"} == set(known)


@rules_only
def test_who_names_the_known_and_nobody_else(records, settings, now, tmp_path):
    linked.load(records, settings, now, tmp_path, [A, B, ("pacs", "patient", "2", "a")])
    naming = Naming(keys_of(settings, "sunrise"))
    who = linked.newest(records, settings).who(naming, frozenset({PatientId("hospital:b")}))
    assert who.person("ehr", "mrn", " 1 ") == who.person("pacs", "patient", "2")
    assert who.person("ehr", "mrn", "1").pseudonym == naming.pseudonym(PatientId("hospital:a"))
    assert who.person("ehr", "mrn", "2") is Absent.WITHDRAWN
    assert who.person("ehr", "mrn", "3") is who.person("ehr", "nhs", "1") is Absent.UNKNOWN


@rules_only
def test_every_identifier_of_the_source_is_told_for_the_search(records, settings, now, tmp_path):
    linked.load(records, settings, now, tmp_path, [A, B, a_merge("b", "a")])
    assert set(linked.newest(records, settings).identifiers()) == {
        ("ehr/mrn", "hospital:a", "1"),
        ("ehr/mrn", "hospital:a", "2"),
        ("subject", "hospital:a", "a"),
        ("subject", "hospital:a", "b"),
    }


# --- at rest ----------------------------------------------------------------------------------------------------------
def test_nothing_of_a_linkage_lies_in_clear(records, settings, now, tmp_path):
    linked.load(records, settings, now, tmp_path, [("ehr", "mrn", "QX-4711-AB", "subject-QX-9"), B])
    stored = [path for path in settings.home.rglob("*") if path.is_file()]
    assert not [path for path in stored if b"QX-" in path.read_bytes()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in settings.silo.rglob("*.sealed")} == {0o600}


@pytest.mark.parametrize("what", ["ids", "merged"])
def test_a_linkage_whose_bytes_changed_is_not_read(records, settings, now, tmp_path, what):
    linked.load(records, settings, now, tmp_path)
    path = settings.silo / ".linkage" / "hospital" / "1" / f"{what}.sealed"
    stored = bytearray(path.read_bytes())
    stored[len(stored) // 2] ^= 1
    path.write_bytes(stored)
    with pytest.raises(Tampered):
        linked.newest(records, settings)


def test_a_loading_is_recorded_in_numbers_only(records, settings, now, tmp_path):
    linked.load(records, settings, now, tmp_path, [A, B, ("pacs", "patient", "QX~777", "a"), a_merge("b", "a")])
    with records.read() as session:
        entry = json.loads(session.query(EntryRow).order_by(EntryRow.seq.desc()).first().body)
        row = session.get(LinkageRow, ("hospital", 1))
    assert (entry["act"], entry["subject"]) == ("linkage.load", "linkage/hospital")
    facts = entry["facts"]
    assert {key: facts[key] for key in ("ids", "subjects", "merged", "version")} == {
        "ids": {"ehr/mrn": 2, "pacs/patient": 1}, "subjects": 1, "merged": 1, "version": 1,
    }  # fmt: skip
    assert (row.ids, row.subjects, row.merged) == (3, 1, 1)
    assert "QX~777" not in row.manifest


# --- in an extract ----------------------------------------------------------------------------------------------------
def table(settings, name, number=1, project="sunrise"):
    path = settings.extract(project, "trial", number) / f"{name}.parquet"
    return duckdb.sql(f"FROM read_parquet('{path}')").fetchall()


def held(row):
    return {one["name"]: one["held"] for one in json.loads(row.manifest)["files"] if "held" in one}


def test_a_person_has_one_pseudonym_under_the_numbers_of_every_source(records, settings, now, tmp_path):
    linked.an_extract(records, settings, now, tmp_path)
    naming = Naming(keys_of(settings, "sunrise"))
    expected = {naming.pseudonym(PatientId(f"hospital:p{at}")): at for at in range(linked.COUNT)}
    labs, images = table(settings, "labs"), table(settings, "images")
    assert all(expected[mrn] == value and expected[mother] == value // 2 for mrn, mother, _, _, value in labs)
    assert {person: visit for person, visit, _ in images} == {
        who: naming.code(Domain.ENCOUNTER, f"v{at}-1", system="ehr") for who, at in expected.items()
    }
    assert {visit for _, visit, _ in images} < {visit for _, _, visit, _, _ in labs}


def test_two_numbers_of_one_person_are_one_pseudonym_and_one_shift(records, settings, now, tmp_path):
    merged = [*linked.ids(), ("ehr", "mrn", "old-1", "was-1"), a_merge("was-1", "p0")]
    rows = [*linked.labs(), {"mrn": "old-1", "mother": "", "visit": "v", "day": "2021-01-11", "value": "77"}]
    linked.an_extract(records, settings, now, tmp_path, rows=rows, linked=merged)
    labs = table(settings, "labs")
    (old,) = [row for row in labs if row[4] == 77]
    (new,) = [row for row in labs if row[4] == 0 and row[3].month == old[3].month and row[3].day == old[3].day]
    assert (old[0], old[3]) == (new[0], new[3])


def test_a_row_of_nobody_is_held_until_the_linkage_knows_it(records, settings, now, tmp_path):
    known = [row for row in linked.ids() if row[3] != "p3"]
    row = linked.an_extract(records, settings, now, tmp_path, linked=known)
    reason = str(Absent.UNKNOWN)
    assert held(row) == {"labs.parquet": {reason: 2}, "images.parquet": {reason: 1}}
    assert len(table(settings, "labs")) == 2 * linked.COUNT - 2
    linked.load(records, settings, now, tmp_path)
    again = made.prepare(records, settings, now)
    assert held(again) == {"labs.parquet": {}, "images.parquet": {}}
    assert len(table(settings, "labs", 2)) == 2 * linked.COUNT


def test_the_same_input_keys_and_linkage_give_the_same_bytes(records, settings, now, tmp_path):
    first = linked.an_extract(records, settings, now, tmp_path)
    second = made.prepare(records, settings, now)
    assert json.loads(first.manifest)["files"] == json.loads(second.manifest)["files"]


@rules_only
def test_a_table_that_was_not_brought_is_empty(records, settings, now, tmp_path):
    linked.load(records, settings, now, tmp_path)
    made.bring_in(records, settings, now, [made._csv(tmp_path / "images.csv", list(linked.images()))], plan=linked.PLAN)
    made.let_use(records, settings, now)
    made.prepare(records, settings, now)
    assert (len(table(settings, "images")), table(settings, "labs")) == (linked.COUNT, [])


@rules_only
def test_a_stored_table_that_is_another_is_not_prepared(records, settings, now, tmp_path):
    linked.an_extract(records, settings, now, tmp_path)
    linked.bring_in(records, settings, now, tmp_path)
    silo = settings.silo / "trial"
    (silo / "1" / "labs.sealed").write_bytes((silo / "2" / "labs.sealed").read_bytes())
    with pytest.raises(Tampered):
        made.prepare(records, settings, now)


@rules_only
def test_a_version_is_never_written_again(records, settings, now, tmp_path):
    def stored():
        return {path: path.read_bytes() for path in settings.silo.rglob("1/*")}

    linked.an_extract(records, settings, now, tmp_path)
    before = stored()
    assert len(before) >= 4
    linked.load(records, settings, now, tmp_path)
    linked.bring_in(records, settings, now, tmp_path)
    made.prepare(records, settings, now)
    assert stored() == before


# --- epochs and projects ----------------------------------------------------------------------------------------------
@hypothesis_settings(max_examples=30, deadline=None)
@given(st.sampled_from(list(Domain)), st.text(min_size=1, max_size=20), st.text(max_size=8))
def test_two_projects_and_two_epochs_share_no_name_in_any_domain(made_settings, domain, value, system):
    keys = [
        keys_of(made_settings, "sunrise"),
        keys_of(made_settings, "moonrise"),
        keys_of(made_settings, "sunrise", epoch=2),
    ]
    namings = [Naming(one) for one in keys]
    for name in (
        lambda one: one.code(domain, value, system=system),
        lambda one: one.short(domain, value, system=system),
        lambda one: one.number(domain, value, system=system),
        lambda one: one.uid(value),
        lambda one: one.order(value),
        lambda one: one.pseudonym(PatientId(value)),
    ):
        assert len({name(one) for one in namings}) == 3


@pytest.fixture(scope="module")
def made_settings(made_home):
    import tre.settings

    return tre.settings.load(made_home)
