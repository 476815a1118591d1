"""A person proves who they are with something they know and something they hold; a code works once.

Sign-in and votes use the same codes and the same count of wrong tries. Whoever is refused learns only that they are;
the audit log says why, and never what was typed.
"""

import hmac
import re
import secrets
from base64 import b32encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from policies.facts import EXCLUSIVE, Role
from tre.errors import NotFound, Refused, StepRefused, Tampered, Unavailable, Unreadable
from tre.governance import identities, recovery, text, tries
from tre.records import audit
from tre.records.db import Records
from tre.records.keys import Keys
from tre.records.tables import PersonRow, RoleRow
from tre.settings import NAME, Settings, checked_name

# RFC 9106, second recommended option (64 MiB), on one lane: a hundred sign-ins must not ask for a hundred processors.
HASHER = PasswordHasher(time_cost=3, memory_cost=65536, parallelism=1)
# Verified when there is nobody of that name, so that nobody can tell by the clock. No password gives this hash.
DECOY = "$argon2id$v=19$m=65536,t=3,p=1$SG9ydHVzQ29uY2x1c3Vz$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

SIX_DIGITS = re.compile("[0-9]{6}")
STEP = 30
"""Seconds one code is shown (RFC 6238); the code before and the code after are taken too."""
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


class Proof(NamedTuple):
    """What somebody at the door brings, as far as it is looked into yet."""

    code: str
    password: bool
    """The password is right."""
    spare: int | None
    """Number of the unused recovery code that `code` is."""


Told = Callable[[Session, str, datetime], None]


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
    invited: bool = False,
    granted: bool = True,
) -> Enrolment:
    """Give a person an account with at least one role; return what they need to sign in.

    Who is `invited` chooses password and second factor themselves, and cannot sign in until then. Roles that are not
    `granted` are only looked at: they are proposed, and wait.
    """
    held = checked_roles(roles)
    if checked_name(name, "person") in PROCESSES:
        raise Unreadable(f"person name {name}: a process of the house is called so; choose another name")
    if session.get(PersonRow, name):
        raise StepRefused(f"there is already a person {name}: choose another name")
    enrolment = _enrolment(name, settings, password)
    granted_now = held if granted else frozenset[Role]()
    row = PersonRow(
        name=name,
        full_name=text.line(full_name, "full name", longest=200),
        email=identities.checked_address(email),
        password=DECOY if invited else _hashed(enrolment.password),
        totp=_sealed(settings, name, enrolment.totp_secret),
        enrolled_at=None if invited else now,
        created_at=now,
    )
    session.add(row)
    session.flush()
    identities.link_address(session, name, email, actor=actor, now=now)
    session.add_all(RoleRow(person=name, role=role.value) for role in granted_now)
    audit.append(
        session,
        "person.add",
        actor=actor,
        subject=f"person/{name}",
        at=now,
        roles=[role.value for role in sorted(granted_now)],
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


def active(session: Session, name: str, *, since: datetime | None = None) -> bool:
    """Whether there is such a person, and they are not suspended: asked again while they are signed in.

    `since` is when their session began: it is over if they changed their password after that.
    """
    row = session.get(PersonRow, name) if NAME.fullmatch(name) else None
    if row is None or row.suspended:
        return False
    return since is None or row.signed_out_at is None or since >= row.signed_out_at


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
    row.enrolled_at, row.signed_out_at = row.enrolled_at or now, whole_second(now)
    if second_factor:
        row.totp = _sealed(settings, name, fresh.totp_secret)
    audit.append(session, "person.password", actor=actor, subject=f"person/{name}", at=now, second_factor=second_factor)
    return fresh if second_factor else Enrolment(fresh.password, "", "")


# --- proving who one is -----------------------------------------------------------------------------------------------
def sign_in(
    records: Records,
    settings: Settings,
    name: str,
    password: str,
    code: str,
    *,
    now: datetime,
    address: str = "",
    told: Told | None = None,
) -> bool:
    """Whether this person may come in: one answer and one cost for every kind of no.

    Secrets are hashed before the transaction, which is short; counts and locks are read inside it, so that many tries
    at once are counted one after another. `code` is of the app, or one of the recovery codes, whose use the person is
    `told` in the same act. `address` is the network address of the browser, as `tries.network_of` writes it.
    """
    known = NAME.fullmatch(name) is not None
    with records.read() as session:
        row = session.get(PersonRow, name) if known else None
        stored = row.password if row else DECOY
        spare = recovery.find(session, name, code) if recovery.looks_like_one(code) else None
    proof = Proof(code, password=_matches(stored, password), spare=spare)
    actor = name if row else UNKNOWN
    with records.act(actor, "session.sign_in", f"person/{actor}") as session:
        fault = _at_the_door(session, settings, actor, proof, address, now=now)
        _record(session, "session.sign_in", actor, fault, now=now, **_by_recovery(session, actor, spare, fault))
        if spare and not fault and told:
            told(session, actor, now)
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
        fault = _confirming(session, settings, actor, code, now=now)
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


def _at_the_door(session: Session, settings: Settings, name: str, proof: Proof, address: str, *, now: datetime) -> str:
    """Why a try to come in fails, after counting it; empty if it does not. One act at a time gets here."""
    tries.forget(session, now=now)
    row = session.get(PersonRow, name)
    if row is None:
        tries.nobody(session, address, now=now)
        return "nobody of that name"
    counts = tries.at_the_door(session, row, address, now=now)
    if row.suspended:
        return "suspended"
    if tries.locked(counts, now=now):
        return "locked"
    fault = _use(session, settings, row, proof, now=now) if proof.password else "wrong password"
    if fault:
        tries.wrong(counts, now=now)
    else:
        tries.right(session, counts, now=now, person=name, address=address)
    return fault


def _confirming(session: Session, settings: Settings, name: str, code: str, *, now: datetime) -> str:
    """Why a code confirms nothing, after counting it; empty if it does. Guesses at codes lock the front door too."""
    row = session.get(PersonRow, name)
    if row is None:
        return "nobody of that name"
    if row.suspended:
        return "suspended"
    count = tries.of_codes(session, row, now=now)
    if tries.locked((count,), now=now):
        return "locked"
    fault = _use_code(session, settings, row, code, now=now)
    if fault:
        tries.wrong((count, row), now=now)
    else:
        tries.right(session, (count, row), now=now)
    return fault


def _use(session: Session, settings: Settings, row: PersonRow, proof: Proof, *, now: datetime) -> str:
    if proof.spare is not None:
        return "" if recovery.use(session, proof.spare, now=now) else "used code"
    return _use_code(session, settings, row, proof.code, now=now)


def _by_recovery(session: Session, name: str, spare: int | None, fault: str) -> dict[str, audit.Fact]:
    if spare is None or fault:
        return {}
    return {"recovery": True, "left": recovery.left(session, name)}


def _use_code(session: Session, settings: Settings, row: PersonRow, code: str, *, now: datetime) -> str:
    digits = "".join(code.split())
    if not SIX_DIGITS.fullmatch(digits):
        return "no code"
    step = shown_at(_totp(settings, row), digits, now)
    if not step:
        return "wrong code"
    unused = update(PersonRow).where(PersonRow.name == row.name, PersonRow.totp_step < step).values(totp_step=step)
    return "" if session.execute(unused).rowcount == 1 else "used code"  # type: ignore[attr-defined]  # an UPDATE has it


def shown_at(totp: pyotp.TOTP, digits: str, now: datetime) -> int:
    """Step at which an app shows these digits: now, just before or just after; 0 if it does not."""
    if not SIX_DIGITS.fullmatch(digits):
        return 0
    current = _step(now)
    near = (current, current - 1, current + 1)
    return next((step for step in near if hmac.compare_digest(totp.generate_otp(step), digits)), 0)


def _record(session: Session, act: str, actor: str, fault: str, *, now: datetime, **facts: audit.Fact) -> None:
    if fault:
        audit.append(session, f"{act}.refused", actor=actor, subject=f"person/{actor}", at=now, why=fault, **facts)
    else:
        audit.append(session, act, actor=actor, subject=f"person/{actor}", at=now, **facts)


def whole_second(now: datetime) -> datetime:
    """Return the second in which something happens: a session knows no more of when it began."""
    return now.replace(microsecond=0)


# --- secrets ----------------------------------------------------------------------------------------------------------
def _enrolment(name: str, settings: Settings, password: str | None) -> Enrolment:
    secret = pyotp.random_base32()
    return Enrolment(password or secrets.token_urlsafe(15), secret, uri(settings, name, secret))


def _hashed(password: str) -> str:
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise Unreadable(f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    return HASHER.hash(_bytes(password))


def hashed(password: str) -> str:
    """Hash a password that somebody chose, or say how long it must be. It takes a tenth of a second."""
    return _hashed(password)


def is_password(session: Session, name: str, password: str) -> bool:
    """Whether this is a person's password now. It takes a tenth of a second."""
    return _matches(person(session, name).password, password)


def give_secret(row: PersonRow, settings: Settings, secret: str, *, step: int) -> None:
    """Make this a person's second factor; the code of `step`, by which they proved that they hold it, is used."""
    row.totp, row.totp_step = _sealed(settings, row.name, secret), step


def uri(settings: Settings, name: str, secret: str) -> str:
    """Return what an authenticator app reads, as a QR code or typed."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=f"Hortus {settings.domain}")


def secret_of(settings: Settings, token: str) -> str:
    """Return the second factor that an invitation offers: the same each time its page is looked at."""
    key = Keys.load(settings).mark_key("invitation")
    return b32encode(hmac.digest(key, token.encode(), "sha256")[:20]).decode()


def wrap(settings: Settings, name: str, secret: str) -> str:
    """Seal a secret that is offered to one person, so that a page can carry it."""
    return urlsafe_b64encode(Keys.load(settings).seal("offer", secret.encode(), bound_to=name)).decode()


def unwrap(settings: Settings, name: str, sealed: str) -> str:
    """Open what a page carried, or say that it was not made here for this person."""
    try:
        return Keys.load(settings).unseal("offer", urlsafe_b64decode(sealed), bound_to=name).decode()
    except (ValueError, Tampered):
        raise Unreadable("this page is out of date: load it again, and scan the new picture") from None


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
