"""The values the state hands out, and how they are written into rows."""

import json
from typing import Any

import msgspec

from stockade.state.rows import PluginName
from stockade_sdk.hosts import HostRule
from stockade_sdk.limits import Limits
from stockade_sdk.manifest.config_values import ConfigValue
from stockade_sdk.permissions import Permissions, permissions_from_json, permissions_to_json

__all__ = ["COLUMNS", "PLUGIN_STATES", "Installed", "Removal", "from_row", "to_row"]

# installed: never started; enabled: has been; disabled: the operator said no; failed: given up
PLUGIN_STATES = ("installed", "enabled", "disabled", "failed")

COLUMNS = (
    "name",
    "version",
    "digest",
    "tree",
    "environment",
    "state",
    "last_error",
    "manifest",
    "source",
    "trust",
    "installed_at",
    "granted",
    "operator_hosts",
    "limits",
    "signer",
    "packages",
)


_TEXTS = tuple(name for name in COLUMNS if name not in ("last_error", "installed_at"))


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """One installed plugin: what was read, what was granted, what the operator set.

    `digest` names the folder in the store, `tree` is over its built form (compiled files included),
    `environment` names the folder of its own packages ("" for none). `manifest` is its text,
    `installed_at` seconds since 1970. `limits` are the manifest's, before ceilings. `signer` is the
    fingerprint of the key that signed it, "" for none; `packages` are its own, one line each as
    `name==version --hash=sha256:...` has it.
    """

    name: str
    version: str
    digest: str
    manifest: str
    state: str = "installed"
    last_error: str | None = None
    tree: str = ""
    environment: str = ""
    source: str = ""
    trust: str = "unsigned"
    installed_at: float = 0.0
    granted: Permissions = Permissions()
    operator_hosts: tuple[HostRule, ...] = ()
    limits: Limits = Limits()
    signer: str = ""
    packages: tuple[str, ...] = ()
    config: dict[str, ConfigValue] = {}

    def __post_init__(self) -> None:
        if self.state not in PLUGIN_STATES:
            raise ValueError(f"{self.state!r} is none of {', '.join(PLUGIN_STATES)}")

    @property
    def enabled(self) -> bool:
        """Whether it may be started: neither switched off nor given up."""
        return self.state in ("installed", "enabled")


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """An uninstall that was decided and whose files may not be gone yet."""

    name: str
    keep_data: bool


def to_row(plugin: Installed) -> tuple[object, ...]:
    """The values of COLUMNS, in their order."""
    values: dict[str, object] = {
        **{name: getattr(plugin, name) for name in COLUMNS},
        "granted": json.dumps(permissions_to_json(plugin.granted)),
        "operator_hosts": json.dumps([str(rule) for rule in plugin.operator_hosts]),
        "limits": json.dumps(msgspec.to_builtins(plugin.limits)),
        "packages": json.dumps(plugin.packages),
    }
    return tuple(values[name] for name in COLUMNS)


def from_row(row: tuple[Any, ...]) -> Installed:
    """Read COLUMNS and the configuration after them. Raises ValueError for what is not ours."""
    values = dict(zip((*COLUMNS, "config"), row, strict=True))
    for name in _TEXTS:
        values[name] = msgspec.convert(values[name], str)
    for name in ("last_error", "config"):
        values[name] = msgspec.convert(values[name], str | None)
    values["name"] = msgspec.convert(values["name"], PluginName)
    values["installed_at"] = msgspec.convert(values["installed_at"], float)
    values["granted"] = permissions_from_json(msgspec.json.decode(values["granted"]))
    hosts = msgspec.json.decode(values["operator_hosts"], type=list[str])
    values["operator_hosts"] = tuple(HostRule.parse(text) for text in hosts)
    values["limits"] = msgspec.json.decode(values["limits"], type=Limits)
    values["packages"] = msgspec.json.decode(values["packages"], type=tuple[str, ...])
    values["config"] = msgspec.json.decode(values["config"] or "{}", type=dict[str, ConfigValue])
    return Installed(**values)
