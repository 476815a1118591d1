"""Every attribute meets its rule, at every depth; what comes out was put there by one."""

import re
from collections import Counter
from collections.abc import Callable

from tre.data.deid.dicom import charset, codes, report, values
from tre.data.deid.dicom.codes import Term
from tre.data.deid.dicom.marks import marks
from tre.data.deid.dicom.parse import Dataset, Element, Image, Span, value_of
from tre.data.deid.dicom.profile import Rule, Verb
from tre.data.deid.dicom.vr import TEXT, is_creator, vr_of, vrs_of
from tre.data.deid.dicom.work import PATIENT_ID, PATIENT_NAME, WORD, Rules, Verbs, Work
from tre.data.deid.pseudonyms import Domain, Person

LONG_NUMBER = 6
"""Digits of an integer that may be an id."""


def clean(image: Image, person: Person, said: Rules, counts: Counter[str], *, looked_at: bool) -> Dataset:
    """Return the attributes of an image as one project may see them; `looked_at`: its pixels were cleared."""
    work = Work(image, person, said, counts, do=_DO)
    kept = {one.tag: one for one in work.dataset(image.elements)}
    name = person.pseudonym.encode("ascii")
    kept[PATIENT_NAME] = Element(PATIENT_NAME, b"PN", name)
    kept[PATIENT_ID] = Element(PATIENT_ID, b"LO", name)
    kept |= {one.tag: one for one in marks(said.part, looked_at=looked_at, pixels=image.span() is not None)}
    return [kept[tag] for tag in sorted(kept)]


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
    said = WORD.findall(one.value.decode("ascii").casefold())
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


_PLAIN: dict[Verb, Verbs] = {Verb.REMOVE: _remove, Verb.EMPTY: _empty, Verb.DUMMY: _dummy, Verb.WALK: _walk}
_DO: dict[Verb, Verbs] = _PLAIN | {
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
