"""What a plan says of reads.

reads:
  system: lab                         source system of the sample names, as the linkage writes it
  sample: sample                      id type of @RG SM
  names: keep                         or `key`: each read's name anew, at the price of a full pass
"""

from dataclasses import dataclass
from enum import StrEnum

from tre.data.deid import reading


class Names(StrEnum):
    """What becomes of the reads' names."""

    KEEP = "keep"
    KEY = "key"


@dataclass(frozen=True)
class Reads:
    """Reads of one source system."""

    system: str
    sample: str
    names: Names = Names.KEEP


def read(said: object, where: str) -> Reads:
    """Read the section strictly."""
    parts = reading.mapping(said, where, needs={"system", "sample"}, may={"names"})
    return Reads(
        system=reading.string(parts["system"], f"{where}, system"),
        sample=reading.string(parts["sample"], f"{where}, sample"),
        names=reading.one_of(Names, parts.get("names", "keep"), f"{where}, names"),
    )
