"""How long a decision takes, beside the same rules as plain Python predicates."""

from statistics import median, quantiles
from time import perf_counter

import pytest

import policies
from policies import testing
from tests.policies.oracle import reasons

ROUNDS = 20


def timed(decide, asks):
    taken = []
    for _ in range(ROUNDS):
        for ask in asks:
            begun = perf_counter()
            decide(ask)
            taken.append(perf_counter() - begun)
    return taken


@pytest.mark.bench
def test_a_decision_takes_at_most_a_millisecond(capsys):
    asks = [case.ask for case in testing.cases()]
    policies.decide(asks[0])
    cedar, plain = timed(policies.decide, asks), timed(reasons, asks)
    with capsys.disabled():
        print(
            f"\ndecisions: p50 {median(cedar) * 1e6:.0f} us, p99 {quantiles(cedar, n=100)[98] * 1e6:.0f} us, "
            f"{len(cedar) / sum(cedar):,.0f}/s; plain Python p50 {median(plain) * 1e6:.1f} us "
            f"(ratio {median(cedar) / median(plain):.0f})"
        )
    assert median(cedar) <= 0.001
