"""A coded term keeps its code if a published scheme gave it, and gets its meaning from that scheme, not from the file.

A meaning is a text that anybody may write; a local code may stand for one person's study.
"""

import re
from functools import cache
from typing import NamedTuple, cast

from pydicom.sr._concepts_dict import concepts
from pydicom.sr._snomed_dict import mapping

from tre.data.deid.dicom.parse import Dataset, value_of

SCHEMES = frozenset(
    (
        "ACR", "ATC", "CD10", "DCM", "DCNPDBM", "FMA", "I9C", "I9CDX", "I9P", "ICD10", "I10", "I10P",
        "ISO3166_1", "ISO639_1", "ISO639_2", "LN", "LOINC", "MDC", "NCIt", "NCBI", "NEU", "NICIP", "RADELEMENT",
        "RADLEX", "RXNORM", "SCT", "SNM3", "SRT", "UBERON", "UCUM", "UMLS", "UNS",
    )
)  # fmt: skip
VALUE, SCHEME, VERSION, MEANING, LONG_VALUE, URN = (
    0x00080100,
    0x00080102,
    0x00080103,
    0x00080104,
    0x00080119,
    0x00080120,
)
_CODE = re.compile(r"[A-Za-z0-9.\-+:_/\[\]{}()%^*'#]{1,16}")
_VERSION = re.compile(r"[A-Za-z0-9._\-]{1,16}")
_URN = re.compile(r"urn:(oid:[0-9.]{3,64}|[a-z]{2,10}:[a-z0-9:]{1,32})")


class Term(NamedTuple):
    """What a code may say in an extract."""

    code: str = ""
    scheme: str = ""
    version: str = ""
    meaning: str = ""


REMOVED = Term("REMOVED", "99REMOVED", "", "REMOVED")


def term(item: Dataset) -> Term:
    """Return what may stay of a coded term."""
    scheme = _text(item, SCHEME)
    code = _text(item, VALUE) or _text(item, LONG_VALUE)
    if scheme not in SCHEMES or not _CODE.fullmatch(code):
        return REMOVED
    version = _text(item, VERSION)
    kept = version if _VERSION.fullmatch(version) else ""
    return Term(code, scheme, kept, _meanings().get((_ALIASES.get(scheme, scheme), code)) or _old(scheme, code) or "")


def urn(item: Dataset) -> str:
    """Return a code that is a URN of a registered kind, or nothing."""
    said = _text(item, URN)
    return said if _URN.fullmatch(said) else ""


_CONCEPTS = cast("dict[str, dict[str, dict[str, tuple[str, list[int]]]]]", concepts)  # they are typed as objects
_ALIASES = {"LOINC": "LN"}


def _old(scheme: str, code: str) -> str:
    """Return the meaning of a code of SNOMED RT by that of SNOMED CT."""
    if scheme not in ("SRT", "SNM3", "99SDM"):
        return ""
    return _meanings().get(("SCT", mapping["SRT"].get(code, "")), "")


def _text(item: Dataset, tag: int) -> str:
    return value_of(item, tag).decode("ascii", "replace").strip()


@cache
def _meanings() -> dict[tuple[str, str], str]:
    return {
        (scheme, code): said[0]
        for scheme, words in _CONCEPTS.items()
        for codes in words.values()
        for code, said in codes.items()
    }
