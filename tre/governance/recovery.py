"""Ten codes on paper stand in for a lost phone, each of them once.

They are kept as argon2id hashes. A try costs ten hashes whoever it is for and however many are left, so that the clock
tells nothing.
"""

import re
import secrets
from datetime import datetime

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from tre.records.tables import RecoveryCodeRow

HOW_MANY = 10
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""None that is easily read as another: no i, l, o, 0, 1."""
GROUPS, OF = 4, 4
# A code has 79 bits of chance, so that a cheap hash is enough: OWASP's smallest for argon2id.
HASHER = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
DECOY = "$argon2id$v=19$m=19456,t=2,p=1$SG9ydHVzQ29uY2x1c3Vz$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def draw() -> tuple[str, ...]:
    """Draw ten codes, to be shown once."""
    return tuple("-".join(_group() for _ in range(GROUPS)) for _ in range(HOW_MANY))


def hashed(codes: tuple[str, ...]) -> tuple[str, ...]:
    """Hash what is kept of codes. It takes a while; run it outside of an act."""
    return tuple(HASHER.hash(_bare(code)) for code in codes)


def keep(session: Session, person: str, hashes: tuple[str, ...]) -> None:
    """Make these a person's codes; older ones are worth nothing from here on."""
    session.execute(delete(RecoveryCodeRow).where(RecoveryCodeRow.person == person))
    session.add_all(RecoveryCodeRow(person=person, code=each) for each in hashes)
    session.flush()


def looks_like_one(code: str) -> bool:
    """Whether this is written as recovery codes are: nobody mistakes six digits for one."""
    return re.fullmatch(f"[{LETTERS}]{{{GROUPS * OF}}}", _bare(code)) is not None


def find(session: Session, person: str, code: str) -> int | None:
    """Return the number of the unused code that this is. It takes a while; run it outside of an act."""
    unused = select(RecoveryCodeRow).where(RecoveryCodeRow.person == person, RecoveryCodeRow.used_at.is_(None))
    rows = [(row.id, row.code) for row in session.scalars(unused)]
    rows += [(0, DECOY)] * (HOW_MANY - len(rows))
    matching = [number for number, stored in rows if _is(stored, code)]
    return next((number for number in matching if number), None)


def use(session: Session, number: int, *, now: datetime) -> bool:
    """Use a code up; tell whether nobody was faster."""
    unused = update(RecoveryCodeRow).where(RecoveryCodeRow.id == number, RecoveryCodeRow.used_at.is_(None))
    return session.execute(unused.values(used_at=now)).rowcount == 1  # type: ignore[attr-defined,no-any-return]  # an UPDATE has it


def left(session: Session, person: str) -> int:
    """How many codes of a person are not used."""
    unused = select(func.count()).where(RecoveryCodeRow.person == person, RecoveryCodeRow.used_at.is_(None))
    return session.scalar(unused) or 0


def _is(stored: str, code: str) -> bool:
    try:
        return HASHER.verify(stored, _bare(code))
    except (VerificationError, InvalidHashError):
        return False


def _group() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(OF))


def _bare(code: str) -> str:
    return "".join(code.casefold().replace("-", " ").split())
