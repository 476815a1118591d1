"""From asking to being told: the states of a re-contact, and who may take which step. `STEPS` is the only place."""

from enum import StrEnum
from typing import NamedTuple

from tre.errors import StepRefused


class State(StrEnum):
    """Where a re-contact stands."""

    IN_REVIEW = "in_review"
    APPROVED = "approved"
    ANSWERED = "answered"
    REJECTED = "rejected"
    CLOSED = "closed"


class By(StrEnum):
    """Whose step it is."""

    APPROVERS = "approvers"
    SYSTEM = "system"


class Verdict(StrEnum):
    """What an approver says."""

    APPROVE = "approve"
    REJECT = "reject"


QUORUM = 2
"""So many approvers must agree; one is enough to say no."""


class Step(NamedTuple):
    """`by` may do `verb` to a re-contact that is `source`; it is `target` then."""

    verb: str
    source: State
    target: State
    by: By


FIRST = State.IN_REVIEW
"""`request`, by somebody in the project, makes a re-contact in this state."""
STEPS = (
    Step("approve", State.IN_REVIEW, State.APPROVED, By.APPROVERS),
    Step("reject", State.IN_REVIEW, State.REJECTED, By.APPROVERS),
    Step("answer", State.APPROVED, State.ANSWERED, By.SYSTEM),
    Step("close", State.APPROVED, State.CLOSED, By.SYSTEM),
)
SAYS = {
    State.IN_REVIEW: "Two approvers who were never in the project decide.",
    State.APPROVED: "Two approvers agreed; the operator runs `tre recontact answer`, which shows nobody's name.",
    State.ANSWERED: "The answer is sealed for the clinical contact, who alone can open it and decides what to do.",
    State.REJECTED: "An approver said no; nothing follows.",
    State.CLOSED: "There is nobody to contact: the person withdrew, or is not known any more.",
}
_BY_VERB = {(step.verb, step.source): step for step in STEPS}


def take(verb: str, state: State, by: By) -> State:
    """Return the state after `verb`, or refuse."""
    step = _BY_VERB.get((verb, state))
    if step is None:
        raise StepRefused(f"cannot {verb} a re-contact that is {words(state)}")
    if by is not step.by:
        raise StepRefused(f"only the {step.by} can {verb} a re-contact that is {words(state)}")
    return step.target


def mermaid() -> str:
    """Draw the table as a diagram for the README."""
    lines = ["stateDiagram-v2", f"    [*] --> {FIRST.name}: request (member)"]
    lines += [f"    {step.source.name} --> {step.target.name}: {step.verb} ({step.by})" for step in STEPS]
    leaving = {step.source for step in STEPS}
    lines += [f"    {state.name} --> [*]" for state in State if state not in leaving]
    return "\n".join(lines)


def words(state: State) -> str:
    """Return a state as it is written in a sentence."""
    return state.replace("_", " ")
