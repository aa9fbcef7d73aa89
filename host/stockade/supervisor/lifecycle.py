"""A worker's life as a table: a state and an event give the next state and what is to be done.

Pure. `supervisor.worker` feeds the events and carries the actions out, in the order given.
"""

from __future__ import annotations

import enum
from typing import Final, NamedTuple


class State(enum.StrEnum):
    """Where a worker stands."""

    STARTING = "starting"  # the process runs, its hello is awaited
    LOADING = "loading"  # the hello was right, the plugin is being imported
    READY = "ready"  # takes calls
    DRAINING = "draining"  # finishes its calls and takes no new ones
    ENDING = "ending"  # told to leave or killed, its exit is awaited
    DEAD = "dead"


class Event(enum.StrEnum):
    """What happens to a worker."""

    HELLO = "hello"
    LOADED = "loaded"
    REFUSED = "refused"  # it could not be started, said a wrong hello, or did not load its plugin
    START_DEADLINE = "start_deadline"
    UNRESPONSIVE = "unresponsive"
    EXCEEDED = "exceeded"  # it was over a limit
    CLOGGED = "clogged"  # it answers pings and keeps calls that nobody waits for any more
    VIOLATION = "violation"
    DRAIN = "drain"
    DRAINED = "drained"
    IDLE = "idle"
    STOP = "stop"
    STOP_DEADLINE = "stop_deadline"
    EXITED = "exited"


class Action(enum.StrEnum):
    """What is to be done."""

    SEND_LOAD = "send load"
    OFFER = "offer for calls"
    WITHDRAW = "offer no more"
    SEND_STOP = "send stop"
    KILL = "kill"
    BLAME = "count a death"
    FAIL_CALLS = "fail its calls"
    BURY = "clean up"


class Step(NamedTuple):
    """What an event leads to."""

    state: State
    actions: tuple[Action, ...] = ()


class MissingCell(LookupError):
    """The table has no answer, which is a fault of this host; names state and event."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"nothing is said about event {event} in state {state}")


_BLAMED: Final = Step(State.ENDING, (Action.KILL, Action.BLAME))
_ABORTED: Final = Step(State.ENDING, (Action.KILL,))
_BROKEN: Final = Step(State.ENDING, (Action.WITHDRAW, Action.KILL, Action.BLAME, Action.FAIL_CALLS))
_DIED: Final = Step(State.DEAD, (Action.WITHDRAW, Action.BLAME, Action.FAIL_CALLS, Action.BURY))
_DISMISSED: Final = Step(State.ENDING, (Action.WITHDRAW, Action.SEND_STOP))
# The word first: failing the calls closes the socket.
_STOPPED: Final = Step(State.ENDING, (Action.WITHDRAW, Action.SEND_STOP, Action.FAIL_CALLS))
_STILL_ENDING: Final = Step(State.ENDING)
_STILL_DRAINING: Final = Step(State.DRAINING)

_BEFORE_READY: Final[dict[Event, Step]] = {
    Event.REFUSED: _BLAMED,
    Event.START_DEADLINE: _BLAMED,
    Event.UNRESPONSIVE: _BLAMED,
    Event.EXCEEDED: _BLAMED,
    Event.VIOLATION: _BLAMED,
    Event.DRAIN: _ABORTED,
    Event.STOP: _ABORTED,
    Event.EXITED: _DIED,
}

# Its end is decided already; whoever was on the way with these comes too late.
_TOO_LATE: Final = (
    Event.HELLO,
    Event.LOADED,
    Event.REFUSED,
    Event.START_DEADLINE,
    Event.UNRESPONSIVE,
    Event.EXCEEDED,
    Event.VIOLATION,
    Event.DRAIN,
    Event.STOP,
)

NEXT: Final[dict[State, dict[Event, Step]]] = {
    State.STARTING: {
        **_BEFORE_READY,
        Event.HELLO: Step(State.LOADING, (Action.SEND_LOAD,)),
    },
    State.LOADING: {
        **_BEFORE_READY,
        Event.LOADED: Step(State.READY, (Action.OFFER,)),
    },
    State.READY: {
        Event.DRAIN: Step(State.DRAINING, (Action.WITHDRAW,)),
        Event.CLOGGED: Step(State.DRAINING, (Action.WITHDRAW, Action.BLAME)),
        Event.IDLE: _DISMISSED,
        Event.STOP: _STOPPED,
        Event.UNRESPONSIVE: _BROKEN,
        Event.EXCEEDED: _BROKEN,
        Event.VIOLATION: _BROKEN,
        Event.EXITED: _DIED,
    },
    State.DRAINING: {
        Event.DRAINED: _DISMISSED,
        Event.DRAIN: _STILL_DRAINING,
        Event.CLOGGED: _STILL_DRAINING,
        Event.STOP: _STOPPED,
        Event.UNRESPONSIVE: _BROKEN,
        Event.EXCEEDED: _BROKEN,
        Event.VIOLATION: _BROKEN,
        Event.EXITED: _DIED,
    },
    State.ENDING: {
        Event.EXITED: Step(State.DEAD, (Action.FAIL_CALLS, Action.BURY)),
        Event.STOP_DEADLINE: Step(State.ENDING, (Action.KILL,)),
        **dict.fromkeys(_TOO_LATE, _STILL_ENDING),
    },
    State.DEAD: dict.fromkeys((*_TOO_LATE, Event.STOP_DEADLINE), Step(State.DEAD)),
}


def after(state: State, event: Event) -> Step:
    """The next state and the actions; raises MissingCell where the table has none."""
    step = NEXT[state].get(event)
    if step is None:
        raise MissingCell(state, event)
    return step


def mermaid() -> str:
    """The table as a Mermaid state diagram, for the documentation."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.STARTING}"]
    for state, row in NEXT.items():
        for event, step in row.items():
            if step == Step(state):
                continue  # nothing happens
            done = f": {event}" + (f" / {', '.join(step.actions)}" if step.actions else "")
            lines.append(f"    {state} --> {step.state}{done}")
    lines.append(f"    {State.DEAD} --> [*]")
    return "\n".join(lines) + "\n"
