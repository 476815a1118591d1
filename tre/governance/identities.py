"""One human being has one account, however many names the world has for them.

A marker is a name by which somebody outside knows a person: an e-mail address in one spelling, an ORCID, what an OpenID
provider calls them, what a trusted visa links with it. A marker is one person's. Should two accounts have one all the
same, they are taken to be one human being's, so that nobody votes on their own request with the other.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import unquote

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from tre.errors import StepRefused, Unreadable
from tre.records import audit
from tre.records.tables import IdentityRow, PersonRow, VisaRow

EMAIL: Final = "email"
ORCID: Final = "orcid"
ADDRESS = re.compile(r"[!-?A-~]+@[a-zA-Z0-9.-]+")
LONGEST_ADDRESS = 254
LINKED: Final = "LinkedIdentities"
"""Type of a visa that says which subjects of which issuers are one person (GA4GH Passport v1.2)."""


class Marker(NamedTuple):
    """What an issuer calls somebody."""

    issuer: str
    subject: str


def spelling(address: str) -> str:
    """Return the one spelling of an e-mail address: small letters, and nothing after a plus sign."""
    local, _, domain = address.casefold().rpartition("@")
    return f"{local.partition('+')[0] or local}@{domain}"


def checked_address(address: str) -> str:
    """Return an e-mail address as it was written, or say how to write one; none is fine."""
    if address and (len(address) > LONGEST_ADDRESS or not ADDRESS.fullmatch(address)):
        raise Unreadable(f"e-mail: write it as name@example.org, at most {LONGEST_ADDRESS} characters")
    return address


def checked_orcid(orcid: str) -> str:
    """Return the sixteen signs of an ORCID iD whose last one is right (ISO 7064 11,2), or say that it is none."""
    bare = orcid.strip().upper().removeprefix("HTTPS://ORCID.ORG/")
    if not re.fullmatch(r"(?:\d{4}-){3}\d{3}[\dX]", bare, re.ASCII):
        raise Unreadable("orcid: write it as 0000-0002-1825-0097")
    total = 0
    for digit in bare.replace("-", "")[:-1]:
        total = (total + int(digit)) * 2
    if "0123456789X"[(12 - total % 11) % 11] != bare[-1]:
        raise Unreadable("orcid: its last sign does not fit the others, so one of them is mistyped")
    return bare


def link(session: Session, person: str, marker: Marker, *, actor: str, now: datetime) -> None:
    """Note that this marker is this person's; it can be nobody else's."""
    held = owner(session, marker)
    if held == person:
        return
    if held is not None:
        raise StepRefused(f"{_what(marker)} is {held}'s already: one person has one account")
    session.add(IdentityRow(issuer=marker.issuer, subject=marker.subject, person=person, added_at=now))
    session.flush()
    audit.append(session, "identity.link", actor=actor, subject=f"person/{person}", at=now, issuer=marker.issuer)


def link_address(session: Session, person: str, address: str, *, actor: str, now: datetime) -> None:
    """Note a person's e-mail address, whoever wrote it in which way."""
    if not checked_address(address):
        return
    others = _of_address(session, spelling(address)) - {person}
    if others:
        raise StepRefused(f"this e-mail address is {min(others)}'s already: one person has one account")
    link(session, person, Marker(EMAIL, spelling(address)), actor=actor, now=now)


def owner(session: Session, marker: Marker) -> str | None:
    """Name of the person whose marker this is."""
    row = session.get(IdentityRow, tuple(marker))
    return row.person if row else None


def also_accounts(session: Session, name: str) -> frozenset[str]:
    """Other accounts that are the same human being's: those that share a marker, and those that share one with them."""
    links = tuple(_linked(session))
    people, markers, new = {name}, set[Marker](), {name}
    while new:
        found = _joined(_markers(session, new), links) - markers
        markers |= found
        new = _holders(session, found) - people
        people |= new
    return frozenset(people - {name})


def _markers(session: Session, names: set[str]) -> set[Marker]:
    """Every marker of these accounts."""
    own = select(IdentityRow.issuer, IdentityRow.subject).where(IdentityRow.person.in_(names))
    visas = select(VisaRow.issuer, VisaRow.subject).where(VisaRow.person.in_(names), VisaRow.refused_at.is_(None))
    written = session.scalars(select(PersonRow.email).where(PersonRow.name.in_(names), PersonRow.email != ""))
    found = {Marker(*row) for query in (own, visas) for row in session.execute(query)}
    return found | {Marker(EMAIL, spelling(address)) for address in written}


def _joined(markers: set[Marker], links: tuple[frozenset[Marker], ...]) -> set[Marker]:
    """Add what visas say is the same person's, over as many visas as it takes."""
    before = 0
    while len(markers) != before:
        before = len(markers)
        markers = markers.union(*(group for group in links if group & markers))
    return markers


def _holders(session: Session, markers: set[Marker]) -> set[str]:
    """Accounts that have any of these markers."""
    if not markers:
        return set()
    own = select(IdentityRow.person).where(tuple_(IdentityRow.issuer, IdentityRow.subject).in_(markers))
    visas = select(VisaRow.person).where(
        tuple_(VisaRow.issuer, VisaRow.subject).in_(markers), VisaRow.refused_at.is_(None)
    )
    found = {*session.scalars(own), *session.scalars(visas)}
    return found.union(*(_of_address(session, each.subject) for each in markers if each.issuer == EMAIL))


def _of_address(session: Session, spelt: str) -> set[str]:
    """Accounts with this e-mail address in any spelling; the database narrows, and the spelling decides."""
    local, _, domain = spelt.rpartition("@")
    begins, ends = f"{local}%@{domain}", func.lower(PersonRow.email)
    rows = session.execute(select(PersonRow.name, PersonRow.email).where(ends.like(_literal(begins), escape="\\")))
    held = session.scalars(select(IdentityRow.person).where(IdentityRow.issuer == EMAIL, IdentityRow.subject == spelt))
    return {name for name, address in rows if spelling(address) == spelt} | set(held)


def _literal(pattern: str) -> str:
    """Keep the one wildcard of ours, and take those for letters that stand in an address."""
    local, _, domain = pattern.rpartition("%@")
    quoted = local.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"{quoted}%@{domain}"


def _linked(session: Session) -> Iterator[frozenset[Marker]]:
    """Yield the markers that each visa says are one person's, its own subject among them."""
    said = select(VisaRow).where(VisaRow.type == LINKED, VisaRow.refused_at.is_(None))
    for row in session.scalars(said):
        pairs = (pair.partition(",") for pair in row.value.split(";") if "," in pair)
        named = (Marker(unquote(issuer), unquote(subject)) for subject, _, issuer in pairs)
        yield frozenset({Marker(row.issuer, row.subject), *named})


def _what(marker: Marker) -> str:
    return {EMAIL: "this e-mail address", ORCID: "this ORCID"}.get(marker.issuer, f"this identity at {marker.issuer}")
