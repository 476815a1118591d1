"""Diseases are found by their names in the ontology that the house has loaded."""

from collections.abc import Iterable

from sqlalchemy.orm import Session


def known(session: Session) -> bool:
    """Whether the house has an ontology of diseases."""
    del session
    return False


def search(session: Session, words: str) -> tuple[tuple[str, str], ...]:
    """Return id and name of the diseases that words find."""
    del session, words
    return ()


def names(session: Session, ids: Iterable[str]) -> dict[str, str]:
    """Return the name of each disease that is known."""
    del session, ids
    return {}
