"""Whether few people make up a sum, and how closely a hidden sum must not be worked out.

Notation of the Handbook on Statistical Disclosure Control, chapter 4: contributions x1 >= x2 >= ... to a total X. They
are taken by their size, whatever their sign: a rule that gives up at a negative value protects nobody.
"""

from collections.abc import Sequence

from airlock.checks.thresholds import Thresholds
from tre.data.measures import Weight


def dominated(largest: Sequence[float], total: float, *, n: int, k: float) -> bool:
    """(n,k) rule: unsafe if x1 + ... + xn > k X. `k` is a share, from 0 to 1."""
    return total > 0 and _top(largest, n) > k * total


def close(largest: Sequence[float], total: float, *, p: float) -> bool:
    """p% rule: unsafe if X - x1 - x2 < p x1, what the second largest cannot tell the largest from. `p` is a share."""
    return total > 0 and _rest(largest, total) < p * largest[0]


def close_to(largest: Sequence[float], total: float, *, p: float, q: float) -> bool:
    """(p,q) rule: everybody is known to a share `q` beforehand: unsafe if X - x1 - x2 < p / q x1."""
    return close(largest, total, p=p / q)


def apart(largest: Sequence[float], total: float, *, n: int, k: float) -> float:
    """Protection level of the (n,k) rule: (x1 + ... + xn) / k - X."""
    return max(0.0, _top(largest, n) / k - total) if total > 0 and k > 0 else 0.0


def apart_from(largest: Sequence[float], total: float, *, p: float) -> float:
    """Protection level of the p% rule: p x1 - (X - x1 - x2)."""
    return max(0.0, p * largest[0] - _rest(largest, total)) if total > 0 else 0.0


def protection(largest: Sequence[float], total: float, limits: Thresholds) -> float:
    """Return how far from a hidden sum every guess must be able to lie, on either side."""
    if not largest:
        return 0.0
    by_share = apart(largest, total, n=limits.dominance_n, k=limits.dominance_k)
    return max(by_share, apart_from(largest, total, p=limits.dominance_p))


def safe_width(weight: Weight, limits: Thresholds) -> float:
    """Return how far on either side of a hidden number guesses must reach: of a count, and of a sum or mean."""
    if weight.verb == "persons":
        return float(limits.interval)
    return protection(weight.largest, weight.absolute, limits)


def _top(largest: Sequence[float], n: int) -> float:
    return sum(largest[:n])


def _rest(largest: Sequence[float], total: float) -> float:
    return max(0.0, total - sum(largest[:2]))
