"""What a plan says of FHIR.

fhir:
  system: ehr                         source system of the ids, as the linkage writes it
  patient: fhir                       id type of Patient.id
  identifiers: {"https://ehr.example/mrn": mrn}     Patient.identifier.system -> id type; must agree
  dates: shift                        or `year`
  extensions: ["http://..."]          allowed besides those of the rules
  texts: ["8302-2"]                   codes of Observations whose valueString may stay
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


def read(said: object, where: str) -> Fhir:
    """Read the section strictly."""
    parts = reading.mapping(
        said, where, needs={"system", "patient"}, may={"identifiers", "dates", "extensions", "texts"}
    )
    identifiers = reading.mapping(parts.get("identifiers", {}), f"{where}, identifiers")
    return Fhir(
        system=reading.string(parts["system"], f"{where}, system"),
        patient=reading.string(parts["patient"], f"{where}, patient"),
        identifiers=tuple((one, reading.string(kind, f"{where}, identifiers")) for one, kind in identifiers.items()),
        dates=reading.one_of(Dates, parts.get("dates", "shift"), f"{where}, dates"),
        extensions=reading.strings(parts.get("extensions", []), f"{where}, extensions"),
        texts=reading.strings(parts.get("texts", []), f"{where}, texts"),
    )
