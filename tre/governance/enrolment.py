"""A person comes to the house by a link that works once, and chooses for themselves what nobody else may know.

Whoever holds the link is taken to be the person: it is sent to them alone, ends after seven days, and the log says when
it was used. What is made here is shown once and kept as a hash, or sealed.
"""

import hmac
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

import pyotp
import segno
from sqlalchemy import update
from sqlalchemy.orm import Session

from tre.errors import NotFound, Refused, StepRefused, Unreadable
from tre.governance import accounts, identities, notices, recovery
from tre.governance.identities import Marker
from tre.records import audit
from tre.records.db import Records
from tre.records.tables import InvitationRow, PersonRow
from tre.settings import Settings

VALID = timedelta(days=7)
GONE = "this link is used, too old, or not of this house: ask an admin for a new one"
MISMATCH = "the two passwords are not the same: type both again"
NOT_SHOWN = "the code is not the one that the app shows now: scan the picture again, wait for the next code, type that"


Also = Callable[[Session, str], None]


class Opened(NamedTuple):
    """What an invitation offers to whoever holds its link."""

    person: str
    full_name: str
    secret: str
    expires_at: datetime


class Offer(NamedTuple):
    """A second factor that is offered, and not taken yet."""

    secret: str
    sealed: str
    """The same, for the page to carry."""


def invite(session: Session, name: str, *, actor: str, now: datetime) -> str:
    """Make a link's token for a person, by which they choose password and second factor; older links end."""
    if accounts.person(session, name).suspended:
        raise StepRefused(f"cannot invite {name}, who is suspended: `tre person resume {name}` first")
    open_ones = update(InvitationRow).where(InvitationRow.person == name, InvitationRow.used_at.is_(None))
    session.execute(open_ones.where(InvitationRow.expires_at > now).values(expires_at=now))
    token = secrets.token_urlsafe(32)
    session.add(InvitationRow(token_sha256=_id(token), person=name, made_at=now, expires_at=now + VALID))
    if accounts.person(session, name).enrolled_at is not None:
        _tell(session, name, "invited", "A link was made by which your password and second factor can be replaced", now)
    until = audit.stamp(now + VALID)
    audit.append(session, "person.invite", actor=actor, subject=f"person/{name}", at=now, until=until)
    return token


def url(settings: Settings, token: str) -> str:
    """Return the link that a person gets."""
    return f"{settings.hub_origin}/hub/enrol/{token}"


def look(session: Session, settings: Settings, token: str, *, now: datetime) -> Opened:
    """Return what a link offers, or say that it offers nothing any more."""
    row, person = _open(session, token, now)
    return Opened(person.name, person.full_name, accounts.secret_of(settings, token), row.expires_at)


def step_of(session: Session, settings: Settings, token: str, code: str, *, now: datetime) -> int:
    """Return the step at which the offered second factor shows this code, or say that it does not."""
    _open(session, token, now)
    return _shown(accounts.secret_of(settings, token), code, now)


def accept(
    records: Records, settings: Settings, token: str, *, password: str, again: str, code: str, now: datetime
) -> tuple[str, ...]:
    """Take a password and the offered second factor; return ten recovery codes. The link is used up."""
    with records.read() as session:
        name = look(session, settings, token, now=now).person
        step = step_of(session, settings, token, code, now=now)
    stored, codes = accounts.hashed(same(password, again)), recovery.draw()
    hashes = recovery.hashed(codes)
    with records.act(name, "person.enrol", f"person/{name}") as session:
        row = _take(session, settings, token, step=step, now=now)
        row.password = stored
        recovery.keep(session, name, hashes)
        audit.append(session, "person.enrol", actor=name, subject=f"person/{name}", at=now, by="password")
    return codes


def accept_with(
    records: Records, settings: Settings, token: str, marker: Marker, *, step: int, now: datetime, also: Also
) -> str:
    """Let a person sign in with a provider from now on, which knows them by `marker`; return their name.

    `also` is what else belongs to it, such as the rules of coming in: if it refuses, the link stays good.
    """
    with records.read() as session:
        name = look(session, settings, token, now=now).person
    with records.act(name, "person.enrol", f"person/{name}") as session:
        row = _take(session, settings, token, step=step, now=now)
        row.password = accounts.DECOY  # the provider is their only way in
        identities.link(session, name, marker, actor=name, now=now)
        also(session, name)
        audit.append(session, "person.enrol", actor=name, subject=f"person/{name}", at=now, by=marker.issuer)
    return name


# --- later ------------------------------------------------------------------------------------------------------------
def change_password(
    records: Records, settings: Settings, name: str, *, old: str, new: str, again: str, code: str, now: datetime
) -> None:
    """Take a new password from a person who knows the old one; every session of theirs is over."""
    stored = accounts.hashed(same(new, again))
    accounts.check_code(records, settings, name, code, now=now, purpose="password")
    with records.read() as session:
        known = accounts.is_password(session, name, old)
    with records.act(name, "person.password", f"person/{name}") as session:
        if not known:
            raise Refused("the password that you have now is another: type that one first")
        row = accounts.person(session, name)
        row.password, row.signed_out_at = stored, accounts.whole_second(now)
        audit.append(session, "person.password", actor=name, subject=f"person/{name}", at=now, second_factor=False)
        _tell(session, name, "password", "Your password was changed", now)


def offer(settings: Settings, name: str, sealed: str = "") -> Offer:
    """Return a new second factor for a person, or the one that their page carries already."""
    secret = accounts.unwrap(settings, name, sealed) if sealed else pyotp.random_base32()
    return Offer(secret, sealed or accounts.wrap(settings, name, secret))


def renew(
    records: Records, settings: Settings, name: str, sealed: str, *, shown: str, code: str, now: datetime
) -> None:
    """Take the offered second factor (`shown` is its code) from a person who still has the old one (`code`)."""
    secret = offer(settings, name, sealed).secret
    step = _shown(secret, shown, now)
    accounts.check_code(records, settings, name, code, now=now, purpose="second factor")
    with records.act(name, "person.second_factor", f"person/{name}") as session:
        row = accounts.person(session, name)
        accounts.give_secret(row, settings, secret, step=step)
        row.signed_out_at = accounts.whole_second(now)
        audit.append(session, "person.second_factor", actor=name, subject=f"person/{name}", at=now)
        _tell(session, name, "second-factor", "Your second factor was changed", now)


def renew_recovery(records: Records, settings: Settings, name: str, code: str, *, now: datetime) -> tuple[str, ...]:
    """Give a person ten new recovery codes, confirmed by a code of their app."""
    accounts.check_code(records, settings, name, code, now=now, purpose="recovery codes")
    codes = recovery.draw()
    hashes = recovery.hashed(codes)
    with records.act(name, "person.recovery", f"person/{name}") as session:
        recovery.keep(session, name, hashes)
        audit.append(session, "person.recovery", actor=name, subject=f"person/{name}", at=now)
        _tell(session, name, "recovery", "Your recovery codes were made anew", now)
    return codes


def tell_recovery(session: Session, name: str, now: datetime) -> None:
    """Tell a person that somebody came in with one of their recovery codes."""
    left = recovery.left(session, name)
    _tell(session, name, f"recovered/{left}", f"A recovery code was used to sign in; {left} are left", now)


def picture(settings: Settings, name: str, secret: str) -> str:
    """Draw what an app scans, as an SVG that needs nothing from elsewhere."""
    code = segno.make(accounts.uri(settings, name, secret), error="m")
    return str(code.svg_inline(scale=4, border=4, dark="#000", light="#fff", svgclass="tre-qr", lineclass=None))


def spaced(secret: str) -> str:
    """Write a secret in groups of four, as a person types it."""
    return " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))


def same(password: str, again: str) -> str:
    """Return a password that was typed twice, or say that it was not."""
    if not hmac.compare_digest(password.encode("utf-8", "replace"), again.encode("utf-8", "replace")):
        raise Unreadable(MISMATCH)
    return password


def _take(session: Session, settings: Settings, token: str, *, step: int, now: datetime) -> PersonRow:
    """Use a link up: the person has its second factor, and none of their sessions goes on."""
    invitation, row = _open(session, token, now)
    invitation.used_at = now
    accounts.give_secret(row, settings, accounts.secret_of(settings, token), step=step)
    row.enrolled_at, row.signed_out_at = now, accounts.whole_second(now)
    row.failures, row.locked_until = 0, None
    _tell(session, row.name, "enrolled", "Somebody came in by the link of your invitation", now)
    return row


def _open(session: Session, token: str, now: datetime) -> tuple[InvitationRow, PersonRow]:
    row = session.get(InvitationRow, _id(token))
    person = session.get(PersonRow, row.person) if row else None
    if row is None or person is None or row.used_at or row.expires_at <= now or person.suspended:
        raise NotFound(GONE)
    return row, person


def _shown(secret: str, code: str, now: datetime) -> int:
    step = accounts.shown_at(pyotp.TOTP(secret), "".join(code.split()), now)
    if not step:
        raise Unreadable(NOT_SHOWN)
    return step


def _tell(session: Session, name: str, what: str, text: str, now: datetime) -> None:
    said = f"{text}. If that was not you, tell an admin of this house at once."
    notices.tell(session, name, key=f"account/{what}/{audit.stamp(now)}", text=said, url="/hub/account", now=now)


def _id(token: str) -> str:
    return sha256(token.encode("utf-8", "replace")).hexdigest()
