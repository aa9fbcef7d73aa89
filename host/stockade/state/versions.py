"""The versions of plugins that others replaced, each as it was: what `rollback` goes back to."""

import sqlite3
from typing import Any

import msgspec

from stockade.state.connection import Database
from stockade.state.records import COLUMNS, Installed, from_row
from stockade.state.rows import Moment, Row, Told, sift

__all__ = ["KEPT", "Version", "Versions", "keep_version"]

KEPT = 5  # of one plugin, at most: an upgrade a week is a month to go back
_FIELDS = (*COLUMNS, "config")
_LISTED = ", ".join(_FIELDS)


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """What was installed until `replaced_at` (seconds since 1970)."""

    record: Installed
    replaced_at: float


class Versions:
    """`state.versions`: the table `plugin_versions`. Blocking."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, name: str) -> tuple[Version, ...]:
        """Those of a plugin, the one replaced last first. A damaged one is left out."""
        return self._read([], " WHERE name = ? ORDER BY id DESC", (name,))

    def needed(self) -> frozenset[str]:
        """The folders of the store and of the environments that they need, damaged ones' too."""
        with self._database.reading() as connection:
            rows = connection.execute("SELECT digest, environment FROM plugin_versions").fetchall()
        return frozenset(name for row in rows for name in row if isinstance(name, str) and name)

    def keep_newest(self, name: str, keep: int) -> tuple[str, ...]:
        """Forget all but so many of a plugin's; the versions that were forgotten."""
        with self._database.writing(durable=True) as connection:
            return _keep_newest(connection, name, keep)

    def problems(self) -> tuple[str, ...]:
        """A sentence for each row that cannot be read."""
        told: Told = []
        self._read(told, " ORDER BY name, id", ())
        return tuple(told)

    def _read(self, told: Told, which: str, values: tuple[str, ...]) -> tuple[Version, ...]:
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT {_LISTED}, replaced_at FROM plugin_versions{which}",  # noqa: S608
                values,
            ).fetchall()
        return tuple(sift("plugin_versions", rows, _version, told))


def keep_version(connection: sqlite3.Connection, name: str, digest: str, now: float) -> None:
    """Keep the installed version of a plugin, which the one with `digest` is about to replace.

    That one is no longer among those that were replaced. In the caller's transaction.
    """
    connection.execute(
        "DELETE FROM plugin_versions WHERE name = ?1 AND (digest = ?2 OR digest ="
        " (SELECT digest FROM plugins WHERE name = ?1))",
        (name, digest),
    )
    columns = ", ".join(f"plugins.{column}" for column in COLUMNS)
    connection.execute(
        f"INSERT INTO plugin_versions ({_LISTED}, replaced_at)"  # noqa: S608 - our own names
        f" SELECT {columns}, coalesce(provider_configs.config_json, '{{}}'), ? FROM plugins"
        " LEFT JOIN provider_configs ON provider_configs.id = plugins.name"
        " WHERE plugins.name = ? AND plugins.digest <> ?",
        (now, name, digest),
    )
    _keep_newest(connection, name, KEPT)


def _keep_newest(connection: sqlite3.Connection, name: str, keep: int) -> tuple[str, ...]:
    rows = connection.execute(
        "SELECT id, version FROM plugin_versions WHERE name = ? ORDER BY id DESC LIMIT -1 OFFSET ?",
        (name, keep),
    ).fetchall()
    connection.executemany("DELETE FROM plugin_versions WHERE id = ?", [row[:1] for row in rows])
    return tuple(str(row[1]) for row in rows)


def _version(row: Row) -> Version:
    *values, replaced_at = row
    record: tuple[Any, ...] = tuple(values)
    return Version(record=from_row(record), replaced_at=msgspec.convert(replaced_at, Moment))
