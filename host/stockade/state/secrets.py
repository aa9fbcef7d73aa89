"""The operator's keys, in a file of the owner's alone. The only reader is the egress.

A value is in no `repr` and in no error; listings give names and hosts.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from stockade.errors import Refused, StateError, UsageError
from stockade.settings import Home
from stockade.state.files import folder_lock, replace_file
from stockade_sdk.hosts import HostRule
from stockade_sdk.permissions import check_secret_name
from stockade_sdk.text import TextRefused, show

__all__ = ["MAX_VALUE", "Secrets", "StoredSecret"]

MAX_VALUE = 4096  # characters; the longest in use are signed tokens of some 2,000
MAX_FILE_BYTES = 16 * 1024 * 1024


class StoredSecret(msgspec.Struct, frozen=True, kw_only=True):
    """One key of one plugin, the further hosts that the operator bound it to, and its value."""

    plugin: str
    name: str
    hosts: tuple[HostRule, ...] = ()
    value: str = ""

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("plugin", self.plugin), ("name", self.name), ("hosts", self.hosts)]

    def __repr__(self) -> str:
        hosts = [str(rule) for rule in self.hosts]
        return f"StoredSecret(plugin={self.plugin!r}, name={self.name!r}, hosts={hosts!r})"


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    value: str
    hosts: list[str] = []

    def __repr__(self) -> str:
        return "_Entry()"


_Content = dict[str, dict[str, _Entry]]


class Secrets:
    """The secrets file. Every call reads it anew, so that other processes' changes count."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.path = home.secrets_file

    def get(self, plugin: str, name: str) -> StoredSecret | None:
        entry = self._read().get(plugin, {}).get(name)
        return None if entry is None else _stored(plugin, name, entry)

    def of(self, plugin: str) -> tuple[StoredSecret, ...]:
        """Every key of one plugin, with values, by name."""
        entries = self._read().get(plugin, {})
        return tuple(_stored(plugin, name, entry) for name, entry in sorted(entries.items()))

    def list(self) -> tuple[StoredSecret, ...]:
        """Every key without its value, by plugin and name."""
        return tuple(
            msgspec.structs.replace(_stored(plugin, name, entry), value="")
            for plugin, entries in sorted(self._read().items())
            for name, entry in sorted(entries.items())
        )

    def set(self, plugin: str, name: str, value: str, hosts: tuple[HostRule, ...] = ()) -> None:
        """Keep a key. Raises `UsageError` where the name or the value cannot be one."""
        try:
            check_secret_name(name)
        except TextRefused as refused:
            raise UsageError(f"{show(name)} {refused.message}", remedy=refused.remedy) from None
        _check_value(value)
        self._home.ensure()
        with folder_lock(self._home.root):
            content = self._read()
            entry = _Entry(value=value, hosts=[str(rule) for rule in hosts])
            content.setdefault(plugin, {})[name] = entry
            self._write(content)

    def remove(self, plugin: str, name: str) -> bool:
        """Forget a key; whether there was one."""
        return self._forget(plugin, name)

    def remove_all(self, plugin: str) -> bool:
        """Forget every key of a plugin; whether there was one."""
        return self._forget(plugin, None)

    def _forget(self, plugin: str, name: str | None) -> bool:
        if not self.path.exists():
            return False
        with folder_lock(self._home.root):
            content = self._read()
            entries = content.get(plugin, {})
            gone = bool(entries) if name is None else name in entries
            if gone:
                kept = {} if name is None else {k: v for k, v in entries.items() if k != name}
                content.pop(plugin)
                if kept:
                    content[plugin] = kept
                self._write(content)
            return gone

    def _read(self) -> _Content:
        content = _private_content(self.path)
        if content is None:
            return {}
        with suppress(ValueError, RecursionError):
            return msgspec.json.decode(content, type=_Content)
        # Without the decoder's words: they could quote the file.
        raise StateError(
            f"{self.path} is damaged",
            why="it is not the JSON that stockade writes",
            remedy="move it away and set the keys again with `stockade secrets set`",
        )

    def _write(self, content: _Content) -> None:
        try:
            replace_file(self.path, msgspec.json.encode(content))
        except OSError as error:
            raise StateError(f"cannot write {self.path}", why=error.strerror or "") from error


def _stored(plugin: str, name: str, entry: _Entry) -> StoredSecret:
    try:
        hosts = tuple(HostRule.parse(text) for text in entry.hosts)
    except TextRefused as refused:
        raise StateError(
            f"the key {name} of {plugin} is bound to a host that cannot be used",
            why=str(refused),
            remedy=f"set it again with `stockade secrets set {plugin} {name}`",
        ) from None
    return StoredSecret(plugin=plugin, name=name, hosts=hosts, value=entry.value)


def _check_value(value: str) -> None:
    if not 0 < len(value) <= MAX_VALUE:
        raise UsageError(
            "the value of a key is empty or too long", remedy=f"give 1 to {MAX_VALUE} characters"
        )
    # A line break in a key would begin a header of its own (RFC 9110 5.5).
    if value != value.strip() or not value.isprintable():
        raise UsageError(
            "the value of a key holds a control character or begins or ends with white space",
            remedy="give the bare key, as the vendor shows it",
        )


def _private_content(path: Path) -> bytes | None:
    """The file's bytes, None where there is no file. Raises `Refused` where others may read it."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"cannot open {path}", why=error.strerror or "") from error
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise Refused(f"{path} is not a file of yours", remedy="move it away")
        if found.st_mode & 0o077:
            raise Refused(
                f"others may read the keys in {path}",
                why=f"its mode is {stat.S_IMODE(found.st_mode):04o}",
                remedy=f"run `chmod 600 {path}`, and replace the keys if others use this machine",
            )
        if found.st_size > MAX_FILE_BYTES:
            raise StateError(f"{path} is larger than {MAX_FILE_BYTES} bytes")
        return file.read(MAX_FILE_BYTES + 1)
