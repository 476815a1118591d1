"""What the catalogue says of a dataset, as whoever registers it wrote it.

about:
  source: St Elsewhere Hospital, oncology
  owner: Prof. A. Example
  contact: dr-example                 who is told when a person must be found again
  legal_basis: GDPR Art. 9(2)(j), ethics vote 2024-17
  collected: 2015 to 2023
  duo: [GRU, IRB]                     GA4GH Data Use Ontology
"""

from dataclasses import dataclass

from tre.data.deid import reading

FIELDS = ("source", "owner", "contact", "legal_basis", "collected")


@dataclass(frozen=True)
class About:
    """One dataset in words; empty where nobody wrote it."""

    source: str = ""
    owner: str = ""
    contact: str = ""
    legal_basis: str = ""
    collected: str = ""
    duo: tuple[str, ...] = ()


def read(said: object, where: str) -> About:
    """Read the section strictly."""
    parts = reading.mapping(said, where, may={*FIELDS, "duo"})
    words = {name: reading.string(parts.get(name, ""), f"{where}, {name}") for name in FIELDS}
    return About(**words, duo=reading.strings(parts.get("duo", []), f"{where}, duo"))
