"""Some identifiers are known by their shape alone: an e-mail address, a telephone number, an NHS number.

The table is for free text (each is cut out) and for columns that say what they hold (one that looks like an e-mail
address is no occupation). A shape sees no name, and no number that is written like any other.
"""

from typing import NamedTuple

MONTH = "(?:jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-zä]*"


class Shape(NamedTuple):
    """One pattern, as RE2 writes it; it is looked for without case."""

    name: str
    means: str
    pattern: str
    always: bool
    """No value of research has it: a column that holds it is not what it says. The others may be a value."""


SHAPES = (
    Shape("email", "an e-mail address", r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", True),
    Shape("url", "the address of a page", r"\b(?:https?://|www\.)[^\s<>\"]+", True),
    Shape("ip", "the address of a computer", r"\b(?:\d{1,3}\.){3}\d{1,3}\b", True),
    Shape("ssn", "a social security number", r"\b\d{3}-\d{2}-\d{4}\b", True),
    Shape("nhs", "an NHS number", r"\b\d{3}[ -]\d{3}[ -]\d{4}\b", True),
    Shape("phone", "a telephone number", r"(?:\+\d{1,3}[ ./-]?|\b0|\(\d{2,5}\) ?)(?:\d[ ./-]?){6,12}\d\b", True),
    Shape(
        "record",
        "a record number",
        r"\b(?:mrn|nhs|hosp|case|acc|patient|ssn|id)\W{0,3}(?:no|nr)?\W{0,3}\w*\d\w*",
        False,
    ),
    Shape("number", "a number of seven digits or more", r"\b\d{7,}\b", False),
    Shape("day", "a date", r"\b\d{1,4}[./-]\d{1,2}[./-]\d{1,4}\b", False),
    Shape(
        "day in words",
        "a date",
        rf"\b(?:\d{{1,2}}(?:st|nd|rd|th|\.)? {MONTH}|{MONTH} \d{{1,2}})(?:,? \d{{2,4}})?\b",
        False,
    ),
)
