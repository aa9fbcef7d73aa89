"""The providers of what is installed, from the records and manifests that the state keeps. Pure.

No plugin code is imported (clash C11). A manifest that cannot be read is a diagnostic, and the
other plugins stay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from types import MappingProxyType
from typing import Final

from stockade.registry.diagnostics import Diagnostic, Notes, plain
from stockade.registry.registration import AuthMethod, Registration
from stockade.registry.registry import ProviderRegistry
from stockade.state.manifests import manifest_of
from stockade.state.records import Installed
from stockade_sdk.manifest import Manifest, ManifestError
from stockade_sdk.permissions import SecretRequest

__all__ = ["SHIPPED", "SHIPPED_ALIASES", "registration_of", "registry_of"]

SHIPPED: Final = "shipped"  # as a record's trust: it was installed from what came with this host

# Names that people give to the vendors of shipped plugins.
SHIPPED_ALIASES: Final = MappingProxyType(
    {
        "anthropic": ("claude",),
        "azure-openai": ("azure",),
        "gemini": ("google",),
        "mistral": ("mistralai",),
        "qwen": ("dashscope", "alibaba"),
    }
)


def registry_of(records: Iterable[Installed], shipped: Collection[str]) -> ProviderRegistry:
    """Every installed plugin's provider, in the order of ``records``.

    ``shipped`` are the names of plugins that came with this host: their ids are reserved.
    """
    registry = ProviderRegistry(builtin=shipped)
    broken: list[Diagnostic] = []
    for record in records:
        try:
            manifest = manifest_of(record)
        except ManifestError as error:
            notes = Notes(record.name)
            notes.error("invalid_manifest", f"{record.name}: {plain(str(error), 500)}")
            broken += notes.all
            continue
        builtin = record.trust == SHIPPED and record.name in shipped
        registry.register(registration_of(record, manifest, builtin=builtin))
    registry.note(broken)
    return registry


def registration_of(record: Installed, manifest: Manifest, *, builtin: bool) -> Registration:
    """What a plugin's manifest and the operator's grant say of its provider.

    Keys and hosts are those that were granted: what was refused is not there to be used.
    """
    granted = record.granted
    hosts = dict.fromkeys((*granted.network, *record.operator_hosts))
    models = manifest.served_models
    return Registration(
        id=record.name,
        plugin=record.name,
        label=manifest.summary or record.name,
        aliases=SHIPPED_ALIASES.get(record.name, ()) if builtin else (),
        capabilities=tuple(dict.fromkeys(one for model in models for one in model.capabilities)),
        features=tuple(dict.fromkeys(one for model in models for one in model.features)),
        auth=_methods(granted.secrets),
        environment=tuple(key.name for key in granted.secrets),
        keys=granted.secrets,
        hosts=tuple(hosts),
        docs_url=manifest.homepage,
        advisories=_advisories(record),
        tags=_tags(record, builtin=builtin),
        version=record.version,
        builtin=builtin,
        source=f"the plugin {record.name} {record.version}",
    )


def _methods(keys: tuple[SecretRequest, ...]) -> tuple[AuthMethod, ...]:
    if not keys:
        return (AuthMethod(id="none", label="No key", kind="none"),)
    single = len(keys) == 1
    return tuple(
        AuthMethod(
            id="api-key" if single else key.name.lower().replace("_", "-"),
            label=key.name,
            kind="token" if key.name.endswith("_TOKEN") else "api_key",
            hint=key.help,
        )
        for key in keys
    )


def _tags(record: Installed, *, builtin: bool) -> tuple[str, ...]:
    granted = record.granted
    found = {
        "shipped" if builtin else "third-party": True,
        "keyless": not granted.secrets,
        "offline": not (granted.network or record.operator_hosts),
        "tunnel": granted.tunnel,
        "programs": granted.subprocess,
        "key-in-worker": any(key.expose for key in granted.secrets),
        "disabled": record.state == "disabled",
        "failed": record.state == "failed",
    }
    return tuple(tag for tag, holds in found.items() if holds)


def _advisories(record: Installed) -> tuple[str, ...]:
    name, granted = record.name, record.granted
    found: list[str] = []
    if record.state == "failed":
        why = f": {record.last_error}" if record.last_error else ""
        found.append(f"given up{why}; `stockade enable {name}` lets it start again")
    if record.state == "disabled":
        found.append(f"disabled; `stockade enable {name}` lets it start")
    for key in granted.secrets:
        if not key.hosts:
            found.append(
                f"{key.name} goes only to hosts that you bind it to: "
                f"stockade secrets set {name} {key.name} --host HOST"
            )
        if key.expose:
            found.append(f"{key.name} is handed to the plugin itself")
    return tuple(found)
