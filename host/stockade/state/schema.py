"""The tables of `state.db` and how an older file becomes a newer one."""

import re
import sqlite3
import time
from pathlib import Path

from stockade.state.old_tables import settle, take

__all__ = ["MIGRATIONS", "VERSION", "migrate"]

_FIRST = (
    """CREATE TABLE plugins (
        name TEXT PRIMARY KEY,
        version TEXT NOT NULL,
        digest TEXT NOT NULL,
        tree TEXT NOT NULL,
        environment TEXT NOT NULL,
        state TEXT NOT NULL,
        last_error TEXT,
        manifest TEXT NOT NULL,
        source TEXT NOT NULL,
        trust TEXT NOT NULL,
        installed_at REAL NOT NULL,
        granted TEXT NOT NULL,
        operator_hosts TEXT NOT NULL,
        limits TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE removals (
        name TEXT PRIMARY KEY,
        keep_data INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE provider_configs (
        id TEXT PRIMARY KEY REFERENCES plugins (name) ON DELETE CASCADE,
        config_json TEXT NOT NULL,
        updated_at REAL NOT NULL
    ) STRICT""",
    """CREATE TABLE provider_capabilities (
        provider_id TEXT NOT NULL REFERENCES plugins (name) ON DELETE CASCADE,
        capability TEXT NOT NULL,
        supported INTEGER NOT NULL DEFAULT 1,
        priority INTEGER NOT NULL DEFAULT 100,
        default_model TEXT,
        fallback_models_json TEXT NOT NULL DEFAULT '[]',
        PRIMARY KEY (provider_id, capability)
    ) STRICT""",
    """CREATE TABLE model_catalog_cache (
        provider_id TEXT NOT NULL REFERENCES plugins (name) ON DELETE CASCADE,
        model_id TEXT NOT NULL,
        raw_json TEXT NOT NULL,
        fetched_at REAL NOT NULL,
        ttl_seconds REAL NOT NULL DEFAULT 3600,
        PRIMARY KEY (provider_id, model_id)
    ) STRICT""",
    """CREATE TABLE routing_policies (
        capability TEXT PRIMARY KEY,
        primary_provider_id TEXT NOT NULL,
        primary_model TEXT NOT NULL,
        fallback_chain_json TEXT NOT NULL DEFAULT '[]',
        timeout_ms INTEGER NOT NULL DEFAULT 60000,
        retry_count INTEGER NOT NULL DEFAULT 0,
        enabled INTEGER NOT NULL DEFAULT 1
    ) STRICT""",
    """CREATE TABLE route_attempt_logs (
        id INTEGER PRIMARY KEY,
        request_id TEXT NOT NULL,
        capability TEXT NOT NULL,
        provider_id TEXT NOT NULL,
        model_name TEXT NOT NULL,
        attempt_index INTEGER NOT NULL,
        outcome TEXT NOT NULL,
        success INTEGER NOT NULL,
        error_kind TEXT,
        error_message TEXT,
        ms REAL NOT NULL,
        created_at REAL NOT NULL
    ) STRICT""",
)

_SECOND = (
    # A plugin's configuration may wait for it: no foreign key any more.
    "ALTER TABLE provider_configs RENAME TO provider_configs_1",
    """CREATE TABLE provider_configs (
        id TEXT PRIMARY KEY,
        config_json TEXT NOT NULL,
        updated_at REAL NOT NULL
    ) STRICT""",
    # CAST: a file that was made without STRICT may hold anything, and no row of it stops the rest.
    (
        "INSERT OR IGNORE INTO provider_configs SELECT CAST(id AS TEXT), CAST(config_json AS TEXT),"
        " CAST(updated_at AS REAL) FROM provider_configs_1"
    ),
    "DROP TABLE provider_configs_1",
    # NULL: as for any other target, or as the settings say.
    "ALTER TABLE routing_policies RENAME TO routing_policies_1",
    """CREATE TABLE routing_policies (
        capability TEXT PRIMARY KEY,
        primary_provider_id TEXT NOT NULL,
        primary_model TEXT NOT NULL,
        fallback_chain_json TEXT NOT NULL DEFAULT '[]',
        timeout_ms INTEGER,
        retry_count INTEGER,
        enabled INTEGER NOT NULL DEFAULT 1
    ) STRICT""",
    (
        "INSERT OR IGNORE INTO routing_policies SELECT CAST(capability AS TEXT),"
        " CAST(primary_provider_id AS TEXT), CAST(primary_model AS TEXT),"
        " CAST(fallback_chain_json AS TEXT), CAST(timeout_ms AS INTEGER),"
        " CAST(retry_count AS INTEGER), CAST(enabled AS INTEGER) FROM routing_policies_1"
    ),
    "DROP TABLE routing_policies_1",
    "ALTER TABLE route_attempt_logs RENAME TO route_attempt_logs_1",
    """CREATE TABLE route_attempt_logs (
        id INTEGER PRIMARY KEY,
        request_id TEXT NOT NULL,
        capability TEXT NOT NULL,
        provider_id TEXT NOT NULL,
        model_name TEXT NOT NULL,
        attempt_index INTEGER NOT NULL,
        outcome TEXT NOT NULL,
        success INTEGER NOT NULL,
        error_kind TEXT,
        error_message TEXT,
        ms REAL NOT NULL,
        created_at REAL NOT NULL,
        tokens INTEGER,
        cost TEXT
    ) STRICT""",
    (
        "INSERT OR IGNORE INTO route_attempt_logs SELECT id, CAST(request_id AS TEXT),"
        " CAST(capability AS TEXT), CAST(provider_id AS TEXT), CAST(model_name AS TEXT),"
        " CAST(attempt_index AS INTEGER), CAST(outcome AS TEXT), CAST(success AS INTEGER),"
        " CAST(error_kind AS TEXT), CAST(error_message AS TEXT), CAST(ms AS REAL),"
        " CAST(created_at AS REAL), NULL, NULL FROM route_attempt_logs_1"
    ),
    "DROP TABLE route_attempt_logs_1",
    "CREATE INDEX route_attempt_logs_by_time ON route_attempt_logs (created_at)",
    """CREATE TABLE model_aliases (
        name TEXT PRIMARY KEY,
        target TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE cooldowns (
        scope TEXT PRIMARY KEY,
        failures INTEGER NOT NULL,
        failed_at REAL NOT NULL,
        until REAL NOT NULL,
        kind TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE budget_counters (
        day TEXT NOT NULL,
        plugin TEXT NOT NULL,
        requests INTEGER NOT NULL,
        tokens INTEGER NOT NULL,
        money_nano INTEGER NOT NULL,
        bytes_out INTEGER NOT NULL,
        unpriced INTEGER NOT NULL,
        PRIMARY KEY (day, plugin)
    ) STRICT""",
    """CREATE TABLE health_checks (
        plugin TEXT PRIMARY KEY,
        ok INTEGER NOT NULL,
        at REAL NOT NULL,
        latency_ms REAL,
        detail TEXT
    ) STRICT""",
    """CREATE TABLE salts (
        name TEXT PRIMARY KEY,
        value BLOB NOT NULL
    ) STRICT""",
    """CREATE TABLE notices (
        id INTEGER PRIMARY KEY,
        text TEXT NOT NULL,
        created_at REAL NOT NULL
    ) STRICT""",
)

_THIRD = (
    """CREATE TABLE tokens (
        name TEXT PRIMARY KEY,
        scope TEXT NOT NULL,
        digest BLOB NOT NULL,
        created_at REAL NOT NULL,
        last_used_at REAL
    ) STRICT""",
)

_FOURTH = (
    "ALTER TABLE plugins ADD COLUMN signer TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE plugins ADD COLUMN packages TEXT NOT NULL DEFAULT '[]'",
    # What an upgrade replaced, for `rollback`: the row as it was, and its configuration.
    """CREATE TABLE plugin_versions (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL REFERENCES plugins (name) ON DELETE CASCADE,
        version TEXT NOT NULL,
        digest TEXT NOT NULL,
        tree TEXT NOT NULL,
        environment TEXT NOT NULL,
        state TEXT NOT NULL,
        last_error TEXT,
        manifest TEXT NOT NULL,
        source TEXT NOT NULL,
        trust TEXT NOT NULL,
        installed_at REAL NOT NULL,
        granted TEXT NOT NULL,
        operator_hosts TEXT NOT NULL,
        limits TEXT NOT NULL,
        signer TEXT NOT NULL,
        packages TEXT NOT NULL,
        config TEXT NOT NULL,
        replaced_at REAL NOT NULL
    ) STRICT""",
    "CREATE INDEX plugin_versions_by_name ON plugin_versions (name, id)",
    """CREATE TABLE trusted_keys (
        name TEXT PRIMARY KEY,
        key BLOB NOT NULL UNIQUE,
        added_at REAL NOT NULL
    ) STRICT""",
)

# The n-th makes version n + 1 out of n.
MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _SECOND, _THIRD, _FOURTH)
VERSION = len(MIGRATIONS)
_TABLES = frozenset(
    found[1]
    for statements in MIGRATIONS
    for statement in statements
    if (found := re.match(r"CREATE TABLE (\w+)", statement))
)


def migrate(connection: sqlite3.Connection, path: Path) -> int:
    """Bring the tables up to VERSION in one transaction and return the version that the file has
    then. Tables of an earlier design, which knew no version, are taken over.

    A newer version than VERSION is left as it is: the caller refuses it. Foreign keys are off.
    """
    found = _version(connection)
    if found >= VERSION:
        return found
    # Otherwise a view of somebody else's over a table that has gone would stop every renaming.
    connection.execute("PRAGMA legacy_alter_table = ON")
    adopted = None
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        found = _version(connection)  # another process may have been first
        if found >= VERSION:
            return found
        if found == 0:
            adopted = take(connection, path, _TABLES)
        for statements in MIGRATIONS[found:]:
            for statement in statements:
                connection.execute(_for_this_library(statement))
        if adopted is not None:
            settle(connection, adopted, time.time())
        connection.execute(f"PRAGMA user_version = {VERSION}")
    if adopted is not None:  # what was there, keys among it, leaves the file itself as well
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return VERSION


def _version(connection: sqlite3.Connection) -> int:
    """The version of the tables. Raises ValueError for what is no number of a version."""
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found < 0:
        raise ValueError(f"its version is {found}")
    if found == 0:  # new, of an earlier design, or mended by hand: a dump does not keep the number
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        if {"plugins", "removals"} <= names:
            if "model_aliases" not in names:
                return 1
            if "tokens" not in names:
                return 2
            return 4 if "trusted_keys" in names else 3
    return found


def _for_this_library(statement: str) -> str:
    # STRICT came with SQLite 3.37; a file made without it is used in the same way.
    return (
        statement if sqlite3.sqlite_version_info >= (3, 37) else statement.replace(") STRICT", ")")
    )
