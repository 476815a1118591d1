from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import duo
from policies.consent import WEIGHT
from policies.duo import DataUse, DataUseUnfit, Group, Purpose, Situation, Use, Verdict, Where
from policies.limitation import CODES

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PERMIT, MANUAL, DENY = Verdict.PERMIT, Verdict.MANUAL, Verdict.DENY
METHODS, POPULATION, ANCESTRY, AGE, HEALTH, GENETIC, DRUGS, DISEASE, ANYTHING = (
    f"DUO:00000{n}" for n in (31, 32, 33, 34, 37, 38, 39, 40, 42)
)
CANCER, INTESTINE = "DOID:162", "DOID:10155"
MELANOMA, UVEAL, TUMOUR = "MONDO:0005105", "MONDO:0006486", "MONDO:0045024"


class Tree:
    """Few diseases: child -> parents."""

    UP = {  # noqa: RUF012 -- never changed
        INTESTINE: {"DOID:3119"}, "DOID:3119": {"DOID:0050686"}, "DOID:0050686": {CANCER}, CANCER: {"DOID:14566"},
        "DOID:14566": {"DOID:4"}, "DOID:4": set(),
        UVEAL: {MELANOMA}, MELANOMA: {"MONDO:0004992"}, "MONDO:0004992": {TUMOUR}, TUMOUR: set(),
        "MONDO:0005148": set(),
    }  # fmt: skip

    def ancestors(self, code):
        direct = self.UP.get(code, set())
        return frozenset(direct).union(*(self.ancestors(one) for one in direct))

    def label(self, code):
        return {MELANOMA: "melanoma", "MONDO:0005148": "type 2 diabetes mellitus"}.get(code, code)

    def known(self, code):
        return code in self.UP


def data(*codes, **more):
    return DataUse((Group("", tuple(map(duo.parse, codes))),), **more)


def a_purpose(*terms, **more):
    return Purpose(**{"text": "what we ask of the data", "terms": frozenset(terms)} | more)


def here(**more):
    return Situation(**{"now": NOW} | more)


def verdict(use, purpose, situation=None):
    return duo.match(use, purpose, situation or here(), Tree()).verdict


def on(*diseases, terms=()):
    return a_purpose(*terms, diseases=frozenset(diseases))


# --- published: the 33 cases of DUOS, matching version 4 --------------------------------------------------------------
# Its purposes are flags: general use is ANYTHING here, hmb HEALTH, poa ANCESTRY, methods METHODS; what is none of these
# has no term. Where DUOS asks for non-profit alone, both sides say here what else they are: without that nobody agreed
# to anything, and nothing is asked (see the holes).
HMB, GRU, POA, DS = data("HMB"), data("GRU"), data("POA"), data("DS:DOID_162")
DUOS = [
    ("disease, its ancestor", on(INTESTINE), DS, PERMIT),
    ("disease, its descendant", on(CANCER), data("DS:DOID_10155"), DENY),
    ("hmb 1", a_purpose(HEALTH), GRU, PERMIT),
    ("hmb 2", a_purpose(HEALTH), HMB, PERMIT),
    ("hmb not 1", a_purpose(ANYTHING), HMB, DENY),
    ("hmb not 2", a_purpose(HEALTH), DS, DENY),
    ("hmb not 3", a_purpose(HEALTH), POA, DENY),
    ("poa 1", a_purpose(ANCESTRY), GRU, PERMIT),
    ("poa 2", a_purpose(ANCESTRY), POA, PERMIT),
    ("poa not 1", a_purpose(ANCESTRY), HMB, DENY),
    ("poa not 2", a_purpose(ANCESTRY), DS, DENY),
    ("mds 1", a_purpose(METHODS), GRU, PERMIT),
    ("mds 2", a_purpose(METHODS), POA, PERMIT),
    ("mds 3", a_purpose(METHODS), DS, PERMIT),
    ("mds 4", a_purpose(METHODS), HMB, PERMIT),
    ("npu 1", a_purpose(HEALTH, not_for_profit=True), data("GRU", "NPU"), PERMIT),
    ("npu 2", a_purpose(HEALTH, not_for_profit=False), GRU, PERMIT),
    ("npu 3", a_purpose(HEALTH, not_for_profit=True), GRU, PERMIT),
    ("npu not 1", a_purpose(HEALTH, not_for_profit=False), data("GRU", "NPU"), DENY),
    ("abstain: collaborator", a_purpose(), HMB, MANUAL),
    ("abstain: other", a_purpose(text="other"), HMB, MANUAL),
    ("abstain: secondary other", a_purpose(text="secondary other"), HMB, MANUAL),
    ("abstain: ethics", a_purpose(text="with an ethics vote"), HMB, MANUAL),
    *(
        (f"abstain: {what}", a_purpose(HEALTH, sensitive=frozenset({what})), HMB, MANUAL)
        for what in (
            "controls", "population", "gender", "pediatric", "vulnerable_populations", "illegal_behavior",
            "sexual_diseases", "psychological_traits", "not_health", "stigmatize_diseases",
        )
    ),
]  # fmt: skip


def test_there_are_thirty_three_published_cases_of_duos():
    assert len(DUOS) == len({name for name, *_ in DUOS}) == 33


@pytest.mark.parametrize(("name", "purpose", "use", "expected"), DUOS, ids=[name for name, *_ in DUOS])
def test_a_published_case_of_duos_gets_its_answer(name, purpose, use, expected):
    assert verdict(use, purpose) is expected


HOLES = [
    ("research of any kind on one disease", a_purpose(ANYTHING), DS),
    ("research of any kind on ancestry", a_purpose(ANYTHING), POA),
    ("no purpose but non-profit", a_purpose(text="", not_for_profit=True), data("DS:DOID_162", "NPU")),
    ("modifiers passed over", a_purpose(HEALTH), data("HMB", "IRB", "GS:DE")),
    ("methods where they are ruled out", a_purpose(METHODS), data("HMB", "NMDS")),
]


@pytest.mark.parametrize(("name", "purpose", "use"), HOLES, ids=[name for name, *_ in HOLES])
def test_a_known_hole_of_duos_is_closed(name, purpose, use):
    assert verdict(use, purpose) is not PERMIT


# --- published: the 11 cases of REMS ----------------------------------------------------------------------------------
def moratorium_over(day, now):
    until = duo.moratorium(data("GRU", f"MOR:{day}"))
    return PERMIT if datetime.fromisoformat(now).replace(tzinfo=UTC) >= until else DENY


REMS = [
    ("the same code without a restriction", lambda: verdict(data("GRU"), a_purpose(HEALTH)), PERMIT),
    ("another code", lambda: verdict(data("POA"), a_purpose(HEALTH)), DENY),
    ("a project in words", lambda: verdict(data("GRU", "PS:CSC/REMS"), a_purpose(HEALTH), here(project="x")), MANUAL),
    ("no disease named", lambda: verdict(DataUse((Group("", (Use("DS"),)),)), on(MELANOMA)), DENY),
    ("narrower than asked", lambda: verdict(data("DS:MONDO_0006486"), on(MELANOMA)), DENY),
    ("one of two", lambda: verdict(data("DS:MONDO_0005105,MONDO_0006486"), on(MELANOMA)), PERMIT),
    ("the same disease", lambda: verdict(data("DS:MONDO_0005105"), on(MELANOMA)), PERMIT),
    ("an ancestor", lambda: verdict(data("DS:MONDO_0045024"), on(MELANOMA)), PERMIT),
    ("the day before", lambda: moratorium_over("2022-02-08", "2022-02-07"), DENY),
    ("the day", lambda: moratorium_over("2022-02-08", "2022-02-08"), PERMIT),
    ("a year later", lambda: moratorium_over("2022-02-08", "2023-02-08"), PERMIT),
]


@pytest.mark.parametrize(("name", "found", "expected"), REMS, ids=[name for name, *_ in REMS])
def test_a_published_case_of_rems_gets_its_answer(name, found, expected):
    assert found() is expected


# --- each code --------------------------------------------------------------------------------------------------------
LATER, BEFORE = NOW + timedelta(days=1), NOW - timedelta(days=1)
EACH = [
    ("DUO:0000001", a_purpose(HEALTH), {}, MANUAL),
    ("DUO:0000017", a_purpose(HEALTH), {}, MANUAL),
    ("NRES", a_purpose(ANCESTRY, clinical_care=True), {}, PERMIT),
    ("GRU", a_purpose(ANYTHING), {}, PERMIT),
    ("GRU", a_purpose(HEALTH, clinical_care=True), {}, DENY),
    ("HMB", a_purpose(DRUGS, METHODS), {}, PERMIT),
    ("HMB", a_purpose(HEALTH, POPULATION), {}, DENY),
    ("HMB", a_purpose(AGE), {}, MANUAL),
    ("DS:MONDO:0004992", on(MELANOMA, terms=[METHODS]), {}, PERMIT),
    ("DS:MONDO:0004992", on(MELANOMA, "MONDO:0005148"), {}, DENY),
    ("DS:MONDO:0004992", on("MONDO:0099999"), {}, MANUAL),
    ("DS:MONDO:0004992", on(CANCER), {}, MANUAL),
    ("DS:MONDO:0004992", a_purpose(METHODS, HEALTH), {}, DENY),
    ("DS:MONDO:0004992", on(MELANOMA, terms=[ANCESTRY]), {}, DENY),
    ("POA", a_purpose(POPULATION, ANCESTRY), {}, PERMIT),
    ("POA", a_purpose(ANCESTRY, GENETIC), {}, DENY),
    ("RS:autism in twins", a_purpose(HEALTH), {}, MANUAL),
    ("NMDS", a_purpose(HEALTH), {}, PERMIT),
    ("NMDS", a_purpose(HEALTH, METHODS), {}, DENY),
    ("GSO", a_purpose(GENETIC), {}, PERMIT),
    ("GSO", a_purpose(HEALTH), {}, DENY),
    ("NPUNCU", a_purpose(HEALTH, not_for_profit=True, commercial=False), {}, PERMIT),
    ("NPUNCU", a_purpose(HEALTH, not_for_profit=True, commercial=True), {}, DENY),
    ("NPUNCU", a_purpose(HEALTH, not_for_profit=True), {}, MANUAL),
    ("NPU", a_purpose(HEALTH, not_for_profit=True), {}, PERMIT),
    ("NPU", a_purpose(HEALTH, not_for_profit=False), {}, DENY),
    ("NPU", a_purpose(HEALTH), {}, MANUAL),
    ("NCU", a_purpose(HEALTH, commercial=False), {}, PERMIT),
    ("NCU", a_purpose(HEALTH, commercial=True), {}, DENY),
    ("NCU", a_purpose(HEALTH), {}, MANUAL),
    ("PUB", a_purpose(HEALTH), {}, PERMIT),
    ("RTN", a_purpose(HEALTH), {}, PERMIT),
    ("MOR:2099-01-01", a_purpose(HEALTH), {}, PERMIT),
    ("COL", a_purpose(HEALTH), {}, DENY),
    ("COL", a_purpose(HEALTH), {"collaboration": "Prof. A. Example, letter of 3 May"}, PERMIT),
    ("IRB", a_purpose(HEALTH), {}, DENY),
    ("IRB", a_purpose(HEALTH), {"ethics_until": LATER}, PERMIT),
    ("IRB", a_purpose(HEALTH), {"ethics_until": NOW}, DENY),
    ("GS:EU", a_purpose(HEALTH), {"countries": {"DE", "FR"}, "compute_country": "DE"}, PERMIT),
    ("GS:DE", a_purpose(HEALTH), {"countries": {"DE", "FR"}, "compute_country": "DE"}, DENY),
    ("GS:DE", a_purpose(HEALTH), {"countries": {"DE"}, "compute_country": "US"}, DENY),
    ("GS:DE", a_purpose(HEALTH), {"countries": {"DE", ""}, "compute_country": "DE"}, DENY),
    ("GS:DE", a_purpose(HEALTH), {"countries": set(), "compute_country": "DE"}, DENY),
    ("TS:12", a_purpose(HEALTH), {}, PERMIT),
    ("TS:12", a_purpose(HEALTH), {"approved_since": NOW - timedelta(days=364)}, PERMIT),
    ("TS:12", a_purpose(HEALTH), {"approved_since": NOW - timedelta(days=365)}, DENY),
    ("US:ana,ben", a_purpose(HEALTH), {"people": {"ana"}}, PERMIT),
    ("US:ana,ben", a_purpose(HEALTH), {"people": {"ana", "eve"}}, DENY),
    ("US:ana", a_purpose(HEALTH), {}, DENY),
    ("PS:lung", a_purpose(HEALTH), {"project": "lung"}, PERMIT),
    ("PS:lung", a_purpose(HEALTH), {"project": "skin"}, DENY),
    ("IS:https://ror.org/02crff812", a_purpose(HEALTH), {"institutions": {"https://ror.org/02crff812"}}, PERMIT),
    ("IS:https://ror.org/02crff812", a_purpose(HEALTH), {"institutions": {""}}, DENY),
    ("CC", a_purpose(HEALTH, clinical_care=True), {}, PERMIT),
    ("NPOA", a_purpose(HEALTH), {}, PERMIT),
    ("NPOA", a_purpose(HEALTH, ANCESTRY), {}, DENY),
    ("NPOA", a_purpose(ANYTHING), {}, DENY),
    ("XYZ", a_purpose(HEALTH), {}, MANUAL),
]


@pytest.mark.parametrize(("code", "purpose", "more", "expected"), EACH)
def test_a_code_says_what_the_ontology_means(code, purpose, more, expected):
    permission = CODES.get(duo.parse(code).code)
    alone = permission is not None and permission.kind == "permission"
    use = data(code) if alone else data("GRU", code)
    found = duo.match(
        use, purpose, here(**{k: frozenset(v) if isinstance(v, set) else v for k, v in more.items()}), Tree()
    )
    (said,) = [point.verdict for point in found.points if point.code == duo.parse(code).code]
    assert said is expected
    assert all(point.reason for point in found.points)


def test_each_of_the_twenty_five_codes_has_its_own_cases():
    tried = {duo.parse(code).code for code, *_ in EACH}
    assert len(CODES) == 25
    assert CODES.keys() <= tried
    assert len({row.id for row in CODES.values()}) == 25
    assert all(row.parent in {"", *(one.id for one in CODES.values())} for row in CODES.values())


def test_methods_for_the_disease_are_allowed_where_general_methods_are_not():
    use = data("DS:MONDO_0004992", "NMDS")
    assert verdict(use, on(MELANOMA, terms=[METHODS])) is PERMIT
    assert verdict(use, a_purpose(METHODS)) is DENY


def test_no_words_is_no_purpose():
    assert verdict(GRU, a_purpose(HEALTH, text=" ")) is DENY


def test_words_alone_are_read_by_a_person():
    found = duo.match(GRU, a_purpose(), here())
    assert (found.verdict, [point.code for point in found.to_rule]) == (MANUAL, ["purpose"])


def test_data_that_state_nothing_are_read_by_a_person():
    found = duo.match(DataUse.from_json("{}"), a_purpose(HEALTH), here())
    assert [(point.code, point.verdict) for point in found.points] == [("unstated", MANUAL)]


def test_a_term_that_the_ontology_does_not_have_is_read_by_a_person():
    assert verdict(GRU, a_purpose("DUO:9999999")) is MANUAL


def test_a_reason_names_the_disease():
    (point,) = duo.match(data("DS:MONDO_0005148"), on(MELANOMA), here(), Tree()).why
    assert "type 2 diabetes mellitus (MONDO:0005148)" in point.reason
    assert "melanoma (MONDO:0005105)" in point.reason


def test_without_an_ontology_only_the_same_id_is_the_same_disease():
    assert duo.match(data("DS:MONDO_0005105"), on(MELANOMA), here()).verdict is PERMIT
    assert duo.match(data("DS:MONDO_0004992"), on(MELANOMA), here()).verdict is MANUAL


# --- groups and rulings -----------------------------------------------------------------------------------------------
def two_groups(*codes):
    return DataUse(
        tuple(
            Group(name, tuple(map(duo.parse, said)), Where("people", "consent", name))
            for name, said in zip("ab", codes, strict=True)
        )
    )


def test_only_the_group_that_permits_comes_in():
    found = duo.match(two_groups(["GRU"], ["DS:MONDO_0005148"]), on(MELANOMA), here(), Tree())
    assert (found.verdict, found.groups, duo.admitted(found)) == (PERMIT, ("a",), ("a",))
    assert duo.settled(found, {}) == (True, frozenset())


def test_at_a_door_every_approved_group_must_permit():
    use = two_groups(["GRU"], ["GRU", "IRB"])
    found = duo.match(use, a_purpose(HEALTH), here(ethics_until=BEFORE), only=["a", "b"])
    assert found.verdict is DENY
    assert duo.settled(found, {}) == (False, frozenset({"IRB"}))
    assert duo.match(use, a_purpose(HEALTH), here(ethics_until=BEFORE), only=["a"]).verdict is PERMIT


def test_an_extract_that_holds_everybody_needs_everybodys_yes():
    use = two_groups(["GRU"], ["POA"])
    assert duo.match(use, a_purpose(HEALTH), here(), only=[]).verdict is DENY
    assert duo.match(use, a_purpose(HEALTH), here()).verdict is PERMIT


def test_a_group_that_is_gone_says_no():
    assert duo.match(GRU, a_purpose(HEALTH), here(), only=["a"]).verdict is DENY


def test_a_ruling_settles_what_a_person_must_read():
    found = duo.match(data("GRU", "RS:twins", "XYZ"), a_purpose(), here())
    assert [point.code for point in found.to_rule] == ["purpose", "RS", "XYZ"]
    assert duo.settled(found, {"purpose": True, "RS": True}) == (False, frozenset())
    assert duo.settled(found, {"purpose": True, "RS": True, "XYZ": True}) == (True, frozenset())
    assert duo.settled(found, {"purpose": True, "RS": False, "XYZ": True}) == (False, frozenset({"RS"}))


def test_no_ruling_overrides_a_no():
    found = duo.match(data("GRU", "NCU"), a_purpose(HEALTH, commercial=True), here())
    assert duo.settled(found, {"NCU": True, "GRU": True}) == (False, frozenset({"NCU"}))
    assert found.to_rule == ()


def test_a_ruling_lets_in_a_group_that_asks():
    found = duo.match(two_groups(["GRU", "RS"], ["POA"]), a_purpose(HEALTH), here())
    assert duo.admitted(found, {}) == ()
    assert duo.admitted(found, {"RS": True}) == ("a",)


# --- what is written down ---------------------------------------------------------------------------------------------
def test_duties_are_told_once_with_their_day():
    use = two_groups(["GRU", "PUB", "MOR:2028-06-30"], ["HMB", "PUB", "RTN"])
    found = {(duty.code, duty.due and f"{duty.due:%Y-%m-%d}") for duty in duo.duties(use)}
    assert found == {("PUB", None), ("MOR", "2028-06-30"), ("RTN", None)}
    assert {duty.code for duty in duo.duties(use, ["b"])} == {"PUB", "RTN"}


def test_two_permissions_in_a_group_contradict_each_other():
    with pytest.raises(DataUseUnfit, match="one permission, not GRU, HMB"):
        data("GRU", "HMB")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("XYZ", "no code 'XYZ'"),
        ("DUO:0000099", "no code 'DUO:0000099'"),
        ("DUO:0000017", "is a heading"),
        ("GRU:DE", "takes nothing"),
        ("DS", "needs ids of MONDO or DOID"),
        ("DS:cancer", "needs ids of MONDO or DOID"),
        ("GS:Germany", "needs codes of ISO 3166"),
        ("MOR:2028-02-30", "needs one day"),
        ("TS:soon", "needs a number of months"),
        ("IS:St Elsewhere", "needs ROR ids"),
    ],
)
def test_a_code_that_says_nothing_clear_is_refused_in_one_line(code, said):
    with pytest.raises(DataUseUnfit, match=said) as caught:
        duo.checked(data(code))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "said",
    [
        "DS:MONDO_0005148",
        "ds:MONDO:0005148",
        "DUO:0000007:MONDO_0005148",
        "DUO_0000007:http://purl.obolibrary.org/obo/MONDO_0005148",
    ],
)
def test_a_code_is_the_same_however_it_is_written(said):
    assert duo.parse(said) == Use("DS", ("MONDO:0005148",))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '{"groups": [3]}',
        '{"groups": [{"codes": [["GRU", []], ["HMB", []]]}]}',
        '{"embargo_until": "soon"}',
        "[" * 5000,
    ],
)
def test_a_limitation_that_cannot_be_read_is_said_so_in_one_line(text):
    with pytest.raises(DataUseUnfit):
        DataUse.from_json(text)


# --- whatever somebody writes -----------------------------------------------------------------------------------------
MODIFIERS = [
    "RS:twins",
    "NMDS",
    "GSO",
    "NPUNCU",
    "NPU",
    "NCU",
    "PUB",
    "COL",
    "IRB",
    "GS:DE",
    "MOR:2099-01-01",
    "TS:6",
    "US:ana",
    "PS:lung",
    "IS:https://ror.org/02crff812",
    "RTN",
    "NPOA",
    "XYZ",
]
PURPOSES = st.builds(
    Purpose,
    text=st.sampled_from(["", "words"]),
    terms=st.frozensets(
        st.sampled_from([METHODS, POPULATION, ANCESTRY, AGE, HEALTH, GENETIC, DRUGS, DISEASE, ANYTHING])
    ),
    diseases=st.frozensets(st.sampled_from([MELANOMA, UVEAL, CANCER, "MONDO:0005148", "MONDO:0099999"]), max_size=2),
    commercial=st.sampled_from([None, True, False]),
    not_for_profit=st.sampled_from([None, True, False]),
    clinical_care=st.booleans(),
    sensitive=st.frozensets(st.sampled_from(sorted(duo.SENSITIVE)), max_size=1),
)
SITUATIONS = st.builds(
    Situation,
    now=st.just(NOW),
    project=st.sampled_from(["", "lung"]),
    people=st.sampled_from([frozenset(), frozenset({"ana"}), frozenset({"ana", "eve"})]),
    countries=st.sampled_from([frozenset(), frozenset({"DE"}), frozenset({"FR"})]),
    compute_country=st.sampled_from(["", "DE"]),
    approved_since=st.sampled_from([None, BEFORE, NOW - timedelta(days=400)]),
    ethics_until=st.sampled_from([None, BEFORE, LATER]),
    collaboration=st.sampled_from(["", "with them"]),
)
PERMISSIONS = st.sampled_from(["NRES", "GRU", "HMB", "DS:MONDO_0004992", "POA", "XYZ"])


@given(PERMISSIONS, st.lists(st.sampled_from(MODIFIERS), max_size=6), st.sampled_from(MODIFIERS), PURPOSES, SITUATIONS)
def test_one_more_restriction_never_turns_a_no_or_a_question_into_a_yes(permission, codes, more, purpose, situation):
    before = duo.match(data(permission, *codes), purpose, situation, Tree())
    after = duo.match(data(permission, *codes, more), purpose, situation, Tree())
    assert WEIGHT[after.verdict] >= WEIGHT[before.verdict]


@given(PERMISSIONS, st.lists(st.sampled_from([*MODIFIERS, "CC"]), max_size=6), PURPOSES, SITUATIONS)
def test_a_limitation_comes_back_as_it_was_written_and_says_the_same(permission, codes, purpose, situation):
    use = data(permission, *codes, embargo_until=LATER, networks=("ward",), combine=("labs",))
    back = DataUse.from_json(use.to_json())
    assert back == use
    assert duo.match(back, purpose, situation, Tree()) == duo.match(use, purpose, situation, Tree())


@given(
    PERMISSIONS,
    st.lists(st.sampled_from(MODIFIERS), max_size=4),
    PURPOSES,
    SITUATIONS,
    st.dictionaries(st.sampled_from(["purpose", "unstated", "RS", "XYZ", "NCU", "DS", "HMB"]), st.booleans()),
)
def test_whatever_is_ruled_a_no_stays_a_no(permission, codes, purpose, situation, rulings):
    found = duo.match(data(permission, *codes), purpose, situation, Tree())
    ruled, refused = duo.settled(found, rulings)
    denied = {point.code for point in found.points if point.verdict is DENY}
    assert denied <= refused
    assert not (ruled and refused)
    if found.verdict is DENY:
        assert not ruled
