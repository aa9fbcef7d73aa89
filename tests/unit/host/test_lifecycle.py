"""The table of a worker's life: complete where it must be, and its promises hold for every path."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade.supervisor.lifecycle import (
    NEXT,
    Action,
    Event,
    MissingCell,
    State,
    Step,
    after,
    mermaid,
)

ALWAYS = (Event.DRAIN, Event.STOP)
FAULTS = (Event.UNRESPONSIVE, Event.VIOLATION)


def test_a_worker_without_faults_goes_from_start_to_burial() -> None:
    state, done = State.STARTING, list[Action]()
    for event in (Event.HELLO, Event.LOADED, Event.DRAIN, Event.DRAINED, Event.EXITED):
        state, actions = after(state, event)
        done += actions

    assert state is State.DEAD
    assert Action.BLAME not in done
    assert done.index(Action.OFFER) < done.index(Action.WITHDRAW) < done.index(Action.BURY)


def test_a_missing_cell_names_state_and_event() -> None:
    with pytest.raises(MissingCell, match="event loaded in state starting"):
        after(State.STARTING, Event.LOADED)


def test_every_state_has_a_row() -> None:
    assert set(NEXT) == set(State)


@pytest.mark.parametrize("event", ALWAYS)
@pytest.mark.parametrize("state", State)
def test_a_person_may_ask_for_the_end_at_any_time(state: State, event: Event) -> None:
    assert after(state, event)


@pytest.mark.parametrize("event", FAULTS)
@pytest.mark.parametrize("state", [State.STARTING, State.LOADING, State.READY, State.DRAINING])
def test_a_fault_kills_and_counts_in_every_state_that_still_works(
    state: State, event: Event
) -> None:
    step = after(state, event)

    assert step.state is State.ENDING
    assert Action.KILL in step.actions
    assert Action.BLAME in step.actions


@pytest.mark.parametrize("state", set(State) - {State.DEAD})
def test_an_exit_is_the_end_of_every_state(state: State) -> None:
    step = after(state, Event.EXITED)

    assert step.state is State.DEAD
    assert step.actions[-1] is Action.BURY
    assert Action.FAIL_CALLS in step.actions


def test_nobody_dies_twice() -> None:
    with pytest.raises(MissingCell):
        after(State.DEAD, Event.EXITED)


@given(st.lists(st.sampled_from(list(Event)), max_size=30))
def test_on_every_path_it_is_offered_withdrawn_and_buried_once(events: list[Event]) -> None:
    state, done = State.STARTING, list[Action]()
    for event in events:
        if event in NEXT[state]:
            state, actions = after(state, event)
            done += actions

    assert done.count(Action.OFFER) <= 1
    assert done.count(Action.BURY) == (state is State.DEAD)
    assert state is not State.READY or Action.WITHDRAW not in done
    if Action.OFFER in done and state is not State.READY:
        assert done.index(Action.WITHDRAW) > done.index(Action.OFFER)


@given(st.lists(st.sampled_from(list(Event)), max_size=30))
def test_a_death_is_blamed_before_its_calls_are_told(events: list[Event]) -> None:
    state = State.STARTING
    for event in events:
        if event not in NEXT[state]:
            continue
        state, actions = after(state, event)
        if Action.BLAME in actions and Action.FAIL_CALLS in actions:
            assert actions.index(Action.BLAME) < actions.index(Action.FAIL_CALLS)


def test_the_diagram_shows_every_change_of_the_table() -> None:
    drawn = mermaid()

    assert drawn.startswith("stateDiagram-v2\n    [*] --> starting\n")
    assert "    ready --> draining: clogged / offer no more, count a death\n" in drawn
    shown = sum(step != Step(state) for state, row in NEXT.items() for step in row.values())
    assert drawn.count(" --> ") == shown + 2
