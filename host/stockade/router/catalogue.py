"""The models of the enabled plugins, indexed once by every name they have."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import msgspec

from stockade_sdk.capability import Capability, ModelInfo

SUGGESTIONS = 3
MAX_SHOWN_CHARS = 120  # a name is a stranger's text; an error quotes this much of it
MAX_COMPARED = 300  # names compared for suggestions: some 10 ms of the event loop, and no more


class Target(msgspec.Struct, frozen=True):
    """One candidate for a request; ``info`` is ``None`` where the model is not listed."""

    plugin: str
    model: str
    info: ModelInfo | None = None

    @property
    def name(self) -> str:
        """``plugin/model``."""
        return f"{self.plugin}/{self.model}"


class Catalogue:
    """Models by every name they have, and the enabled plugins in the order of their installation.

    ``models`` pairs a plugin's name with one of its models, in the plugin's own order; the first of
    two equal ids stays. A plugin without a list of models stands here with one called ``default``.
    Never changed once built.
    """

    __slots__ = ("_first", "_named", "aliases", "full", "models", "plugins", "short")

    def __init__(
        self, models: Iterable[tuple[str, ModelInfo]], plugins: Iterable[str] = ()
    ) -> None:
        self.plugins: dict[str, int] = {name: at for at, name in enumerate(dict.fromkeys(plugins))}
        self.full: dict[tuple[str, str], Target] = {}
        self.short: dict[str, tuple[Target, ...]] = {}
        self.aliases: dict[str, tuple[Target, ...]] = {}
        self.models: dict[str, tuple[Target, ...]] = {}
        by_plugin: dict[str, list[Target]] = {}
        for plugin, info in models:
            if (plugin, info.id) in self.full:
                continue
            target = self.full[plugin, info.id] = Target(plugin, info.id, info)
            by_plugin.setdefault(plugin, []).append(target)
            self.short[info.id] = (*self.short.get(info.id, ()), target)
            for alias in dict.fromkeys(info.aliases):
                self.aliases[alias] = (*self.aliases.get(alias, ()), target)
        self.models = {plugin: tuple(targets) for plugin, targets in by_plugin.items()}
        self._named: tuple[str, ...] | None = None
        self._first: dict[tuple[Capability, tuple[str, ...]], tuple[Target, ...]] = {}

    def target(self, plugin: str, model: str) -> Target:
        """The target of these two names, whether it is listed or not."""
        return self.full.get((plugin, model)) or Target(plugin, model)

    def by_full_id(self, name: str) -> Target | None:
        """What ``plugin/model`` names, where the plugin is installed or the model listed."""
        plugin, slash, model = name.partition("/")
        if not slash:
            return None
        plugin, model = plugin.strip().lower(), model.strip()
        listed = self.full.get((plugin, model))
        if listed is None and model and plugin in self.plugins:
            return Target(plugin, model)
        return listed

    def first(
        self, capability: Capability, features: tuple[str, ...] = (), tokens: int | None = None
    ) -> tuple[Target, ...]:
        """Of each enabled plugin, in the order of installation, its first model with all this."""
        wanted = (capability, features)
        if tokens is None and wanted in self._first:
            return self._first[wanted]
        found = []
        for plugin in self.plugins:
            for target in self.models.get(plugin, ()):
                if target.info is not None and _has(target.info, capability, features, tokens):
                    found.append(target)
                    break
        if tokens is None:  # few distinct keys: seven capabilities, a handful of features
            self._first[wanted] = tuple(found)
        return tuple(found)

    def near(self, name: str, more: Iterable[str] = ()) -> tuple[str, ...]:
        """Up to three known names that look like ``name``."""
        if self._named is None:
            full = (target.name for target in self.full.values())
            self._named = tuple(dict.fromkeys((*self.aliases, *self.short, *full)))
        wanted = name[:MAX_SHOWN_CHARS]
        pool = [*more, *self._named]
        if len(pool) > MAX_COMPARED:
            pool = sorted(pool, key=lambda known: _unlikeness(known, wanted))[:MAX_COMPARED]
        return tuple(difflib.get_close_matches(wanted, pool, SUGGESTIONS))


def _has(
    info: ModelInfo, capability: Capability, features: tuple[str, ...], tokens: int | None
) -> bool:
    known = not info.features or all(feature in info.features for feature in features)
    fits = tokens is None or info.context_tokens is None or info.context_tokens >= tokens
    return known and fits and capability in info.capabilities


def _unlikeness(known: str, wanted: str) -> tuple[bool, bool, bool, int]:
    """Sorts names that begin alike and are as long before others; far cheaper than a comparison."""
    most, half = wanted[: len(wanted) * 3 // 4], wanted[: len(wanted) // 2]
    return (
        not known.startswith(most),
        not known.startswith(half),
        known[:1] != wanted[:1],
        abs(len(known) - len(wanted)),
    )
