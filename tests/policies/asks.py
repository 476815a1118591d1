"""Asks as Hypothesis makes them, and worlds as a seed makes them: near the good situation, so that a yes and a single
reason are not rare, with every edge of a time and every second account."""

from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import strategies as st

from policies import testing
from policies.facts import ALWAYS, MOMENTS, NEVER, Ask, Role

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
LATER = NOW + timedelta(days=200)
MICRO = timedelta(microseconds=1)
HOURS = timedelta(hours=4)
TIMES = (
    LATER, LATER, LATER, LATER + MICRO, NOW, NOW + MICRO, NOW - MICRO, NEVER, NEVER + MICRO, ALWAYS,
    NOW + HOURS, NOW + HOURS + MICRO, NOW + HOURS - MICRO, datetime.max.replace(tzinfo=UTC),
)  # fmt: skip
NAMES = ("ann", "bob", "cat", "erin", "eve", "gina", "oda")
HASHES = ("m1", "m1", "f1", "m2", "")
COURSES = ("gdpr", "safe-researcher", "output-checker", "other")
KINDS = ("csv", "png", "md", "model", "raw", "unknown")
CODES = ("NCU", "NPUNCU", "NPU", "IRB", "GS", "DS", "US")
ZONES = ("clinic", "institute", "any", "")
AMOUNTS = (0, 1, 2, 999, 1000, 1001, 3000)
VERBS = tuple(MOMENTS)
GOOD = {verb: testing.good(verb) for verb in MOMENTS}
PARTS = ("person", "project", "dataset", "export", "application", "arriving", "recontact", "change", "emergency")
# Facts that are sets, and of what; others are told by the type of what is good.
SETS = {
    "roles": tuple(Role), "also": NAMES, "kinds": KINDS, "approvals": NAMES, "voted": NAMES, "named": NAMES,
    "panel": NAMES, "refused": CODES, "networks": ZONES,
}  # fmt: skip
WORDS = {
    "requester": NAMES, "applicant": NAMES, "proposer": NAMES, "beneficiary": NAMES, "network": ZONES,
    "duo": ("permit", "manual", "deny", ""), "agreement": ("a1", "a0", ""),
}  # fmt: skip
KEPT = {"number", "request", "what", "project"}
"""Facts that no rule looks at: names of things."""


def other(random: Random, fact: str, value: object) -> object:
    """Return another value of a fact, or by chance the same."""
    if fact in SETS:
        several = frozenset(random.sample(SETS[fact], random.choice((0, 1, 1, 1, 2, 3))))
        return random.choice((several, several | value))
    if fact == "trainings":
        return {course: random.choice(TIMES) for course in random.sample(COURSES, random.randint(0, 4))}
    if isinstance(value, bool):
        return not value
    if isinstance(value, datetime):
        return random.choice(TIMES)
    if isinstance(value, int):
        return random.choice(AMOUNTS)
    return random.choice(WORDS.get(fact, HASHES))


def ask(random: Random) -> Ask:
    """Make one ask: what is good at a moment, with some facts changed; rarely with many."""
    verb = random.choice(VERBS)
    good = GOOD[verb]
    share = random.choice((0.03, 0.03, 0.08, 0.08, 0.2, 0.5))
    parts = {part: _changed(random, part, getattr(good, part), share, verb) for part in PARTS if getattr(good, part)}
    house = {
        fact: random.choice((False, True)) if random.random() < share / 4 else True
        for fact in ("log_stands", "clock_sound")
    }
    agreement = random.choice(("a1", "")) if random.random() < share else "a1"
    return replace(good, **parts, **house, agreement=agreement)


def _changed(random: Random, part: str, good: object, share: float, verb: str) -> object:
    facts = [field.name for field in fields(good) if field.name not in KEPT]
    chosen = {fact for fact in facts if fact != "name" and random.random() < share}
    if verb == "change_rules":
        chosen.discard("beneficiary")  # rules are nobody's
    made = {fact: other(random, fact, getattr(good, fact)) for fact in facts if fact in chosen}
    if part == "person" and random.random() < share:
        made["name"] = random.choice(NAMES)
    return replace(good, **made)


def worlds(count: int, seed: int) -> Iterator[Ask]:
    """So many asks, the same for the same seed."""
    random = Random(seed)
    for _ in range(count):
        yield ask(random)


def asks() -> st.SearchStrategy[Ask]:
    """A fitting ask of any moment, as Hypothesis chooses."""
    return st.randoms(use_true_random=False).map(ask)
