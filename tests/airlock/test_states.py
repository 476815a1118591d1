from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airlock import states
from airlock.states import STEPS, By, FileState, ImportState, State, take
from tre.errors import StepRefused

VERBS = sorted({step.verb for step in STEPS})
ALLOWED = {(step.verb, step.source, step.by): step.target for step in STEPS}


@pytest.mark.parametrize("state", State)
def test_a_step_is_in_the_table_or_refused(state):
    for verb, by in product(VERBS, By):
        if (verb, state, by) in ALLOWED:
            assert take(verb, state, by) is ALLOWED[verb, state, by]
        else:
            with pytest.raises(StepRefused):
                take(verb, state, by)


@given(st.lists(st.tuples(st.sampled_from(VERBS), st.sampled_from(By)), max_size=40))
def test_a_release_has_checks_and_an_approval_behind_it(clicks):
    state, history = states.FIRST, []
    for verb, by in clicks:
        try:
            state = take(verb, state, by)
        except StepRefused:
            continue
        history.append((verb, by))
    if state is State.RELEASED:
        said = [(verb, by) for verb, by in history if verb not in {"differ", "except"}]
        assert said[-2:] == [("approve", By.APPROVERS), ("release", By.SYSTEM)]
        assert said[-3] == ("pass_checks", By.SYSTEM) or ("except", By.COMMITTEE) in history


@given(st.lists(st.sampled_from(VERBS), max_size=30))
def test_an_author_alone_never_gets_further_than_checking(verbs):
    state = states.FIRST
    for verb in verbs:
        try:
            state = take(verb, state, By.AUTHOR)
        except StepRefused:
            continue
    assert state in {State.DRAFT, State.CHECKING, State.WITHDRAWN}


@pytest.mark.parametrize("state", [State.RELEASED, State.REJECTED, State.WITHDRAWN, State.EXPIRED, State.RECALLED])
def test_nothing_but_a_recall_leads_out_of_an_end(state):
    assert state in states.OVER
    assert set().union(*(states.verbs(state, by) for by in By)) <= {"recall"}


def test_a_file_leaves_only_when_it_was_approved_and_comes_back_only_by_a_recall():
    assert [step.source for step in states.FILE_STEPS if step.target is FileState.RELEASED] == [FileState.APPROVED]
    assert [step.target for step in states.FILE_STEPS if step.source is FileState.RELEASED] == [FileState.RECALLED]
    with pytest.raises(StepRefused, match="cannot release a file that is blocked"):
        states.of_file("release", FileState.BLOCKED)


def test_what_comes_in_is_checked_and_agreed_to_first():
    (arrives,) = [step for step in states.IMPORT_STEPS if step.target is ImportState.APPROVED]
    assert (arrives.source, arrives.by) == (ImportState.IN_REVIEW, By.APPROVERS)
    with pytest.raises(StepRefused, match="only the approvers"):
        states.of_import("approve", ImportState.IN_REVIEW, By.AUTHOR)


@pytest.mark.parametrize("state", State)
def test_every_state_says_whose_turn_it_is_and_can_be_reached(state):
    assert states.says(state).endswith(".")
    assert state is states.FIRST or any(step.target is state for step in STEPS)


def test_the_diagram_has_every_step():
    drawn = states.mermaid()
    for step in STEPS:
        assert f"{step.source.name} --> {step.target.name}: {states.words(step.verb)} ({step.by})" in drawn


def test_a_refusal_says_what_cannot_be_done():
    with pytest.raises(StepRefused, match="cannot approve a request that is returned"):
        take("approve", State.RETURNED, By.APPROVERS)
