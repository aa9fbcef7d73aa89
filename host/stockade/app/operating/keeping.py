"""Keys: which may be kept, bound to which hosts, and where each is. A value is never shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from stockade.admin import Missing
from stockade.admin import values as v
from stockade.errors import Refused
from stockade.settings import Home
from stockade.state import Installed, Secrets, StoredSecret
from stockade.state.manifests import manifest_of
from stockade.state.secret_variables import variable_of
from stockade_sdk.hosts import HostRule
from stockade_sdk.manifest import ManifestError
from stockade_sdk.permissions import SecretRequest
from stockade_sdk.text import show

__all__ = [
    "Kept",
    "bound_to",
    "check_hosts",
    "declared",
    "keep",
    "key_needed",
    "remove",
    "require_granted",
    "rows_of",
]


def declared(record: Installed, name: str) -> SecretRequest:
    """The key of that name in the plugin's manifest. Raises Missing."""
    asked = manifest_of(record).permissions.secrets
    for secret in asked:
        if secret.name == name:
            return secret
    names = ", ".join(secret.name for secret in asked)
    raise Missing(
        f"{record.name} declares no key {show(name)}",
        why=f"its plugin.toml has {names or 'none'} under [[permissions.secrets]]",
        remedy=f"give one of these names: {names}" if names else "it needs no key",
    )


def require_granted(record: Installed, name: str) -> None:
    """Raises Refused for a key that the plugin was not granted."""
    if name not in [secret.name for secret in record.granted.secrets]:
        raise Refused(
            f"the key {name} was not granted to {record.name}",
            remedy=f"grant it: stockade permissions grant {record.name} secrets:{name}",
        )


def check_hosts(record: Installed, hosts: tuple[HostRule, ...]) -> None:
    """A key is bound only to hosts that the plugin may reach. Raises Refused."""
    allowed = (*record.operator_hosts, *record.granted.network)
    for rule in hosts:
        if not any(one.covers(rule) for one in allowed):
            raise Refused(
                f"the key was not kept: {record.name} may not reach {rule}",
                why=f"it may reach {', '.join(map(str, allowed)) or 'no host'}",
                remedy=f"allow the host: stockade permissions grant {record.name} "
                f"--allow-host {rule}",
            )


def bound_to(
    secrets: Secrets, plugin: str, name: str, chosen: tuple[HostRule, ...]
) -> tuple[HostRule, ...]:
    """The hosts of a key that gets a value: those chosen, else those it had."""
    before = {(one.plugin, one.name): one.hosts for one in secrets.list()}
    return chosen or before.get((plugin, name), ())


class Kept(NamedTuple):
    """Where a value is now, in words; and why it is not in the keyring, where it could not be."""

    place: str
    why_not: str | None = None


def keep(
    secrets: Secrets,
    plugin: str,
    name: str,
    value: str,
    hosts: tuple[HostRule, ...],
    *,
    file: bool = False,
) -> Kept:
    """Keep a value, in the keyring where one works, unless it shall be in the `file`. Blocking, a
    keyring for seconds. Raises UsageError, StateError.
    """
    from stockade.state.os_keyring import os_keyring
    from stockade.state.vault import VaultFailed

    why_not = None
    if not file:
        try:
            vault = os_keyring()
            secrets.set(plugin, name, value, hosts, vault=vault)
        except VaultFailed as failed:
            why_not = f"not in the keyring of this account: it {failed.reason}"
        else:
            return Kept(f"the keyring of this account ({vault.title})")
    secrets.set(plugin, name, value, hosts)
    return Kept(str(secrets.path), why_not)


def remove(secrets: Secrets, plugin: str, name: str) -> None:
    """Forget a key. Raises Missing."""
    if secrets.remove(plugin, name):
        return
    why = ""
    if secrets.source(plugin, name) is not None:
        why = f"it is only in the environment, as {variable_of(plugin, name)}: unset that"
    raise Missing(
        f"there is no key {show(name)} of {show(plugin)}",
        why=why,
        remedy="see: stockade secrets list",
    )


def rows_of(home: Home, records: Iterable[Installed]) -> list[v.KeyRow]:
    """The keys that are kept, and those that these plugins could use, by plugin and name. Opens no
    keyring.
    """
    secrets = Secrets(home)
    kept = {(secret.plugin, secret.name): secret for secret in secrets.list()}
    wanted = {(record.name, secret.name): secret for record in records for secret in _asked(record)}
    return [
        _row(*both, wanted.get(both), kept.get(both), secrets) for both in sorted({*kept, *wanted})
    ]


def _asked(record: Installed) -> tuple[SecretRequest, ...]:
    try:
        return manifest_of(record).permissions.secrets
    except ManifestError:  # it says so where plugins are shown
        return ()


def _row(
    plugin: str,
    name: str,
    asked: SecretRequest | None,
    stored: StoredSecret | None,
    secrets: Secrets,
) -> v.KeyRow:
    rules = (*(asked.hosts if asked else ()), *(stored.hosts if stored else ()))
    source = secrets.source(plugin, name)
    return v.KeyRow(
        plugin=plugin,
        name=name,
        help="" if asked is None else asked.help,
        is_set=source is not None,
        source=source,
        hosts=list(dict.fromkeys(map(str, rules))),
        exposed=asked is not None and asked.expose,
    )


def key_needed(record: Installed, keys: Iterable[v.KeyRow]) -> str | None:
    """The key that a plugin wants before it can be asked; None where it has one, or needs none.

    As `discovery.lacking` has it: a key with hosts of its own is needed, unless the operator
    allowed a host of their own choosing, which may want none.
    """
    needed = [secret.name for secret in record.granted.secrets if secret.hosts]
    if not needed or record.operator_hosts:
        return None
    has = {key.name for key in keys if key.is_set}
    return None if has.intersection(needed) else needed[0]
