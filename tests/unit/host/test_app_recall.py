"""Plans without workers go by what earlier runs learnt, as a host's own do."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stockade.app.knowledge import read_knowledge
from stockade.app.planning import Planner
from stockade.app.recall import planner_without_workers, remembered
from stockade.router import Needs
from stockade.settings import Budget, Home, RoutingPolicy, Settings
from stockade.state import Installed, Rest, Secrets, State
from stockade.state.learnt import Spent
from stockade_sdk.capability import Capability
from tests.unit.host.packaging_samples import MANIFEST

CHAT = Needs(Capability.CHAT)
PLUGINS = ("one", "two", "three")
ROUTE = {Capability.CHAT: RoutingPolicy(tuple(f"{name}/default" for name in PLUGINS))}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def state(home: Home) -> Iterator[State]:
    with State.open(home) as state:
        for at, name in enumerate(PLUGINS):
            state.put(
                Installed(
                    name=name,
                    version="1.0.0",
                    digest="0" * 64,
                    manifest=MANIFEST.format(name=name, version="1.0.0", more=""),
                    source=name,
                    installed_at=float(at),
                )
            )
        yield state


def planner(home: Home, state: State, settings: Settings) -> Planner:
    return planner_without_workers(home, settings, state, read_knowledge(state, settings))


def order(planner: Planner) -> list[tuple[str, str]]:
    found = planner.explain(CHAT, now=time.monotonic())
    return [(one.target.partition("/")[0], one.state) for one in found.targets]


def test_who_rests_comes_last_and_who_used_up_its_budget_too(home: Home, state: State) -> None:
    settings = Settings(routes=ROUTE, budgets={"two": Budget(requests_per_minute=1000)})
    assert order(planner(home, state, settings)) == [
        ("one", "ready"),
        ("two", "ready"),
        ("three", "ready"),
    ]
    now = time.time()
    state.learnt.keep_rests({"one/default": Rest(3, now, now + 60, "server_error")})
    today = time.strftime("%Y-%m-%d", time.gmtime(now))
    state.learnt.add_spent(today, {"two": Spent(tokens=100)})

    spent = Settings(routes=ROUTE, budgets={"two": Budget(tokens_per_day=100)})

    assert order(planner(home, state, spent)) == [
        ("three", "ready"),
        ("one", "resting"),
        ("two", "over_budget"),
    ]


def test_what_was_held_against_another_key_is_not_held_against_this_one(
    home: Home, state: State
) -> None:
    secrets = Secrets(home, environment={"STOCKADE_SECRET_ONE__KEY": "the old one"})
    now = time.time()
    before = remembered(Settings(), state, secrets).prints.print_of("one")
    state.learnt.keep_rests({f"one@{before}": Rest(1, now, now + 60, "auth")})
    later = Secrets(home, environment={"STOCKADE_SECRET_ONE__KEY": "a new one"})

    assert list(remembered(Settings(), state, secrets).breaker.standings()) == ["one"]
    assert not remembered(Settings(), state, later).breaker.standings()
