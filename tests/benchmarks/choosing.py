"""What choosing costs: targets among 50 plugins with 5,000 models, a name among 1,000 aliases.

Absolute times of one process, pinned to a processor; the median of rounds, so that a noisy moment
does not count.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from stockade.router import (
    Catalogue,
    Needs,
    NoSuchModel,
    Standing,
    candidates,
    explain,
    needs_of,
    outgrown,
    resolve,
)
from stockade.settings import RoutingPolicy
from stockade_sdk.capability import Capability, ModelInfo
from stockade_sdk.chat import ChatRequest

from .contest import Goal, Row
from .usage import pin

PLUGINS, MODELS, ALIASES, RESTING, ROUTE = 50, 100, 1_000, 20, 10
ROUNDS, CALLS = 101, 50
CHOOSING = Goal(50.0, unit=" us")
RESOLVING = Goal(5.0, unit=" us")
MEASURING = Goal(3.0, unit=" us")

CHAT = Needs(Capability.CHAT)
TOOLS = Needs(Capability.CHAT, ("tools",))
BOTH = (Capability.CHAT, Capability.VISION)


def choosing() -> list[Row]:
    """Targets among 50 plugins with 5,000 models, and names among 1,000 aliases."""
    pin()
    catalogue = everything()
    aliases = {f"mine-{n}": name_of(n % PLUGINS, n % MODELS) for n in range(ALIASES)}
    aliases["chain"] = "mine-1"
    return [*plans(catalogue, aliases), *names(catalogue, aliases), *sizes(catalogue)]


def name_of(plugin: int, model: int) -> str:
    """The full id of one of the models."""
    return f"plugin-{plugin:02d}/model-{plugin:02d}-{model:03d}"


def everything() -> Catalogue:
    """Plugins alike, each with models of growing windows and an alias for every one."""
    models = [
        (
            f"plugin-{plugin:02d}",
            ModelInfo(
                id=f"model-{plugin:02d}-{model:03d}",
                capabilities=BOTH,
                features=("streaming", "tools") if model % 2 else ("streaming",),
                context_tokens=8_000 * (model + 1),
                aliases=(f"alias-{plugin}-{model}",),
            ),
        )
        for plugin in range(PLUGINS)
        for model in range(MODELS)
    ]
    return Catalogue(models, [f"plugin-{plugin:02d}" for plugin in range(PLUGINS)])


def plans(catalogue: Catalogue, aliases: dict[str, str]) -> list[Row]:
    """Targets in order, for each way in which a request can ask."""
    every = PLUGINS // ROUTE
    policy = RoutingPolicy(tuple(name_of(n, 3) for n in range(0, PLUGINS, every)))
    broken = RoutingPolicy((*policy.targets, "nobody/nothing", "not-a-name"))
    routes = {Capability.CHAT: policy}
    models = {name_of(n, 0): Standing("cooling", 1_000.0 + n) for n in range(RESTING)}
    whole = {f"plugin-{n:02d}": Standing("cooling", 1_000.0 + n) for n in range(RESTING)}
    large = Needs(Capability.CHAT, (), 300_000)
    acts: dict[str, Callable[[], object]] = {
        "a full id": lambda: candidates(CHAT, catalogue, model=name_of(7, 50), routes=routes),
        "a plugin": lambda: candidates(CHAT, catalogue, plugin="plugin-07"),
        "an alias, a route of 10 behind it": lambda: candidates(
            CHAT, catalogue, model="mine-7", routes=routes, aliases=aliases
        ),
        "a route of 10": lambda: candidates(CHAT, catalogue, routes=routes),
        "a route of 10, 20 models resting": lambda: candidates(
            CHAT, catalogue, routes=routes, health=models
        ),
        "a route of 12, two entries wrong": lambda: candidates(
            CHAT, catalogue, routes={Capability.CHAT: broken}, aliases=aliases
        ),
        "auto": lambda: candidates(CHAT, catalogue, model="auto"),
        "auto, tools": lambda: candidates(TOOLS, catalogue, model="auto"),
        "auto, 300,000 tokens": lambda: candidates(large, catalogue, model="auto"),
        "auto, 20 models resting": lambda: candidates(CHAT, catalogue, health=models),
        "auto, 20 plugins resting": lambda: candidates(CHAT, catalogue, health=whole),
    }
    rows = [row(f"choose: {name}", timed(act), CHOOSING) for name, act in acts.items()]
    explaining = timed(lambda: explain(CHAT, catalogue, routes=routes, health=models))
    return [*rows, row("explain: a route of 10", explaining, None)]


def names(catalogue: Catalogue, aliases: dict[str, str]) -> list[Row]:
    """One name of each kind."""
    kinds = {
        "the operator's alias": "mine-7",
        "an alias of an alias": "chain",
        "a plugin's alias": "alias-3-4",
        "a short name": "model-30-040",
        "a full id": name_of(7, 50),
        "a full id that is not listed": "plugin-07/unheard-of",
    }
    rows = [
        row(
            f"resolve: {kind}",
            timed(lambda name=name: resolve(name, catalogue, aliases=aliases)),  # type: ignore[misc]
            RESOLVING,
        )
        for kind, name in kinds.items()
    ]

    def missed() -> None:
        try:
            resolve("modle-30-0400", catalogue, aliases=aliases)
        except NoSuchModel:
            return

    return [*rows, row("resolve: nothing, with suggestions", timed(missed, calls=2), None)]


def sizes(catalogue: Catalogue) -> list[Row]:
    """What a request's needs and its size take, which every request pays."""
    plan = candidates(CHAT, catalogue)
    small = ChatRequest.of_text("How tall is the tower, and since when? " * 4)
    large = ChatRequest.of_text("How tall is the tower, and since when? " * 25_000)
    return [
        row("needs of a small chat", timed(lambda: needs_of(small)), MEASURING),
        row("size of a small chat", timed(lambda: outgrown(plan, small)), MEASURING),
        row("size of a chat of 1 MB", timed(lambda: outgrown(plan, large)), None),
    ]


def row(name: str, took_us: float, goal: Goal | None) -> Row:
    """An absolute time; there is no peer."""
    return Row(name, f"{took_us:.2f} us", "", took_us, goal)


def timed(act: Callable[[], object], calls: int = CALLS) -> float:
    """Microseconds that one call takes."""
    act()
    took = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(calls):
            act()
        took.append((time.perf_counter() - begun) / calls * 1e6)
    return statistics.median(took)
