"""The risk of each permission in plain words, for the consent asked at install."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stockade_sdk.hosts import HostRule, is_ip_literal

if TYPE_CHECKING:  # permissions imports this module
    from stockade_sdk.permissions import PathRule, Permissions, SecretRequest

__all__ = ["risk_words"]

_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH", re.IGNORECASE)
# Where a machine keeps its keys, its configuration and the sockets of its services.
_SENSITIVE = ("/boot", "/etc", "/home", "/root", "/run", "/usr", "/var")


def risk_words(permissions: Permissions) -> list[str]:
    """One sentence for each permission, in the manifest's order; empty for none at all."""
    words = [_network(rule) for rule in permissions.network]
    if permissions.tunnel:
        words.append(
            "Opens encrypted tunnels to the hosts it may reach: stockade sees where the bytes go, "
            "but neither what they are nor can it put keys on them."
        )
    words += [_read(rule) for rule in permissions.read]
    words += [_write(rule) for rule in permissions.write]
    if permissions.subprocess:
        words.append(
            "Starts other programs inside its sandbox, which may do whatever the plugin may do."
        )
    words += [_environment(name) for name in permissions.environment]
    words += [_secret(secret) for secret in permissions.secrets]
    return words


def _network(rule: HostRule) -> str:
    subject = str(rule)
    if rule.wildcard:
        note = f", that is every host under {rule.host}, even one that a stranger registers there"
    elif rule.host == "localhost" or rule.host.endswith(".localhost"):
        note = ", a service on this machine"
    elif is_ip_literal(rule.host):
        note = ", an address that may be in your own network"
    elif "." not in rule.host:
        note = ", a machine in your own network"
    else:
        note = ""
    if any(label.startswith("xn--") for label in rule.host.split(".")):
        note += " (written in other letters than it is shown: check that it is the host you mean)"
    return f"Sends what it is given (prompts, files, answers) to {subject}{note}."


def _read(rule: PathRule) -> str:
    if rule.is_data:
        return "Reads its own data folder."
    return f"Reads {rule} and everything in it{_sensitive(rule)}."


def _write(rule: PathRule) -> str:
    if rule.is_data:
        return "Keeps files between runs in its own data folder."
    return f"Reads, changes and deletes {rule} and everything in it{_sensitive(rule)}."


def _sensitive(rule: PathRule) -> str:
    if any(rule.path == folder or rule.path.startswith(folder + "/") for folder in _SENSITIVE):
        return ", a place where keys, settings or sockets of this machine may be"
    return ""


def _environment(name: str) -> str:
    note = ", which looks like a key" if _SECRET_NAME.search(name) else ""
    return f"Sees the value of the environment variable {name}{note}."


def _secret(secret: SecretRequest) -> str:
    hosts = ", ".join(str(rule) for rule in secret.hosts)
    if secret.expose:
        return (
            f"Sees the real value of {secret.name} and could pass it to any host it may reach; "
            "most plugins do without."
        )
    if not hosts:
        return f"Uses {secret.name} only on hosts that you bind it to; never sees its value."
    return f"Has {secret.name} put on its requests to {hosts}; never sees its value."
