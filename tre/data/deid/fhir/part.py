"""What a plan says of FHIR.

fhir:
  system: ehr                         source system of the ids, as the linkage writes it
  patient: fhir                       id type of Patient.id
  identifiers: {"https://ehr.example/mrn": mrn}     Patient.identifier.system -> id type; must agree
  dates: shift                        or `year`
  extensions: ["http://..."]          allowed besides those of the rules
  texts: ["8302-2"]                   codes of Observations whose valueString may stay
  code_systems: ["https://ehr.example/units"]       whose codes may stay besides those of the rules
  bases: ["https://ehr.example/fhir"] servers whose addresses are this system's; if none is said, each one's is
"""

from dataclasses import dataclass
from enum import StrEnum

from tre.data.deid import reading


class Dates(StrEnum):
    """What becomes of a date."""

    SHIFT = "shift"
    YEAR = "year"


@dataclass(frozen=True)
class Fhir:
    """FHIR resources of one source system."""

    system: str
    patient: str
    identifiers: tuple[tuple[str, str], ...] = ()
    dates: Dates = Dates.SHIFT
    extensions: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    code_systems: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()


LISTS = ("extensions", "texts", "code_systems", "bases")


def read(said: object, where: str) -> Fhir:
    """Read the section strictly."""
    parts = reading.mapping(said, where, needs={"system", "patient"}, may={"identifiers", "dates", *LISTS})
    identifiers = reading.mapping(parts.get("identifiers", {}), f"{where}, identifiers")
    return Fhir(
        system=reading.string(parts["system"], f"{where}, system"),
        patient=reading.string(parts["patient"], f"{where}, patient"),
        identifiers=tuple((one, reading.string(kind, f"{where}, identifiers")) for one, kind in identifiers.items()),
        dates=reading.one_of(Dates, parts.get("dates", "shift"), f"{where}, dates"),
        **{name: reading.strings(parts.get(name, []), f"{where}, {name}") for name in LISTS},
    )
