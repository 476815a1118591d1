"""What is done to each attribute: PS3.15 E.1-1 and the options of a plan, and where we go beyond it.

Two tables, both data. `profile.tsv` is the standard's table (edition 2026c for the basic profile): tag or mask,
keyword, basic action, one column for each option. `beyond.tsv` is ours: attributes that the standard's table does not
name and that may stay, and the few where we are stricter. Whatever neither names is decided by what its kind of value
can carry.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from hashlib import sha256
from importlib import resources
from typing import NamedTuple

from pydicom._dicom_dict import DicomDictionary

from tre.data.deid.dicom.part import Dicom, Option
from tre.data.deid.dicom.vr import NUMBERS, vr_of

EDITION = "2026c"


class Verb(StrEnum):
    """What may happen to an attribute."""

    REMOVE = "remove"
    EMPTY = "empty"
    DUMMY = "dummy"
    UID = "uid"
    DATE = "date"
    DESCRIPTION = "description"
    KEEP = "keep"
    WALK = "walk"
    TEXT = "text"
    NUMBER = "number"
    CODE = "code"
    TERM = "term"
    BYTES = "bytes"
    PIXELS = "pixels"
    PSEUDONYM = "pseudonym"
    ACCESSION = "accession"
    STUDY = "study"
    AGE = "age"
    CHARSET = "charset"
    REPORT = "report"
    PRIVATE = "private"


class Rule(NamedTuple):
    """What is done, and what else where that cannot be."""

    verb: Verb
    otherwise: Verb = Verb.REMOVE


class Row(NamedTuple):
    """One row of the standard's table; a letter or nothing for each option."""

    tag: str
    keyword: str
    basic: str
    uids: str
    device: str
    institution: str
    patient: str
    full_dates: str
    modified_dates: str
    descriptors: str
    structured: str
    graphics: str


BASIC = {
    "X": Verb.REMOVE,
    "Z": Verb.EMPTY,
    "D": Verb.DUMMY,
    "U": Verb.UID,
    # Which of two or three it is depends on the attribute's type in the class of the image (PS3.3). What is valid for
    # every type is taken: a dummy for 1, 2 and 3, an empty value for 2 and 3.
    "Z/D": Verb.DUMMY,
    "X/Z": Verb.EMPTY,
    "X/D": Verb.DUMMY,
    "X/Z/D": Verb.DUMMY,
    "X/Z/U*": Verb.WALK,
}
_KEPT = {Option.DEVICE: "device", Option.INSTITUTION: "institution", Option.PATIENT: "patient"}


@cache
def rows() -> tuple[Row, ...]:
    """Return the standard's table."""
    return tuple(Row(*line) for line in _lines("profile.tsv"))


@cache
def beyond() -> Mapping[int, Verb]:
    """Return what we add to it."""
    return {int(tag, 16): Verb(verb) for tag, _, verb, _ in _lines("beyond.tsv")}


def digest() -> str:
    """Return the SHA-256 of all tables of this package."""
    return sha256(b"".join(_text(name).encode() for name in ("profile.tsv", "beyond.tsv", "classes.tsv"))).hexdigest()


def lines(name: str) -> Iterator[list[str]]:
    """Yield the rows of a table of this package, without its head."""
    return _lines(name)


def _lines(name: str) -> Iterator[list[str]]:
    for line in _text(name).splitlines()[1:]:
        yield line.split("\t")


def _text(name: str) -> str:
    return resources.files("tre.data.deid.dicom").joinpath(name).read_text("utf-8")


def rules(part: Dicom) -> dict[int, Rule]:
    """Return the rule of every attribute that one of the two tables names."""
    named = (row for row in rows() if "X" not in row.tag and int(row.tag[:4], 16) >= FIRST_GROUP)
    found = {int(row.tag, 16): _rule(row, part) for row in named}
    for tag, verb in beyond().items():
        if verb is not Verb.AGE or Option.PATIENT in part.options:
            found[tag] = Rule(verb, found.get(tag, Rule(Verb.REMOVE)).otherwise)
    if part.structured_reports:
        found[0x0040A730] = Rule(Verb.REPORT)
    return found


def _rule(row: Row, part: Dicom) -> Rule:
    basic = BASIC[row.basic]
    if basic is Verb.UID or row.tag == "0040A730":
        return Rule(basic, Verb.DUMMY)
    if row.modified_dates and Option.MODIFIED_DATES in part.options:
        return Rule(Verb.DATE, basic)
    for option, column in _KEPT.items():
        if getattr(row, column) and option in part.options:
            return Rule(Verb.KEEP if getattr(row, column) == "K" else Verb.DESCRIPTION, basic)
    if row.descriptors and part.descriptions:
        return Rule(Verb.DESCRIPTION, basic)
    return Rule(basic, basic)


_BY_VR = {
    b"SQ": Verb.WALK,
    b"UI": Verb.UID,
    b"DA": Verb.DATE,
    b"DT": Verb.DATE,
    b"TM": Verb.DATE,
    b"CS": Verb.TERM,
    b"AS": Verb.REMOVE,
    b"DS": Verb.NUMBER,
    b"IS": Verb.NUMBER,
} | dict.fromkeys(NUMBERS - {b"OW"}, Verb.NUMBER)
OVERLAYS, CURVES = 0x60, 0x50
FIRST_GROUP = 0x0008
"""High bytes of their groups."""


def rule_of_the_rest(tag: int) -> Rule:
    """Return the rule of an attribute that no table names: what can carry a person's text does not stay."""
    group = tag >> 16
    if group & 1:
        return Rule(Verb.PRIVATE)
    listed = DicomDictionary.get(tag)
    if listed is None or listed[3] == "Retired" or group < FIRST_GROUP or group >> 8 in (OVERLAYS, CURVES):
        return Rule(Verb.REMOVE)
    return Rule(_BY_VR.get(vr_of(tag), Verb.REMOVE))
