"""From asking to leaving: the states of an export request, and who may take which step.

`STEPS` is the only place where a step is written; pages, commands, diagram and tests read it.
"""

from enum import StrEnum
from typing import NamedTuple

from tre.errors import StepRefused


class State(StrEnum):
    """Where a request stands."""

    DRAFT = "draft"
    CHECKING = "checking"
    IN_REVIEW = "in_review"
    RETURNED = "returned"
    APPROVED = "approved"
    RELEASED = "released"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class By(StrEnum):
    """Whose step it is."""

    AUTHOR = "author"
    APPROVERS = "approvers"
    SYSTEM = "system"


class Verdict(StrEnum):
    """What an approver says about a request."""

    APPROVE = "approve"
    SEND_BACK = "send_back"
    REJECT = "reject"


QUORUM = 2
"""So many approvers decide."""


class Step(NamedTuple):
    """`by` may do `verb` to a request that is `source`; it is `target` then."""

    verb: str
    source: State
    target: State
    by: By


STEPS = (
    Step("submit", State.DRAFT, State.CHECKING, By.AUTHOR),
    Step("pass_checks", State.CHECKING, State.IN_REVIEW, By.SYSTEM),
    Step("fail_checks", State.CHECKING, State.RETURNED, By.SYSTEM),
    Step("send_back", State.IN_REVIEW, State.RETURNED, By.APPROVERS),
    Step("approve", State.IN_REVIEW, State.APPROVED, By.APPROVERS),
    Step("reject", State.IN_REVIEW, State.REJECTED, By.APPROVERS),
    Step("submit", State.RETURNED, State.CHECKING, By.AUTHOR),
    Step("release", State.APPROVED, State.RELEASED, By.SYSTEM),
    Step("withdraw", State.DRAFT, State.WITHDRAWN, By.AUTHOR),
    Step("withdraw", State.CHECKING, State.WITHDRAWN, By.AUTHOR),
    Step("withdraw", State.IN_REVIEW, State.WITHDRAWN, By.AUTHOR),
    Step("withdraw", State.RETURNED, State.WITHDRAWN, By.AUTHOR),
    Step("withdraw", State.APPROVED, State.WITHDRAWN, By.AUTHOR),
)
FIRST = State.DRAFT
"""`create`, by the author, makes a request in this state."""

SAYS = {
    State.DRAFT: "The author has not submitted this yet.",
    State.CHECKING: "The airlock is checking the files; two approvers are asked next.",
    State.IN_REVIEW: "Two approvers decide, neither seeing the other's vote; the author has nothing to do.",
    State.RETURNED: "It is the author's turn: read the findings and reasons, correct the files and submit again.",
    State.APPROVED: "Two approvers agreed to these files; the airlock releases them next.",
    State.RELEASED: "The files are released; the author collects them with a link that works once.",
    State.REJECTED: "The approvers said no to these files; nothing follows.",
    State.WITHDRAWN: "The author took the request back; nothing follows.",
}

_BY_VERB = {(step.verb, step.source): step for step in STEPS}


def take(verb: str, state: State, by: By) -> State:
    """Return the state after `verb`, or refuse."""
    step = _BY_VERB.get((verb, state))
    if step is None:
        raise StepRefused(f"cannot {words(verb)} a request that is {words(state)}")
    if by is not step.by:
        raise StepRefused(f"only the {step.by} can {words(verb)} a request that is {words(state)}")
    return step.target


def verbs(state: State, by: By) -> frozenset[str]:
    """Return what `by` can do to a request that is `state`."""
    return frozenset(step.verb for step in STEPS if step.source is state and step.by is by)


def says(state: State) -> str:
    """Return whose turn it is and what happens next, in a sentence."""
    return SAYS[state]


def mermaid() -> str:
    """Draw the table as a diagram for the README."""
    lines = ["stateDiagram-v2", f"    [*] --> {_name(FIRST)}: create (author)"]
    lines += [f"    {_name(s.source)} --> {_name(s.target)}: {words(s.verb)} ({s.by})" for s in STEPS]
    leaving = {step.source for step in STEPS}
    lines += [f"    {_name(state)} --> [*]" for state in State if state not in leaving]
    return "\n".join(lines)


def words(name: str) -> str:
    """Return a state or a verb as it is written in a sentence."""
    return name.replace("_", " ")


def _name(state: State) -> str:
    return state.name
