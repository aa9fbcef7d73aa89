"""A key's way from the operator to where it is kept: read unseen, and bound to hosts."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from stockade.cli.output import note

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
    from stockade.app.operating.keeping import declared as read

    return read(record, name)


def require_granted(record: Installed, name: str) -> None:
    """Raises Refused for a key that the plugin was not granted."""
    from stockade.app.operating.keeping import require_granted as check

    check(record, name)


def check_hosts(record: Installed, hosts: tuple[HostRule, ...]) -> None:
    """A key is bound only to hosts that the plugin may reach. Raises Refused."""
    from stockade.app.operating.keeping import check_hosts as check

    check(record, hosts)


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
    from stockade.app.operating.keeping import keep as put

    kept = put(secrets, plugin, name, value, hosts, file=file)
    if kept.why_not is not None:
        note(f"note: {kept.why_not}")
    return kept.place
