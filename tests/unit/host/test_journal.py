"""What a host puts down of its requests, where the database takes it and where it does not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from stockade.app import journal as journals
from stockade.app.journal import Journal
from stockade.settings import Home
from stockade.state import Installed, Rest, State
from stockade_sdk.capability import Attempt, Capability, CostBreakdown, Usage

OK = (Attempt(target="one/m", outcome="ok"),)
REST = Rest(1, 2.0, 3.0, "network")


class Breaker:
    """What was learnt since it was asked last."""

    def __init__(self) -> None:
        self.learnt: dict[str, Rest | None] = {}

    def __call__(self) -> dict[str, Rest | None]:
        learnt, self.learnt = self.learnt, {}
        return learnt


@pytest.fixture
def breaker() -> Breaker:
    return Breaker()


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State.open(Home(tmp_path / "home")) as state:
        for name in ("one", "two"):
            state.put(Installed(name=name, version="1", digest="0", manifest=""))
        yield state


@pytest.fixture
def journal(state: State, tmp_path: Path, breaker: Breaker) -> Iterator[Journal]:
    journal = Journal(Home(tmp_path / "home"), lambda: 5.0, breaker)
    yield journal
    journal._state.close()


def refuse(state: State, table: str) -> None:
    """Have every change of a table fail, as on a full disk."""
    with closing(sqlite3.connect(state.path)) as raw, raw:
        for act in ("INSERT", "UPDATE"):
            raw.execute(
                f"CREATE TRIGGER refuse_{table}_{act} BEFORE {act} ON {table}"
                " BEGIN SELECT RAISE(ABORT, 'no'); END"
            )


def accept(state: State, table: str) -> None:
    with closing(sqlite3.connect(state.path)) as raw, raw:
        for act in ("INSERT", "UPDATE"):
            raw.execute(f"DROP TRIGGER refuse_{table}_{act}")


def test_what_could_not_be_written_is_written_the_next_time_in_its_order(
    state: State, journal: Journal, breaker: Breaker
) -> None:
    refuse(state, "route_attempt_logs")
    journal.attempts(Capability.CHAT, OK)
    journal.plugin("two", "failed", "it kept dying")
    breaker.learnt = {"one/m": REST}
    journal._gather()
    journal.write()
    assert state.attempts.count() == 0
    journal.attempts(Capability.EMBEDDING, OK)
    accept(state, "route_attempt_logs")

    journal.write()

    assert [one.capability for one in state.attempts.recent()] == ["embedding", "chat"]
    assert state.require("two").last_error == "it kept dying"
    assert state.learnt.rests() == {"one/m": REST}
    journal.write()
    assert state.attempts.count() == 2
    assert journal.lost == 0


def test_what_waits_for_a_disk_is_bounded_and_the_oldest_is_lost(
    state: State, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "MAX_NOTES", 3)
    refuse(state, "route_attempt_logs")
    for at in range(5):
        journal.attempts(Capability.CHAT, (Attempt(target=f"one/m{at}", outcome="ok"),))
        journal.write()
    accept(state, "route_attempt_logs")

    journal.write()

    assert [one.target for one in state.attempts.recent()] == ["one/m4", "one/m3", "one/m2"]
    assert journal.lost == 2


def test_what_is_said_of_a_plugin_that_has_gone_costs_the_others_nothing(
    state: State, journal: Journal, breaker: Breaker
) -> None:
    journal.plugin("gone", "failed", "it kept dying")
    journal.plugin("two", "failed", "it kept dying")
    journal.attempts(Capability.CHAT, OK)
    breaker.learnt = {"one/m": REST}
    journal._gather()

    journal.write()

    assert state.require("two").state == "failed"
    assert state.attempts.count() == 1
    assert state.learnt.rests() == {"one/m": REST}
    assert journal.lost == 0


def test_of_what_became_of_a_plugin_the_last_is_kept(state: State, journal: Journal) -> None:
    refuse(state, "plugins")
    journal.plugin("one", "enabled", "died once")
    journal.write()
    journal.plugin("one", "failed", "it kept dying")
    accept(state, "plugins")

    journal.write()

    assert (state.require("one").state, state.require("one").last_error) == (
        "failed",
        "it kept dying",
    )


def test_a_plugin_that_was_disabled_meanwhile_stays_disabled(
    state: State, journal: Journal
) -> None:
    journal.plugin("one", "enabled", "died once")
    journal.plugin("two", "enabled", "died once")
    state.set_state("one", "disabled")

    journal.write()

    assert (state.require("one").state, state.require("two").state) == ("disabled", "enabled")


def test_rests_that_a_full_disk_does_not_take_are_written_later_as_they_are_by_then(
    state: State, journal: Journal, breaker: Breaker
) -> None:
    state.learnt.keep_rests({"one": REST, "two": REST})
    refuse(state, "cooldowns")
    breaker.learnt = {"one/a": REST, "one/b": REST, "one/c": REST}
    journal._gather()
    journal.write()
    worse = Rest(2, 4.0, 9.0, "network")
    breaker.learnt = {"one/a": worse, "one/b": None, "two": None}
    journal._gather()
    accept(state, "cooldowns")

    journal.write()

    assert state.learnt.rests() == {"one": REST, "one/a": worse, "one/c": REST}


@pytest.mark.parametrize(("currency", "logged"), [("USD", "0.5"), ("EUR", None)])
def test_only_dollars_are_logged_as_dollars(
    state: State, journal: Journal, currency: str, logged: str | None
) -> None:
    journal.attempts(
        Capability.CHAT, OK, Usage(), CostBreakdown(currency=currency, total_cost="0.5")
    )

    journal.write()

    assert [one.cost for one in state.attempts.recent()] == [logged]
