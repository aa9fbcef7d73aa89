"""What may become a label: words from fixed lists, and names only so many of them.

A time series lives as long as the process, so whoever can invent label values can fill its memory
and that of the Prometheus server. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from stockade.process.lines import plain
from stockade_sdk.errors import ErrorKind

__all__ = ["KINDS", "OTHER", "Names", "Targets"]

OTHER: Final = "other"  # whatever came after a list was full
KINDS: Final = {"": "", **{kind.value: kind.value for kind in ErrorKind}}
MAX_CHARACTERS: Final = 128  # of a name; the longest model ids of OpenRouter have some 80
MAX_PLUGINS: Final = 64
MAX_MODELS: Final = 64  # a plugin
# A plugin may answer for a model that nobody lists, whose name is then the caller's text (a full id
# goes to its plugin unlooked-at). Few of those, so that a caller cannot take the place of the rest.
MAX_UNLISTED: Final = 8


class Names:
    """The first `most` names stay themselves, cut and without control characters."""

    def __init__(self, most: int = MAX_PLUGINS) -> None:
        self._most = most
        self._known: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        known = self._known.get(name)
        if known is not None:
            return known
        if len(self._known) >= self._most:
            return OTHER
        self._known[name] = shown = plain(name[:MAX_CHARACTERS])[:MAX_CHARACTERS]
        return shown


class Targets:
    """Plugin and model of a target that answered, as labels.

    ``listed`` says whether the catalogue has a target (`plugin/model`).
    """

    def __init__(
        self,
        plugins: Names,
        listed: Callable[[str], bool],
        *,
        most: int = MAX_MODELS,
        unlisted: int = MAX_UNLISTED,
    ) -> None:
        self._plugins, self._listed = plugins, listed
        self._most, self._most_unlisted = most, unlisted
        self._known: dict[str, tuple[str, str]] = {}
        self._models: dict[str, int] = {}  # plugin → how many of its models are known
        self._unlisted: dict[str, int] = {}  # of those

    def __call__(self, target: str) -> tuple[str, str]:
        return self._known.get(target) or self._admit(target)

    def _admit(self, target: str) -> tuple[str, str]:
        name, _, model = target.partition("/")
        plugin = self._plugins(name)
        if plugin == OTHER or self._models.get(plugin, 0) >= self._most:
            return plugin, OTHER
        if not self._listed(target):
            if self._unlisted.get(plugin, 0) >= self._most_unlisted:
                return plugin, OTHER
            self._unlisted[plugin] = self._unlisted.get(plugin, 0) + 1
        self._models[plugin] = self._models.get(plugin, 0) + 1
        self._known[target] = labels = (plugin, plain(model[:MAX_CHARACTERS])[:MAX_CHARACTERS])
        return labels
