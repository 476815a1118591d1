"""What kind of value an attribute has, by the standard's dictionary."""

from functools import lru_cache

from pydicom._dicom_dict import DicomDictionary
from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import dictionary_VR as by_mask

LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
TEXT = frozenset(b"AE LO LT PN SH ST UC UR UT".split())
NUMBERS = frozenset(b"AT FD FL OD OF OL OV SL SS SV UL US UV".split())
WIDTH = {b"AT": 2, b"OW": 2, b"US": 2, b"SS": 2, b"UL": 4, b"SL": 4, b"FL": 4, b"OF": 4, b"OL": 4} | dict.fromkeys(
    (b"FD", b"OD", b"OV", b"SV", b"UV"), 8
)
FIRST_BLOCK = 0x10
_FIRST = {"US or SS": b"US", "OB or OW": b"OW", "US or OW": b"OW", "US or SS or OW": b"US", "NONE": b"UN"}
_EITHER = {
    "US or SS": {b"US", b"SS"},
    "OB or OW": {b"OB", b"OW"},
    "US or OW": {b"US", b"OW"},
    "US or SS or OW": {b"US", b"SS", b"OW"},
}


@lru_cache(maxsize=8192)
def vr_of(tag: int) -> bytes:
    """Return the VR of an attribute, UN where the dictionary does not say."""
    said = _said(tag)
    return _FIRST.get(said) or said.encode("ascii")


@lru_cache(maxsize=8192)
def vrs_of(tag: int) -> frozenset[bytes]:
    """Return every VR an attribute may have."""
    said = _said(tag)
    return frozenset(_EITHER.get(said, {vr_of(tag)}))


def _said(tag: int) -> str:
    if tag >> 16 & 1:
        return "LO" if is_creator(tag) else "NONE"
    if not tag & 0xFFFF:
        return "UL"  # group length
    try:
        return DicomDictionary[tag][0] if tag in DicomDictionary else by_mask(tag)
    except KeyError:
        return "NONE"


def is_creator(tag: int) -> bool:
    """Say whether a private attribute reserves a block for its creator (PS3.5, 7.8.1)."""
    return tag & 0xFF00 == 0 and tag & 0xFF >= FIRST_BLOCK


def is_a_syntax(uid: str) -> bool:
    """Say whether a UID is one of the standard's transfer syntaxes."""
    return uid in UID_dictionary and UID_dictionary[uid][1] == "Transfer Syntax"


def is_of_the_standard(uid: str) -> bool:
    """Say whether a UID is one that the standard itself gave: of a class, a syntax, a coding scheme."""
    return uid in UID_dictionary
