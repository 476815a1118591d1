"""The rules of the house are those that two admins adopted; what lies on the disk has no effect until they do.

The schema belongs to the code. Adopted rules that do not fit it deny everything, and say what to do.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import select
from sqlalchemy.orm import Session

from policies import book
from policies.book import POLICY_ERROR, Numbers
from policies.engine import Decision, Rules, RulesUnfit
from policies.facts import Ask
from tre.records import audit
from tre.records.tables import RulebookRow

PROPOSED, ADOPTED, REFUSED = "proposed", "adopted", "refused"
UNFIT = "an admin proposes the rules of this version (`tre policy propose --package`), another one adopts them"
CHANGE_RULES = "change_rules"
"""The one moment that goes on when the adopted rules do not fit: it is judged by those of the package."""


@dataclass(frozen=True)
class Unfit:
    """Adopted rules that cannot be read: nothing is allowed by them."""

    number: int
    policy_hash: str
    why: str

    @property
    def book(self) -> Mapping[str, book.Rule]:
        """Rules in words, of the package: there are no others that can be read."""
        return book.book()

    @property
    def courses(self) -> Mapping[str, tuple[str, ...]]:
        """Courses at each moment, of the package: to be shown, for nothing is decided by them."""
        return packaged().courses

    @property
    def by_role(self) -> Mapping[str, tuple[str, ...]]:
        """Courses of each role, of the package: to be shown, for nothing is decided by them."""
        return packaged().by_role

    @property
    def committee(self) -> Numbers:
        """What the committee works by, of the package: to be shown, for nothing is decided by them."""
        return packaged().committee

    def decide(self, ask: Ask) -> Decision:
        """Deny, and say what to do; only a change of the rules is judged, by those of the package."""
        if ask.verb == CHANGE_RULES:
            return packaged().decide(ask)
        return Decision(
            allowed=False,
            rules=(POLICY_ERROR,),
            remedies=(UNFIT,),
            errors=(f"rules {self.number} do not fit this version: {self.why}",),
            policy_hash=self.policy_hash,
        )


InForce = Rules | Unfit
"""What is asked, whether or not it can be read."""


def in_force(session: Session) -> InForce:
    """Return the rules that were adopted last."""
    asked = select(RulebookRow.number, RulebookRow.sha256).where(RulebookRow.state == ADOPTED)
    newest = session.execute(asked.order_by(RulebookRow.number.desc()).limit(1)).one_or_none()
    if newest is None:
        return Unfit(0, "", "none were ever adopted: run `tre init`")
    known = _parsed.get(newest.sha256)
    if known is None:
        files = session.scalars(select(RulebookRow.files).where(RulebookRow.number == newest.number)).one()
        known = _parsed[newest.sha256] = _read(newest.number, newest.sha256, files)
    return known


_parsed: dict[str, InForce] = {}
"""SHA-256 of the files -> the rules, parsed once a process."""


@lru_cache(maxsize=1)
def packaged() -> Rules:
    """Return the rules that come with this version."""
    return Rules.of(book.bundle())


def digest(files: Mapping[str, str]) -> str:
    """SHA-256 (hex) of rules: what both admins confirm."""
    return audit.digest(dict(files))


def files_of(row: RulebookRow) -> dict[str, str]:
    """Return the files of a set of rules, name -> text."""
    return {str(name): str(text) for name, text in json.loads(row.files).items()}


def _read(number: int, sha: str, text: str) -> InForce:
    try:
        files = {str(name): str(each) for name, each in json.loads(text).items()}
        if digest(files) != sha:
            return Unfit(number, sha, "they are not those that were adopted: call the operator")
        return Rules.of(files)
    except (RulesUnfit, ValueError, AttributeError) as error:
        return Unfit(number, sha, " ".join(str(error).split())[:300])


def names() -> tuple[str, ...]:
    """Names of the files that rules consist of, as the package has them."""
    return tuple(book.bundle())
