"""Routes to begin with, by name: data beside this file, one TOML file each.

A preset lists the targets of each capability in order, every one with the model of its own vendor,
so that what is left when a plugin is not there is still right.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import msgspec

from stockade.errors import UsageError
from stockade.settings import RoutingPolicy
from stockade_sdk.capability import Capability, ModelRef

__all__ = ["Preset", "apply", "preset", "presets"]

HERE = Path(__file__).parent


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """Named routes; a capability that it does not have is none of its business."""

    name: str
    summary: str = ""
    routes: Mapping[Capability, tuple[ModelRef, ...]]


def apply(
    chosen: Preset, capability: Capability, enabled_plugins: Collection[str]
) -> RoutingPolicy | None:
    """The preset's route for ``capability`` over the plugins that may run: the first of them is the
    primary, the others are its fallbacks. ``None`` where none of them is in it.
    """
    targets = tuple(
        str(target)
        for target in chosen.routes.get(capability, ())
        if target.provider in enabled_plugins
    )
    return RoutingPolicy(targets) if targets else None


def preset(name: str) -> Preset:
    """The preset of that name. Raises UsageError, which names those that there are."""
    known = presets()
    if name not in known:
        raise UsageError(
            f"there is no preset called {name[:80]!r}", remedy=f"choose one of {', '.join(known)}"
        )
    return known[name]


@cache
def presets() -> Mapping[str, Preset]:
    """All presets by name, in the order of their names."""
    files = sorted(HERE.glob("*.toml"))
    return MappingProxyType(
        {file.stem: read(file.stem, file.read_text(encoding="utf-8")) for file in files}
    )


def read(name: str, text: str) -> Preset:
    """A preset from its file. Raises ValueError where the file is not one."""
    written = tomllib.loads(text)
    routes = {
        Capability(word): tuple(map(ModelRef.parse, targets))
        for word, targets in written["routes"].items()
    }
    return Preset(name=name, summary=written["summary"], routes=MappingProxyType(routes))
