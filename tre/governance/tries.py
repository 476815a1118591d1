"""Wrong tries are counted where they come from, so that guessing is slow and nobody can keep a colleague out.

A try counts for the name and for the network address. From an address from which this person came in before, it counts
for the two together instead: whoever guesses from elsewhere locks everybody out but them. A code that confirms an act
of somebody who is signed in has a count of its own, which no stranger at the door can raise.
"""

import ipaddress
from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import delete
from sqlalchemy.orm import Session

from tre.records.tables import AddressRow, PersonRow

FREE_TRIES = 5
FREE_TRIES_OF_AN_ADDRESS = 20
"""More than of a name: a hundred people may share one address."""
FIRST_LOCK = timedelta(seconds=5)
LONGEST_LOCK = timedelta(minutes=5)
FORGET_GUESSES = timedelta(days=1)
FORGET_PLACES = timedelta(days=180)
KNOWN, CODES = "k", "v"
"""Before a hash that is of a person and an address, or of a person's codes; no hexadecimal digit is one of them."""

Count = PersonRow | AddressRow


def at_the_door(session: Session, person: PersonRow, address: str, *, now: datetime) -> tuple[Count, ...]:
    """Return what counts a try to sign in as this person from this address, and can lock it."""
    if not address:
        return (person,)
    known = session.get(AddressRow, _known(person.name, address))
    if known is not None:
        return (known,)
    return (person, _row(session, _of(address), now))


def of_codes(session: Session, person: PersonRow, *, now: datetime) -> AddressRow:
    """Return what counts and locks the codes with which this person confirms acts."""
    return _row(session, _mark(CODES, person.name), now)


def locked(counts: Iterable[Count], *, now: datetime) -> bool:
    """Whether any of these counts says: not now."""
    return any(each.locked_until is not None and now < each.locked_until for each in counts)


def wrong(counts: Iterable[Count], *, now: datetime) -> None:
    """Lock after a few wrong tries, for twice as long each time, but never so long that it shuts a colleague out."""
    for each in counts:
        each.failures += 1
        over = each.failures - _free(each)
        if over >= 0:
            each.locked_until = now + min(LONGEST_LOCK, FIRST_LOCK * 2 ** min(over, 10))
        if isinstance(each, AddressRow):
            each.at = now


def right(session: Session, counts: Iterable[Count], *, now: datetime, person: str = "", address: str = "") -> None:
    """Forget wrong tries; remember that this person came in from this address."""
    for each in counts:
        if isinstance(each, AddressRow) and not each.address.startswith((KNOWN, CODES)):
            continue  # one good name at an address does not make up for guesses at others
        each.failures, each.locked_until = 0, None
    if address:
        _row(session, _known(person, address), now).at = now


def nobody(session: Session, address: str, *, now: datetime) -> None:
    """Count a try under a name that is nobody's: for the address alone."""
    if address:
        wrong((_row(session, _of(address), now),), now=now)


def forget(session: Session, *, now: datetime) -> None:
    """Let go of guesses of yesterday, and of places where nobody was for half a year."""
    place = AddressRow.address.startswith(KNOWN)
    session.execute(delete(AddressRow).where(~place, AddressRow.at < now - FORGET_GUESSES))
    session.execute(delete(AddressRow).where(place, AddressRow.at < now - FORGET_PLACES))


def network_of(address: str) -> str:
    """Return an address as it is counted: a subscriber has 2**64 of version 6, so these are counted by their /64."""
    try:
        read = ipaddress.ip_address(address.strip().partition("%")[0])
    except ValueError:
        return ""
    if isinstance(read, ipaddress.IPv6Address):
        if read.ipv4_mapped is not None:
            return str(read.ipv4_mapped)
        return str(ipaddress.ip_network((read, 64), strict=False))
    return str(read)


def _free(count: Count) -> int:
    own = isinstance(count, PersonRow) or count.address.startswith((KNOWN, CODES))
    return FREE_TRIES if own else FREE_TRIES_OF_AN_ADDRESS


def _row(session: Session, key: str, now: datetime) -> AddressRow:
    row = session.get(AddressRow, key)
    if row is None:
        row = AddressRow(address=key, failures=0, locked_until=None, at=now)
        session.add(row)
        session.flush()
    return row


def _of(address: str) -> str:
    return sha256(address.encode()).hexdigest()


def _known(person: str, address: str) -> str:
    return _mark(KNOWN, f"{person}\0{address}")


def _mark(letter: str, what: str) -> str:
    return letter + sha256(what.encode()).hexdigest()[:-1]
