"""Registrations as older plugins make them, read unchanged. Pure; never a class, never a function.

Two shapes. `registerProvider({...})` of OpenClaw's auth-only plugins, in camel case, with later
versions' wizard and catalogue; snake case is read too. `register_provider()` of GAO-Dev gives a
class and a mapping of metadata: only the mapping is read here, for plugin code runs in the worker
alone (clash C11). Whatever is not taken over is named in a diagnostic.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from stockade.registry.diagnostics import Notes, plain
from stockade.registry.registration import SAYABLE, Checked, check

__all__ = ["read_legacy", "read_metadata"]

_RENAMED: Final = MappingProxyType(
    {
        "docsPath": "docs_url",
        "docs_path": "docs_url",
        "docsUrl": "docs_url",
        "envVars": "environment",
        "env_vars": "environment",
        "configPatch": "config_patch",
        "defaultModel": "default_model",
        "deprecatedProfileIds": "legacy_profiles",
        "deprecated_profile_ids": "legacy_profiles",
        "runtimeTags": "tags",
        "runtime_tags": "tags",
    }
)
# What is code, or a vendor's data that belongs into plugin.toml.
_UNUSED: Final = MappingProxyType(
    {
        "models": "models are declared in plugin.toml",
        "formatApiKey": "a key's form is the `format` of its secret in plugin.toml",
        "format_api_key": "a key's form is the `format` of its secret in plugin.toml",
        "refreshOAuth": "tokens are not refreshed by the host",
        "refresh_oauth": "tokens are not refreshed by the host",
        "oauthProfileIdRepairs": "profiles are not repaired by the host",
        "wizard": "the host asks for keys in its own way",
        "catalog": "models are listed by the worker's list_models",
        "discovery": "models are listed by the worker's list_models",
    }
)
_AUTH_KEYS: Final = frozenset({"id", "label", "kind", "hint"})
_METHOD_KINDS: Final = MappingProxyType({"device_code": "oauth", "api-key": "api_key"})
_METADATA: Final = MappingProxyType({"name": "id", "description": "label", "version": "version"})


def read_legacy(said: object) -> Checked:
    """Read what `registerProvider` was given; the names of ``Registration`` are read too."""
    if not isinstance(said, Mapping):
        return check({})
    plain_said: dict[str, Any] = {}
    foreign: list[str] = []
    for key, value in said.items():
        name = _RENAMED.get(key, key) if isinstance(key, str) else "(no text)"
        if name in _UNUSED:
            continue
        if name in SAYABLE and name not in plain_said:
            plain_said[name] = value
        else:
            foreign.append(plain(name, 60))
    methods, lost = _methods(plain_said.get("auth"))
    if "auth" in plain_said:
        plain_said["auth"] = methods
    read = check(plain_said)
    if read.registration is None:
        return read
    notes = Notes(read.registration.id)
    notes.extend(read.diagnostics)
    if foreign:
        notes.warn("unknown_key", f"{notes.provider} says what no provider can", foreign)
    _wizard(notes, said.get("wizard"), [method.id for method in read.registration.auth])
    if said.get("catalog") and said.get("discovery"):
        notes.warn("two_catalogues", f"{notes.provider} has a catalogue and a discovery")
    for key, why in _UNUSED.items():
        if key in said:
            notes.info("not_taken_over", f"{notes.provider}: {key} is not used; {why}", (key,))
    if lost:
        notes.info(
            "not_taken_over",
            f"{notes.provider}: what its methods do is the worker's; not used: {', '.join(lost)}",
            lost,
        )
    return Checked(registration=read.registration, diagnostics=notes.all)


def read_metadata(metadata: Mapping[str, Any]) -> Checked:
    """Read the metadata of GAO-Dev's `register_provider()`: name, version, description, author,
    supported_models, requires_api_key (True where it is not said), requires_cli.
    """
    said = {ours: metadata[theirs] for theirs, ours in _METADATA.items() if theirs in metadata}
    keyless = metadata.get("requires_api_key", True) is False
    said["auth"] = [
        {"id": "none", "label": "No key", "kind": "none"}
        if keyless
        else {"id": "api-key", "label": "API key", "kind": "api_key"}
    ]
    said["tags"] = ["requires-cli"] if metadata.get("requires_cli") is True else []
    read = check(said)
    if read.registration is None:
        return read
    notes = Notes(read.registration.id)
    notes.extend(read.diagnostics)
    for key in metadata:
        if key in ("author", "supported_models"):
            notes.info("not_taken_over", f"{notes.provider}: {key} is read in plugin.toml", (key,))
        elif key not in (*_METADATA, "requires_api_key", "requires_cli"):
            name = plain(key, 60)
            notes.warn("unknown_key", f"{notes.provider} says {name}, which is unknown", (name,))
    return Checked(registration=read.registration, diagnostics=notes.all)


def _methods(value: Any) -> tuple[Any, list[str]]:
    """Methods as ours, and the keys of them that are not taken over."""
    if not isinstance(value, list | tuple):
        return value, []
    methods: list[Any] = []
    lost: dict[str, None] = {}
    for index, method in enumerate(value):
        if not isinstance(method, dict):
            methods.append(method)
            continue
        kind = method.get("kind")
        ours = {key: method[key] for key in _AUTH_KEYS if key in method}
        if isinstance(kind, str):
            ours["kind"] = _METHOD_KINDS.get(kind, kind)
        methods.append(ours)
        lost |= {f"auth[{index}].{plain(key, 60)}": None for key in method if key not in _AUTH_KEYS}
    return methods, list(lost)


def _wizard(notes: Notes, wizard: Any, methods: list[str]) -> None:
    """What OpenClaw says of a wizard that fits no method."""
    if not isinstance(wizard, dict):
        return
    for key, name in (("setup", "setup"), ("modelPicker", "model picker")):
        part = wizard.get(key)
        if not isinstance(part, dict):
            continue
        method = plain(part.get("methodId"), 120)
        if not methods:
            notes.warn("wizard_without_auth", f"{notes.provider}: its {name} has no method to use")
        elif method and method not in methods:
            notes.warn(
                "unknown_wizard_method", f"{notes.provider}: its {name} names none of its own"
            )
