"""The host's memory in one SQLite file. Blocking: call it from a worker thread.

Several processes may have it open at once (WAL), every change is one transaction, and a process
killed at any point leaves the state before or after it.
"""

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self

import msgspec

from stockade.errors import NotInstalled, StateError
from stockade.settings import Home
from stockade.state.records import (
    COLUMNS,
    PLUGIN_STATES,
    Installed,
    Removal,
    from_row,
    to_row,
)
from stockade.state.schema import VERSION, migrate
from stockade_sdk.capability import Attempt
from stockade_sdk.manifest.config_values import ConfigValue
from stockade_sdk.text import show

__all__ = ["MAX_ATTEMPT_ROWS", "State"]

MAX_ATTEMPT_ROWS = 10_000  # a day's log at one request every nine seconds; about 2 MiB
BUSY_S = 5.0  # another process's transaction is over in milliseconds
MAX_ERROR_CHARS = 4_000

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
    """`state.db`, open. Made by `State.open`; safe to use from several threads."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    def open(cls, home: Home) -> Self:
        """Open or create the file. Raises `StateError`: unreadable, damaged, of a newer version."""
        home.ensure()
        path = home.state_db
        with _translated(path):
            # Made by us and not by SQLite, so that it is never readable to others.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            connection = sqlite3.connect(
                path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
            try:
                _prepare(connection)
                found = migrate(connection)
            except BaseException:
                connection.close()
                raise
        if found > VERSION:
            connection.close()
            raise StateError(
                f"{path} was written by a newer stockade",
                why=f"its version is {found}, this one knows {VERSION}",
                remedy="upgrade stockade, or set STOCKADE_HOME to another folder",
            )
        return cls(path, connection)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def list(self) -> tuple[Installed, ...]:
        """Every installed plugin, by name."""
        with self._reading() as connection:
            rows = connection.execute(_SELECT + " ORDER BY plugins.name").fetchall()
            return tuple(from_row(row) for row in rows)

    def get(self, name: str) -> Installed | None:
        with self._reading() as connection:
            row = connection.execute(_SELECT + " WHERE plugins.name = ?", (name,)).fetchone()
            return None if row is None else from_row(row)

    def require(self, name: str) -> Installed:
        """The plugin of that name. Raises `NotInstalled`."""
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
        """Record the plugin in place of any of its name, all of it or nothing.

        `capabilities` are those its manifest declares; an unfinished removal of the name is over.
        """
        with self._writing(durable=True) as connection:
            connection.execute(_UPSERT, to_row(plugin))
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

    def remove(self, name: str, *, keep_data: bool = False) -> None:
        """Forget the plugin and note that its files are to go. Raises `NotInstalled`."""
        self.require(name)
        with self._writing(durable=True) as connection:
            connection.execute("DELETE FROM plugins WHERE name = ?", (name,))
            connection.execute("DELETE FROM route_attempt_logs WHERE provider_id = ?", (name,))
            connection.execute(
                "INSERT OR REPLACE INTO removals (name, keep_data) VALUES (?, ?)",
                (name, int(keep_data)),
            )

    def removals(self) -> tuple[Removal, ...]:
        """Removals whose files may not all be gone."""
        with self._reading() as connection:
            rows = connection.execute("SELECT name, keep_data FROM removals ORDER BY name")
            return tuple(Removal(name=name, keep_data=bool(keep)) for name, keep in rows)

    def finish_removal(self, name: str) -> None:
        with self._writing(durable=True) as connection:
            connection.execute("DELETE FROM removals WHERE name = ?", (name,))

    def set_config(self, name: str, key: str, value: ConfigValue | None) -> None:
        """Set one key, or take it away with None. Checks no type. Raises `NotInstalled`."""
        self.require(name)
        with self._writing(durable=True) as connection:
            row = connection.execute(
                "SELECT config_json FROM provider_configs WHERE id = ?", (name,)
            ).fetchone()
            config = {} if row is None else msgspec.json.decode(row[0], type=dict[str, ConfigValue])
            config.pop(key, None)
            if value is not None:
                config[key] = value
            _put_config(connection, name, config)

    def set_state(self, name: str, state: str, last_error: str | None = None) -> None:
        """Record where the plugin stands (see `PLUGIN_STATES`). Raises `NotInstalled`."""
        if state not in PLUGIN_STATES:
            raise ValueError(f"{state!r} is none of {', '.join(PLUGIN_STATES)}")
        error = None if last_error is None else last_error[:MAX_ERROR_CHARS]
        self._change(
            name, lambda found: msgspec.structs.replace(found, state=state, last_error=error)
        )

    def set_grants(self, plugin: Installed) -> None:
        """Record `granted` and `operator_hosts` of the plugin alone. Raises `NotInstalled`."""
        self._change(
            plugin.name,
            lambda found: msgspec.structs.replace(
                found, granted=plugin.granted, operator_hosts=plugin.operator_hosts
            ),
        )

    def record_attempts(
        self, request_id: str, capability: str, attempts: Sequence[Attempt], *, at: float
    ) -> None:
        """Log a request's attempts (`at`: seconds since 1970); the oldest rows make room."""
        self.record_requests([(request_id, capability, attempts, at)])

    def record_requests(
        self, requests: Iterable[tuple[str, str, Sequence[Attempt], float]]
    ) -> None:
        """The same for many requests in one transaction: id, capability, attempts, time of each."""
        rows = [
            (request_id, capability, *_provider_and_model(attempt.target), index, attempt.outcome,
             int(attempt.outcome == "ok"), attempt.kind, attempt.message, attempt.ms, at)
            for request_id, capability, attempts, at in requests
            for index, attempt in enumerate(attempts)
        ]  # fmt: skip
        with self._writing(durable=False) as connection:
            connection.executemany(
                "INSERT INTO route_attempt_logs (request_id, capability, provider_id, model_name,"
                " attempt_index, outcome, success, error_kind, error_message, ms, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            connection.execute(
                "DELETE FROM route_attempt_logs WHERE id <= "
                "(SELECT max(id) FROM route_attempt_logs) - ?",
                (MAX_ATTEMPT_ROWS,),
            )

    def count_attempts(self) -> int:
        with self._reading() as connection:
            return int(connection.execute("SELECT count(*) FROM route_attempt_logs").fetchone()[0])

    def _change(self, name: str, change: Callable[[Installed], Installed]) -> None:
        self.require(name)
        with self._writing(durable=True) as connection:
            row = connection.execute(_SELECT + " WHERE plugins.name = ?", (name,)).fetchone()
            if row is not None:  # gone since: another process removed it, and it stays removed
                connection.execute(_UPSERT, to_row(change(from_row(row))))

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _translated(self.path):
            yield self._connection

    @contextmanager
    def _writing(self, *, durable: bool) -> Iterator[sqlite3.Connection]:
        with self._lock, _translated(self.path), self._connection as connection:
            # FULL: a power cut must not bring back a plugin whose files have gone since.
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            yield connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            with closing(connection.execute("PRAGMA journal_mode = WAL")) as answer:
                answer.fetchone()
        except sqlite3.OperationalError as error:
            # The busy handler is not asked where two processes switch a new file at once.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return


def _put_config(connection: sqlite3.Connection, name: str, config: dict[str, ConfigValue]) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO provider_configs (id, config_json, updated_at)"
        " VALUES (?, ?, (julianday('now') - 2440587.5) * 86400.0)",
        (name, json.dumps(config)),
    )


def _provider_and_model(target: str) -> tuple[str, str]:
    provider, _, model = target.partition("/")
    return provider, model


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise StateError(f"{path} did not take the change", why=str(error)) from error
    except sqlite3.OperationalError as error:
        why = "another process holds it" if "locked" in str(error) else str(error)
        raise StateError(f"{path} cannot be used", why=why) from error
    except (sqlite3.DatabaseError, ValueError) as error:
        raise StateError(
            f"{path} is damaged or no file of stockade",
            why=str(error)[:200],
            remedy="restore it, or move it away and install the plugins again: "
            "stockade.lock beside it lists them",
        ) from error
    except OSError as error:
        raise StateError(f"{path} cannot be opened", why=error.strerror or "") from error
