"""From a draft to the end of a project: the states of an application, and who may take which step.

`STEPS` is the only place where a step is written; pages, commands, diagram and tests read it.
"""

from enum import StrEnum
from typing import NamedTuple

from tre.errors import StepRefused


class State(StrEnum):
    """Where an application stands."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    RETURNED = "returned"
    IN_REVIEW = "in_review"
    APPROVED_PENDING = "approved_pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    REVOKED = "revoked"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    CLOSED = "closed"


class By(StrEnum):
    """Whose step it is."""

    APPLICANT = "applicant"
    COMMITTEE = "committee"
    """Anybody on the committee who has no interest in it."""
    PANEL = "panel"
    """Those of the committee who were named to decide on it."""
    CHAIR = "chair"
    """The chair; where the house has none, anybody of the panel."""
    ADMIN = "admin"
    SYSTEM = "system"


class Kind(StrEnum):
    """What an application is for."""

    NEW = "new"
    DATASETS = "datasets"
    AMENDMENT = "amendment"
    RENEWAL = "renewal"


class Vote(StrEnum):
    """What a member of the committee says to an application."""

    APPROVE = "approve"
    REJECT = "reject"


class Step(NamedTuple):
    """`by` may do `verb` to an application that is `source`; it is `target` then."""

    verb: str
    source: State
    target: State
    by: By


_S = State
STEPS = (
    Step("save", _S.DRAFT, _S.DRAFT, By.APPLICANT),
    Step("save", _S.RETURNED, _S.RETURNED, By.APPLICANT),
    Step("submit", _S.DRAFT, _S.SUBMITTED, By.APPLICANT),
    Step("submit", _S.RETURNED, _S.SUBMITTED, By.APPLICANT),
    Step("triage", _S.SUBMITTED, _S.IN_REVIEW, By.COMMITTEE),
    Step("triage", _S.IN_REVIEW, _S.IN_REVIEW, By.COMMITTEE),
    Step("return", _S.SUBMITTED, _S.RETURNED, By.COMMITTEE),
    Step("declare", _S.IN_REVIEW, _S.IN_REVIEW, By.PANEL),
    Step("vote", _S.IN_REVIEW, _S.IN_REVIEW, By.PANEL),
    Step("rule", _S.IN_REVIEW, _S.IN_REVIEW, By.PANEL),
    Step("return", _S.IN_REVIEW, _S.RETURNED, By.CHAIR),
    Step("decide", _S.IN_REVIEW, _S.APPROVED_PENDING, By.CHAIR),
    Step("decide", _S.IN_REVIEW, _S.REJECTED, By.CHAIR),
    Step("fulfil", _S.APPROVED_PENDING, _S.ACTIVE, By.SYSTEM),
    Step("amend", _S.ACTIVE, _S.ACTIVE, By.APPLICANT),
    Step("amend", _S.SUSPENDED, _S.SUSPENDED, By.APPLICANT),
    Step("renew", _S.ACTIVE, _S.ACTIVE, By.APPLICANT),
    Step("renew", _S.EXPIRED, _S.EXPIRED, By.APPLICANT),
    Step("suspend", _S.ACTIVE, _S.SUSPENDED, By.CHAIR),
    Step("suspend", _S.ACTIVE, _S.SUSPENDED, By.SYSTEM),
    Step("suspend", _S.SUSPENDED, _S.SUSPENDED, By.CHAIR),
    Step("resume", _S.SUSPENDED, _S.ACTIVE, By.CHAIR),
    Step("resume", _S.SUSPENDED, _S.ACTIVE, By.SYSTEM),
    Step("revoke", _S.APPROVED_PENDING, _S.REVOKED, By.COMMITTEE),
    Step("revoke", _S.ACTIVE, _S.REVOKED, By.COMMITTEE),
    Step("revoke", _S.SUSPENDED, _S.REVOKED, By.COMMITTEE),
    Step("expire", _S.APPROVED_PENDING, _S.EXPIRED, By.SYSTEM),
    Step("expire", _S.ACTIVE, _S.EXPIRED, By.SYSTEM),
    Step("expire", _S.SUSPENDED, _S.EXPIRED, By.SYSTEM),
    Step("withdraw", _S.DRAFT, _S.WITHDRAWN, By.APPLICANT),
    Step("withdraw", _S.SUBMITTED, _S.WITHDRAWN, By.APPLICANT),
    Step("withdraw", _S.RETURNED, _S.WITHDRAWN, By.APPLICANT),
    Step("withdraw", _S.IN_REVIEW, _S.WITHDRAWN, By.APPLICANT),
    Step("withdraw", _S.APPROVED_PENDING, _S.WITHDRAWN, By.APPLICANT),
    Step("close", _S.ACTIVE, _S.CLOSED, By.ADMIN),
    Step("close", _S.SUSPENDED, _S.CLOSED, By.ADMIN),
    Step("close", _S.EXPIRED, _S.CLOSED, By.ADMIN),
    Step("close", _S.REVOKED, _S.CLOSED, By.ADMIN),
    Step("close", _S.ACTIVE, _S.CLOSED, By.SYSTEM),
    Step("close", _S.SUSPENDED, _S.CLOSED, By.SYSTEM),
    Step("close", _S.EXPIRED, _S.CLOSED, By.SYSTEM),
)
FIRST = State.DRAFT
"""`create`, by anybody who has an account, makes an application in this state."""
OPEN = frozenset({State.DRAFT, State.SUBMITTED, State.RETURNED, State.IN_REVIEW, State.APPROVED_PENDING})
"""Not settled yet."""
GRANTED = frozenset({State.ACTIVE, State.SUSPENDED})
"""What it asked for was given, and not yet taken back."""

SAYS = {
    State.DRAFT: "The applicant is writing it; the committee has not seen it.",
    State.SUBMITTED: "It waits for somebody of the committee to name the panel, or to return it with reasons.",
    State.RETURNED: "It is the applicant's turn: read the reasons, correct the form and submit it again.",
    State.IN_REVIEW: "The panel declares its interests and votes, nobody seeing another's vote before their own; then "
    "the chair decides.",
    State.APPROVED_PENDING: "Approved, but not begun: the applicant shows that the conditions are met, and somebody of "
    "the committee accepts that.",
    State.ACTIVE: "The project may work with its data until the end date.",
    State.SUSPENDED: "All work rests until the chair lets it go on.",
    State.EXPIRED: "Its end has come; the applicant may ask for a renewal, or an admin closes it.",
    State.REVOKED: "The committee took the approval back; an admin closes it.",
    State.REJECTED: "The committee said no; nothing follows.",
    State.WITHDRAWN: "The applicant took it back; nothing follows.",
    State.CLOSED: "Over: the project was closed, or a later application took this one's place.",
}

_WORDS = {"save": "edit", "vote": "vote on", "rule": "rule on", "declare": "declare an interest in", "fulfil": "begin"}


def take(verb: str, state: State, by: By, *, to: State | None = None) -> State:
    """Return the state after `verb`, or refuse; `to` where a verb leads to more than one."""
    steps = [step for step in STEPS if step.verb == verb and step.source is state]
    if not steps:
        raise StepRefused(f"cannot {_said(verb)} an application that is {words(state)}")
    mine = [step for step in steps if step.by is by and to in {None, step.target}]
    if not mine:
        who = " or ".join(dict.fromkeys(step.by for step in steps))
        raise StepRefused(f"only the {who} can {_said(verb)} an application that is {words(state)}")
    if len(mine) > 1:
        raise StepRefused(f"cannot {_said(verb)} an application without saying what becomes of it")
    return mine[0].target


def settle(approve: int, reject: int, *, quorum: int) -> State:
    """Return what the votes say: approved by more than half of at least `quorum`; else rejected."""
    if approve + reject < quorum:
        raise StepRefused(f"cannot decide: {approve + reject} of {quorum} votes are in")
    return State.APPROVED_PENDING if approve * 2 > approve + reject else State.REJECTED


def verbs(state: State, by: By) -> frozenset[str]:
    """Return what `by` can do to an application that is `state`."""
    return frozenset(step.verb for step in STEPS if step.source is state and step.by is by)


def says(state: State) -> str:
    """Return whose turn it is and what happens next, in a sentence."""
    return SAYS[state]


def mermaid() -> str:
    """Draw the table as a diagram for the README."""
    lines = ["stateDiagram-v2", f"    [*] --> {FIRST.name}: create (anybody)"]
    drawn: dict[tuple[State, State, str], list[str]] = {}
    for step in STEPS:
        drawn.setdefault((step.source, step.target, step.verb), []).append(step.by)
    lines += [
        f"    {source.name} --> {target.name}: {verb} ({', '.join(by)})" for (source, target, verb), by in drawn.items()
    ]
    leaving = {step.source for step in STEPS}
    lines += [f"    {state.name} --> [*]" for state in State if state not in leaving]
    return "\n".join(lines)


def words(name: str) -> str:
    """Return a state or a verb as it is written in a sentence."""
    return name.replace("_", " ")


def _said(verb: str) -> str:
    return _WORDS.get(verb, verb)
