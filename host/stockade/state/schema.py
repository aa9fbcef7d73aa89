"""The tables of `state.db` and how an older file becomes a newer one."""

import sqlite3

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

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST,)  # the n-th makes version n + 1 out of n
VERSION = len(MIGRATIONS)


def migrate(connection: sqlite3.Connection) -> int:
    """Bring the tables up to VERSION in one transaction and return the version found.

    A newer version than VERSION is left as it is: the caller refuses it.
    """
    found = _version(connection)
    if found >= VERSION:
        return found
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        found = _version(connection)  # another process may have been first
        for statements in MIGRATIONS[found:]:
            for statement in statements:
                connection.execute(_for_this_library(statement))
        if found < VERSION:
            connection.execute(f"PRAGMA user_version = {VERSION}")
    return found


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _for_this_library(statement: str) -> str:
    # STRICT came with SQLite 3.37; a file made without it is used in the same way.
    return (
        statement if sqlite3.sqlite_version_info >= (3, 37) else statement.replace(") STRICT", ")")
    )
