import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from stockade.settings import Home
from stockade.state import Logged, State, Tally, Tried
from stockade.state.attempts import MAX_ATTEMPT_ROWS, Piece
from stockade_sdk.capability import Attempt, Capability

OK = Attempt(target="b/m/n", outcome="ok", ms=20.0)
LATE = Attempt(target="a/x", outcome="failed", kind="timeout", ms=5.0, message="too late")
SKIPPED = Attempt(target="a/x", outcome="skipped", kind="over_budget")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def state(home: Home) -> Iterator[State]:
    with State.open(home) as state:
        yield state


def test_tokens_and_cost_belong_to_the_attempt_that_answered(state: State):
    state.attempts.record([Tried("r1", Capability.CHAT, (LATE, OK), 10.5, 123, "0.0005")])
    state.attempts.record([Tried("r2", "chat", (LATE,), 11.0, 9, "1")])

    assert state.attempts.recent() == (
        Logged(
            request_id="r2",
            capability="chat",
            target="a/x",
            index=0,
            outcome="failed",
            kind="timeout",
            message="too late",
            ms=5.0,
            at=11.0,
            tokens=None,
            cost=None,
        ),
        Logged(
            request_id="r1",
            capability="chat",
            target="b/m/n",
            index=1,
            outcome="ok",
            kind=None,
            message=None,
            ms=20.0,
            at=10.5,
            tokens=123,
            cost="0.0005",
        ),
        Logged(
            request_id="r1",
            capability="chat",
            target="a/x",
            index=0,
            outcome="failed",
            kind="timeout",
            message="too late",
            ms=5.0,
            at=10.5,
            tokens=None,
            cost=None,
        ),
    )


def test_the_last_attempts_are_of_one_plugin_or_of_all(state: State):
    state.attempts.record(Tried(f"r{number}", "chat", (LATE, OK), 1.0) for number in range(3))

    assert [one.request_id for one in state.attempts.recent("a")] == ["r2", "r1", "r0"]
    assert [one.target for one in state.attempts.recent(limit=3)] == ["b/m/n", "a/x", "b/m/n"]
    assert state.attempts.recent("nobody") == ()


def test_what_became_of_each_target_is_counted_from_a_moment_on(state: State):
    refused = Attempt(target="a/x", outcome="failed", kind="auth", ms=1.0)
    quick = Attempt(target="b/m/n", outcome="ok", ms=10.0)
    state.attempts.record(
        [
            Tried("old", "chat", (refused, OK), 99.9),
            Tried("r1", "chat", (LATE, OK), 100.0),
            Tried("r2", "chat", (SKIPPED, quick), 110.0),
            Tried("r3", "chat", (refused,), 105.0),
        ]
    )

    assert state.attempts.since(100.0) == {
        "a/x": Tally(0, 2, None, 105.0, "auth", None),
        "b/m/n": Tally(2, 0, 110.0, None, None, 15.0),
    }
    assert state.attempts.since(200.0) == {}


@pytest.mark.parametrize("number", [1, 49, 50, 51, 125])
def test_however_many_are_logged_at_once_each_is_there_once_and_in_order(state: State, number: int):
    state.attempts.record([Tried(str(at), "chat", (LATE,), 1.0) for at in range(number)])

    logged = state.attempts.recent(limit=1_000)
    assert [one.request_id for one in reversed(logged)] == [str(at) for at in range(number)]


def test_the_log_keeps_the_newest_rows_only(home: Home, state: State):
    for number in range(5):
        state.attempts.record([Tried(str(number), "chat", (LATE,) * 2500, 1.0)])

    assert state.attempts.count() == MAX_ATTEMPT_ROWS
    with closing(sqlite3.connect(home.state_db)) as raw:
        found = raw.execute("SELECT DISTINCT request_id FROM route_attempt_logs").fetchall()
    assert {request for (request,) in found} == {"1", "2", "3", "4"}


def test_no_attempts_is_no_row(state: State):
    state.attempts.record([Tried("r", "chat", (), 1.0), Tried("s", "chat", (), 1.0)])
    state.attempts.record([])
    assert state.attempts.count() == 0


def test_what_a_client_or_a_vendor_said_is_kept_within_bounds(state: State):
    wild = Attempt(target="a/" + "m" * 10**6, outcome="ok", message="\ud800" * 10**5)
    state.attempts.record([Tried("r", "chat", (wild,), 1.0, 10**30, None)])

    (logged,) = state.attempts.recent()
    assert len(logged.target) <= 302
    assert logged.message == "?" * 4000
    assert logged.tokens == 2**53


def test_reading_by_time_uses_the_index(home: Home, state: State):
    del state
    with closing(sqlite3.connect(home.state_db)) as raw:
        plan = raw.execute(
            "EXPLAIN QUERY PLAN SELECT * FROM route_attempt_logs WHERE created_at >= 1"
        ).fetchall()
    assert "route_attempt_logs_by_time" in str(plan)


# --- in pieces of time ---


def test_attempts_are_counted_by_pieces_of_time(state: State) -> None:
    def tried(at: float, *attempts: Attempt) -> Tried:
        return Tried("r", "chat", attempts, at)

    state.attempts.record(
        [
            tried(99.9, Attempt(target="a/x", outcome="ok", ms=1.0)),
            tried(100.0, Attempt(target="a/x", outcome="ok", ms=10.0)),
            tried(109.9, Attempt(target="b/y", outcome="ok", ms=30.0)),
            tried(
                125.0,
                Attempt(target="a/x", outcome="failed", ms=5.0),
                Attempt(target="b/y", outcome="skipped", ms=0.0),
            ),
            tried(130.0, Attempt(target="a/x", outcome="ok", ms=1.0)),
        ]
    )
    every = state.attempts.buckets(100.0, 10.0, 3)
    of_b = state.attempts.buckets(100.0, 10.0, 3, "b")
    before = state.attempts.buckets(0.0, 1.0, 2)

    assert every == (Piece(2, 0, 20.0), Piece(), Piece(0, 1, None))
    assert of_b == (Piece(1, 0, 30.0), Piece(), Piece(0, 0, None))
    assert before == (Piece(), Piece())
