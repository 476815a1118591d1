"""What a plan says of variants.

variants:
  system: lab                         source system of the sample names, as the linkage writes it
  sample: sample                      id type of a sample's name
  texts: [CSQ]                        INFO, FORMAT, FILTER ids beside the known ones, whatever they hold
  order: draw                         or `keep`: the samples' order links two projects that get one file
  sites: hold                         or `keep`: a file without samples is of nobody here, the plan vouches
"""

from dataclasses import dataclass
from enum import StrEnum

from tre.data.deid import reading


class Order(StrEnum):
    """In which order the samples stand."""

    DRAW = "draw"
    KEEP = "keep"


class Sites(StrEnum):
    """What becomes of a file without samples."""

    HOLD = "hold"
    KEEP = "keep"


@dataclass(frozen=True)
class Variants:
    """Variants of one source system."""

    system: str
    sample: str
    texts: tuple[str, ...] = ()
    order: Order = Order.DRAW
    sites: Sites = Sites.HOLD


def read(said: object, where: str) -> Variants:
    """Read the section strictly."""
    parts = reading.mapping(said, where, needs={"system", "sample"}, may={"texts", "order", "sites"})
    return Variants(
        system=reading.string(parts["system"], f"{where}, system"),
        sample=reading.string(parts["sample"], f"{where}, sample"),
        texts=reading.strings(parts.get("texts", []), f"{where}, texts"),
        order=reading.one_of(Order, parts.get("order", "draw"), f"{where}, order"),
        sites=reading.one_of(Sites, parts.get("sites", "hold"), f"{where}, sites"),
    )
