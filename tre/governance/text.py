"""What people type about people and projects is one line, and dates lie in the future."""

from datetime import datetime

from tre.errors import StepRefused, Unreadable


def line(value: str, what: str, *, longest: int = 500) -> str:
    """Return a line of text that a page, a table and a log can show, or say what it must be."""
    flat = " ".join(value.split())
    if not flat or len(flat) > longest or not flat.isprintable():
        raise Unreadable(f"{what}: write one line of 1-{longest} characters")
    return flat


def ahead(until: datetime, what: str, *, now: datetime) -> datetime:
    """Return an end that has not come yet, or say that it is past."""
    if until <= now:
        raise StepRefused(f"{what} would end on {until:%Y-%m-%d}, which is past: name a later date")
    return until
