"""What outlives a run of the host: who rests, what was spent, how the last checks went."""

import re
import secrets
import sqlite3
from collections.abc import Mapping
from datetime import date

import msgspec

from stockade.state.connection import Database
from stockade.state.rows import MAX_COUNT, Count, Moment, Row, Switch, Told, sift, storable

__all__ = ["MAX_DAYS", "MAX_ROWS", "Checked", "Learnt", "Rest", "Spent", "clear_rests"]

MAX_ROWS = 1_024  # of cooldowns and of checks; as many as the breaker keeps
MAX_DAYS = 8
MAX_SPENT_ROWS = 10_000  # of all days; a thousand plugins a day
MAX_SCOPE = 700  # characters: a plugin, a slash, a model
MAX_DETAIL = 4_000
SALT_BYTES = 16
_PRINT = re.compile(r'@[^/"]*')  # of a key, in a scope
_SALT = "SELECT value FROM salts WHERE name = 'keys'"


class Rest(msgspec.Struct, frozen=True):
    """Failures in a row of a breaker's scope, and until when it rests; seconds since 1970."""

    failures: int
    failed_at: float
    until: float
    kind: str


class Spent(msgspec.Struct, frozen=True):
    """What a plugin used up in a day. `money_nano` is in 1e-9 USD; `unpriced` counts requests whose
    cost is not known.
    """

    requests: int = 0
    tokens: int = 0
    money_nano: int = 0
    bytes_out: int = 0
    unpriced: int = 0


class Checked(msgspec.Struct, frozen=True):
    """How the last active check of a plugin went, at `at` (seconds since 1970)."""

    ok: bool
    at: float
    latency_ms: float | None = None
    detail: str | None = None


_SPENT = Spent.__struct_fields__
_DAMAGED = -1  # in the place of a count that is none, and so of the sum of it and any other
_SUM = (
    f"CASE WHEN typeof({{0}}) = 'integer' AND {{0}} >= 0"
    f" THEN min({{0}} + excluded.{{0}}, {MAX_COUNT}) ELSE {_DAMAGED} END"
)
_ADD = (
    f"INSERT INTO budget_counters (day, plugin, {', '.join(_SPENT)}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - our own names
    " ON CONFLICT (day, plugin) DO UPDATE SET "
    + ", ".join(f"{name} = {_SUM.format(name)}" for name in _SPENT)
)


class Learnt:
    """`state.learnt`: the tables `cooldowns`, `budget_counters`, `health_checks`. Blocking."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rests(self) -> dict[str, Rest]:
        """By scope of the breaker: `plugin`, `plugin@KEY`, `plugin/MODEL`."""
        return self._rests([])

    def keep_rests(self, rests: Mapping[str, Rest | None]) -> None:
        """Keep these in place of what there was, None: nothing. Of more than `MAX_ROWS` the ones
        that failed last stay.
        """
        kept = {storable(scope, MAX_SCOPE): rest for scope, rest in rests.items()}
        rows = [
            (scope, rest.failures, rest.failed_at, rest.until, str(rest.kind))
            for scope, rest in kept.items()
            if rest is not None
        ]
        gone = [(scope,) for scope, rest in kept.items() if rest is None]
        with self._database.writing(durable=False) as connection:
            connection.executemany("DELETE FROM cooldowns WHERE scope = ?", gone)
            connection.executemany(
                "INSERT OR REPLACE INTO cooldowns (scope, failures, failed_at, until, kind)"
                " VALUES (?, ?, ?, ?, ?)",
                rows,
            )
            _bound(connection, "cooldowns", "scope", "failed_at")

    def salt(self) -> bytes:
        """What the prints of keys are made with: random, and the same in each run of this home,
        unless it may not be written. A damaged one is made anew.
        """
        with self._database.reading() as connection:
            kept = _salt(connection)
        if kept is not None:
            return kept
        made = secrets.token_bytes(SALT_BYTES)
        if not self._database.writable:
            return made
        with self._database.writing(durable=True) as connection:
            kept = _salt(connection)  # another process may have been first
            if kept is None:
                connection.execute(
                    "INSERT OR REPLACE INTO salts (name, value) VALUES ('keys', ?)", (made,)
                )
        return kept or made

    def spent(self, day: str) -> dict[str, Spent | None]:
        """By plugin, for a day of UTC as in "2026-01-31"; None where its row is damaged, so that it
        may have spent any amount.
        """
        rows = self._counters("WHERE day = ?", (day,))
        damaged = {row[1]: None for row in rows if isinstance(row[1], str)}
        return {**damaged, **dict(sift("budget_counters", rows, _spent, []))}

    def add_spent(self, day: str, spent: Mapping[str, Spent]) -> None:
        """Add to the day's counters of these plugins, whoever else adds to them at the same time.

        A count stays within 0 and `MAX_COUNT`, and what is damaged stays damaged. Kept are the
        `MAX_DAYS` days that were begun last: by the order of writing and not by name, so that a
        clock which jumps to another year and back does not cost the counters of today. Raises
        ValueError for what is no day.
        """
        date.fromisoformat(day)
        rows = [
            (day, plugin, *(max(0, min(int(getattr(one, name)), MAX_COUNT)) for name in _SPENT))
            for plugin, one in spent.items()
        ]
        with self._database.writing(durable=False) as connection:
            connection.executemany(_ADD, rows)
            connection.execute(
                "DELETE FROM budget_counters WHERE day NOT IN (SELECT day FROM budget_counters"
                " GROUP BY day ORDER BY max(rowid) DESC LIMIT ?)",
                (MAX_DAYS,),
            )
            connection.execute(
                "DELETE FROM budget_counters WHERE rowid <="
                " (SELECT max(rowid) FROM budget_counters) - ?",
                (MAX_SPENT_ROWS,),
            )

    def checks(self) -> dict[str, Checked]:
        """By plugin."""
        return self._checks([])

    def keep_check(self, plugin: str, check: Checked) -> None:
        """Keep the check in place of the plugin's last one."""
        detail = None if check.detail is None else storable(check.detail, MAX_DETAIL)
        with self._database.writing(durable=False) as connection:
            connection.execute(
                "INSERT OR REPLACE INTO health_checks (plugin, ok, at, latency_ms, detail)"
                " VALUES (?, ?, ?, ?, ?)",
                (plugin, int(check.ok), check.at, check.latency_ms, detail),
            )
            _bound(connection, "health_checks", "plugin", "at")

    def problems(self) -> tuple[str, ...]:
        """What cannot be read, a sentence each."""
        told: Told = []
        self._rests(told)
        sift("budget_counters", self._counters(), _spent, told, key=2)
        self._checks(told)
        return tuple(told)

    def _counters(self, where: str = "", values: tuple[str, ...] = ()) -> list[Row]:
        query = f"SELECT day, plugin, {', '.join(_SPENT)} FROM budget_counters {where}"  # noqa: S608
        with self._database.reading() as connection:
            return connection.execute(query, values).fetchall()

    def _rests(self, told: Told) -> dict[str, Rest]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT scope, failures, failed_at, until, kind FROM cooldowns ORDER BY failed_at"
            ).fetchall()
        mine: Told = []
        found = dict(sift("cooldowns", rows, _rest, mine))
        told += [_PRINT.sub("@...", text) for text in mine]  # prints of keys are nobody's to see
        return found

    def _checks(self, told: Told) -> dict[str, Checked]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT plugin, ok, at, latency_ms, detail FROM health_checks ORDER BY plugin"
            ).fetchall()
        return dict(sift("health_checks", rows, _checked, told))


def _salt(connection: sqlite3.Connection) -> bytes | None:
    row = connection.execute(_SALT).fetchone()
    value = None if row is None else row[0]
    return value if isinstance(value, bytes) and len(value) == SALT_BYTES else None


def clear_rests(connection: sqlite3.Connection, plugin: str) -> None:
    """Forget the rests of a plugin, its keys and its models, in a transaction of the caller's."""
    connection.execute(
        "DELETE FROM cooldowns WHERE scope = ?1"
        " OR substr(scope, 1, length(?1) + 1) IN (?1 || '@', ?1 || '/')",
        (plugin,),
    )


def _bound(connection: sqlite3.Connection, table: str, key: str, age: str) -> None:
    connection.execute(
        f"DELETE FROM {table} WHERE {key} NOT IN"  # noqa: S608 - our own names
        f" (SELECT {key} FROM {table} ORDER BY {age} DESC LIMIT {MAX_ROWS})"
    )


def _rest(row: Row) -> tuple[str, Rest]:
    form = tuple[str, Count, Moment, Moment, str]
    scope, failures, failed_at, until, kind = msgspec.convert(row, form)
    return scope, Rest(failures, failed_at, until, kind)


def _spent(row: Row) -> tuple[str, Spent]:
    _, plugin, *counts = msgspec.convert(row, tuple[str, str, Count, Count, Count, Count, Count])
    return plugin, Spent(*counts)


def _checked(row: Row) -> tuple[str, Checked]:
    form = tuple[str, Switch, Moment, Moment | None, str | None]
    plugin, ok, at, latency_ms, detail = msgspec.convert(row, form)
    return plugin, Checked(bool(ok), at, latency_ms, detail)
