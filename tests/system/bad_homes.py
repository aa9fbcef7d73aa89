"""A home with two plugins, `first` and `steady`, and ways to spoil it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from stockade.settings import Budget, Home, RoutingPolicy, Settings
from stockade.state import Installed, State
from stockade_sdk import Capability, ChatRequest
from stockade_sdk.capability import DiscoveryOptions
from tests.system.hostile import Site, new_site

HELLO = ChatRequest.of_text("hello")
CHAT = {Capability.CHAT: RoutingPolicy(("first/m", "steady/m"))}
FINE = """
class Provider:
    async def chat(self, request, ctx):
        return FINE
"""
LISTS = (
    FINE
    + """
    async def list_models(self, ctx):
        return [ModelInfo(id=f"x{at}") for at in range(3_000)]

    async def check_health(self, ctx):
        return HealthReport(ok=True)
"""
)
SETTINGS = Settings(
    routes=CHAT, budgets={"*": Budget(tokens_per_day=10**9, requests_per_minute=1000)}
)
SCAN = DiscoveryOptions(remote=True, refresh=True)


def two_plugins(folder: Path, source: str = FINE) -> Site:
    """The home; requests for chat go to `first`, which has this source, and then to `steady`."""
    site = new_site(folder)
    site.install(source, name="first", capabilities=("chat",))
    return site


def change(home: Home, statement: str, *values: object) -> None:
    """Do to the database what no program of ours does."""
    with closing(sqlite3.connect(home.state_db)) as raw, raw:
        raw.execute(statement, values)


def all_problems(home: Home) -> str:
    with State.open(home) as state:
        return " ".join(state.problems())


def installed(home: Home) -> tuple[Installed, ...]:
    with State.open(home) as state:
        return state.list()
