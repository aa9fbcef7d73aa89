"""The models of the enabled plugins, indexed once by every name they have."""

from __future__ import annotations

import difflib
import heapq
import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

import msgspec

from stockade_sdk.capability import Capability, ModelInfo

DEFAULT_MODEL = "default"  # of a plugin that lists none
SUGGESTIONS = 3
MAX_SHOWN_CHARS = 120  # a name is a stranger's text; an error quotes this much of it
NEIGHBOURS = 25  # names looked at on each side of an unknown one: some 3 ms of the event loop
# Comparing two names letter by letter takes the cube of their length where a list is made for that.
MAX_COMPARED_CHARS = 64
MAX_COMPARED = 8  # those that have the most letters in common with the unknown one


class Target(msgspec.Struct, frozen=True, dict=True):
    """One candidate for a request; ``info`` is ``None`` where the model is not listed."""

    plugin: str
    model: str
    info: ModelInfo | None = None

    @cached_property
    def name(self) -> str:
        """``plugin/model``."""
        return f"{self.plugin}/{self.model}"

    @property
    def window(self) -> float:
        """Tokens that the model holds, as far as anybody said; what is not known has no end."""
        info = self.info
        tokens = info.context_tokens if info is not None else None
        return math.inf if tokens is None else tokens


class Stairs(NamedTuple):
    """Models of one plugin, each with a larger window than those before it."""

    windows: list[float]
    targets: list[Target]


class Catalogue:
    """Models by every name they have, and the enabled plugins in the order of their installation.

    ``models`` pairs a plugin's name with one of its models, in the plugin's own order; the first of
    two equal ids stays. A plugin without a list of models stands here with one called ``default``.
    ``full`` is by ``plugin/model``, ``short`` by the model's id alone, ``aliases`` by what plugins
    declare. ``disabled`` are plugins that may not run, whose full ids are nobody else's. Never
    changed once built.
    """

    __slots__ = ("_sorted", "_stairs", "aliases", "disabled", "full", "models", "plugins", "short")

    def __init__(
        self,
        models: Iterable[tuple[str, ModelInfo]],
        plugins: Iterable[str] = (),
        disabled: Iterable[str] = (),
    ) -> None:
        self.disabled = frozenset(disabled)
        self.plugins: dict[str, int] = {name: at for at, name in enumerate(dict.fromkeys(plugins))}
        self.full: dict[str, Target] = {}
        self.short: dict[str, tuple[Target, ...]] = {}
        by_plugin: dict[str, list[Target]] = {}
        by_alias: dict[str, list[Target]] = {}  # lists: one alias may be that of every model
        for plugin, info in models:
            target = Target(plugin, info.id, info)
            if target.name in self.full:
                continue
            self.full[target.name] = target
            by_plugin.setdefault(plugin, []).append(target)
            self.short[info.id] = (*self.short.get(info.id, ()), target)
            for alias in dict.fromkeys(info.aliases):
                by_alias.setdefault(alias, []).append(target)
        self.aliases: dict[str, tuple[Target, ...]] = _as_tuples(by_alias)
        self.models: dict[str, tuple[Target, ...]] = _as_tuples(by_plugin)
        self._sorted: tuple[list[str], list[str]] | None = None
        self._stairs: dict[tuple[Capability, tuple[str, ...]], tuple[Stairs, ...]] = {}

    def target(self, plugin: str, model: str) -> Target:
        """The target of these two names, whether it is listed or not."""
        return self.full.get(f"{plugin}/{model}") or Target(plugin, model)

    def by_full_id(self, name: str) -> Target | None:
        """What ``plugin/model`` names, where the plugin is installed or the model listed."""
        listed = self.full.get(name)
        if listed is not None:
            return listed
        plugin, slash, model = name.partition("/")
        if not slash:
            return None
        plugin, model = plugin.strip().lower(), model.strip()
        listed = self.full.get(f"{plugin}/{model}")
        if listed is None and model and plugin in self.plugins:
            return Target(plugin, model)
        return listed

    def first(
        self, capability: Capability, features: tuple[str, ...] = (), tokens: float = 0
    ) -> list[Target]:
        """Of each enabled plugin, in the order of installation, its first model with all this."""
        every = self._climb(capability, features)
        if tokens <= 0:
            return [stairs.targets[0] for stairs in every]
        steps = ((stairs.targets, bisect_left(stairs.windows, tokens)) for stairs in every)
        return [targets[step] for targets, step in steps if step < len(targets)]

    def largest(self, capability: Capability, features: tuple[str, ...] = ()) -> Target | None:
        """The model with the largest window of all that ``first`` chooses from."""
        tops = [stairs.targets[-1] for stairs in self._climb(capability, features)]
        return max(tops, key=lambda top: top.window, default=None)

    def _climb(self, capability: Capability, features: tuple[str, ...]) -> tuple[Stairs, ...]:
        """For each plugin, its first model with all this, then each later one that holds more."""
        wanted = (capability, features)
        known = self._stairs.get(wanted)
        if known is None:  # few distinct keys: seven capabilities, a handful of features
            every = (
                _rising(self.models.get(plugin, ()), capability, features)
                for plugin in self.plugins
            )
            known = self._stairs[wanted] = tuple(stairs for stairs in every if stairs.targets)
        return known

    def near(self, name: str, more: Iterable[str] = ()) -> tuple[str, ...]:
        """Up to three known names that look like ``name``: those that begin or end like it."""
        if self._sorted is None:
            self._sorted = _both_ways({*self.aliases, *self.short, *self.full})
        wanted = name[:MAX_COMPARED_CHARS]
        pool = {
            known: None
            for names in (_both_ways(more), self._sorted)
            for known in (
                *_around(names[0], wanted),
                *(text[::-1] for text in _around(names[1], wanted[::-1])),
            )
            if len(known) <= MAX_COMPARED_CHARS
        }
        matcher = difflib.SequenceMatcher(b=wanted)

        def letters_in_common(known: str) -> float:
            matcher.set_seq1(known)
            return matcher.quick_ratio()

        likely = heapq.nlargest(MAX_COMPARED, pool, key=letters_in_common)
        return tuple(difflib.get_close_matches(wanted, likely, SUGGESTIONS))


def _as_tuples(found: dict[str, list[Target]]) -> dict[str, tuple[Target, ...]]:
    return {name: tuple(targets) for name, targets in found.items()}


def _rising(models: Iterable[Target], capability: Capability, features: tuple[str, ...]) -> Stairs:
    stairs = Stairs([], [])
    for target in models:
        higher = not stairs.windows or target.window > stairs.windows[-1]
        if higher and _has(target.info, capability, features):
            stairs.windows.append(target.window)
            stairs.targets.append(target)
    return stairs


def _has(info: ModelInfo | None, capability: Capability, features: tuple[str, ...]) -> bool:
    if info is None or capability not in info.capabilities:
        return False
    return not info.features or all(feature in info.features for feature in features)


def _both_ways(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """The names in order, and in the order of their ends, written backwards."""
    names = list(names)
    return sorted(names), sorted(name[::-1] for name in names)


def _around(names: Sequence[str], wanted: str) -> Sequence[str]:
    at = bisect_left(names, wanted)
    return names[max(0, at - NEIGHBOURS) : at + NEIGHBOURS]
