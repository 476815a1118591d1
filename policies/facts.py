"""What a rule may look at: plain frozen values, gathered by the caller, never fetched by a rule.

An *ask* is a verb with everything the rules need to judge it. A fact that is not known is not left out: it is
given as its denying value (no approval, no agreement, a date in the past).
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class Role(StrEnum):
    """What a person is here to do. Roles are disjoint where EXCLUSIVE says so (R29)."""

    ANALYST = "analyst"
    APPROVER = "approver"
    ADMIN = "admin"
    COMMITTEE = "committee"


# An admin provisions; whoever provisions neither reads data, nor decides on exports, nor sits on the committee.
EXCLUSIVE = (
    frozenset({Role.ADMIN, Role.ANALYST}),
    frozenset({Role.ADMIN, Role.APPROVER}),
    frozenset({Role.ADMIN, Role.COMMITTEE}),
)


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who asks."""

    name: str
    roles: frozenset[Role] = frozenset()
    suspended: bool = True
    second_factor: bool = False
    """A second factor was asserted for this act, or for the session it is part of."""
    trainings: dict[str, datetime] = field(default_factory=dict)
    """Course -> the moment it lapses."""
    agreement: str = ""
    """SHA-256 (hex) of the user agreement's text this person signed last; empty if none."""


@dataclass(frozen=True, kw_only=True)
class Project:
    """For what."""

    name: str
    suspended: bool = True
    closed: bool = True
    approved_until: datetime = NEVER
    retained_until: datetime = NEVER
    member_until: datetime = NEVER
    """End of the asking person's membership; NEVER if they are no member."""
    was_member: bool = True
    """The asking person is, or ever was, a member of this project."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Which data."""

    name: str
    version: int = 0
    approved_version: int = 0
    """Version that the committee approved for this project; 0 if none."""
    approved_until: datetime = NEVER
    revoked: bool = True
    withdrawn: bool = True
    assessed: bool = False
    """Risk and leak checks of the extract ran and passed."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """What is to leave."""

    request: str
    requester: str
    manifest: str
    """SHA-256 (hex) of the manifest on the table now."""
    seen_manifest: str = ""
    """SHA-256 of the manifest the voter says they saw (vote), or that is about to leave (release)."""
    kinds: frozenset[str] = frozenset({"unknown"})
    """Kinds of the files, as sniffed from content, e.g. csv, png; `raw` and `unknown` never leave."""
    row_level: bool = True
    """A check found rows that stand for single people, or did not run."""
    blocked: bool = True
    """A check found a blocking fault, or did not run."""
    approvals: frozenset[str] = frozenset()
    """People who approved exactly `manifest`."""
    voted: frozenset[str] = frozenset()
    """People who already voted on exactly `manifest`."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A verb of MOMENTS, and the facts for it. `now` is when the rules look."""

    verb: str
    now: datetime
    person: Person
    project: Project | None = None
    dataset: Dataset | None = None
    export: Export | None = None
    agreement: str = ""
    """SHA-256 (hex) of the user agreement in force."""


# verb -> which facts it must bring. `policies.engine` refuses an ask that brings others.
MOMENTS: dict[str, frozenset[str]] = {
    "sign_in": frozenset(),
    "open_session": frozenset({"project"}),
    "mount": frozenset({"project", "dataset"}),
    "submit_export": frozenset({"project", "export"}),
    "vote_export": frozenset({"project", "export"}),
    "release_export": frozenset({"project", "export"}),
    "administer": frozenset(),
}
