import re
import tomllib
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings

from policies import book, rules, testing
from policies.engine import Rules
from policies.facts import EXCLUSIVE, MOMENTS, NEVER, Role
from tests.policies.asks import asks, worlds
from tests.policies.oracle import reasons

CASES = testing.cases()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_situation_is_decided_for_exactly_these_reasons(case):
    assert list(testing.faults(rules(), (case,))) == []


def test_every_rule_has_a_scenario_in_which_it_alone_says_no():
    alone = {rule for case in CASES for rule in case.denied if len(case.denied) == 1}
    assert alone == set(rules().book) - {"E00", "E01"}


def test_every_moment_has_a_scenario_that_is_allowed():
    assert {case.ask.verb for case in CASES if not case.denied} == set(MOMENTS)


def test_no_rule_can_be_taken_away_at_any_moment_without_a_scenario_noticing():
    assert list(testing.survivors(CASES)) == []


def test_the_gate_sees_a_rule_that_no_scenario_misses():
    blind = tuple(case for case in CASES if "R10" not in case.denied)
    seen = list(testing.survivors(blind, moments=("mount", "prepare_extract", "sign_in")))
    assert seen == ["R10.1@mount", "R10.1@prepare_extract"]


def test_the_gate_sees_a_permit_that_no_scenario_misses():
    blind = tuple(case for case in CASES if case.denied or case.ask.verb != "administer")
    assert list(testing.survivors(blind, moments=("administer",))) == ["may_administer.1@administer"]


def test_cedar_says_what_the_same_rules_in_plain_python_say_in_ten_thousand_worlds():
    met, silent, allowed = Counter(), set(rules().book) - {"E00", "E01"}, Counter()
    for ask in worlds(10_000, seed=20261102):
        decision, expected = rules().decide(ask), reasons(ask)
        assert (decision.allowed, set(decision.rules)) == (not expected, expected), ask
        met[len(expected)] += 1
        silent -= expected
        allowed[ask.verb] += decision.allowed
    assert not silent, "no world in which these rules say no"
    assert min(allowed[verb] for verb in MOMENTS) >= 20, allowed
    assert met[1] > 1000, met


@settings(max_examples=300, deadline=None)
@given(asks())
def test_cedar_says_what_the_same_rules_in_plain_python_say(ask):
    decision = rules().decide(ask)
    assert (decision.allowed, set(decision.rules)) == (not reasons(ask), reasons(ask))


@settings(max_examples=300, deadline=None)
@given(asks())
def test_a_no_names_a_remedy_for_each_reason_and_a_yes_names_none(ask):
    decision = rules().decide(ask)
    assert decision.remedies == tuple(rules().book[rule].remedy for rule in decision.rules)
    assert decision.allowed is not bool(decision.rules)


@pytest.mark.parametrize("rule", rules().book)
def test_a_rule_is_said_in_a_sentence_with_remedy_source_and_owner(rule):
    row = rules().book[rule]
    assert row.sentence.endswith(".")
    assert row.remedy.endswith(".")
    assert row.owner
    assert row.sources
    assert all(re.match(r"(SATRE |GDPR |HIPAA |ISO 27001 |GA4GH |DUO:\d{7}$)", source) for source in row.sources)


def test_whoever_holds_two_roles_that_exclude_each_other_cannot_administer():
    for pair in EXCLUSIVE:
        decision = rules().decide(testing.good("administer", person={"roles": list(pair)}))
        assert decision.rules == ("R29",)


def test_every_role_in_which_someone_acts_has_its_list_of_courses():
    table = tomllib.loads(book.TRAININGS.read_text("utf-8"))
    assert set(table["courses"]) == set(Role)
    assert set(table["acting"]) <= set(MOMENTS)
    assert set(table["acting"].values()) <= set(table["courses"])


def test_the_schema_knows_the_moments_that_the_facts_know():
    schema = re.sub(r"//.*", "", book.SCHEMA.read_text("utf-8"))
    assert set(re.findall(r"^action (\w+) ", schema, re.MULTILINE)) == set(MOMENTS)


def test_no_membership_is_the_moment_that_the_rules_take_for_none():
    assert rules().decide(testing.good("open_session", project={"member_until": NEVER})).rules == ("R00",)


def test_the_hash_is_the_same_for_the_same_rules_and_another_for_others():
    whole, again, less = Rules.load(), Rules.load(), Rules.load(without=("R01",))
    assert whole.policy_hash == again.policy_hash == rules().policy_hash
    assert whole.policy_hash != less.policy_hash
    assert re.fullmatch("[0-9a-f]{64}", whole.policy_hash)


def test_the_rules_at_a_moment_are_those_that_can_say_no_there():
    said = {verb: set() for verb in MOMENTS}
    for case in CASES:
        said[case.ask.verb] |= case.denied
    assert {verb: set(rules().at(verb)) for verb in MOMENTS} == said


@pytest.mark.parametrize("rule", ["R01", "R02", "R31", "R40"])
def test_a_rule_for_every_moment_names_none_so_that_it_speaks_at_one_that_is_added(rule):
    texts = "".join(text for name, text in book.bundle().items() if name.startswith("cedar/"))
    heads = re.findall(rf'@id\("{rule}"\)\s*forbid \((.*?)\)\s*(?:when|unless)', texts, re.DOTALL)
    assert heads == ["principal, action, resource"]
    assert all(rule in rules().at(verb) for verb in MOMENTS)


def test_an_emergency_lifts_five_rules_where_a_room_opens_and_nothing_anywhere_else():
    """In every world: what it changes is a part of these five, at the moments of a room."""
    lifted = set()
    for ask in worlds(3000, seed=4):
        if ask.project is None:
            continue
        without = replace(ask, project=replace(ask.project, emergency_until=NEVER))
        within = replace(ask, project=replace(ask.project, emergency_until=ask.now + timedelta(hours=4)))
        before, after = (set(rules().decide(one).rules) for one in (without, within))
        assert after <= before
        assert ask.verb in {"open_session", "mount"} or after == before
        lifted |= before - after
    assert lifted == {"R03", "R04", "R05", "R07", "R19"}


def test_no_room_is_stopped_at_once_by_an_end_that_was_announced():
    at_once = {rule for rule, row in rules().book.items() if row.at_once}
    assert at_once == {"R01", "R06", "R10", "R31"}


def test_a_second_account_changes_no_answer_from_no_to_yes():
    """Whoever is known to be two is never more than one."""
    for ask in worlds(3000, seed=5):
        alone = replace(ask, person=replace(ask.person, also=frozenset()))
        assert set(rules().decide(alone).rules) <= set(rules().decide(ask).rules)
