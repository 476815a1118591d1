"""One image on its way through the rules: whose it is, how its text reads, which words in it name somebody."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from tre.data.deid.dicom import charset, codes
from tre.data.deid.dicom.codes import Term
from tre.data.deid.dicom.parse import Dataset, Element, Image, value_of
from tre.data.deid.dicom.part import Dicom, Option
from tre.data.deid.dicom.profile import Rule, Verb, rule_of_the_rest, rules
from tre.data.deid.dicom.vr import is_of_the_standard
from tre.data.deid.pseudonyms import Naming, Person

PATIENT_ID, PATIENT_NAME = 0x00100020, 0x00100010
IDENTIFYING = (
    PATIENT_NAME, PATIENT_ID, 0x00101000, 0x00101001, 0x00101005, 0x00101060, 0x00101040, 0x00102154, 0x00102297,
    0x00080050, 0x00080090, 0x00081048, 0x00081050, 0x00081060, 0x00081070, 0x00321032, 0x00100030,
)  # fmt: skip
"""What names somebody in the file's own words; no text that stays may hold a word of it."""
OTHER_IDS = 0x00101002
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
WORD = re.compile(r"\w+")
_UID = re.compile(r"(?<![\d.])[012](?:\.\d+){4,}(?![\d.])")
SHORTEST = 3
"""Letters of a word that is looked for; names in other scripts may be shorter."""


class Rules:
    """The rules of one plan, compiled once for all its images."""

    def __init__(self, part: Dicom, naming: Naming) -> None:
        self.part = part
        self.naming = naming
        self.descriptions = frozenset(part.descriptions)
        self.private = frozenset((one.creator, one.group, one.element) for one in part.private)
        self.dates = Option.MODIFIED_DATES in part.options
        self._rules = rules(part)

    def of(self, tag: int) -> Rule:
        """Return the rule of an attribute."""
        rule = self._rules.get(tag)
        if rule is None:
            rule = rule_of_the_rest(tag)
            if len(self._rules) < 50_000:  # noqa: PLR2004 -- a file cannot fill the memory with tags
                self._rules[tag] = rule
        return rule


Verbs: TypeAlias = Callable[["Work", Element, Rule], Element | None]
Do: TypeAlias = Mapping[Verb, Verbs]


class Work:
    """One image on its way through the rules."""

    def __init__(self, image: Image, person: Person, said: Rules, counts: Counter[str], *, do: Do) -> None:
        self.image = image
        self.person = person
        self.rules = said
        self.naming = said.naming
        self.days = person.days if said.dates else None
        self.counts = counts
        self._do = do
        self._encodings: list[str] | None = None
        self._words: frozenset[str] | None = None
        self._term: Term | None = None
        self._item: Dataset = []
        self._depth = 0

    def dataset(self, elements: Dataset) -> Dataset:
        """Return what stays of attributes at one level."""
        outer = self._term, self._item
        self._term, self._item = None, elements
        self._depth += 1
        of, do, counts, kept = self.rules.of, self._do, self.counts, list[Element]()
        for one in elements:
            rule = of(one.tag)
            counts[rule.verb] += 1
            new = do[rule.verb](self, one, rule)
            if new is not None:
                kept.append(new)
        self._depth -= 1
        self._term, self._item = outer
        return kept

    @property
    def outermost(self) -> bool:
        """Say whether attributes of the image itself are at work, not of an item in it."""
        return self._depth == 1

    @property
    def term(self) -> Term:
        """Return the coded term of the item at work."""
        if self._term is None:
            self._term = codes.term(self._item)
        return self._term

    @property
    def item(self) -> Dataset:
        """Return the attributes at work."""
        return self._item

    def decoded(self, value: bytes) -> str:
        """Return text as the file's character sets say."""
        if self._encodings is None:
            self._encodings = charset.of(self.image)
        return charset.decoded(value, self._encodings)

    def names_somebody(self, text: str) -> bool:
        """Say whether a text holds a word of a name or an id of this file."""
        if self._words is None:
            self._words = frozenset(self._all_words())
        folded = _folded(text)
        if not self._words.isdisjoint(WORD.findall(folded)):
            return True
        return any((len(word) > SHORTEST or not word.isascii()) and word in folded for word in self._words)

    def _all_words(self) -> Iterator[str]:
        for value in _identifying(self.image.elements):
            words = WORD.findall(_folded(self.decoded(value)))
            yield from (word for word in words if len(word) >= SHORTEST or not word.isascii())

    def text(self, value: bytes) -> bytes | None:
        """Return a text that may stay: readable, without a name, its UIDs named anew; or nothing."""
        if not self.outermost and (not value.isascii() or b"\x1b" in value):
            return None  # an item may have character sets of its own
        text = self.decoded(value)
        if charset.UNREADABLE in text or _CONTROL.search(text.rstrip("\0")):
            return None
        if self.names_somebody(text):
            return None
        if _UID.search(text):
            return _UID.sub(lambda found: self.uid(found[0]), text).encode("ascii", "replace")
        return value

    def uid(self, value: str) -> str:
        """Return the UID that stands for one of the source; the standard's own stay."""
        return value if is_of_the_standard(value) else self.naming.uid(value)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _identifying(elements: Dataset) -> Iterator[bytes]:
    for one in elements:
        if one.tag in IDENTIFYING and isinstance(one.value, bytes):
            yield one.value
        elif one.tag == OTHER_IDS and isinstance(one.value, list):
            yield from (value_of(item, PATIENT_ID) for item in one.value)


def identifiers(image: Image) -> Iterator[str]:
    """Yield what names the person in the file."""
    encodings = charset.of(image)
    for tag in (PATIENT_ID, PATIENT_NAME, 0x00101000, 0x00101001, 0x00080050):
        if value := image.get(tag):
            yield from (one.strip() for one in charset.decoded(value, encodings).split("\\") if one.strip())
