"""What a plan says of harmonising to the OMOP Common Data Model 5.4.

omop: {}                              make the OMOP tables from the FHIR resources of the extract
"""

from dataclasses import dataclass

from tre.data.deid import reading


@dataclass(frozen=True)
class Omop:
    """The OMOP tables of the extract are wanted."""


def read(said: object, where: str) -> Omop:
    """Read the section strictly."""
    reading.mapping(said, where, may=frozenset())
    return Omop()
