"""How counts are rounded before they leave, and what a rate of rounded counts is."""

import math
from collections.abc import Iterator

MIDPOINT = 6


def rounds_to(shown: float, value: float, to: int, *, midpoint: bool = False) -> bool:
    """Return whether a count may be shown so: as the next multiple on either side, or as its midpoint of six."""
    if to <= 1:
        return shown == value
    if midpoint and shown == midpoint_of(value):
        return True
    return shown % to == 0 and abs(shown - value) < to


def midpoint_of(value: float) -> float:
    """Return the midpoint of six: ceil(x / 6) * 6 - 3, and 0 for 0 (OpenSAFELY)."""
    return math.ceil(value / MIDPOINT) * MIDPOINT - MIDPOINT / 2 if value else 0


def is_midpoint(shown: float) -> bool:
    """Return whether a number is the midpoint of six of any count."""
    return shown == 0 or shown % MIDPOINT == MIDPOINT / 2


def shares(part: float, whole: float, to: int, *, midpoint: bool) -> Iterator[float]:
    """Yield what a rate may be of rounded counts: both to the nearest multiple, up, down, or to their midpoints."""
    if midpoint and whole:
        yield midpoint_of(part) / midpoint_of(whole)
    if to > 1:
        for more in (0.5, 0.0, 1 - 1e-9):
            yield math.floor(part / to + more) / max(1, math.floor(whole / to + more))
