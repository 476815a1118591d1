"""A change of the rules is made by two admins: one proposes texts, another adopts exactly these, or refuses them.

What is confirmed by code is the SHA-256 of the texts. Files on the disk are only ever what somebody proposes.
"""

import difflib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from policies.engine import Rules, RulesUnfit
from policies.facts import MOMENTS, Change, Role
from tre.errors import NotFound, Refused, StepRefused, Unreadable
from tre.governance import access, accounts, identities, rulebook, text
from tre.governance.rulebook import ADOPTED, PROPOSED, REFUSED
from tre.records import audit
from tre.records.tables import RulebookRow

RULE = "R28"
LARGEST = 1_000_000
NEED_TWO = ("another admin adopts what one proposed",)


def propose(session: Session, files: Mapping[str, str], *, why: str, actor: str, now: datetime) -> RulebookRow:
    """Propose other rules; what does not fit the schema is never proposed."""
    _admin(session, actor)
    fitting(files)
    sha = rulebook.digest(files)
    if sha == newest(session).sha256:
        raise StepRefused("these are the rules in force: there is nothing to change")
    number = (session.scalar(select(func.max(RulebookRow.number))) or 0) + 1
    row = RulebookRow(
        number=number,
        files=audit.canonical(dict(files)).decode(),
        sha256=sha,
        why=text.line(why, "reason", longest=2000),
        proposed_by=actor,
        proposed_at=now,
        state=PROPOSED,
    )
    session.add(row)
    audit.append(session, "rules.propose", actor=actor, subject=_subject(row), at=now, sha256=sha, why=row.why)
    return row


def adopt(session: Session, number: int, *, actor: str, seen: str, now: datetime) -> RulebookRow:
    """Make proposed rules those in force, from the next question on; `seen` is the SHA-256 that was confirmed."""
    row = _open(session, number)
    if row.number < newest(session).number:
        raise StepRefused(f"rules {newest(session).number} were adopted since: propose these anew")
    _two(session, row, actor)
    if "change_rules" in MOMENTS:
        change = Change(
            what=_subject(row),
            proposer=row.proposed_by,
            proposer_fit=is_admin(session, row.proposed_by),
            manifest=row.sha256,
            seen_manifest=seen,
        )
        access.require(session, access.ask(session, "change_rules", actor, now=now, second_factor=True, change=change))
    if seen != row.sha256:
        raise Refused(f"rules {number} are not those that were confirmed", rules=(RULE,), remedies=("read them again",))
    fitting(rulebook.files_of(row))
    return _settle(session, row, ADOPTED, actor=actor, now=now)


def refuse(session: Session, number: int, *, actor: str, now: datetime) -> RulebookRow:
    """Turn proposed rules down; any admin may, the proposer too."""
    row = _open(session, number)
    _admin(session, actor)
    return _settle(session, row, REFUSED, actor=actor, now=now)


def get(session: Session, number: int) -> RulebookRow:
    """Return rules by their number, whatever became of them."""
    row = session.get(RulebookRow, number) if 0 < number < 2**31 else None
    if row is None:
        raise NotFound(f"there are no rules {number}: see `tre policy rules`")
    return row


def listed(session: Session) -> tuple[RulebookRow, ...]:
    """Every set of rules that was ever proposed, oldest first."""
    return tuple(session.scalars(select(RulebookRow).order_by(RulebookRow.number)))


def newest(session: Session) -> RulebookRow:
    """Return the rules in force."""
    adopted = select(RulebookRow).where(RulebookRow.state == ADOPTED).order_by(RulebookRow.number.desc())
    row = session.scalars(adopted.limit(1)).one_or_none()
    if row is None:
        raise NotFound("no rules were ever adopted: run `tre init`")
    return row


def confirms(sha256: str, verb: str) -> str:
    """Say what an admin's code confirms, down to the bytes."""
    return f"rules {verb} {sha256}"


def difference(session: Session, row: RulebookRow) -> tuple[str, ...]:
    """Return what rules take away (-) from and add (+) to those in force; of those in force, to those before them."""
    before = newest(session)
    if before.number == row.number:
        earlier = select(RulebookRow).where(RulebookRow.state == ADOPTED, RulebookRow.number < row.number)
        found = session.scalars(earlier.order_by(RulebookRow.number.desc()).limit(1)).one_or_none()
        if found is None:
            return ()
        before = found
    return tuple(_lines(rulebook.files_of(before), rulebook.files_of(row)))


def read(folder: Path) -> dict[str, str]:
    """Read rules from a folder that looks like the package's: cedar/*.cedar and the TOML files beside it."""
    if not folder.is_dir():
        raise Unreadable(f"{folder}: no folder with rules (cedar/*.cedar, rules.toml, trainings.toml)")
    wanted = [
        *sorted((folder / "cedar").glob("*.cedar")),
        *(folder / name for name in rulebook.names() if "/" not in name),
    ]
    try:
        if sum(file.stat().st_size for file in wanted) > LARGEST:
            raise Unreadable(f"{folder}: more than {LARGEST} bytes of rules")
        return {file.relative_to(folder).as_posix(): file.read_text("utf-8") for file in wanted}
    except (OSError, UnicodeDecodeError) as error:
        name = getattr(error, "filename", None) or folder
        raise Unreadable(f"{name}: cannot be read as rules ({type(error).__name__})") from None


def nothing_named() -> Unreadable:
    """Say what to name."""
    return Unreadable("propose what? name a folder with rules, or --package for those of this version")


def fitting(files: Mapping[str, str]) -> Rules:
    """Parse rules, or say in one line why they do not fit."""
    try:
        return Rules.of(files)
    except RulesUnfit as error:
        raise Unreadable(f"these rules do not fit: {error}") from None


def is_admin(session: Session, name: str) -> bool:
    """Whether somebody is an admin now, and not suspended."""
    return accounts.active(session, name) and Role.ADMIN in accounts.roles_of(session, name)


def _admin(session: Session, actor: str) -> None:
    if not is_admin(session, actor):
        raise Refused(f"{actor} is no admin", rules=(RULE,), remedies=("an admin does this",))


def _two(session: Session, row: RulebookRow, actor: str) -> None:
    """Refuse the proposer under whichever of their names, and a proposal of somebody who is no admin any more."""
    _admin(session, actor)
    if actor == row.proposed_by or row.proposed_by in identities.also_accounts(session, actor):
        raise Refused(f"{actor} proposed rules {row.number}", rules=(RULE,), remedies=NEED_TWO)
    if not is_admin(session, row.proposed_by):
        gone = f"{row.proposed_by}, who proposed rules {row.number}, is no admin any more"
        raise Refused(gone, rules=(RULE,), remedies=("an admin proposes them anew",))


def _open(session: Session, number: int) -> RulebookRow:
    row = get(session, number)
    if row.state != PROPOSED:
        raise StepRefused(f"rules {number} are {row.state} already")
    return row


def _settle(session: Session, row: RulebookRow, state: str, *, actor: str, now: datetime) -> RulebookRow:
    row.state, row.settled_by, row.settled_at = state, actor, now
    verb = "adopt" if state == ADOPTED else "refuse"
    facts = {"sha256": row.sha256, "proposed_by": row.proposed_by}
    audit.append(session, f"rules.{verb}", actor=actor, subject=_subject(row), at=now, **facts)
    session.flush()
    return row


def _lines(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*before, *after}):
        old, new = before.get(name, "").splitlines(), after.get(name, "").splitlines()
        yield from difflib.unified_diff(old, new, name, name, lineterm="", n=2)


def _subject(row: RulebookRow) -> str:
    return f"rules/{row.number}"
