"""What a rule may look at: plain frozen values, gathered by the caller, never fetched by a rule.

An *ask* is a verb with everything the rules need to judge it. A fact that is not known is not left out: it is
given as its denying value (no approval, no agreement, a date in the past).
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
ALWAYS = datetime(9999, 1, 1, tzinfo=UTC)
ANY = "any"
"""A network zone that stands for all of them."""


class Role(StrEnum):
    """What a person is here to do. Roles are disjoint where EXCLUSIVE says so (R29)."""

    ANALYST = "analyst"
    APPROVER = "approver"
    ADMIN = "admin"
    COMMITTEE = "committee"
    CHAIR = "chair"
    """Chairs the committee, and sits on it."""
    AUDITOR = "auditor"
    """Reads the log, and nothing else."""


# An admin provisions; whoever provisions neither reads data, nor decides on exports, nor sits on the committee.
# An auditor looks at what all the others did.
EXCLUSIVE = (
    frozenset({Role.ADMIN, Role.ANALYST}),
    frozenset({Role.ADMIN, Role.APPROVER}),
    frozenset({Role.ADMIN, Role.COMMITTEE}),
    frozenset({Role.ADMIN, Role.CHAIR}),
    frozenset({Role.ADMIN, Role.AUDITOR}),
    frozenset({Role.APPROVER, Role.AUDITOR}),
    frozenset({Role.ANALYST, Role.AUDITOR}),
    frozenset({Role.COMMITTEE, Role.AUDITOR}),
    frozenset({Role.CHAIR, Role.AUDITOR}),
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
    also: frozenset[str] = frozenset()
    """Other accounts that are known to be the same human being's."""
    network: str = ""
    """Zone of the network from which they came; empty if it is in none that the house knows."""


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
    lead: bool = False
    """The asking person answers for the project."""
    grace_until: datetime = NEVER
    """Until when its lead may still ask for exports after the approval ended (R27)."""
    emergency_until: datetime = NEVER
    """Until when two people opened this project to the asking person (R30); NEVER if they did not."""
    combinable: bool = False
    """Each dataset of the project may be used together with each other (R13)."""
    alone: bool = False
    """No other project has its numeric user or mounts its extracts (R33)."""
    ml_plan: bool = False
    """The committee agreed to a plan for models that leave (R35)."""
    moratorium_until: datetime = ALWAYS
    """Until when nothing may be published of its data (DUO MOR); NEVER if nobody asks for that."""


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
    embargo_until: datetime = ALWAYS
    """Until when nobody may work with it; NEVER if there is no embargo."""
    duo: str = "deny"
    """What its use limitation says to this project's purpose now: permit, manual or deny (`policies.duo`)."""
    ruled: bool = False
    """Of `manual`: the committee ruled on every point, and allows it."""
    refused: frozenset[str] = frozenset()
    """Codes that say no to this project now, by themselves or by the committee's ruling, e.g. NPU, IRB, GS, DS."""
    networks: frozenset[str] = frozenset()
    """Zones from which it may be seen; ANY for all, none for none."""


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
    """Kinds of the files, as sniffed from content, e.g. csv, png; `raw` and `unknown` never leave, `model` by R35."""
    row_level: bool = True
    """A check found rows that stand for single people, or did not run."""
    blocked: bool = True
    """A check found a blocking fault in a file that is to leave, or did not run, and nobody excepted it by name."""
    approvals: frozenset[str] = frozenset()
    """People who approved exactly these bytes; of several files, of that with the fewest approvals."""
    voted: frozenset[str] = frozenset()
    """People who already voted on exactly `manifest`."""
    size: int = 1
    """Bytes that are to leave."""
    spent: int = 0
    """Bytes that left this project in the last 30 days."""
    quota: int = 0
    """Bytes that may leave this project in 30 days."""
    approvals_until: datetime = NEVER
    """Until when the approvals of `manifest` count (R26)."""
    data_in_force: bool = False
    """No approval of the data behind it was revoked, and none of these data was withdrawn."""
    models_checked: bool = False
    """Every model in it was looked into by the check for models (R35)."""
    excepted_check: bool = False
    """The check of which an exception is to be made is one of those of which it may be made (R42)."""


@dataclass(frozen=True, kw_only=True)
class Application:
    """What a committee is asked."""

    number: str
    applicant: str
    project: str
    named: frozenset[str] = frozenset()
    """Applicant, lead and members that it names, and everybody who is or was a member of the project."""
    form: str = ""
    """SHA-256 of the form on the table."""
    seen_form: str = ""
    """SHA-256 of the form that the asking person says they saw."""
    complete: bool = False
    """Every field that is needed is there, the purpose is coded, and everybody named has accepted."""
    until: datetime = NEVER
    """The end that is asked for, or (decide) that is to be granted."""
    latest: datetime = NEVER
    """The last end that may be granted."""
    panel: frozenset[str] = frozenset()
    """People who decide on it and declared that they have no interest in it."""
    conflicted: bool = True
    """The asking person declared an interest, works where the applicant does, or did not say."""
    voted: frozenset[str] = frozenset()
    """People who voted on exactly `form`."""
    votes: int = 0
    """Votes on `form` of people who may still vote."""
    quorum: int = 1_000_000
    chaired: bool = False
    """The asking person may decide: a chair, or a member of a panel that has none."""
    unruled: bool = True
    """Approving it would leave a use limitation that a human must read without a ruling, or go against one."""


@dataclass(frozen=True, kw_only=True)
class Import:
    """What is to come into a project."""

    request: str
    requester: str
    manifest: str = ""
    """SHA-256 (hex) of the list of files with their hashes."""
    seen_manifest: str = ""
    """SHA-256 of the list that the voter says they saw (vote), or that is about to arrive."""
    kinds: frozenset[str] = frozenset({"unknown"})
    checked: bool = False
    """Format and malware checks ran, and none blocks."""
    approvals: frozenset[str] = frozenset()
    """People who approved exactly `manifest`."""
    voted: frozenset[str] = frozenset()
    """People who already voted on exactly `manifest`."""


@dataclass(frozen=True, kw_only=True)
class Recontact:
    """A wish to find the person behind a pseudonym."""

    request: str
    requester: str
    contact: bool = False
    """The dataset names a clinical contact, and the house has their key."""
    approvals: frozenset[str] = frozenset()
    voted: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change of the rules or of somebody's roles, which the asking person makes so."""

    what: str
    proposer: str
    proposer_fit: bool = False
    """Who proposed it is still an admin, and not suspended."""
    beneficiary: str = ""
    """Whose roles it changes; empty for the rules."""
    manifest: str = ""
    """SHA-256 of what was proposed."""
    seen_manifest: str = ""
    """SHA-256 of what the asking person says they saw."""


@dataclass(frozen=True, kw_only=True)
class Emergency:
    """Break-glass: a closed door that the asking person, as the second of two, opens for a few hours."""

    number: str
    proposer: str
    beneficiary: str
    roles: frozenset[Role] = frozenset()
    """What proposer and asking person are, together."""
    proposer_fit: bool = False
    reason: bool = False
    """A reason is given."""
    until: datetime = ALWAYS
    told: bool = False
    """Everyone concerned is told in the same act."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A verb of MOMENTS, and the facts for it. `now` is when the rules look."""

    verb: str
    now: datetime
    person: Person
    project: Project | None = None
    dataset: Dataset | None = None
    export: Export | None = None
    application: Application | None = None
    arriving: Import | None = None
    recontact: Recontact | None = None
    change: Change | None = None
    emergency: Emergency | None = None
    agreement: str = ""
    """SHA-256 (hex) of the user agreement in force."""
    log_stands: bool = False
    """The audit log can be written, and its head is that of its newest entry (R31)."""
    clock_sound: bool = False
    """The clock does not stand before the newest signed checkpoint."""


# verb -> which facts it must bring. `policies.engine` refuses an ask that brings others.
MOMENTS: dict[str, frozenset[str]] = {
    "sign_in": frozenset(),
    "open_session": frozenset({"project"}),
    "mount": frozenset({"project", "dataset"}),
    "prepare_extract": frozenset({"project", "dataset"}),
    "submit_export": frozenset({"project", "export"}),
    "vote_export": frozenset({"project", "export"}),
    "release_export": frozenset({"project", "export"}),
    "collect_export": frozenset({"project", "export"}),
    "grant_exception": frozenset({"project", "export"}),
    "recall_export": frozenset({"project", "export"}),
    "submit_application": frozenset({"application"}),
    "vote_application": frozenset({"application"}),
    "decide_application": frozenset({"application"}),
    "ask_import": frozenset({"project", "arriving"}),
    "vote_import": frozenset({"project", "arriving"}),
    "import_file": frozenset({"project", "arriving"}),
    "ask_recontact": frozenset({"project", "recontact"}),
    "vote_recontact": frozenset({"project", "recontact"}),
    "administer": frozenset(),
    "change_rules": frozenset({"change"}),
    "change_role": frozenset({"change"}),
    "break_glass": frozenset({"project", "emergency"}),
    "view_log": frozenset(),
    "view_project_log": frozenset({"project"}),
}
