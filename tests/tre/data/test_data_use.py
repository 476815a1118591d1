import json
from dataclasses import replace
from datetime import timedelta

import duckdb
import pytest
from sqlalchemy import select

from policies import duo
from tests.builders import HOST
from tests.tre.data import linked, made
from tests.tre.data.deid import genomics
from tests.tre.data.test_commands import _At, tre  # noqa: F401 -- a fixture
from tre.data import catalogue, extract
from tre.data import consent as consents
from tre.data.deid import plan as plans
from tre.data.deid.pseudonyms import Naming, PatientId, keys_of
from tre.data.deid.stored import Summary
from tre.data.deid.variants import make as variants
from tre.data.deid.variants.part import Variants
from tre.data.deid.who import Absent
from tre.errors import Refused, Unavailable, Unreadable
from tre.governance import known
from tre.records import audit
from tre.records.tables import ApprovalRow, DatasetRow, EntryRow, ExtractRow

LATER = timedelta(hours=1)


@pytest.fixture
def database():
    """The database does not matter here."""
    return ""


GROUPS = """
data_use:
  groups:
    broad: {codes: [GRU], where: {table: people, column: consent, value: A}}
    heart: {codes: ["DS:MONDO_0005267", NPU], where: {table: people, column: consent, value: B}}
"""
PLAN = made.PLAN.replace(
    "      note:", "      consent: {action: drop, reason: says what they agreed to}\n      note:"
)  # fmt: skip


def people(groups=lambda at: "AB"[at % 2]):
    return [one | {"consent": groups(at)} for at, one in enumerate(made.some_people())]


def visits():
    return list(made.some_visits(list(made.some_people())))


def an_extract(records, settings, now, folder, who=None, plan=PLAN + GROUPS):
    made.bring_in(records, settings, now, made.files(folder, people=who or people(), visits=visits()), plan=plan)
    made.let_use(records, settings, now)
    return made.prepare(records, settings, now)


def held(settings, row, name="people"):
    path = settings.extract("sunrise", "trial", row.number) / f"{name}.parquet"
    return {who for (who,) in duckdb.sql(f"SELECT id FROM read_parquet('{path}')").fetchall()}


def named(settings, numbers):
    naming = Naming(keys_of(settings, "sunrise"))
    return {naming.pseudonym(PatientId(str(40000 + 7 * at))) for at in numbers}


# --- what a plan says -------------------------------------------------------------------------------------------------
def test_a_plan_says_what_each_consent_group_agreed_to():
    use = plans.parse(PLAN + GROUPS + '  embargo_until: "2027-06-30"\n  networks: [ward]\n  combine: [labs]\n').use
    assert [group.name for group in use.groups] == ["broad", "heart"]
    assert use.groups[1].codes == (duo.Use("DS", ("MONDO:0005267",)), duo.Use("NPU"))
    assert use.groups[0].where == duo.Where("people", "consent", "A")
    assert (f"{use.embargo_until:%Y-%m-%d}", use.networks, use.combine) == ("2027-06-30", ("ward",), ("labs",))


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("data_use: {}", "either `codes`, or `groups`"),
        ("data_use: {codes: [GRU], groups: {}}", "either `codes`, or `groups`"),
        ("data_use: {codes: [XYZ]}", "no code 'XYZ'"),
        ("data_use: {codes: [GRU, HMB]}", "one permission, not GRU, HMB"),
        ("data_use: {codes: [DS]}", "needs ids of MONDO"),
        ("data_use: {codes: [GRU], embargo_until: soon}", "needs a day"),
        ("data_use: {codes: [GRU], colour: red}", "unknown key colour"),
        ("data_use: {groups: {}}", "there is none"),
        ("data_use: {groups: {a: {codes: [GRU]}}}", "where is missing"),
        (GROUPS.replace("column: consent", "column: colour"), "no column people.colour"),
        (GROUPS.replace("value: B", "value: A"), "two have the same value"),
        (GROUPS.replace("value: B", "value: ''"), "are not empty"),
        (
            GROUPS.replace("table: people, column: consent, value: B", "table: visits, column: place, value: B"),
            "one column",
        ),
        ("data_use: {codes: [GRU]}\nabout: {duo: [GRU]}", "say the same"),
    ],
)
def test_a_plan_that_is_not_clear_about_data_use_is_refused_in_one_line(section, said):
    with pytest.raises(Unreadable, match=said) as caught:
        plans.parse(PLAN + "\n" + section)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("codes", "said"), [("GRU, XYZ", "no code 'XYZ'"), ("GRU, HMB", "one permission")])
def test_the_short_form_is_refused_where_it_is_registered(records, now, codes, said):
    with pytest.raises(Unreadable, match=said):
        made.register(records, now, plan=made.PLAN + f"about: {{duo: [{codes}]}}\n")


def test_the_short_form_is_one_group_of_everybody(records, now):
    made.register(records, now, plan=made.PLAN + "about: {duo: [GRU, IRB]}\n")
    with records.read() as session:
        use = duo.DataUse.from_json(session.get(DatasetRow, "trial").data_use)
    assert (use.grouped, [str(one) for one in use.groups[0].codes]) == (False, ["GRU", "IRB"])


def test_what_data_may_be_used_for_changes_without_a_new_ingest_and_is_recorded(records, now, tre, tmp_path):  # noqa: F811
    made.register(records, now, plan=made.PLAN + "about: {duo: [GRU]}\n")
    plan = tmp_path / "plan.yaml"
    plan.write_text(made.PLAN + 'data_use: {codes: ["DS:MONDO_0005267", PUB]}\n', "utf-8")
    said = tre("dataset", "use", "trial", "--plan", plan)[1]
    assert "DS: disease specific research (heart disorder, MONDO:0005267)" in said
    assert "publication required" in tre("dataset", "show", "trial")[1]
    with records.read() as session:
        entry = json.loads(session.query(EntryRow).filter(EntryRow.act == "dataset.use").one().body)
    assert "GRU" in entry["facts"]["before"]
    assert "MONDO:0005267" in entry["facts"]["after"]


def test_a_plan_that_says_nothing_changes_nothing(records, now):
    made.register(records, now, plan=made.PLAN + "about: {duo: [GRU]}\n")
    with (
        pytest.raises(Unreadable, match="add `data_use`"),
        records.act(HOST, "dataset.use", "dataset/trial") as session,
    ):
        catalogue.restrict(session, "trial", plan=made.PLAN, actor=HOST, now=now)


# --- who is in an extract ---------------------------------------------------------------------------------------------
def test_only_persons_of_the_approved_group_are_in_the_extract(records, settings, now, tmp_path):
    row = an_extract(records, settings, now, tmp_path)
    assert json.loads(row.groups) == ["broad"]
    assert held(settings, row) == named(settings, range(0, 60, 2))
    assert held(settings, row, "visits") == named(settings, range(0, 60, 2))
    left = {one["name"]: one["held"] for one in json.loads(row.manifest)["files"] if "held" in one}
    assert left["people.parquet"] == {str(Absent.OUTSIDE): 30}
    assert left["visits.parquet"][str(Absent.OUTSIDE)] > 0


@pytest.mark.parametrize("odd", ["", "C", "a"])
def test_a_person_of_no_approved_group_is_out(records, settings, now, tmp_path, odd):
    row = an_extract(records, settings, now, tmp_path, people(lambda at: "A" if at < 58 else odd))
    assert held(settings, row) == named(settings, range(58))


def test_a_person_of_two_groups_is_out_unless_both_were_approved(records, settings, now, tmp_path):
    plan = made.PLAN.replace("      day:", "      consent: {action: drop, reason: x}\n      day:") + GROUPS.replace(
        "people,", "visits,"
    )
    rows = [one | {"consent": "A"} for one in visits()]
    one = next(row["id"] for row in rows if [other["id"] for other in rows].count(row["id"]) > 1)
    rows[[row["id"] for row in rows].index(one)]["consent"] = "B"
    made.bring_in(records, settings, now, made.files(tmp_path, visits=rows), plan=plan)
    made.let_use(records, settings, now)
    row = made.prepare(records, settings, now)
    told = {(int(row["id"]) - 40000) // 7 for row in rows}
    assert held(settings, row) == named(settings, told - {(int(one) - 40000) // 7})


def test_whoever_a_linkage_knows_is_left_out_in_every_table_they_are_in(records, settings, now, tmp_path):
    groups = "data_use:\n  groups:\n    broad: {codes: [GRU], where: {table: labs, column: consent, value: A}}\n"
    plan = linked.PLAN.replace("      value:", "      consent: {action: drop, reason: x}\n      value:") + groups
    linked.load(records, settings, now, tmp_path)
    rows = [one | {"consent": "A" if int(one["value"]) >= 4 else "B"} for one in linked.labs()]
    paths = [made._csv(tmp_path / "labs.csv", rows), made._csv(tmp_path / "images.csv", list(linked.images()))]
    made.bring_in(records, settings, now, paths, plan=plan)
    made.let_use(records, settings, now)
    row = made.prepare(records, settings, now)
    naming = Naming(keys_of(settings, "sunrise"))
    out = {naming.pseudonym(PatientId(f"hospital:p{at}")) for at in range(4)}
    folder = settings.extract("sunrise", "trial", row.number)
    for table, column in (("labs", "mrn"), ("labs", "mother"), ("images", "patient")):
        found = duckdb.sql(f"SELECT {column} FROM read_parquet('{folder / table}.parquet')").fetchall()
        assert not out & {who for (who,) in found}
    held_rows = {one["name"]: one["held"] for one in json.loads(row.manifest)["files"] if "held" in one}
    assert held_rows["images.parquet"] == {str(Absent.OUTSIDE): 4}


def test_a_sample_of_a_person_outside_is_in_no_file_of_variants():
    who = genomics.a_who("S1", "S2")
    barred = replace(who, outside=frozenset({who.links["lab", "sample"]["S1"]}))
    summary = Summary()
    kept = variants.columns_of(["S1", "S2"], Variants("lab", "sample"), barred, summary)
    assert [column.name for column in kept] == [who.person("lab", "sample", "S2").pseudonym]
    assert summary.held == {f"a sample of {Absent.OUTSIDE}": 1}


def change(records, now, what):
    with records.act(HOST, "test.build", "home") as session:
        what(session)
        audit.append(session, "test.build", actor=HOST, subject="home", at=now)


def approve(records, now, groups):
    def said(session):
        for row in session.scalars(select(ApprovalRow)):
            row.groups = json.dumps(groups)

    change(records, now, said)


@pytest.mark.parametrize(
    ("groups", "said"), [([], "other consent groups"), (["broad", "gone"], "other consent groups")]
)
def test_without_a_clear_answer_whose_data_were_approved_nothing_is_made(
    records, settings, now, tmp_path, groups, said
):
    an_extract(records, settings, now, tmp_path)
    approve(records, now, groups)
    with pytest.raises(Refused, match=said):
        made.prepare(records, settings, now + LATER)


def test_a_version_that_does_not_tell_the_groups_gives_no_extract(records, settings, now, tmp_path):
    made.bring_in(records, settings, now, made.files(tmp_path))
    said = plans.parse(PLAN + GROUPS).use.to_json()
    change(records, now, lambda session: setattr(session.get(DatasetRow, "trial"), "data_use", said))
    made.let_use(records, settings, now)
    with pytest.raises(Refused, match=r"no people\.consent"):
        made.prepare(records, settings, now)


def test_what_changes_while_an_extract_is_made_stops_it(records, settings, now, tmp_path, monkeypatch):
    made.bring_in(records, settings, now, made.files(tmp_path, people=people(), visits=visits()), plan=PLAN + GROUPS)
    made.let_use(records, settings, now)
    real, said = consents.inside, plans.parse(PLAN + GROUPS.replace("[GRU]", "[GRU, PUB]")).use.to_json()

    def slow(order, agreed):
        change(records, now, lambda session: setattr(session.get(DatasetRow, "trial"), "data_use", said))
        return real(order, agreed)

    monkeypatch.setattr(extract.consent, "inside", slow)
    with pytest.raises(Unavailable, match="changed meanwhile"):
        made.prepare(records, settings, now)
    with records.read() as session:
        assert session.query(ExtractRow).count() == 0


@pytest.mark.parametrize(
    ("groups", "fits"), [(["broad"], True), (["broad", "heart"], True), (["heart"], False), ([], False)]
)
def test_an_extract_of_other_groups_than_are_approved_now_is_not_seen(records, settings, now, tmp_path, groups, fits):
    an_extract(records, settings, now, tmp_path)
    approve(records, now, groups)
    with records.read() as session:
        found = known.gather(session, ["ann-sunrise"], ["sunrise"], now=now + LATER)
        data = found.dataset("sunrise", "trial", "ann-sunrise")
    assert data.assessed is fits
