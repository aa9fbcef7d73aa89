"""The log of attempts: which target was tried, what came of it, never what was said."""

from collections.abc import Iterable, Sequence
from itertools import chain

import msgspec

from stockade.state.chains import split
from stockade.state.connection import Database
from stockade.state.rows import MAX_COUNT, Count, Moment, Row, Told, sift, storable
from stockade_sdk.capability import Attempt

__all__ = ["MAX_ATTEMPT_ROWS", "Attempts", "Logged", "Piece", "Tally", "Tried"]

MAX_ATTEMPT_ROWS = 10_000  # a day's log at one request every nine seconds; about 2 MiB
MAX_NAME = 300  # characters of a plugin, of a model: what a client asked for is free text
MAX_ERROR_CHARS = 4_000


class Tried(msgspec.Struct, frozen=True, gc=False):
    """Every try of one request that is over; `at` is in seconds since 1970.

    `tokens` and `cost` (USD as decimal text) are those of the last attempt where it answered, None
    where they are not known.
    """

    request_id: str
    capability: str
    attempts: Sequence[Attempt]
    at: float
    tokens: int | None = None
    cost: str | None = None


class Logged(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt as the log has it; `index` counts within its request, from 0."""

    request_id: str
    capability: str
    target: str
    index: int
    outcome: str
    kind: str | None
    message: str | None
    ms: float
    at: float
    tokens: int | None
    cost: str | None


class Tally(msgspec.Struct, frozen=True):
    """What became of a target's attempts: how many answered and failed, the last time of each, the
    kind of the failure that was logged last, and the mean time of an answer. Skipped ones are in
    neither count.
    """

    ok: int
    failed: int
    last_ok_at: float | None
    last_failed_at: float | None
    last_kind: str | None
    ms: float | None


class Piece(msgspec.Struct, frozen=True):
    """What became of the attempts in one piece of time; `ms` is the mean time of an answer."""

    ok: int = 0
    failed: int = 0
    ms: float | None = None


# sqlite3 lets go of the interpreter's lock at every statement, and a busy event loop is slow to
# give it back: row by row, a second's attempts would keep the file locked for that long.
ROWS_AT_ONCE = 50  # of 13 values; SQLite before 3.32 takes 999 in a statement

_INSERT = (
    "INSERT INTO route_attempt_logs (request_id, capability, provider_id, model_name,"
    " attempt_index, outcome, success, error_kind, error_message, ms, created_at, tokens, cost)"
    " VALUES "
)
_VALUES = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SELECT = (
    "SELECT id, request_id, capability, provider_id, model_name, attempt_index, outcome,"
    " error_kind, error_message, ms, created_at, tokens, cost FROM route_attempt_logs"
)
_COUNTED = (
    "SELECT provider_id, model_name, sum(outcome = 'ok'), sum(outcome = 'failed'),"
    " max(CASE outcome WHEN 'ok' THEN created_at END),"
    " max(CASE outcome WHEN 'failed' THEN created_at END),"
    " avg(CASE outcome WHEN 'ok' THEN ms END)"
    " FROM route_attempt_logs WHERE created_at >= ? GROUP BY provider_id, model_name"
)
# With one max() SQLite takes the other columns from its row (sqlite.org/lang_select.html).
_LAST_KINDS = (
    "SELECT provider_id, model_name, error_kind, max(id) FROM route_attempt_logs"
    " WHERE created_at >= ? AND outcome = 'failed' GROUP BY provider_id, model_name"
)

_PIECES = (
    "SELECT CAST((created_at - ?) / ? AS INTEGER), sum(outcome = 'ok'), sum(outcome = 'failed'),"
    " avg(CASE outcome WHEN 'ok' THEN ms END)"
    " FROM route_attempt_logs WHERE created_at >= ? AND created_at < ?"
)

_Text = str | None
_Logged = tuple[
    int, str, str, str, str, Count, str, _Text, _Text, Moment, Moment, Count | None, _Text
]
_Pieced = tuple[Count, Count, Count, Moment | None]
_Counted = tuple[str, str, Count, Count, Moment | None, Moment | None, Moment | None]


class Attempts:
    """`state.attempts`: the table `route_attempt_logs`, its newest rows. Blocking."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, requests: Iterable[Tried]) -> None:
        """Log every attempt of these requests in one transaction; the oldest rows make room."""
        rows = [row for tried in requests for row in _rows(tried)]
        with self._database.writing(durable=False) as connection:
            for at in range(0, len(rows), ROWS_AT_ONCE):
                some = rows[at : at + ROWS_AT_ONCE]
                values = ", ".join([_VALUES] * len(some))
                connection.execute(_INSERT + values, tuple(chain.from_iterable(some)))
            connection.execute(
                "DELETE FROM route_attempt_logs WHERE id <= "
                "(SELECT max(id) FROM route_attempt_logs) - ?",
                (MAX_ATTEMPT_ROWS,),
            )

    def recent(self, plugin: str | None = None, limit: int = 100) -> tuple[Logged, ...]:
        """The last attempts, of one plugin or of all, the newest first."""
        return self._recent([], plugin, limit)

    def since(self, at: float) -> dict[str, Tally]:
        """What became of each target that was tried at or after `at` (seconds since 1970)."""
        with self._database.reading() as connection:
            counted = connection.execute(_COUNTED, (at,)).fetchall()
            last = connection.execute(_LAST_KINDS, (at,)).fetchall()
        kinds = {
            (provider, model): kind if isinstance(kind, str) else None
            for provider, model, kind, _ in last
        }
        return dict(
            sift("route_attempt_logs", counted, lambda row: _tally(row, kinds.get(row[:2])), [])
        )

    def buckets(
        self, since: float, span_s: float, count: int, plugin: str | None = None
    ) -> tuple[Piece, ...]:
        """What became of the attempts, of one plugin or of all, in each of `count` pieces of time
        from `since` (seconds since 1970) on, `span_s` seconds long each; the oldest first.
        """
        of_plugin = "" if plugin is None else " AND provider_id = ?"
        values = (since, span_s, since, since + span_s * count)
        with self._database.reading() as connection:
            rows = connection.execute(
                f"{_PIECES}{of_plugin} GROUP BY 1", values if plugin is None else (*values, plugin)
            ).fetchall()
        found = dict(sift("route_attempt_logs", rows, _piece, []))
        return tuple(found.get(nth, Piece()) for nth in range(count))

    def count(self) -> int:
        """How many attempts the log has."""
        with self._database.reading() as connection:
            return int(connection.execute("SELECT count(*) FROM route_attempt_logs").fetchone()[0])

    def problems(self) -> tuple[str, ...]:
        """What cannot be read, a sentence each."""
        told: Told = []
        self._recent(told, None, MAX_ATTEMPT_ROWS)
        return tuple(told)

    def _recent(self, told: Told, plugin: str | None, limit: int) -> tuple[Logged, ...]:
        of_plugin = "" if plugin is None else " WHERE provider_id = ?"
        values = (limit,) if plugin is None else (plugin, limit)
        with self._database.reading() as connection:
            rows = connection.execute(
                f"{_SELECT}{of_plugin} ORDER BY id DESC LIMIT ?", values
            ).fetchall()
        return tuple(sift("route_attempt_logs", rows, _logged, told))


def _rows(tried: Tried) -> Iterable[Row]:
    request, capability = tried.request_id, str(tried.capability)  # sqlite3 is slow with an enum
    last = len(tried.attempts) - 1
    for index, attempt in enumerate(tried.attempts):
        provider, model = split(attempt.target)
        answered = index == last and attempt.outcome == "ok"
        yield (
            request,
            capability,
            storable(provider, MAX_NAME),
            storable(model, MAX_NAME),
            index,
            attempt.outcome,
            int(attempt.outcome == "ok"),
            attempt.kind,
            None if attempt.message is None else storable(attempt.message, MAX_ERROR_CHARS),
            attempt.ms,
            tried.at,
            _count(tried.tokens) if answered else None,
            tried.cost if answered else None,
        )


def _count(tokens: int | None) -> int | None:
    return None if tokens is None else max(0, min(tokens, MAX_COUNT))


def _target(provider: str, model: str) -> str:
    return f"{provider}/{model}" if model else provider


def _logged(row: Row) -> Logged:
    read = msgspec.convert(row, _Logged)
    return Logged(
        request_id=read[1],
        capability=read[2],
        target=_target(read[3], read[4]),
        index=read[5],
        outcome=read[6],
        kind=read[7],
        message=read[8],
        ms=read[9],
        at=read[10],
        tokens=read[11],
        cost=read[12],
    )


def _piece(row: Row) -> tuple[int, Piece]:
    nth, ok, failed, ms = msgspec.convert(row, _Pieced)
    return nth, Piece(ok, failed, ms)


def _tally(row: Row, kind: str | None) -> tuple[str, Tally]:
    provider, model, *counted, ms = msgspec.convert(row, _Counted)
    ok, failed, last_ok_at, last_failed_at = counted
    return _target(provider, model), Tally(ok, failed, last_ok_at, last_failed_at, kind, ms)
