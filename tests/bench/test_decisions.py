"""How long a decision takes, beside the same rules as plain Python predicates."""

from statistics import median, quantiles
from time import perf_counter

import pytest

import policies
from policies import testing
from policies.facts import MOMENTS
from tests.policies.oracle import reasons

ROUNDS = 10
ENOUGH = 1500  # decisions a second


def timed(decide, asks):
    taken = []
    for _ in range(ROUNDS):
        for ask in asks:
            begun = perf_counter()
            decide(ask)
            taken.append(perf_counter() - begun)
    return taken


@pytest.mark.bench
def test_a_decision_takes_at_most_a_millisecond(report):
    asks = [case.ask for case in testing.cases()]
    policies.decide(asks[0])
    cedar, plain = timed(policies.decide, asks), timed(reasons, asks)
    assert all(set(policies.decide(ask).rules) == set(reasons(ask)) for ask in asks)
    plainly = f"plain Python {median(plain) * 1e3:.4f} ms ({median(cedar) / median(plain):.0f} x)"
    report("decision, p50", median(cedar) * 1e3, "ms", 1, plainly)
    report("decision, p99", quantiles(cedar, n=100)[98] * 1e3, "ms")
    report("decisions at all moments", len(cedar) / sum(cedar), "/s")
    assert len(cedar) / sum(cedar) >= ENOUGH


@pytest.mark.bench
def test_no_moment_is_slow(report):
    rates = {}
    for verb in MOMENTS:
        taken = timed(policies.decide, [testing.good(verb)] * 20)
        rates[verb] = len(taken) / sum(taken)
    slowest = min(rates, key=rates.get)
    report("decisions at the slowest moment", rates[slowest], "/s", None, slowest)
    assert rates[slowest] >= ENOUGH
