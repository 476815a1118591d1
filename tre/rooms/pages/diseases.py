"""Diseases are found by their names in the ontologies that the house has."""

from collections.abc import Iterable

from sqlalchemy.orm import Session

from tre.governance import ontology

MOST = 30


def search(session: Session, words: str) -> tuple[tuple[str, str], ...]:
    """Return id and name of the diseases that words find, the closest first."""
    return ontology.here(session).search(words, MOST)


def names(session: Session, ids: Iterable[str]) -> dict[str, str]:
    """Return the name of each disease that is known."""
    known = ontology.here(session)
    return {each: known.label(each) for each in ids if known.known(each)}
