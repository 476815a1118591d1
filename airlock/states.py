"""From asking to leaving: the states of an export request and of its files, and who may take which step.

`STEPS` is the only place where a step of a request is written, `FILE_STEPS` that of a file's, `IMPORT_STEPS` that of
what comes in; pages, commands, diagram and tests read them.
"""

from enum import StrEnum
from typing import NamedTuple

from tre.errors import StepRefused


class State(StrEnum):
    """Where a request stands."""

    DRAFT = "draft"
    CHECKING = "checking"
    IN_REVIEW = "in_review"
    CONSOLIDATING = "consolidating"
    RETURNED = "returned"
    APPROVED = "approved"
    RELEASED = "released"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    RECALLED = "recalled"


class FileState(StrEnum):
    """Where a file of a round stands."""

    OPEN = "open"
    BLOCKED = "blocked"
    APPROVED = "approved"
    RETURNED = "returned"
    REJECTED = "rejected"
    RELEASED = "released"
    RECALLED = "recalled"
    WITHDRAWN = "withdrawn"


class By(StrEnum):
    """Whose step it is."""

    AUTHOR = "author"
    APPROVERS = "approvers"
    COMMITTEE = "committee"
    SYSTEM = "system"
    ENTITLED = "entitled"
    """Whom the rules name for it: of a recall these are several."""


class Verdict(StrEnum):
    """What an approver says about a file."""

    APPROVE = "approve"
    SEND_BACK = "send_back"
    REJECT = "reject"


QUORUM = 2
"""So many approvers decide; if they differ, one more."""


class Step(NamedTuple):
    """`by` may do `verb` to a request that is `source`; it is `target` then."""

    verb: str
    source: State
    target: State
    by: By


class FileStep(NamedTuple):
    """`verb` makes a file that is `source` one that is `target`."""

    verb: str
    source: FileState
    target: FileState


_VOTED = (State.IN_REVIEW, State.CONSOLIDATING)
_WAITS = (State.CHECKING, *_VOTED, State.RETURNED, State.APPROVED)
_MAY_HAVE_LEFT = (*_WAITS, State.RELEASED, State.WITHDRAWN, State.REJECTED, State.EXPIRED)

STEPS = (
    Step("submit", State.DRAFT, State.CHECKING, By.AUTHOR),
    Step("pass_checks", State.CHECKING, State.IN_REVIEW, By.SYSTEM),
    Step("fail_checks", State.CHECKING, State.RETURNED, By.SYSTEM),
    *(Step("approve", state, State.APPROVED, By.APPROVERS) for state in _VOTED),
    *(Step("send_back", state, State.RETURNED, By.APPROVERS) for state in _VOTED),
    *(Step("reject", state, State.REJECTED, By.APPROVERS) for state in _VOTED),
    Step("differ", State.IN_REVIEW, State.CONSOLIDATING, By.APPROVERS),
    Step("submit", State.RETURNED, State.CHECKING, By.AUTHOR),
    Step("except", State.IN_REVIEW, State.IN_REVIEW, By.COMMITTEE),
    Step("except", State.RETURNED, State.IN_REVIEW, By.COMMITTEE),
    Step("release", State.APPROVED, State.RELEASED, By.SYSTEM),
    Step("release_part", State.APPROVED, State.RETURNED, By.SYSTEM),
    *(Step("withdraw", state, State.WITHDRAWN, By.AUTHOR) for state in (State.DRAFT, *_WAITS)),
    *(Step("expire", state, State.EXPIRED, By.SYSTEM) for state in _WAITS),
    *(Step("recall", state, State.RECALLED, By.ENTITLED) for state in _MAY_HAVE_LEFT),
)
FIRST = State.DRAFT
"""`create`, by the author, makes a request in this state."""
OVER = frozenset(state for state in State if all(s.verb == "recall" for s in STEPS if s.source is state))
"""Nothing follows of itself or by its author; what left may still be recalled."""

FILE_STEPS = (
    FileStep("block", FileState.OPEN, FileState.BLOCKED),
    FileStep("except", FileState.BLOCKED, FileState.OPEN),
    FileStep("approve", FileState.OPEN, FileState.APPROVED),
    FileStep("send_back", FileState.OPEN, FileState.RETURNED),
    FileStep("reject", FileState.OPEN, FileState.REJECTED),
    FileStep("doubt", FileState.APPROVED, FileState.OPEN),
    FileStep("release", FileState.APPROVED, FileState.RELEASED),
    FileStep("recall", FileState.RELEASED, FileState.RECALLED),
    *(
        FileStep("withdraw", state, FileState.WITHDRAWN)
        for state in (FileState.OPEN, FileState.BLOCKED, FileState.RETURNED, FileState.APPROVED)
    ),
)
"""`doubt`: one of those who approved it may vote no more before the round is decided."""

SAYS = {
    State.DRAFT: "The author has not submitted this yet.",
    State.CHECKING: "The airlock is checking the files; two approvers are asked next.",
    State.IN_REVIEW: "Two approvers decide on each file, neither seeing the other's vote; the author need do nothing.",
    State.CONSOLIDATING: (
        "The approvers differ on some files: each may say again, seeing what the other said, or a third decides."
    ),
    State.RETURNED: (
        "It is the author's turn: read the findings and reasons, correct the files that did not leave and submit again."
    ),
    State.APPROVED: "Two approvers agreed to the approved files; the airlock releases them next.",
    State.RELEASED: "The files are released; the author collects them with a link that works once.",
    State.REJECTED: "The approvers said no to these files; nothing follows.",
    State.WITHDRAWN: "The author took the request back; nothing follows.",
    State.EXPIRED: "Nobody moved this request in time, so it ended; the author may ask anew for the files.",
    State.RECALLED: "What was released is recalled: nobody collects it any more, and an incident is open.",
}


class ImportState(StrEnum):
    """Where a wish to bring files into a project stands."""

    DRAFT = "draft"
    CHECKING = "checking"
    IN_REVIEW = "in_review"
    RETURNED = "returned"
    APPROVED = "approved"
    """They have arrived."""
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class ImportStep(NamedTuple):
    """`by` may do `verb` to an import that is `source`; it is `target` then."""

    verb: str
    source: ImportState
    target: ImportState
    by: By


IMPORT_STEPS = (
    ImportStep("submit", ImportState.DRAFT, ImportState.CHECKING, By.AUTHOR),
    ImportStep("pass_checks", ImportState.CHECKING, ImportState.IN_REVIEW, By.SYSTEM),
    ImportStep("fail_checks", ImportState.CHECKING, ImportState.RETURNED, By.SYSTEM),
    ImportStep("approve", ImportState.IN_REVIEW, ImportState.APPROVED, By.APPROVERS),
    ImportStep("send_back", ImportState.IN_REVIEW, ImportState.RETURNED, By.APPROVERS),
    ImportStep("reject", ImportState.IN_REVIEW, ImportState.REJECTED, By.APPROVERS),
    *(
        ImportStep("withdraw", state, ImportState.WITHDRAWN, By.AUTHOR)
        for state in (ImportState.DRAFT, ImportState.CHECKING, ImportState.IN_REVIEW)
    ),
)

_BY_VERB = {(step.verb, step.source): step for step in STEPS}
_OF_FILE = {(step.verb, step.source): step.target for step in FILE_STEPS}
_OF_IMPORT = {(step.verb, step.source): step for step in IMPORT_STEPS}


def take(verb: str, state: State, by: By) -> State:
    """Return the state after `verb`, or refuse."""
    step = _BY_VERB.get((verb, state))
    if step is None:
        raise StepRefused(f"cannot {words(verb)} a request that is {words(state)}")
    if by is not step.by:
        raise StepRefused(f"only the {step.by} can {words(verb)} a request that is {words(state)}")
    return step.target


def of_file(verb: str, state: FileState) -> FileState:
    """Return the state of a file after `verb`, or refuse."""
    target = _OF_FILE.get((verb, state))
    if target is None:
        raise StepRefused(f"cannot {words(verb)} a file that is {words(state)}")
    return target


def of_import(verb: str, state: ImportState, by: By) -> ImportState:
    """Return the state of an import after `verb`, or refuse."""
    step = _OF_IMPORT.get((verb, state))
    if step is None:
        raise StepRefused(f"cannot {words(verb)} an import that is {words(state)}")
    if by is not step.by:
        raise StepRefused(f"only the {step.by} can {words(verb)} an import that is {words(state)}")
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
