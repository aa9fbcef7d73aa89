"""What an accepted config patch comes to: settings, aliases and recommended models. Pure.

A patch was judged for its shape (``patches``); here it is held against what the operator granted,
set and named. It can only fill what is empty: whatever it would change, hide or widen is left out,
each with a diagnostic. Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

import msgspec

from stockade.registry.diagnostics import Diagnostic, Notes
from stockade.registry.ids import normalise_id
from stockade.registry.patches import Proposed
from stockade.state.records import Installed
from stockade_sdk.capability import ModelInfo
from stockade_sdk.hosts import DEFAULT_PORT
from stockade_sdk.manifest import ConfigValue, Manifest, check_config_value
from stockade_sdk.text import TextRefused, show

__all__ = ["Changes", "plan_changes"]

BASE_URL_KEYS: Final = ("base_url", "endpoint")  # as shipped plugins call it
API_KEY: Final = "api"
APIS: Final = MappingProxyType({"openai-completions": "chat", "openai-responses": "responses"})


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What to do: ``settings`` of the plugin's own, ``aliases`` to targets of its own; ``targets``
    are the models it recommends, in its order. Empty is nothing to do.
    """

    settings: dict[str, ConfigValue] = {}
    aliases: dict[str, str] = {}
    targets: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


def plan_changes(
    proposed: Proposed,
    plugin: Installed,
    manifest: Manifest,
    *,
    aliases: Mapping[str, str],
    models: Iterable[ModelInfo],
) -> Changes:
    """What an accepted patch of ``plugin`` means.

    ``aliases`` are the operator's, those of stockade.toml and those set by verbs together;
    ``models`` is the whole catalogue, each model with its provider.
    Raises ValueError for the patch of another provider.
    """
    if proposed.provider != normalise_id(plugin.name):
        raise ValueError(f"a patch of {proposed.provider} is none of the plugin {plugin.name}")
    notes = Notes(proposed.provider)
    settings: dict[str, ConfigValue] = {}
    if proposed.base_url is not None:
        _base_url(notes, settings, plugin, manifest, proposed.base_url)
    if proposed.api is not None:
        word = APIS.get(proposed.api, proposed.api)
        _set(notes, settings, plugin, manifest, API_KEY, word)
    if proposed.ignored:
        notes.info("not_taken_over", "keys that mean nothing here were left out", proposed.ignored)
    own = _own(notes, plugin, proposed.models)
    return Changes(
        settings=settings,
        aliases=_new_aliases(notes, own, aliases, models),
        targets=tuple(own),
        diagnostics=notes.all,
    )


def _base_url(
    notes: Notes,
    settings: dict[str, ConfigValue],
    plugin: Installed,
    manifest: Manifest,
    url: str,
) -> None:
    if not _reachable(plugin, url):
        notes.warn(
            "base_url_not_granted",
            f"{plugin.name} was not granted the host of {show(url)}; it was not set",
            ("base_url",),
        )
        return
    key = next((key for key in BASE_URL_KEYS if key in manifest.config), BASE_URL_KEYS[0])
    _set(notes, settings, plugin, manifest, key, url)


def _reachable(plugin: Installed, url: str) -> bool:
    """Whether the grant covers the host and port; plain http only where the operator named them."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https":
        rules = (*plugin.granted.network, *plugin.operator_hosts)
        return any(rule.matches(host, parts.port or DEFAULT_PORT) for rule in rules)
    return any(rule.matches(host, parts.port or 80) for rule in plugin.operator_hosts)


def _set(
    notes: Notes,
    settings: dict[str, ConfigValue],
    plugin: Installed,
    manifest: Manifest,
    key: str,
    value: str,
) -> None:
    """Set one of the plugin's own keys, where it has it and the operator left it alone."""
    field = manifest.config.get(key)
    if field is None:
        notes.info("no_such_setting", f"{plugin.name} has no setting {key}", (key,))
        return
    try:
        checked = check_config_value(field, value)
    except TextRefused as refused:
        notes.warn("invalid_setting", f"{plugin.name}: {show(value)} {refused.message}", (key,))
        return
    standing = plugin.config.get(key)
    if standing is not None and standing != checked:
        notes.warn("setting_in_use", f"you set {key} of {plugin.name}; it stays", (key,))
    elif standing is None and checked != field.default:
        settings[key] = checked


def _own(
    notes: Notes, plugin: Installed, models: Iterable[tuple[str, str | None]]
) -> dict[str, str | None]:
    """The models that are the plugin's, as targets that requests are routed by."""
    found: dict[str, str | None] = {}
    for reference, alias in models:
        provider, _, model = reference.partition("/")
        if provider == notes.provider:
            found[f"{plugin.name}/{model}"] = alias
        else:
            notes.warn("foreign_model", f"{reference} is none of {plugin.name}'s", (reference,))
    return found


def _new_aliases(
    notes: Notes,
    own: Mapping[str, str | None],
    aliases: Mapping[str, str],
    models: Iterable[ModelInfo],
) -> dict[str, str]:
    """The aliases that hide nothing; names that differ by case alone are taken for the same, but
    for one and the same target, whose name is looked up as it is written.
    """
    wanted = {target: alias for target, alias in own.items() if alias is not None}
    if not wanted:
        return {}
    users = {name.strip().casefold(): meaning for name, meaning in aliases.items()}
    meant: dict[str, set[str]] = {}
    written: set[str] = set()
    for model in models:
        target = f"{model.provider}/{model.id}"
        for name in (model.id, *model.aliases, target):
            meant.setdefault(name.casefold(), set()).add(target)
            written.add(name)
    found: dict[str, str] = {}
    for target, alias in wanted.items():
        if aliases.get(alias) == target:
            continue
        folded = alias.casefold()
        if users.get(folded, target) != target:
            notes.warn("alias_in_use", f"{show(alias)} is an alias of yours", (alias,))
        elif others := sorted(meant.get(folded, set()) - {target}):
            hidden = ", ".join(others[:3])
            notes.warn("alias_hides", f"{show(alias)} would hide {hidden}", (alias,))
        elif alias not in written:  # else the name means the target without it
            found[alias] = target
            users[folded] = target
    return found
