"""A person proves who they are with something they know and something they hold; a code works once.

Sign-in and votes use the same codes and the same count of wrong tries. Whoever is refused learns only that they are;
the audit log says why, and never what was typed.
"""

import hmac
import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from policies.facts import EXCLUSIVE, Role
from tre.errors import NotFound, Refused, StepRefused, Unavailable, Unreadable
from tre.governance import identities, text
from tre.records import audit
from tre.records.db import Records
from tre.records.keys import Keys
from tre.records.tables import PersonRow, RoleRow
from tre.settings import NAME, Settings, checked_name

# RFC 9106, second recommended option (64 MiB), on one lane: a hundred sign-ins must not ask for a hundred processors.
HASHER = PasswordHasher(time_cost=3, memory_cost=65536, parallelism=1)
# Verified when there is nobody of that name, so that nobody can tell by the clock. No password gives this hash.
DECOY = "$argon2id$v=19$m=65536,t=3,p=1$SG9ydHVzQ29uY2x1c3Vz$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

STEP = 30
"""Seconds one code is shown (RFC 6238); the code before and the code after are taken too."""
FREE_TRIES = 5
FIRST_LOCK = timedelta(seconds=5)
LONGEST_LOCK = timedelta(minutes=5)
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1000

UNKNOWN = "?"
"""Actor of a try under a name that is nobody's. What was typed may be a password, so it is not written down."""
PROCESSES = frozenset({"airlock", "demo", "gateway", "hub", "sentinel", "worker", "xn"})
"""Actors in the audit log that are no people; and xn, as `xn--` begins a host name of another alphabet."""
NOT_ACCEPTED = "the code is not accepted: wait for the next one and type that"


class Enrolment(NamedTuple):
    """What a new person must be told once, and is written nowhere else."""

    password: str
    totp_secret: str
    totp_uri: str


def add(
    session: Session,
    name: str,
    *,
    full_name: str,
    email: str,
    roles: Iterable[Role],
    actor: str,
    now: datetime,
    settings: Settings,
    password: str | None = None,
) -> Enrolment:
    """Give a person an account with at least one role; return what they need to sign in."""
    held = checked_roles(roles)
    if checked_name(name, "person") in PROCESSES:
        raise Unreadable(f"person name {name}: a process of the house is called so; choose another name")
    if session.get(PersonRow, name):
        raise StepRefused(f"there is already a person {name}: choose another name")
    enrolment = _enrolment(name, settings, password)
    row = PersonRow(
        name=name,
        full_name=text.line(full_name, "full name", longest=200),
        email=identities.checked_address(email),
        password=_hashed(enrolment.password),
        totp=_sealed(settings, name, enrolment.totp_secret),
        enrolled_at=now,
        created_at=now,
    )
    session.add(row)
    session.flush()
    identities.link_address(session, name, email, actor=actor, now=now)
    session.add_all(RoleRow(person=name, role=role.value) for role in held)
    audit.append(
        session,
        "person.add",
        actor=actor,
        subject=f"person/{name}",
        at=now,
        roles=[role.value for role in sorted(held)],
    )
    return enrolment


def checked_roles(roles: Iterable[Role]) -> frozenset[Role]:
    """Return the roles as a set, or say which two do not go together."""
    held = frozenset(roles)
    if not held:
        raise Unreadable("a person needs a role: " + ", ".join(Role))
    for pair in EXCLUSIVE:
        if pair <= held:
            one, other = sorted(pair)
            raise Refused(
                f"nobody is both {one} and {other}", rules=("R29",), remedies=("give one of them to somebody else",)
            )
    return held


def person(session: Session, name: str) -> PersonRow:
    """Return a person's row, or say that there is nobody of that name."""
    row = session.get(PersonRow, name) if NAME.fullmatch(name) else None
    if row is None:
        raise NotFound(f"there is no person {name[:40]!r}: see `tre person list`")
    return row


def roles_of(session: Session, name: str) -> frozenset[Role]:
    """Roles a person holds; none for a person who is not there."""
    return frozenset(Role(role) for role in session.scalars(select(RoleRow.role).where(RoleRow.person == name)))


def active(session: Session, name: str) -> bool:
    """Whether there is such a person, and they are not suspended: asked again while they are signed in."""
    row = session.get(PersonRow, name) if NAME.fullmatch(name) else None
    return row is not None and not row.suspended


def suspend(session: Session, name: str, *, why: str, actor: str, now: datetime) -> None:
    """Keep a person out from this moment on; whoever watches rooms and sign-ins asks again."""
    row = person(session, name)
    if row.suspended:
        raise StepRefused(f"cannot suspend {name}, who is suspended already")
    row.suspended = True
    why = text.line(why, "reason")
    audit.append(session, "person.suspend", actor=actor, subject=f"person/{name}", at=now, why=why)


def resume(session: Session, name: str, *, actor: str, now: datetime) -> None:
    """Let a suspended person in again."""
    row = person(session, name)
    if not row.suspended:
        raise StepRefused(f"cannot resume {name}, who is not suspended")
    row.suspended = False
    audit.append(session, "person.resume", actor=actor, subject=f"person/{name}", at=now)


def set_password(
    session: Session, name: str, *, actor: str, now: datetime, settings: Settings, second_factor: bool = False
) -> Enrolment:
    """Give a person a new password, and a new second factor if the old one is lost; both end a lock."""
    row = person(session, name)
    fresh = _enrolment(name, settings, None)
    row.password, row.failures, row.locked_until = _hashed(fresh.password), 0, None
    if second_factor:
        row.totp = _sealed(settings, name, fresh.totp_secret)
    audit.append(session, "person.password", actor=actor, subject=f"person/{name}", at=now, second_factor=second_factor)
    return fresh if second_factor else Enrolment(fresh.password, "", "")


# --- proving who one is -----------------------------------------------------------------------------------------------
def sign_in(records: Records, settings: Settings, name: str, password: str, code: str, *, now: datetime) -> bool:
    """Whether this person may come in: one answer and one cost for every kind of no.

    The password is hashed before the transaction, which is short; the count and the lock are read inside it, so that
    many tries at once are counted one after another.
    """
    known = NAME.fullmatch(name) is not None
    with records.read() as session:
        row = session.get(PersonRow, name) if known else None
        stored = row.password if row else DECOY
    right = _matches(stored, password)
    actor = name if row else UNKNOWN
    with records.act(actor, "session.sign_in", f"person/{actor}") as session:
        fault = _fault(session, settings, actor, code, right=right, now=now)
        _record(session, "session.sign_in", actor, fault, now=now)
    return not fault


def check_code(records: Records, settings: Settings, name: str, code: str, *, now: datetime, purpose: str) -> None:
    """Use up a person's code for one purpose, or refuse.

    This is a transaction of its own, to be run *before* the act that the code is for: a wrong code stays counted and a
    used code stays used whatever becomes of the act. `purpose` says what is confirmed, down to the bytes
    (`export/12 approve <manifest>`), and is recorded with the code's use.
    """
    with records.read() as session:
        known = NAME.fullmatch(name) is not None and session.get(PersonRow, name) is not None
    actor = name if known else UNKNOWN
    with records.act(actor, "person.code", f"person/{actor}") as session:
        fault = _fault(session, settings, actor, code, right=True, now=now)
        _record(session, "person.code", actor, fault, now=now, purpose=purpose)
    if fault:
        raise Refused(NOT_ACCEPTED)


def code_now(session: Session, settings: Settings, name: str, now: datetime) -> str:
    """Return the first code of a person that works now and is not used: what their phone shows, or will soon."""
    row = person(session, name)
    step = max(_step(now), row.totp_step + 1)
    if step > _step(now) + 1:
        wait = (step - 1) * STEP - int(now.timestamp())
        raise Unavailable(f"the codes of this minute are used: ask again in {wait} s")
    return _totp(settings, row).generate_otp(step)


def _fault(session: Session, settings: Settings, name: str, code: str, *, right: bool, now: datetime) -> str:
    """Why a try fails, after counting it; empty if it does not. One act at a time gets here."""
    row = session.get(PersonRow, name)
    if row is None:
        return "nobody of that name"
    if row.suspended:
        return "suspended"
    if row.locked_until and now < row.locked_until:
        return "locked"
    fault = _use_code(session, settings, row, code, now=now) if right else "wrong password"
    if fault:
        _count(row, now=now)
    else:
        row.failures, row.locked_until = 0, None
    return fault


def _use_code(session: Session, settings: Settings, row: PersonRow, code: str, *, now: datetime) -> str:
    digits = "".join(code.split())
    if not re.fullmatch("[0-9]{6}", digits):
        return "no code"
    totp, current = _totp(settings, row), _step(now)
    step = next(
        (s for s in (current, current - 1, current + 1) if hmac.compare_digest(totp.generate_otp(s), digits)), 0
    )
    if not step:
        return "wrong code"
    unused = update(PersonRow).where(PersonRow.name == row.name, PersonRow.totp_step < step).values(totp_step=step)
    return "" if session.execute(unused).rowcount == 1 else "used code"  # type: ignore[attr-defined]  # an UPDATE has it


def _count(row: PersonRow, *, now: datetime) -> None:
    """Lock after a few wrong tries, for twice as long each time, but never so long that it shuts a colleague out."""
    row.failures += 1
    over = row.failures - FREE_TRIES
    if over >= 0:
        row.locked_until = now + min(LONGEST_LOCK, FIRST_LOCK * 2 ** min(over, 10))


def _record(session: Session, act: str, actor: str, fault: str, *, now: datetime, **facts: str) -> None:
    if fault:
        audit.append(session, f"{act}.refused", actor=actor, subject=f"person/{actor}", at=now, why=fault, **facts)
    else:
        audit.append(session, act, actor=actor, subject=f"person/{actor}", at=now, **facts)


# --- secrets ----------------------------------------------------------------------------------------------------------
def _enrolment(name: str, settings: Settings, password: str | None) -> Enrolment:
    secret = pyotp.random_base32()
    uri = pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=f"Hortus {settings.domain}")
    return Enrolment(password or secrets.token_urlsafe(15), secret, uri)


def _hashed(password: str) -> str:
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise Unreadable(f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    return HASHER.hash(_bytes(password))


def _matches(stored: str, password: str) -> bool:
    try:
        return HASHER.verify(stored, _bytes(password[:LONGEST_PASSWORD]))
    except VerificationError:
        return False


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


def _sealed(settings: Settings, name: str, secret: str) -> bytes:
    return Keys.load(settings).seal("totp", secret.encode(), bound_to=name)


def _totp(settings: Settings, row: PersonRow) -> pyotp.TOTP:
    return pyotp.TOTP(Keys.load(settings).unseal("totp", row.totp, bound_to=row.name).decode())


def _step(now: datetime) -> int:
    return int(now.timestamp()) // STEP
