"""A date in a resource moves with its person, keeps its precision and its zone, or is not there at all.

A date of which only the year or the month is known is never moved as if it were whole: under `dates: year` its year
stays, under `dates: shift` it is dropped. A date outside 1900 to 2099 is nobody's (`9999-12-31` stands for "no end"):
moved, it would tell by how many days; it is dropped.
"""

import re
from datetime import date, timedelta
from functools import lru_cache

TAIL = re.compile(r"T(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d{1,9})?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)", re.ASCII)
TIME = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d{1,9})?", re.ASCII)
PARTIAL = re.compile(r"(\d{4})(?:-(?:0[1-9]|1[0-2]))?", re.ASCII)
DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
FIRST, LAST = "1900-01-02", "2099-12-31"
OLDEST = 89
_DAY = 10  # characters of 2024-02-29


def moved(day: str, days: int) -> str | None:
    """Move a whole day, leap days included."""
    if not DAY.fullmatch(day) or not FIRST <= day <= LAST:
        return None
    try:
        return (date.fromisoformat(day) + timedelta(days=days)).isoformat()
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=65536)
def shifted(text: str, days: int) -> str | None:
    """Move a date or a dateTime; the time of day and the zone stay. None if it is partial or no date."""
    if len(text) == _DAY:
        return moved(text, days)
    if len(text) > _DAY and TAIL.fullmatch(text, _DAY):
        day = moved(text[:_DAY], days)
        return day and day + text[_DAY:]
    return None


def year(text: str) -> str | None:
    """Return the year of a date of any precision."""
    whole = moved(text[:_DAY], 0) if len(text) == _DAY or TAIL.fullmatch(text, _DAY) else None
    partial = PARTIAL.fullmatch(text)
    if whole is None and partial is None:
        return None
    found = text[:4]
    return found if FIRST[:4] <= found <= LAST[:4] else None


def birth(born: str, last: str) -> str:
    """Return the year of birth of somebody of whom the last word is of the day `last`; neither is moved.

    Who was 90 or more on that day is told to be 90.
    """
    oldest = OLDEST + 1
    over = int(last[:4] or 0) - int(born[:4]) >= oldest
    if over and len(born) == len(last) == _DAY and int(last[:4]) - int(born[:4]) == oldest:
        over = last[4:] >= born[4:]
    return str(int(last[:4]) - oldest) if over else born[:4]
