"""Every attribute meets its rule, at every depth; what comes out was put there by one."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator

from tre.data.deid.dicom import charset, codes, report, values
from tre.data.deid.dicom.codes import Term
from tre.data.deid.dicom.marks import marks
from tre.data.deid.dicom.parse import Dataset, Element, Image, Span, value_of
from tre.data.deid.dicom.part import Dicom, Option
from tre.data.deid.dicom.profile import Rule, Verb, rule_of_the_rest, rules
from tre.data.deid.dicom.vr import TEXT, is_creator, is_of_the_standard, vr_of, vrs_of
from tre.data.deid.pseudonyms import Domain, Naming, Person

PATIENT_ID, PATIENT_NAME = 0x00100020, 0x00100010
IDENTIFYING = (
    PATIENT_NAME, PATIENT_ID, 0x00101000, 0x00101001, 0x00101005, 0x00101060, 0x00101040, 0x00102154, 0x00102297,
    0x00080050, 0x00080090, 0x00081048, 0x00081050, 0x00081060, 0x00081070, 0x00321032, 0x00100030,
)  # fmt: skip
"""What names somebody in the file's own words; no text that stays may hold a word of it."""
OTHER_IDS = 0x00101002
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
_WORD = re.compile(r"\w+")
_UID = re.compile(r"(?<![\d.])[012](?:\.\d+){4,}(?![\d.])")
SHORTEST = 3
LONG_NUMBER = 6
"""Digits of an integer that may be an id."""
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


def clean(image: Image, person: Person, said: Rules, counts: Counter[str], *, looked_at: bool) -> Dataset:
    """Return the attributes of an image as one project may see them; `looked_at`: its pixels were cleared."""
    work = Work(image, person, said, counts)
    kept = {one.tag: one for one in work.dataset(image.elements)}
    name = person.pseudonym.encode("ascii")
    kept[PATIENT_NAME] = Element(PATIENT_NAME, b"PN", name)
    kept[PATIENT_ID] = Element(PATIENT_ID, b"LO", name)
    kept |= {one.tag: one for one in marks(said.part, looked_at=looked_at, pixels=image.span() is not None)}
    return [kept[tag] for tag in sorted(kept)]


def identifiers(image: Image) -> Iterator[str]:
    """Yield what names the person in the file."""
    encodings = charset.of(image)
    for tag in (PATIENT_ID, PATIENT_NAME, 0x00101000, 0x00101001, 0x00080050):
        if value := image.get(tag):
            yield from (one.strip() for one in charset.decoded(value, encodings).split("\\") if one.strip())


class Work:
    """One image on its way through the rules."""

    def __init__(self, image: Image, person: Person, said: Rules, counts: Counter[str]) -> None:
        self.image = image
        self.person = person
        self.rules = said
        self.naming = said.naming
        self.days = person.days if said.dates else None
        self.counts = counts
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
        of, counts, kept = self.rules.of, self.counts, []
        for one in elements:
            rule = of(one.tag)
            counts[rule.verb] += 1
            new = _DO[rule.verb](self, one, rule)
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
        if not self._words.isdisjoint(_WORD.findall(folded)):
            return True
        return any((len(word) > SHORTEST or not word.isascii()) and word in folded for word in self._words)

    def _all_words(self) -> Iterator[str]:
        for value in _identifying(self.image.elements):
            words = _WORD.findall(_folded(self.decoded(value)))
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


def _fits(one: Element) -> bool:
    return one.vr in vrs_of(one.tag)


def _remove(_work: Work, _one: Element, _rule: Rule) -> None:
    return None


def _empty(_work: Work, one: Element, _rule: Rule) -> Element:
    vr = vr_of(one.tag)
    return Element(one.tag, vr, [] if vr == b"SQ" else b"")


def _dummy(work: Work, one: Element, rule: Rule) -> Element | None:
    vr = vr_of(one.tag)
    if vr == b"SQ":
        return _walk(work, one, rule)
    return Element(one.tag, vr, values.dummy(vr) if one.value else b"")


def _otherwise(work: Work, one: Element, rule: Rule) -> Element | None:
    return _PLAIN[rule.otherwise](work, one, rule)


def _walk(work: Work, one: Element, _rule: Rule) -> Element | None:
    if not isinstance(one.value, list) or vr_of(one.tag) != b"SQ":
        return None
    return Element(one.tag, b"SQ", [work.dataset(item) for item in one.value])


def _uid(work: Work, one: Element, rule: Rule) -> Element | None:
    if not isinstance(one.value, bytes):
        return _otherwise(work, one, rule)
    parts = [part.strip(b" \0").decode("latin-1") for part in one.value.split(b"\\")]
    return Element(one.tag, b"UI", "\\".join(work.uid(part) if part else "" for part in parts).encode("latin-1"))


def _date(work: Work, one: Element, rule: Rule) -> Element | None:
    if work.days is None or not isinstance(one.value, bytes) or not _fits(one):
        return _otherwise(work, one, rule)
    if one.vr not in (b"DA", b"DT", b"TM"):  # the zone's distance from UTC
        return _term_or_text(work, one, rule)
    moved = values.moved(one.vr, one.value, work.days)
    return _otherwise(work, one, rule) if moved is None else Element(one.tag, one.vr, moved)


def _term_or_text(work: Work, one: Element, rule: Rule) -> Element | None:
    if isinstance(one.value, bytes) and re.fullmatch(rb"[-+]\d{4} *", one.value):
        return one
    return _otherwise(work, one, rule)


def _description(work: Work, one: Element, rule: Rule) -> Element | None:
    if not isinstance(one.value, bytes) or not _fits(one):
        return _otherwise(work, one, rule)
    if work.decoded(one.value).strip(" \0") in work.rules.descriptions:
        return one
    return _otherwise(work, one, rule)


def _keep(work: Work, one: Element, rule: Rule) -> Element | None:
    if isinstance(one.value, list):
        return _walk(work, one, rule)
    if isinstance(one.value, Span) or not _fits(one) or not values.fits(one.vr, one.value):
        return _otherwise(work, one, rule)
    if one.vr == b"CS":
        return _term(work, one, rule)
    return _text(work, one, rule) if one.vr in TEXT else one


def _text(work: Work, one: Element, rule: Rule) -> Element | None:
    if isinstance(one.value, bytes) and _fits(one):
        text = work.text(one.value)
        if text is not None:
            return one if text is one.value else Element(one.tag, one.vr, text)
    return _empty(work, one, rule)


def _number(work: Work, one: Element, _rule: Rule) -> Element | None:
    if not isinstance(one.value, bytes) or not _fits(one) or not values.fits(one.vr, one.value):
        return None
    if one.vr == b"IS" and len(one.value) >= LONG_NUMBER and work.names_somebody(one.value.decode("ascii")):
        return None
    return one


def _term(work: Work, one: Element, rule: Rule) -> Element | None:
    if not isinstance(one.value, bytes) or not _fits(one) or not values.fits(b"CS", one.value):
        return _empty(work, one, rule)
    said = _WORD.findall(one.value.decode("ascii").casefold())
    return _empty(work, one, rule) if work.names_somebody(" ".join(set(said) - values.TERMS)) else one


def _bytes(_work: Work, one: Element, _rule: Rule) -> Element | None:
    return one if isinstance(one.value, bytes) and (_fits(one) or one.vr in (b"OB", b"OW")) else None


def _pixels(work: Work, one: Element, _rule: Rule) -> Element | None:
    return one if work.outermost and isinstance(one.value, Span) else None


def _pseudonym(work: Work, one: Element, rule: Rule) -> Element:
    own = isinstance(one.value, bytes) and one.value.strip(b" \0") == work.image.get(one.tag)
    if not own:
        return _empty(work, one, rule)  # of somebody else
    return Element(one.tag, vr_of(one.tag), work.person.pseudonym.encode("ascii"))


def _named(domain: Domain) -> "Callable[[Work, Element, Rule], Element]":
    def name(work: Work, one: Element, rule: Rule) -> Element:
        value = work.decoded(one.value).strip(" \0") if isinstance(one.value, bytes) else ""
        if not value:
            return _empty(work, one, rule)
        return Element(one.tag, b"SH", work.naming.short(domain, value).encode("ascii"))

    return name


def _age(_work: Work, one: Element, _rule: Rule) -> Element | None:
    kept = values.age(one.value) if isinstance(one.value, bytes) else None
    return None if kept is None else Element(one.tag, b"AS", kept)


def _charset(work: Work, one: Element, rule: Rule) -> Element | None:
    if not work.outermost:
        return None
    good = isinstance(one.value, bytes) and one.vr == b"CS" and charset.known(one.value)
    return one if good else _empty(work, one, rule)


def _code(work: Work, one: Element, _rule: Rule) -> Element | None:
    kept = codes.urn(work.item) if one.tag == codes.URN else _CODED[one.tag](work.term)
    if one.tag == codes.MEANING and not kept and isinstance(one.value, bytes):
        said = work.decoded(one.value).strip(" \0")
        kept = said if said in work.rules.descriptions else codes.REMOVED.meaning
    return Element(one.tag, vr_of(one.tag), kept.encode("ascii", "replace")) if kept else None


_CODED: dict[int, Callable[[Term], str]] = {
    codes.VALUE: lambda term: term.code,
    codes.LONG_VALUE: lambda term: term.code,
    codes.SCHEME: lambda term: term.scheme,
    codes.VERSION: lambda term: term.version,
    codes.MEANING: lambda term: term.meaning,
}


def _private(work: Work, one: Element, rule: Rule) -> Element | None:
    allowed = work.rules.private
    if not allowed:
        return None
    group, number = one.tag >> 16, one.tag & 0xFFFF
    if is_creator(one.tag):
        return one if _block_is_used(work, group, number) else None
    creator = _creator(work, group, number >> 8)
    if not creator or (creator, group, number & 0xFF) not in allowed:
        return None
    if isinstance(one.value, list):
        return Element(one.tag, b"SQ", [work.dataset(item) for item in one.value])
    return _allowed(work, one, rule)


def _allowed(work: Work, one: Element, rule: Rule) -> Element | None:
    """Return a private value: dates moved, UIDs named anew, no names, no hidden sequence."""
    if not isinstance(one.value, bytes) or one.vr == b"PN" or not values.fits(one.vr, one.value):
        return None
    if one.vr == b"UI":
        return _uid(work, one, rule)
    if one.vr in (b"DA", b"DT", b"TM"):
        moved = None if work.days is None else values.moved(one.vr, one.value, work.days)
        return None if moved is None else Element(one.tag, one.vr, moved)
    if one.vr in (b"UN", b"OB") and (one.value[:4] == b"\xfe\xff\x00\xe0" or work.names_somebody(_bare(one.value))):
        return None
    if one.vr in TEXT or one.vr == b"CS":
        text = work.text(one.value)
        return None if text is None else Element(one.tag, one.vr, text)
    return one


def _bare(value: bytes) -> str:
    return value.replace(b"\0", b"").decode("latin-1")


def _block_is_used(work: Work, group: int, block: int) -> bool:
    creator = _creator(work, group, block)
    return any(
        one.tag >> 16 == group
        and (one.tag & 0xFFFF) >> 8 == block
        and (creator, group, one.tag & 0xFF) in work.rules.private
        for one in work.item
    )


def _creator(work: Work, group: int, block: int) -> str:
    return value_of(work.item, group << 16 | block).decode("latin-1").strip()


def _report(work: Work, one: Element, rule: Rule) -> Element | None:
    if not isinstance(one.value, list):
        return _empty(work, one, rule)
    return Element(one.tag, b"SQ", [work.dataset(item) for item in report.kept(one.value)])


_Do = Callable[[Work, Element, Rule], Element | None]
_PLAIN: dict[Verb, _Do] = {Verb.REMOVE: _remove, Verb.EMPTY: _empty, Verb.DUMMY: _dummy, Verb.WALK: _walk}
_DO: dict[Verb, _Do] = _PLAIN | {
    Verb.UID: _uid,
    Verb.DATE: _date,
    Verb.DESCRIPTION: _description,
    Verb.KEEP: _keep,
    Verb.TEXT: _text,
    Verb.NUMBER: _number,
    Verb.TERM: _term,
    Verb.BYTES: _bytes,
    Verb.PIXELS: _pixels,
    Verb.PSEUDONYM: _pseudonym,
    Verb.ACCESSION: _named(Domain.ACCESSION),
    Verb.STUDY: _named(Domain.STUDY),
    Verb.AGE: _age,
    Verb.CHARSET: _charset,
    Verb.CODE: _code,
    Verb.PRIVATE: _private,
    Verb.REPORT: _report,
}
