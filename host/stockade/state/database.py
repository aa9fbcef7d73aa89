"""The host's memory in one SQLite file. Blocking: call it from a worker thread.

Several processes may have it open at once (WAL), every change is one transaction, and a process
killed at any point leaves the state before or after it.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Self

import msgspec

from stockade.errors import NotInstalled, StateError
from stockade.settings import Home
from stockade.state.attempts import Attempts
from stockade.state.connection import Database, open_database
from stockade.state.learnt import Learnt, clear_rests
from stockade.state.lists import Lists, clear_list
from stockade.state.lost import keep_what_was
from stockade.state.policies import Policies
from stockade.state.records import (
    COLUMNS,
    PLUGIN_STATES,
    Installed,
    Removal,
    from_row,
    to_row,
)
from stockade.state.rows import PluginName, Row, Switch, Told, sift, storable
from stockade.state.schema import VERSION, migrate
from stockade.state.tokens import Tokens
from stockade.state.trust import TrustedKeys
from stockade.state.versions import Versions, keep_version
from stockade_sdk.manifest.config_values import ConfigValue
from stockade_sdk.text import show

__all__ = ["State"]

MAX_ERROR_CHARS = 4_000
DEVELOPMENT = "development"

_LISTED = ", ".join(f"plugins.{name}" for name in COLUMNS)
_SELECT = (
    f"SELECT {_LISTED}, provider_configs.config_json FROM plugins"  # noqa: S608 - our own names
    " LEFT JOIN provider_configs ON provider_configs.id = plugins.name"
)
_UPSERT = (
    f"INSERT INTO plugins ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
    " ON CONFLICT (name) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in COLUMNS[1:])
)


class State:
    """`state.db`, open. Made by `State.open`; safe to use from several threads.

    Plugins are its own; what else is kept has a store each.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.path = database.path
        self.policies = Policies(database)
        self.lists = Lists(database)
        self.learnt = Learnt(database)
        self.attempts = Attempts(database)
        self.tokens = Tokens(database)
        self.trusted = TrustedKeys(database)
        self.versions = Versions(database)

    @classmethod
    def open(cls, home: Home) -> Self:
        """Open or create the file, for reading alone where it may not be written.

        Raises `StateError`: unreadable, damaged, emptied, of a newer version, or of an older one
        that may not be written.
        """
        home.ensure()
        notice = keep_what_was(home)
        state = cls(open_database(home.state_db, migrate, VERSION))
        if notice is not None:
            state._notice(notice)
        return state

    @property
    def writable(self) -> bool:
        """Whether it may be written; if not, every change raises `StateError`."""
        return self._database.writable

    @property
    def changed(self) -> bool:
        """Whether what is installed, granted or set was changed through this."""
        return self._database.changed

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def list(self) -> tuple[Installed, ...]:
        """Every installed plugin, by name. One whose row is damaged is left out: see
        `damaged_plugins`.
        """
        return self._list([])

    def damaged_plugins(self) -> tuple[str, ...]:
        """What cannot be read of the plugins, a sentence each. While there is any, `list` is not
        all that is installed, and no folder may be taken for unused.
        """
        told: Told = []
        self._list(told)
        return tuple(told)

    def problems(self) -> tuple[str, ...]:
        """What the operator should know: notices of a migration, and rows that cannot be read."""
        told: Told = []
        self._removals(told)
        return (
            *self.notices(),
            *self.damaged_plugins(),
            *told,
            *self.policies.problems(),
            *self.lists.problems(),
            *self.learnt.problems(),
            *self.attempts.problems(),
            *self.tokens.problems(),
            *self.trusted.problems(),
            *self.versions.problems(),
        )

    def notices(self) -> tuple[str, ...]:
        """What a migration could not do by itself, and that the file was made anew where there had
        been one; until it is dismissed.
        """
        with self._database.reading() as connection:
            rows = connection.execute("SELECT text FROM notices ORDER BY id").fetchall()
        told: Told = []
        texts = sift("notices", rows, lambda row: msgspec.convert(row[0], str), told)
        return (*texts, *told)

    def _notice(self, text: str) -> None:
        with self._database.writing(durable=True) as connection:
            connection.execute(
                "INSERT INTO notices (text, created_at) VALUES (?, ?)", (text, time.time())
            )

    def dismiss_notices(self) -> None:
        with self._database.writing(durable=True) as connection:
            connection.execute("DELETE FROM notices")

    def get(self, name: str) -> Installed | None:
        """The plugin of that name. Raises `StateError` where its row is damaged."""
        with self._database.reading() as connection:
            row = connection.execute(_SELECT + " WHERE plugins.name = ?", (name,)).fetchone()
        return None if row is None else _installed(name, row)

    def require(self, name: str) -> Installed:
        """The plugin of that name. Raises `NotInstalled`, `StateError`."""
        plugin = self.get(name)
        if plugin is None:
            known = ", ".join(plugin.name for plugin in self.list())
            raise NotInstalled(
                f"there is no plugin called {show(name)}",
                why=f"installed are {known}" if known else "none is installed",
                remedy="see `stockade list`",
            )
        return plugin

    def put(self, plugin: Installed, capabilities: Sequence[str] = ()) -> None:
        """Record the plugin in place of any of its name, all of it or nothing, and keep no version.

        `capabilities` are those its manifest declares; an unfinished removal of the name is over.
        Configuration that waits for a new plugin stays, unless the plugin brings its own.
        """
        with self._database.writing(durable=True) as connection:
            _put(connection, plugin, capabilities)

    def replace(
        self,
        name: str,
        change: Callable[[Installed | None], Installed],
        capabilities: Sequence[str],
        *,
        now: float,
    ) -> Installed:
        """Record what `change` makes of the plugin that is there, as `put` does; what is recorded.

        Another one than there was replaces that, which is kept among the versions. Of folders under
        development none is kept: every change saved would be one. What `change` raises leaves all
        as it was. Raises `StateError` where the row is damaged.
        """
        with self._database.writing(durable=True) as connection:
            row = connection.execute(_SELECT + " WHERE plugins.name = ?", (name,)).fetchone()
            before = None if row is None else _installed(name, row)
            plugin = change(before)
            if before is not None and not before.trust == plugin.trust == DEVELOPMENT:
                keep_version(connection, name, plugin.digest, now)
            _put(connection, plugin, capabilities)
        return plugin

    def remove(self, name: str, *, keep_data: bool = False) -> None:
        """Forget the plugin, damaged or not, and note that its files are to go. What it spent today
        stays: a budget is not renewed by installing again. Raises `NotInstalled`.
        """
        with self._database.writing(durable=True) as connection:
            known = _is_installed(connection, name)
            if known:
                connection.execute("DELETE FROM plugins WHERE name = ?", (name,))
                connection.execute("DELETE FROM provider_configs WHERE id = ?", (name,))
                connection.execute("DELETE FROM route_attempt_logs WHERE provider_id = ?", (name,))
                connection.execute("DELETE FROM health_checks WHERE plugin = ?", (name,))
                clear_rests(connection, name)
                connection.execute(
                    "INSERT OR REPLACE INTO removals (name, keep_data) VALUES (?, ?)",
                    (name, int(keep_data)),
                )
        if not known:
            self.require(name)

    def removals(self) -> tuple[Removal, ...]:
        """Removals whose files may not all be gone."""
        return self._removals([])

    def finish_removal(self, name: str) -> None:
        with self._database.writing(durable=True) as connection:
            connection.execute("DELETE FROM removals WHERE name = ?", (name,))

    def set_config(
        self, name: str, key: str, value: ConfigValue | None, *, is_address: bool = False
    ) -> None:
        """Set one key, or take it away with None. Checks no type. Raises `NotInstalled`.

        Another address is another vendor: what was listed at the old one is forgotten, or a shorter
        list of the new one's would be refused as one that shrank.
        """
        self.require(name)
        with self._database.writing(durable=True) as connection:
            row = connection.execute(
                "SELECT config_json FROM provider_configs WHERE id = ?", (name,)
            ).fetchone()
            config = {} if row is None else msgspec.json.decode(row[0], type=dict[str, ConfigValue])
            before = config.pop(key, None)
            if value is not None:
                config[key] = value
            if is_address and value != before:
                clear_list(connection, name)
            if _is_installed(connection, name):  # another process removed it: it stays removed
                _put_config(connection, name, config)
                clear_rests(connection, name)

    def set_state(self, name: str, state: str, last_error: str | None = None) -> None:
        """Record where the plugin stands (see `PLUGIN_STATES`). Raises `NotInstalled`.

        One that may run again begins with a clean record: nobody rests.
        """
        _check_state(state)
        error = None if last_error is None else storable(last_error, MAX_ERROR_CHARS)
        self._change(
            name,
            lambda found: msgspec.structs.replace(found, state=state, last_error=error),
            afresh=lambda found: state == "enabled" and not found.enabled,
        )

    def note_state(self, name: str, state: str, last_error: str | None = None) -> None:
        """Record what a host saw become of the plugin. One that was disabled meanwhile stays so.
        Raises `NotInstalled`.
        """
        _check_state(state)
        error = None if last_error is None else storable(last_error, MAX_ERROR_CHARS)
        self._change(
            name,
            lambda found: msgspec.structs.replace(
                found, state="disabled" if found.state == "disabled" else state, last_error=error
            ),
        )

    def set_grants(self, plugin: Installed) -> None:
        """Record `granted` and `operator_hosts` of the plugin alone. Raises `NotInstalled`."""
        self._change(
            plugin.name,
            lambda found: msgspec.structs.replace(
                found, granted=plugin.granted, operator_hosts=plugin.operator_hosts
            ),
            afresh=lambda found: True,
        )

    def _list(self, told: Told) -> tuple[Installed, ...]:
        with self._database.reading() as connection:
            rows = connection.execute(_SELECT + " ORDER BY plugins.name").fetchall()
        return tuple(sift("plugins", rows, from_row, told))

    def _removals(self, told: Told) -> tuple[Removal, ...]:
        with self._database.reading() as connection:
            rows = connection.execute("SELECT name, keep_data FROM removals ORDER BY name")
            return tuple(sift("removals", rows, _removal, told))

    def _change(
        self,
        name: str,
        change: Callable[[Installed], Installed],
        *,
        afresh: Callable[[Installed], bool] = lambda found: False,
    ) -> None:
        """Change the plugin's row; where `afresh` says so of the old one, nobody rests any more."""
        self.require(name)
        with self._database.writing(durable=True) as connection:
            row = connection.execute(_SELECT + " WHERE plugins.name = ?", (name,)).fetchone()
            if row is not None:  # gone since: another process removed it, and it stays removed
                found = from_row(row)
                connection.execute(_UPSERT, to_row(change(found)))
                if afresh(found):
                    clear_rests(connection, name)


def _installed(name: str, row: Row) -> Installed:
    try:
        return from_row(row)
    except (ValueError, RecursionError) as error:
        raise StateError(
            f"what is kept of the plugin {name} is damaged",
            why=str(error)[:200],
            remedy=f"uninstall it and install it again: stockade uninstall {name}",
        ) from error


def _removal(row: Row) -> Removal:
    name, keep_data = msgspec.convert(row, tuple[PluginName, Switch])
    return Removal(name=name, keep_data=bool(keep_data))


def _check_state(state: str) -> None:
    if state not in PLUGIN_STATES:
        raise ValueError(f"{state!r} is none of {', '.join(PLUGIN_STATES)}")


def _is_installed(connection: sqlite3.Connection, name: str) -> bool:
    found = connection.execute("SELECT 1 FROM plugins WHERE name = ?", (name,)).fetchone()
    return found is not None


def _put(connection: sqlite3.Connection, plugin: Installed, capabilities: Sequence[str]) -> None:
    known = _is_installed(connection, plugin.name)
    connection.execute(_UPSERT, to_row(plugin))
    if known or plugin.config:
        _put_config(connection, plugin.name, plugin.config)
    connection.execute("DELETE FROM removals WHERE name = ?", (plugin.name,))
    for table in ("provider_capabilities", "model_catalog_cache"):
        connection.execute(
            f"DELETE FROM {table} WHERE provider_id = ?",  # noqa: S608
            (plugin.name,),
        )
    connection.executemany(
        "INSERT INTO provider_capabilities (provider_id, capability) VALUES (?, ?)",
        [(plugin.name, str(capability)) for capability in dict.fromkeys(capabilities)],
    )
    clear_rests(connection, plugin.name)


def _put_config(connection: sqlite3.Connection, name: str, config: dict[str, ConfigValue]) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO provider_configs (id, config_json, updated_at)"
        " VALUES (?, ?, (julianday('now') - 2440587.5) * 86400.0)",
        (name, json.dumps(config)),
    )
