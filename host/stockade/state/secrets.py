"""The operator's keys: in the OS keyring, in a file of the owner's alone, or in the environment.
The only reader is the egress.

A value is in no `repr` and in no error; listings give names and hosts. What was kept with `set`
comes before a variable of the environment, and a kept value that cannot be had is an error, never
a reason to take another.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from stockade.errors import StateError, UsageError
from stockade.settings import Home
from stockade.state.files import folder_lock
from stockade.state.os_keyring import os_keyring
from stockade.state.secret_file import Content, Entry, read_secrets, write_secrets
from stockade.state.secret_variables import variable_of, variables_of
from stockade.state.vault import Vault, VaultFailed, VaultLate
from stockade_sdk.hosts import HostRule
from stockade_sdk.permissions import check_secret_name
from stockade_sdk.text import TextRefused, show

__all__ = [
    "ENVIRONMENT",
    "FILE",
    "KEYRING",
    "MAX_VALUE",
    "Secrets",
    "StoredSecret",
    "check_value",
]

MAX_VALUE = 4096  # characters; the longest in use are signed tokens of some 2,000
KEYRING, FILE, ENVIRONMENT = "keyring", "file", "environment"  # where a value is
ITEM_BYTES: Final = 8  # random, so that no two values are ever filed under one name


class StoredSecret(msgspec.Struct, frozen=True, kw_only=True):
    """One key of one plugin, the further hosts that the operator bound it to, its value, and where
    that is: `source` is KEYRING, FILE or ENVIRONMENT.
    """

    plugin: str
    name: str
    hosts: tuple[HostRule, ...] = ()
    value: str = ""
    source: str = FILE

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("plugin", self.plugin), ("name", self.name), ("hosts", self.hosts)]

    def __repr__(self) -> str:
        hosts = [str(rule) for rule in self.hosts]
        return f"StoredSecret(plugin={self.plugin!r}, name={self.name!r}, hosts={hosts!r})"


class Secrets:
    """All keys of a home. Every call reads the file anew, so that other processes' changes count.

    `environment` is the operator's (default: this process's own), `vault` opens the keyring once a
    kept value is in it.
    """

    def __init__(
        self,
        home: Home,
        *,
        environment: Mapping[str, str] | None = None,
        vault: Callable[[], Vault] = os_keyring,
    ) -> None:
        self._home = home
        self.path = home.secrets_file
        self._environment = os.environ if environment is None else environment
        self._open_vault = vault
        self._vault: Vault | None = None
        self._late: VaultLate | None = None
        self._values: dict[str, str] = {}  # by item; an item's value never changes

    def get(self, plugin: str, name: str) -> StoredSecret | None:
        """One key; the value is "" where it was bound to hosts and is set nowhere."""
        entry = read_secrets(self.path).get(plugin, {}).get(name)
        return self._found(plugin, name, entry, self._variables(plugin))

    def of(self, plugin: str) -> tuple[StoredSecret, ...]:
        """Every key of one plugin that has a value, with it, by name."""
        entries, variables = read_secrets(self.path).get(plugin, {}), self._variables(plugin)
        found = [
            self._found(plugin, name, entries.get(name), variables)
            for name in sorted({*entries, *variables})
        ]
        return tuple(one for one in found if one is not None and one.value)

    def list(self) -> tuple[StoredSecret, ...]:
        """Every key that was kept or bound, without its value, by plugin and name."""
        return tuple(
            _without_value(plugin, name, entry)
            for plugin, entries in sorted(read_secrets(self.path).items())
            for name, entry in sorted(entries.items())
        )

    def source(self, plugin: str, name: str) -> str | None:
        """Where a key's value is, None where it has none. Opens no keyring."""
        entry = read_secrets(self.path).get(plugin, {}).get(name, Entry())
        if entry.item or entry.value:
            return KEYRING if entry.item else FILE
        return ENVIRONMENT if name in self._variables(plugin) else None

    def warm(self) -> None:
        """Fetch what is in the keyring, which may take seconds: `of` is quick from then on. What
        cannot be had is for `of` to say.
        """
        for plugin, entries in read_secrets(self.path).items():
            for name, entry in entries.items():
                if entry.item:
                    with suppress(StateError):
                        self._taken(_without_value(plugin, name, entry), entry.item)

    def set(
        self,
        plugin: str,
        name: str,
        value: str,
        hosts: tuple[HostRule, ...] = (),
        *,
        vault: Vault | None = None,
    ) -> None:
        """Keep a key, its value in `vault` if there is one. Raises `UsageError` where the name or
        the value cannot be one, `VaultFailed` where the vault fails; what was kept then stands.
        """
        _check_name(name)
        check_value(value)
        if vault is None:
            self._keep(plugin, name, Entry(value=value, hosts=_written(hosts)))
            return
        item = f"{plugin}/{name}#{secrets.token_hex(ITEM_BYTES)}"
        vault.set(item, value)
        self._keep(plugin, name, Entry(item=item, hosts=_written(hosts)))

    def bind(self, plugin: str, name: str, hosts: tuple[HostRule, ...]) -> None:
        """Keep the hosts of a key and no value, which is then the environment's."""
        _check_name(name)
        self._keep(plugin, name, Entry(hosts=_written(hosts)))

    def remove(self, plugin: str, name: str) -> bool:
        """Forget a key; whether there was one. Raises StateError where it is forgotten and its
        value could not be taken out of the keyring.
        """
        return self._forget(plugin, name)

    def remove_all(self, plugin: str) -> bool:
        """Forget every key of a plugin; otherwise as `remove`."""
        return self._forget(plugin, None)

    def _keep(self, plugin: str, name: str, entry: Entry) -> None:
        self._home.ensure()
        with folder_lock(self._home.root):
            content = read_secrets(self.path)
            before = content.setdefault(plugin, {}).get(name, Entry())
            content[plugin][name] = entry
            write_secrets(self.path, content)
        # Last: killed before, the old value is one that nothing refers to, and no key is lost.
        self._take_out([before.item])

    def _forget(self, plugin: str, name: str | None) -> bool:
        if not self.path.exists():
            return False
        with folder_lock(self._home.root):
            content = read_secrets(self.path)
            entries = content.get(plugin, {})
            gone = {k: v for k, v in entries.items() if name is None or k == name}
            if gone:
                content[plugin] = {k: v for k, v in entries.items() if k not in gone}
                write_secrets(self.path, _without_empty(content))
        self._take_out([entry.item for entry in gone.values()])
        return bool(gone)

    def _take_out(self, items: Iterable[str]) -> None:
        for item in filter(None, items):
            try:
                self._opened().remove(item)
            except VaultFailed as failed:
                raise StateError(
                    f"the keyring may still have the value that was filed as {item}",
                    why=f"it {failed.reason}",
                    remedy="remove it there by hand; stockade does not use it any more",
                ) from None

    def _variables(self, plugin: str) -> dict[str, str]:
        return variables_of(plugin, self._environment)

    def _found(
        self, plugin: str, name: str, entry: Entry | None, variables: Mapping[str, str]
    ) -> StoredSecret | None:
        if entry is None and name not in variables:
            return None
        kept = entry or Entry()
        found = _without_value(plugin, name, kept)
        if found.source == KEYRING:
            value = self._taken(found, kept.item)
        elif found.source == FILE:
            value = kept.value
        else:
            value = variables.get(name, "")
            if value:
                check_value(value, f"the variable {variable_of(plugin, name)}")
        return msgspec.structs.replace(found, value=value)

    def _taken(self, found: StoredSecret, item: str) -> str:
        if item not in self._values:
            try:
                value = self._opened().get(item)
                if value is None:
                    raise VaultFailed("has no such item")
            except VaultFailed as failed:
                raise StateError(
                    f"the key {found.name} of {found.plugin} could not be had from the keyring",
                    why=f"it {failed.reason}",
                    remedy="unlock it, or keep the key in a file: stockade secrets set "
                    f"{found.plugin} {found.name} --file",
                ) from None
            self._values[item] = value
        return self._values[item]

    def _opened(self) -> Vault:
        if self._late is not None:  # nobody is made to wait for it twice
            raise self._late
        if self._vault is None:
            try:
                self._vault = self._open_vault()
            except VaultLate as late:
                self._late = late
                raise
        return self._vault


def _without_value(plugin: str, name: str, entry: Entry) -> StoredSecret:
    try:
        hosts = tuple(HostRule.parse(text) for text in entry.hosts)
    except TextRefused as refused:
        raise StateError(
            f"the key {name} of {plugin} is bound to a host that cannot be used",
            why=str(refused),
            remedy=f"set it again with `stockade secrets set {plugin} {name}`",
        ) from None
    source = KEYRING if entry.item else FILE if entry.value else ENVIRONMENT
    return StoredSecret(plugin=plugin, name=name, hosts=hosts, source=source)


def _without_empty(content: Content) -> Content:
    return {plugin: entries for plugin, entries in content.items() if entries}


def _written(hosts: tuple[HostRule, ...]) -> list[str]:
    return [str(rule) for rule in hosts]


def _check_name(name: str) -> None:
    try:
        check_secret_name(name)
    except TextRefused as refused:
        raise UsageError(f"{show(name)} {refused.message}", remedy=refused.remedy) from None


def check_value(value: str, what: str = "the value of a key") -> None:
    """Raises `UsageError` for what cannot be a key; it does not quote it."""
    if not 0 < len(value) <= MAX_VALUE:
        raise UsageError(f"{what} is empty or too long", remedy=f"give 1 to {MAX_VALUE} characters")
    # A line break in a key would begin a header of its own (RFC 9110 5.5).
    if value != value.strip() or not value.isprintable():
        raise UsageError(
            f"{what} holds a control character or begins or ends with white space",
            remedy="give the bare key, as the vendor shows it",
        )
