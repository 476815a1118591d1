"""Where am I, whose turn is it, what happens next: the same answer on every page, read from the table of steps."""

from typing import NamedTuple

from airlock.queries import Detail
from airlock.states import FIRST, STEPS, By, State

_END = State.RELEASED
_ASIDE = frozenset({"withdraw", "expire", "except", "recall"})
"""Steps that may be taken and are nobody's turn."""
_TONES = {
    State.RETURNED: "warn",
    State.REJECTED: "stop",
    State.WITHDRAWN: "stop",
    State.EXPIRED: "stop",
    State.RECALLED: "stop",
}


_VOTE = {
    State.IN_REVIEW: "Read the files and what the checks found, then vote. Files on which two agree are decided.",
    State.CONSOLIDATING: "The votes differ: read both, and say again or decide as a third, on the files still open.",
}


class Stop(NamedTuple):
    """One stop of the bar."""

    label: str
    how: str
    """done, here, or empty for what is still to come."""
    tone: str


def way() -> tuple[State, ...]:
    """Find the shortest way from the first state to the release in STEPS."""
    ways: list[tuple[State, ...]] = [(FIRST,)]
    for path in ways:
        if path[-1] is _END:
            return path
        ways += [(*path, step.target) for step in STEPS if step.source is path[-1] and step.target not in path]
    raise AssertionError("no way leads to a release")


def bar(state: State) -> tuple[Stop, ...]:
    """Draw the way with the request on it; a state beside the way stands behind the first one that leads to it."""
    path = list(way())
    if state not in path:
        leads = {step.source for step in STEPS if step.target is state}
        at = next(i for i, each in enumerate(path) if each in leads) + 1
        goes_on = any(step.source is state and step.target in path for step in STEPS)
        path[at:] = [state, *(path[at:] if goes_on else [])]
    here = path.index(state)
    how = ["done"] * here + ["here"] + [""] * (len(path) - here - 1)
    return tuple(Stop(label(each), how[i], _TONES.get(each, "")) for i, each in enumerate(path))


def turn(detail: Detail) -> str:
    """Say whose turn it is, beginning with `Yours` if it is the reader's."""
    state = State(detail.request.state)
    if detail.may & {"submit", "collect", "vote"}:
        return "Yours" if "vote" not in detail.may or detail.votes_in else "Yours, and another approver's"
    return _others(state, detail.request.requester)


def next_step(detail: Detail) -> str:
    """Say what happens next, to an approver as what they are to do."""
    if "vote" in detail.may:
        return _VOTE[State(detail.request.state)]
    return detail.says


def _others(state: State, author: str) -> str:
    if state is State.RELEASED:
        return f"{author}'s, who collects the files"
    whose = {step.by for step in STEPS if step.source is state and step.verb not in _ASIDE}
    names = {By.AUTHOR: f"{author}'s", By.APPROVERS: "The approvers'", By.SYSTEM: "The airlock's"}
    return " and ".join(names[by] for by in By if by in whose) or "Nobody's: it is over"


def moving(state: State) -> bool:
    """Whether the airlock itself takes the next step, so that looking again soon is worth it."""
    return any(step.source is state and step.by is By.SYSTEM and step.verb not in _ASIDE for step in STEPS)


def label(state: State) -> str:
    """Name a state in the words of the page."""
    return state.replace("_", " ").capitalize()
