"""The guard of config patches: what a plugin may propose of the operator's configuration. Pure.

Exactly three places (requirement 3 of the registry's design, clash C8):

    models.providers.<its own id>   base URL, wire, models
    models.mode                     "merge" or "replace"
    agents.defaults.models          a map of plugin/model to {alias}

One foreign key drops the whole patch; what is left of an accepted one is a plain value,
``Proposed``, in which there is no place for a key of another kind. Nothing is applied here: see
``changes``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from stockade.registry.diagnostics import Diagnostic, Notes
from stockade.registry.ids import try_normalise_id
from stockade.registry.patch_shape import PatchRefused, bounds_of, key_path
from stockade.registry.patch_values import (
    ENTRY,
    read_entry,
    read_mode,
    read_provider,
    unknown_keys,
)

__all__ = ["Proposed", "Verdict", "check_patch"]


class Proposed(msgspec.Struct, frozen=True, kw_only=True):
    """What an accepted patch of ``provider`` says, as far as it can mean anything here.

    ``models`` are targets as the plugin wrote them, each with the alias proposed for it or None.
    ``ignored`` are dotted keys that were allowed and have no meaning here: no value of them is
    kept, for one of them may be a key to the vendor's account.
    """

    provider: str
    base_url: str | None = None
    api: str | None = None
    models: tuple[tuple[str, str | None], ...] = ()
    ignored: tuple[str, ...] = ()


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a patch is taken: all of it or nothing. ``disallowed`` are dotted keys in their
    order, ``changes`` is None where it was dropped.
    """

    accepted: bool
    disallowed: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    changes: Proposed | None = None


def check_patch(provider_id: str, patch: object) -> Verdict:
    """Judge what the provider ``provider_id`` proposes; keys first, values after that.

    ``provider_id`` is normalised (``ids.normalise_id``). Raises nothing for any decoded JSON.
    """
    notes = Notes(provider_id)
    wrong = bounds_of(patch)
    if wrong or not isinstance(patch, dict):
        wrong = wrong or "is not a table of keys"
        notes.error("invalid_config_patch", f"the config patch {wrong}; it was dropped")
        return Verdict(accepted=False, diagnostics=notes.all)
    disallowed = _disallowed(provider_id, patch)
    if disallowed:
        listed = ", ".join(disallowed[:10]) + (", ..." if len(disallowed) > 10 else "")
        notes.error(
            "disallowed_config_patch",
            f"the config patch was dropped: a provider may not set {listed}",
            disallowed,
        )
        return Verdict(accepted=False, disallowed=disallowed, diagnostics=notes.all)
    try:
        return Verdict(accepted=True, changes=_proposed(provider_id, patch))
    except PatchRefused as refused:
        notes.error(
            "invalid_config_patch", f"the config patch was dropped: {refused}", (refused.key,)
        )
        return Verdict(accepted=False, diagnostics=notes.all)


def _disallowed(provider_id: str, patch: Mapping[str, Any]) -> tuple[str, ...]:
    """Keys outside the three places, in the order of the patch."""
    found: list[str] = []
    for key, value in patch.items():
        if key == "models":
            found += _foreign_models(provider_id, value)
        elif key == "agents":
            found += _foreign_agents(value)
        else:
            found.append(key_path(key))
    return tuple(found)


def _foreign_models(provider_id: str, models: Any) -> list[str]:
    found: list[str] = []
    for key, value in _items(models):
        if key == "providers":
            for id, table in _items(value):
                at = ("models", "providers", id)
                if try_normalise_id(id) != provider_id:
                    found.append(key_path(*at))
                else:
                    found += unknown_keys(at, table)
        elif key != "mode":
            found.append(key_path("models", key))
    return found


def _foreign_agents(agents: Any) -> list[str]:
    found: list[str] = []
    for key, value in _items(agents):
        if key != "defaults":
            found.append(key_path("agents", key))
            continue
        for sub, entries in _items(value):
            if sub != "models":
                found.append(key_path("agents", "defaults", sub))
                continue
            for reference, entry in _items(entries):
                at = ("agents", "defaults", "models", reference)
                found += [key_path(*at, name) for name, _ in _items(entry) if name not in ENTRY]
    return found


def _items(value: Any) -> list[tuple[str, Any]]:
    """The keys of a table; what is no table has none, and is refused with the values."""
    return list(value.items()) if isinstance(value, dict) else []


def _proposed(provider_id: str, patch: Mapping[str, Any]) -> Proposed:
    """The values of a patch whose keys are all allowed. Raises PatchRefused."""
    ignored: list[str] = []
    models = _table(patch, "models")
    if "mode" in models:
        read_mode(models["mode"])
        ignored.append("models.mode")
    own = _table(models, "providers", "models")
    if len(own) > 1:  # two spellings of one id: which of them counts would be the plugin's secret
        raise PatchRefused("models.providers", f"names {provider_id} more than once")
    base_url: str | None = None
    api: str | None = None
    for id, table in own.items():
        base_url, api, unused = read_provider(("models", "providers", id), table)
        ignored += unused
    defaults = _table(_table(patch, "agents"), "defaults", "agents")
    entries: dict[str, str | None] = {}
    for reference, entry in _table(defaults, "models", "agents.defaults").items():
        at = ("agents", "defaults", "models", reference)
        target, alias, unused = read_entry(at, reference, entry)
        if target in entries:
            raise PatchRefused(key_path(*at), "names a model twice")
        entries[target] = alias
        ignored += unused
    return Proposed(
        provider=provider_id,
        base_url=base_url,
        api=api,
        models=tuple(entries.items()),
        ignored=tuple(ignored),
    )


def _table(holder: Mapping[str, Any], key: str, path: str = "") -> Mapping[str, Any]:
    value = holder.get(key, {})
    if not isinstance(value, dict):
        raise PatchRefused(f"{path}.{key}" if path else key, "is not a table of keys")
    return value
