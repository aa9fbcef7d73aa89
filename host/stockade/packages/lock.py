"""`stockade.lock`: what is installed and granted, as text for people and version control.

Written from the state, so that a crash between the two is mended by writing it again. Read where an
operator asks for the same elsewhere (`install --locked`), and never without being asked.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from stockade.errors import StateError, UsageError
from stockade.settings import Home
from stockade.state import Installed, State
from stockade.state.files import replace_file
from stockade.state.rows import PluginName
from stockade_sdk.hosts import HostRule
from stockade_sdk.limits import limits_as_written
from stockade_sdk.permissions import Permissions, permissions_from_json, permissions_to_json
from stockade_sdk.text import show

__all__ = ["Locked", "lock_text", "read_lock", "write_lock"]

FORMAT: Final = 2
MAX_BYTES: Final = 4 * 1024**2  # a thousand plugins, each with a dozen packages
_Digest = Annotated[str, msgspec.Meta(pattern=r"\Asha256:[0-9a-f]{64}\Z")]


class Locked(msgspec.Struct, frozen=True, kw_only=True):
    """One plugin of a lock: what exactly it is, where it was from and what it was granted."""

    name: str
    version: str
    digest: str
    origin: str
    signer: str
    granted: Permissions
    operator_hosts: tuple[HostRule, ...]
    packages: tuple[str, ...]


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    digest: _Digest
    origin: str
    trust: str
    signer: str | None
    permissions: dict[str, Any]
    operator_hosts: tuple[str, ...]
    limits: dict[str, str | int | float]
    packages: tuple[str, ...]


class _Lock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    lock: int
    plugins: dict[PluginName, _Entry]


class _Version(msgspec.Struct, frozen=True):
    lock: int


def lock_text(plugins: tuple[Installed, ...]) -> str:
    """The lock of these plugins: JSON, the same text for the same content. Pure."""
    lock = _Lock(FORMAT, {plugin.name: _entry(plugin) for plugin in plugins})
    encoded = msgspec.json.encode(lock, order="sorted")
    return msgspec.json.format(encoded, indent=2).decode() + "\n"


def write_lock(home: Home, state: State) -> bool:
    """Bring the file in line with the state; whether it had to be written. Raises `StateError`.

    Left as it is while a plugin's row is damaged: it still has what that plugin was.
    """
    if state.damaged_plugins():
        return False
    text = lock_text(state.list()).encode()
    try:
        if home.lock_file.is_file() and home.lock_file.read_bytes() == text:
            return False
        replace_file(home.lock_file, text, 0o600)
    except OSError as error:
        raise StateError(f"cannot write {home.lock_file}", why=error.strerror or "") from error
    return True


def read_lock(path: Path) -> tuple[Locked, ...]:
    """The plugins of a lock, by name. Raises `UsageError` for a file that is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    if len(data) > MAX_BYTES:
        raise _unusable(path, f"it is larger than {MAX_BYTES // 1024**2} MiB")
    try:
        found = msgspec.json.decode(data, type=_Version).lock
        if found != FORMAT:
            raise ValueError(f"it is a lock of format {found}, and this stockade has {FORMAT}")
        lock = msgspec.json.decode(data, type=_Lock)
        return tuple(_locked(name, entry) for name, entry in sorted(lock.plugins.items()))
    except (ValueError, RecursionError) as error:
        raise _unusable(path, str(error)) from error


def _entry(plugin: Installed) -> _Entry:
    return _Entry(
        version=plugin.version,
        digest=f"sha256:{plugin.digest}",
        origin=plugin.source,
        trust=plugin.trust,
        signer=plugin.signer or None,
        permissions=permissions_to_json(plugin.granted),
        operator_hosts=tuple(str(rule) for rule in plugin.operator_hosts),
        limits=limits_as_written(plugin.limits),
        packages=plugin.packages,
    )


def _locked(name: str, entry: _Entry) -> Locked:
    return Locked(
        name=name,
        version=entry.version,
        digest=entry.digest.removeprefix("sha256:"),
        origin=entry.origin,
        signer=entry.signer or "",
        granted=permissions_from_json(entry.permissions),
        operator_hosts=tuple(HostRule.parse(text) for text in entry.operator_hosts),
        packages=entry.packages,
    )


def _unusable(path: Path, why: str) -> UsageError:
    return UsageError(
        f"{show(str(path), 500)} cannot be used as a lock",
        why=show(why, 300),
        remedy="give a stockade.lock that this version of stockade wrote",
    )
