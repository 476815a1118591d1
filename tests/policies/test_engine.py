"""Attempts to get a yes out of rules that could not be judged."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

import policies
from policies import book, engine, testing, translate
from policies.engine import Rules, RulesUnfit
from policies.facts import (
    MOMENTS,
    Application,
    Ask,
    Change,
    Dataset,
    Emergency,
    Export,
    Import,
    Person,
    Project,
    Recontact,
)

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
THINGS = {
    "project": Project(name="sunrise"),
    "dataset": Dataset(name="trial"),
    "export": Export(request="12", requester="ann", manifest="m1"),
    "application": Application(number="7", applicant="ann", project="sunset"),
    "arriving": Import(request="3", requester="ann"),
    "recontact": Recontact(request="5", requester="ann"),
    "change": Change(what="rules/2", proposer="oda"),
    "emergency": Emergency(number="1", proposer="erin", beneficiary="ann"),
}


def refused(ask):
    decision = policies.decide(ask)
    return not decision.allowed and "E00" in decision.rules and bool(decision.errors)


@pytest.mark.parametrize("verb", MOMENTS)
@pytest.mark.parametrize("thing", THINGS)
def test_an_ask_that_brings_too_much_or_too_little_is_denied(verb, thing):
    ask = testing.good(verb)
    assert policies.decide(ask).allowed
    assert refused(replace(ask, **{thing: None if thing in MOMENTS[verb] else THINGS[thing]}))


@pytest.mark.parametrize("verb", MOMENTS)
def test_facts_that_nobody_filled_in_deny(verb):
    brought = {name: THINGS[name] for name in MOMENTS[verb]}
    if verb == "change_role":
        brought["change"] = Change(what="role/4", proposer="oda", beneficiary="bob")
    decision = policies.decide(Ask(verb=verb, now=NOW, person=Person(name="ann"), **brought))
    assert not decision.allowed
    assert not decision.errors
    assert set(decision.rules) == SAID_OF_NOTHING[verb] | {"R01", "R02", "R31", "R40"}


OF_NOBODY_S_DATA = {"R06", "R07", "R08", "R09", "R10", "R11", "R12", "R13"}
SAID_OF_NOTHING = {  # verb -> which rules say no, beside those of every moment, where nothing is known
    "sign_in": set(),
    "open_session": {"R00", "R03", "R04", "R06", "R07", "R08", "R13", "R29", "R33"},
    "mount": OF_NOBODY_S_DATA | {"R00", "R03", "R04", "R19", "R29", "R36"},
    "prepare_extract": OF_NOBODY_S_DATA | {"R03", "R29"},
    "submit_export": {"R00", "R03", "R04", "R06", "R08", "R09", "R11", "R20", "R24", "R27", "R29"},
    "vote_export": {"R03", "R06", "R09", "R22", "R23"},
    "release_export": {"R00", "R06", "R09", "R11", "R20", "R21", "R23", "R24", "R25", "R26"},
    "collect_export": {"R00", "R06", "R09", "R11", "R20", "R21", "R23", "R25"},
    "grant_exception": {"R03", "R06", "R09", "R23", "R29", "R42"},
    "recall_export": set(),  # it is the requester who asks
    "submit_application": {"R39"},
    "vote_application": {"R03", "R29", "R37"},
    "decide_application": {"R03", "R29", "R37", "R38", "R39"},
    "ask_import": {"R00", "R03", "R04", "R06", "R07", "R08", "R29", "R34"},
    "vote_import": {"R03", "R06", "R22", "R23", "R34"},
    "import_file": {"R00", "R03", "R04", "R06", "R07", "R08", "R23", "R29", "R34"},
    "ask_recontact": {"R00", "R03", "R04", "R06", "R08", "R29", "R41"},
    "vote_recontact": {"R03", "R06", "R22", "R41"},
    "administer": {"R03", "R29"},
    "change_rules": {"R03", "R28", "R29"},
    "change_role": {"R03", "R28", "R29"},
    "break_glass": {"R06", "R08", "R29", "R30"},
    "view_log": {"R03", "R32"},
    "view_project_log": {"R03", "R32"},
}


@pytest.mark.parametrize("verb", ["", "Mount", "delete", None, 7, [], 'mount" || true || "'])
def test_a_verb_that_is_no_moment_is_denied(verb):
    assert refused(replace(testing.good("sign_in"), verb=verb))


@pytest.mark.parametrize("ask", [None, "mount", object(), SimpleNamespace(verb="sign_in")])
def test_what_is_no_ask_is_denied(ask):
    assert refused(ask)


@pytest.mark.parametrize(
    ("thing", "fact", "value"),
    [
        ("person", "name", ""),
        ("person", "name", None),
        ("person", "suspended", None),
        ("person", "suspended", 0),
        ("person", "suspended", "false"),
        ("person", "second_factor", 1),
        ("person", "roles", None),
        ("person", "roles", "analyst"),
        ("person", "roles", frozenset({1})),
        ("person", "trainings", None),
        ("person", "trainings", {"gdpr": "2027-01-01"}),
        ("person", "trainings", {"gdpr": datetime(2027, 1, 1)}),  # noqa: DTZ001 -- without a zone, that is the attempt
        ("person", "agreement", None),
        ("project", "closed", None),
        ("project", "name", ""),
        ("project", "member_until", None),
        ("project", "member_until", datetime(2027, 1, 1)),  # noqa: DTZ001
        ("project", "approved_until", "2027-01-01"),
        ("dataset", "version", None),
        ("dataset", "version", "2"),
        ("dataset", "version", 2**70),
        ("dataset", "revoked", ""),
        ("dataset", "assessed", "yes"),
        ("person", "also", None),
        ("person", "also", "bob"),
        ("person", "also", ["bob"]),
        ("person", "network", None),
        ("project", "lead", None),
        ("project", "combinable", "yes"),
        ("project", "combinable", 1),
        ("project", "alone", None),
        ("project", "ml_plan", None),
        ("project", "grace_until", None),
        ("project", "emergency_until", "2027-01-01"),
        ("project", "emergency_until", datetime(2027, 1, 1)),  # noqa: DTZ001
        ("project", "moratorium_until", None),
        ("dataset", "embargo_until", None),
        ("dataset", "embargo_until", datetime(1970, 1, 1)),  # noqa: DTZ001
        ("dataset", "duo", None),
        ("dataset", "duo", True),
        ("dataset", "duo", frozenset({"permit"})),
        ("dataset", "ruled", None),
        ("dataset", "refused", None),
        ("dataset", "refused", ()),
        ("dataset", "refused", frozenset({None})),
        ("dataset", "networks", "any"),
        ("dataset", "networks", ["any"]),
    ],
)
def test_a_fact_that_is_missing_or_of_another_type_is_denied(thing, fact, value):
    ask = testing.good("mount")
    assert refused(replace(ask, **{thing: replace(getattr(ask, thing), **{fact: value})}))


@pytest.mark.parametrize(
    ("fact", "value"),
    [
        ("manifest", None),
        ("kinds", "csv"),
        ("kinds", ["csv"]),
        ("approvals", ["bob", "bob"]),
        ("approvals", "bob"),
        ("voted", None),
        ("requester", ""),
        ("row_level", None),
        ("blocked", 0),
        ("size", None),
        ("size", -1),
        ("size", 1.5),
        ("size", True),
        ("spent", -(2**70)),
        ("spent", "0"),
        ("quota", None),
        ("quota", 2**63),
        ("approvals_until", None),
        ("data_in_force", None),
        ("data_in_force", "yes"),
        ("models_checked", 1),
        ("excepted_check", 1),
    ],
)
def test_an_export_with_a_fact_of_another_type_is_denied(fact, value):
    ask = testing.good("release_export")
    assert refused(replace(ask, export=replace(ask.export, **{fact: value})))


@pytest.mark.parametrize(
    ("verb", "part", "fact", "value"),
    [
        ("decide_application", "application", "applicant", ""),
        ("decide_application", "application", "number", None),
        ("decide_application", "application", "named", None),
        ("decide_application", "application", "named", ["lea"]),
        ("decide_application", "application", "panel", "erin"),
        ("decide_application", "application", "conflicted", None),
        ("decide_application", "application", "conflicted", 0),
        ("decide_application", "application", "form", None),
        ("decide_application", "application", "seen_form", None),
        ("decide_application", "application", "votes", "2"),
        ("decide_application", "application", "votes", None),
        ("decide_application", "application", "quorum", -1),
        ("decide_application", "application", "quorum", True),
        ("decide_application", "application", "chaired", "yes"),
        ("decide_application", "application", "unruled", None),
        ("decide_application", "application", "complete", 1),
        ("decide_application", "application", "until", None),
        ("decide_application", "application", "latest", datetime(2029, 1, 1)),  # noqa: DTZ001
        ("vote_application", "application", "voted", None),
        ("import_file", "arriving", "kinds", "csv"),
        ("import_file", "arriving", "checked", None),
        ("import_file", "arriving", "approvals", 1),
        ("import_file", "arriving", "requester", None),
        ("vote_import", "arriving", "voted", ["bob"]),
        ("vote_import", "arriving", "seen_manifest", None),
        ("ask_recontact", "recontact", "contact", "yes"),
        ("ask_recontact", "recontact", "requester", ""),
        ("vote_recontact", "recontact", "voted", ["bob"]),
        ("vote_recontact", "recontact", "approvals", None),
        ("change_rules", "change", "proposer", ""),
        ("change_rules", "change", "proposer", None),
        ("change_rules", "change", "proposer_fit", None),
        ("change_rules", "change", "manifest", None),
        ("change_rules", "change", "beneficiary", "eve"),
        ("change_role", "change", "beneficiary", ""),
        ("change_role", "change", "beneficiary", None),
        ("break_glass", "emergency", "proposer", ""),
        ("break_glass", "emergency", "beneficiary", ""),
        ("break_glass", "emergency", "roles", None),
        ("break_glass", "emergency", "roles", ["admin", "chair"]),
        ("break_glass", "emergency", "reason", "because"),
        ("break_glass", "emergency", "told", None),
        ("break_glass", "emergency", "until", None),
        ("break_glass", "emergency", "until", timedelta(hours=4)),
        ("break_glass", "project", "suspended", None),
        ("view_project_log", "project", "lead", "ann"),
    ],
)
def test_a_fact_of_another_type_is_denied_at_every_moment(verb, part, fact, value):
    ask = testing.good(verb)
    assert refused(replace(ask, **{part: replace(getattr(ask, part), **{fact: value})}))


@pytest.mark.parametrize("verb", MOMENTS)
@pytest.mark.parametrize(
    ("fact", "value"),
    [
        ("log_stands", None),
        ("log_stands", 1),
        ("log_stands", "true"),
        ("clock_sound", None),
        ("clock_sound", "true"),
        ("agreement", None),
        ("agreement", True),
    ],
)
def test_what_is_said_of_the_house_has_its_type_too(verb, fact, value):
    assert refused(replace(testing.good(verb), **{fact: value}))


@pytest.mark.parametrize("verb", MOMENTS)
def test_an_attribute_that_is_left_out_on_the_way_to_cedar_is_denied(verb, monkeypatch):
    """Were the translation to forget a fact, no rule would look at nothing and say yes."""
    real = translate.request

    def forgetting(ask, courses):
        question, entities = real(ask, courses)
        rest = json.loads(entities)
        del rest[position]["attrs"][fact]
        return translate.Request(question, json.dumps(rest))

    monkeypatch.setattr(engine.translate, "request", forgetting)
    whole = json.loads(real(testing.good(verb), {}).entities)
    for position in range(len(whole)):
        for fact in whole[position]["attrs"]:
            assert refused(testing.good(verb)), (position, fact)


@pytest.mark.parametrize("verb", MOMENTS)
def test_a_word_that_is_left_out_of_the_question_is_denied(verb, monkeypatch):
    real = translate.request

    def forgetting(ask, courses):
        question, entities = real(ask, courses)
        context = json.loads(question["context"])
        del context[word]
        return translate.Request(question | {"context": json.dumps(context)}, entities)

    monkeypatch.setattr(engine.translate, "request", forgetting)
    for word in json.loads(real(testing.good(verb), {}).question["context"]):
        assert refused(testing.good(verb)), word


def test_sums_that_overflow_are_denied():
    """Cedar cannot add these two: the rule fails, and Cedar alone would say yes."""
    whole = 2**63 - 1
    assert refused(testing.good("release_export", export={"size": whole, "spent": whole, "quota": whole}))


def test_a_now_without_a_zone_is_denied():
    assert refused(replace(testing.good("mount"), now=datetime(2026, 11, 2, 9)))  # noqa: DTZ001


def test_a_now_in_another_zone_is_the_same_moment():
    there = testing.good("mount", project={"member_until": NOW + timedelta(seconds=1)})
    assert policies.decide(replace(there, now=NOW.astimezone(timezone(timedelta(hours=11))))).allowed


@pytest.mark.parametrize("name", ['"; permit', "\x00", "ann\nbob", "\ud800", "a" * 10_000, "☃"])
def test_a_name_is_a_name_whatever_it_says(name):
    ask = testing.good("open_session", person={"suspended": True})
    decision = policies.decide(replace(ask, person=replace(ask.person, name=name)))
    assert not decision.allowed
    assert set(decision.rules) <= {"R01", "E00"}


@pytest.fixture
def other_house(tmp_path, monkeypatch):
    """A copy of the rules that may be broken."""
    for name in ("SCHEMA", "RULES", "TRAININGS", "COMMITTEE"):
        file = getattr(book, name)
        copy = tmp_path / file.name
        copy.write_bytes(file.read_bytes())
        monkeypatch.setattr(book, name, copy)
    (tmp_path / "cedar").mkdir()
    for file in book.CEDAR.glob("*.cedar"):
        (tmp_path / "cedar" / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(book, "CEDAR", tmp_path / "cedar")
    return tmp_path


def change(file, old, new):
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")


def test_a_rule_that_fails_to_evaluate_never_allows(other_house):
    """Cedar itself answers Allow here: it skips the forbid that overflows. Validation cannot see an overflow."""
    overflowing = "{ 9223372036854775807 + context.now < context.now }"
    change(other_house / "cedar" / "session.cedar", "{ principal.suspended }", overflowing)
    decision = Rules.load().decide(testing.good("open_session", person={"suspended": True}))
    assert not decision.allowed
    assert decision.rules == ("E00",)
    assert "overflow" in decision.errors[0]


def test_a_failing_rule_does_not_hide_the_reasons_of_the_others(other_house):
    change(other_house / "cedar" / "mount.cedar", "{ resource.withdrawn }", "{ 9223372036854775807 + context.now < 0 }")
    decision = Rules.load().decide(testing.good("mount", dataset={"assessed": False}))
    assert decision.rules == ("E00", "R36")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("principal.suspended", "principal.suspnded"),
        ("context.project.suspended", "context.project.version"),
        ("principal.second_factor", "1"),
        ('Action::"open_session"', 'Action::"open_sesion"'),
        ("when { principal.suspended };", "when { principal.suspended }"),
        ('@id("R01")', ""),
        ('@id("R01")', '@id("R99")'),
        ('@id("may_sign_in")', '@id("R01")'),
        ('@id("may_sign_in")', '@id("may_come")'),
    ],
    ids=str,
)
def test_rules_with_a_fault_are_not_loaded(other_house, old, new):
    change(other_house / "cedar" / "session.cedar", old, new)
    with pytest.raises(ValueError):  # noqa: PT011 -- Cedar's own, or RulesUnfit
        Rules.load()


def test_an_optional_attribute_is_not_accepted_unguarded(other_house):
    change(other_house / "tre.cedarschema", "  closed: Bool,", "  closed?: Bool,")
    with pytest.raises(RulesUnfit, match="closed"):
        Rules.load()


@pytest.mark.parametrize("rule", ["R10", "E00", "E01"])
def test_a_rule_without_its_row_is_not_loaded(other_house, rule):
    change(other_house / "rules.toml", f"[{rule}]", "[R77]")
    with pytest.raises(RulesUnfit, match=r"rules\.toml"):
        Rules.load()


def test_a_row_without_its_rule_is_not_loaded(other_house):
    change(other_house / "cedar" / "mount.cedar", '@id("R10")', '@id("R36")')
    with pytest.raises(RulesUnfit, match="R10"):
        Rules.load()


def test_any_changed_byte_of_the_rules_changes_the_hash(other_house):
    before = Rules.load().policy_hash
    hashes = set()
    for file in (*sorted(book.CEDAR.glob("*.cedar")), book.SCHEMA, book.RULES, book.TRAININGS, book.COMMITTEE):
        was = file.read_bytes()
        file.write_bytes(was + b"\n")
        hashes.add(Rules.load().policy_hash)
        file.write_bytes(was)
    assert len(hashes) == len([*book.CEDAR.glob("*.cedar")]) + 4
    assert before not in hashes


@pytest.mark.parametrize("verb", MOMENTS)
def test_what_no_rule_allows_is_denied_and_says_so(verb):
    decision = Rules.load(without=(f"may_{verb}",)).decide(testing.good(verb))
    assert (decision.allowed, decision.rules) == (False, ("E01",))
    assert decision.remedies


def test_what_is_not_there_cannot_be_left_out():
    with pytest.raises(RulesUnfit, match="R99"):
        Rules.load(without=("R99",))


def test_the_rules_are_read_once():
    assert engine.rules() is policies.rules()


def test_rules_given_as_texts_decide_as_the_package_s_do():
    texts = engine.bundle()
    assert set(texts) == {f"cedar/{file.name}" for file in book.CEDAR.glob("*.cedar")} | {
        "rules.toml",
        "trainings.toml",
        "committee.toml",
    }
    given = Rules.of(texts)
    assert given.policy_hash == Rules.load().policy_hash
    assert given.decide(testing.good("open_session", person={"suspended": True})).rules == ("R01",)


def test_rules_given_as_texts_are_judged_by_and_nothing_on_the_disk_is():
    texts = engine.bundle()
    session = texts["cedar/session.cedar"].replace(
        "when { principal.suspended };", "when { principal.suspended && false };"
    )
    laxer = Rules.of(texts | {"cedar/session.cedar": session})
    assert laxer.decide(testing.good("open_session", person={"suspended": True})).allowed
    assert laxer.policy_hash != Rules.load().policy_hash


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("cedar/more.cedar", "forbid (principal", r"^cedar/more\.cedar: "),
        ("cedar/more.cedar", '@id("R01") forbid (principal == ?principal, action, resource);', "slot"),
        ("cedar/more.cedar", "forbid (principal, action, resource);", "without @id"),
        ("rules.toml", "[R00]\nsentence = ", r"^rules\.toml: "),
        ("rules.toml", '[R00]\nsentence = "s"', r"^rules\.toml: "),
        ("trainings.toml", '[acting]\nmount = "nobody"', r"^trainings\.toml: "),
        ("committee.toml", "quorum = ", r"^committee\.toml: "),
        ("committee.toml", "quorum = 2", r"^committee\.toml: .*longest_days, retained_days"),
        ("committee.toml", "quorum = 1\nlongest_days = 9\nretained_days = 9", "quorum is a whole number from 2"),
        ("committee.toml", "quorum = 2\nlongest_days = true\nretained_days = 9", "longest_days is a whole number"),
        ("committee.toml", "quorum = 2\nlongest_days = 9\nretained_days = 9\nmore = 1", "more: the numbers are"),
        ("tre.cedarschema", "entity House;", r"not tre\.cedarschema"),
        ("cedar/../x.cedar", "", "not cedar/"),
        ("notes.md", "", r"not notes\.md"),
    ],
)
def test_texts_that_are_no_rules_are_refused_in_one_line(name, text, said):
    with pytest.raises(RulesUnfit, match=said) as refused:
        Rules.of(engine.bundle() | {name: text})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["rules.toml", "trainings.toml", "committee.toml", "cedar/session.cedar"])
def test_rules_that_are_not_whole_are_refused(name):
    texts = engine.bundle()
    del texts[name]
    with pytest.raises(RulesUnfit):
        Rules.of(texts)
