"""A key's way from the operator to where it is kept: read unseen, and bound to hosts."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from stockade.cli.output import note
from stockade.cli.stored import manifest_of

if TYPE_CHECKING:
    from stockade.state import Installed, Secrets
    from stockade_sdk.hosts import HostRule
    from stockade_sdk.permissions import SecretRequest

__all__ = ["check_hosts", "declared", "keep", "read_key", "require_granted"]

BYTES = 4  # of a character in UTF-8, at most


def read_key(name: str, *, optional: bool = False) -> str:
    """The value from a hidden prompt or, without a terminal, all of stdin less one line end.

    Raises UsageError for what can be no key, and quotes nothing of it. ``optional``: an empty
    answer is one, and means that there is none.
    """
    from stockade.state.secrets import check_value

    value = _typed(name, optional) if sys.stdin.isatty() else _piped()
    if value or not optional:
        check_value(value)
    return value


def _typed(name: str, optional: bool) -> str:
    from getpass import getpass

    from stockade.errors import UsageError

    try:
        return getpass(f"{name} (Enter: none): " if optional else f"{name}: ")
    except EOFError:
        raise UsageError("no key was typed") from None


def _piped() -> str:
    from stockade.errors import UsageError
    from stockade.state.secrets import MAX_VALUE

    limit = BYTES * MAX_VALUE + 2
    content = sys.stdin.buffer.read(limit + 1)
    if len(content) > limit:
        raise UsageError(
            "what is on stdin is too long for a key", remedy=f"give 1 to {MAX_VALUE} characters"
        )
    try:
        return content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        # Without the error's words: they quote what was read.
        raise UsageError("the value on stdin is not text", remedy="give it in UTF-8") from None


def declared(record: Installed, name: str) -> SecretRequest:
    """The key of that name in the plugin's manifest. Raises UsageError."""
    from stockade.errors import UsageError
    from stockade_sdk.text import show

    asked = manifest_of(record).permissions.secrets
    for secret in asked:
        if secret.name == name:
            return secret
    names = ", ".join(secret.name for secret in asked)
    raise UsageError(
        f"{record.name} declares no key {show(name)}",
        why=f"its plugin.toml has {names or 'none'} under [[permissions.secrets]]",
        remedy=f"give one of these names: {names}" if names else "it needs no key",
    )


def require_granted(record: Installed, name: str) -> None:
    """Raises Refused for a key that the plugin was not granted."""
    from stockade.errors import Refused

    if name not in [secret.name for secret in record.granted.secrets]:
        raise Refused(
            f"the key {name} was not granted to {record.name}",
            remedy=f"grant it: stockade permissions grant {record.name} secrets:{name}",
        )


def check_hosts(record: Installed, hosts: tuple[HostRule, ...]) -> None:
    """A key is bound only to hosts that the plugin may reach. Raises Refused."""
    from stockade.errors import Refused

    allowed = (*record.operator_hosts, *record.granted.network)
    for rule in hosts:
        if not any(one.covers(rule) for one in allowed):
            raise Refused(
                f"the key was not kept: {record.name} may not reach {rule}",
                why=f"it may reach {', '.join(map(str, allowed)) or 'no host'}",
                remedy=f"allow the host: stockade permissions grant {record.name} "
                f"--allow-host {rule}",
            )


def keep(
    secrets: Secrets,
    plugin: str,
    name: str,
    value: str,
    hosts: tuple[HostRule, ...],
    *,
    file: bool,
) -> str:
    """Keep a value, in the keyring where one works; where it is now, in words."""
    from stockade.state.os_keyring import os_keyring
    from stockade.state.vault import VaultFailed

    if not file:
        try:
            vault = os_keyring()
            secrets.set(plugin, name, value, hosts, vault=vault)
        except VaultFailed as failed:
            note(f"note: not in the keyring of this account: it {failed.reason}")
        else:
            return f"the keyring of this account ({vault.title})"
    secrets.set(plugin, name, value, hosts)
    return str(secrets.path)
