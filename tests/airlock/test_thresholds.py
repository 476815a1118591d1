"""Profiles say their numbers with a source, and of several the strictest holds."""

import json
from dataclasses import asdict, replace

import pytest

from airlock.checks import rules, thresholds
from tre.errors import Unreadable

DEFAULT = thresholds.load("default")


@pytest.fixture(scope="session")
def database():
    return ""


@pytest.mark.parametrize("name", thresholds.names())
def test_every_profile_is_read_and_says_where_each_number_is_from(name):
    read = thresholds.load(name)
    assert set(read.source) == set(read.verified) == set(thresholds.NUMBERS)
    assert all(len(source) > 10 for source in read.source.values())
    assert read.smallest_count >= 3
    assert thresholds.Thresholds(**json.loads(json.dumps(asdict(read)))) == read


def test_there_are_ten_profiles_and_what_was_not_read_again_is_marked():
    assert len(thresholds.names()) >= 10
    for name in ("cprd", "sail", "ukds-securelab"):
        assert not thresholds.load(name).verified["smallest_count"]
    for name in ("default", "opensafely", "all-of-us", "handbook", "hes", "uk-llc", "ons-ls"):
        assert thresholds.load(name).verified["smallest_count"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "profile x: give title"),
        ("title = 'x'", "profile x: smallest_count, round_to, .* missing"),
        ("title = 'x'\nrest = 'x'", "profile x: give title"),
        ("title = 'x'\nrest = 'nobody'", "no 'nobody'"),
        ("title = 'x'\nsmallest = 3", "nothing is called smallest;"),
        ("title = 'x'\nsmallest_count = 3", "smallest_count: give value, source and verified"),
        ("title = 'x'\n[smallest_count]\nvalue=0\nsource='y'\nverified=true", "a whole number from 1 to 1000"),
        ("title = 'x'\n[smallest_count]\nvalue=2.5\nsource='y'\nverified=true", "a whole number from 1 to 1000"),
        ("title = 'x'\n[smallest_count]\nvalue=true\nsource='y'\nverified=true", "a whole number from 1 to 1000"),
        ("title = 'x'\n[dominance_k]\nvalue=nan\nsource='y'\nverified=true", "a number from 0 to 1"),
        ("title = 'x'\n[dominance_k]\nvalue=90\nsource='y'\nverified=true", "a number from 0 to 1"),
        ("title = 'x'\n[scan]\nvalue='never'\nsource='y'\nverified=true", "scan: one of off, exception, required"),
        ("title = 'x'\n[scan]\nvalue='off'\nsource=''\nverified=true", "source is a text"),
        ("title = ", "profile x: "),
    ],
)
def test_a_profile_that_is_wrong_is_said_in_one_line(text, said):
    with pytest.raises(Unreadable, match=said) as refused:
        thresholds.read("x", text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("names", "number", "expected"),
    [
        (("default", "opensafely"), "smallest_count", 10),
        (("handbook", "all-of-us"), "smallest_count", 21),
        (("default", "opensafely"), "round_to", 5),
        (("default", "opensafely"), "midpoint", 6),
        (("hes", "opensafely"), "midpoint", 0),
        (("default", "uk-llc"), "zeros", "refused"),
        (("handbook", "default"), "dominance_k", 0.85),
        (("handbook", "all-of-us"), "interval", 21),
    ],
)
def test_of_several_profiles_the_strictest_number_holds(names, number, expected):
    for order in (names, names[::-1]):
        assert getattr(thresholds.strictest(order), number) == expected


def test_the_strictest_is_never_laxer_than_any_of_them():
    held = thresholds.strictest(thresholds.names())
    for name in thresholds.names():
        each = thresholds.load(name)
        assert held.smallest_count >= each.smallest_count
        assert held.round_to % each.round_to == 0
        assert held.largest_rows <= each.largest_rows
        assert thresholds.strictest([name, name]) == each


def test_counts_rounded_for_two_profiles_are_multiples_of_both(monkeypatch):
    held = {"five": replace(DEFAULT, round_to=5), "ten": replace(DEFAULT, round_to=4)}
    monkeypatch.setattr(thresholds, "load", held.__getitem__)
    assert thresholds.strictest(held).round_to == 20


def test_no_profile_at_all_is_no_profile():
    with pytest.raises(Unreadable, match="at least one"):
        thresholds.strictest(())


def test_every_rule_of_disclosure_control_says_what_to_do():
    assert {"F1", "F2b", "M3", "L2", "ML1", "C1", "C2", "C3", "P2"} <= set(rules.rules())
    for name, rule in rules.rules().items():
        assert rules.sentence_of(name).endswith(".")
        assert rules.fix_of(name).endswith(".")
        assert len(rule.source) > 9


def test_a_rule_that_nobody_wrote_is_refused():
    with pytest.raises(Unreadable, match="no rule of disclosure control is called 'Z9'"):
        rules.fix_of("Z9")
