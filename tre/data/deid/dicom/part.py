"""What a plan says of DICOM images.

dicom:
  system: pacs                        source system of PatientID, as the linkage writes it
  patient: mrn                        id type of PatientID
  options: [retain-modified-dates, retain-patient-characteristics]      PS3.15 options; see `profile`
  private: [{creator: "GEMS_PARM_01", element: "0043xx27", reason: ...}]     private attributes that stay
  descriptions: ["CT CHEST"]          descriptions known to name nobody; any other is dropped
  blackout: [{manufacturer: ..., model: ..., rows: 512, columns: 512, regions: [[0, 0, 512, 60]], reason: ...}]
"""

from dataclasses import dataclass

from tre.data.deid import reading


@dataclass(frozen=True)
class Dicom:
    """Images of one source system."""

    system: str
    patient: str
    options: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()


def read(said: object, where: str) -> Dicom:
    """Read the section strictly."""
    parts = reading.mapping(said, where, needs={"system", "patient"}, may={"options", "descriptions"})
    return Dicom(
        system=reading.string(parts["system"], f"{where}, system"),
        patient=reading.string(parts["patient"], f"{where}, patient"),
        options=reading.strings(parts.get("options", []), f"{where}, options"),
        descriptions=reading.strings(parts.get("descriptions", []), f"{where}, descriptions"),
    )
