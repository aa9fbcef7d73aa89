"""A database that was spoilt, cut, or written by another time or version: a clear error or the last
good state, and requests that can be answered are.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stockade import AllAttemptsFailed, Host
from stockade.errors import StateError
from stockade.settings import Home, Settings
from stockade.state import Checked, ModelList, Rest, Spent, State, Tried
from stockade.state.schema import VERSION
from stockade_sdk import ModelInfo
from stockade_sdk.capability import Attempt
from tests.system.bad_homes import (
    CHAT,
    HELLO,
    SCAN,
    SETTINGS,
    all_problems,
    change,
    installed,
    two_plugins,
)
from tests.system.hostile import Site
from tests.unit.host.cli_calls import Call, calling


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return two_plugins(tmp_path)


@pytest.fixture
def call(site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    return calling(site.home.root, monkeypatch, capsys)


# --- rows, while a host runs ---


async def test_a_plugin_whose_row_is_spoilt_under_a_running_host_leaves_its_requests_to_the_next(
    site: Site,
) -> None:
    async with Host.open(site.home, settings=Settings(routes=CHAT)) as host:
        change(site.home, "UPDATE plugins SET limits = '{' WHERE name = 'first'")

        response = await host.run(HELLO)

    assert [one.target for one in response.attempts] == ["first/m", "steady/m"]
    assert "stockade uninstall first" in (response.attempts[0].message or "")


async def test_a_plugin_that_is_uninstalled_under_a_running_host_leaves_its_requests_to_the_next(
    site: Site,
) -> None:
    async with Host.open(site.home, settings=Settings(routes=CHAT)) as host:
        with State.open(site.home) as state:
            state.remove("first")

        response = await host.run(HELLO)
        with pytest.raises(AllAttemptsFailed, match="no plugin called"):
            await host.run(HELLO, plugin="first")

    assert [one.kind for one in response.attempts] == ["model_unavailable", None]


BAD_ROWS = (  # of each table, in a file that holds columns to no type
    "UPDATE provider_configs SET config_json = '{' WHERE id = 'first'",
    "UPDATE plugins SET granted = x'ff' WHERE name = 'first'",
    "INSERT INTO plugins (name) VALUES ('torn')",
    "INSERT INTO removals VALUES (x'ff', 'x')",
    "INSERT INTO removals VALUES ('../../etc', 0)",
    "INSERT INTO provider_configs VALUES ('nobody', '[1', 'x')",
    "INSERT INTO provider_capabilities VALUES ('steady', x'00', 'x', 'x', 1, '{')",
    "INSERT INTO model_catalog_cache VALUES ('steady', 'm', '{', 'x', -1)",
    "INSERT INTO model_catalog_cache VALUES (x'ff', 'm', '{}', 1e400, -1)",
    "INSERT INTO routing_policies VALUES ('chat', '', '', '[[[', 'x', -1, 7)",
    "INSERT INTO routing_policies VALUES ('no-such', 'a', 'b', '[]', 1, 1, 1)",
    "INSERT INTO model_aliases VALUES ('a', x'ff')",
    "INSERT INTO model_aliases VALUES ('', '')",
    "INSERT INTO route_attempt_logs (request_id, ms, created_at) VALUES (1, 'x', 'y')",
    "INSERT INTO cooldowns VALUES ('steady@x', -1, 'x', 1e400, 'nonsense')",
    "INSERT INTO cooldowns VALUES ('@', 1, 1, 1, 'auth')",
    "INSERT INTO budget_counters VALUES ('never', 'steady', 'x', -1, 1.5, '', x'00')",
    "INSERT INTO health_checks VALUES ('steady', 7, 'x', -1, x'ff')",
    "INSERT OR REPLACE INTO salts VALUES ('keys', 'short')",
    "INSERT INTO notices VALUES (1, x'ff', 'x')",
)


def untype(home: Home) -> None:
    """Make the tables as SQLite before 3.37 would have made them: columns hold anything."""
    with closing(sqlite3.connect(home.state_db)) as raw, raw:
        raw.execute("PRAGMA writable_schema = ON")
        raw.execute(
            "UPDATE sqlite_master SET sql = replace(replace(replace(sql, ') STRICT', ')'),"
            " 'NOT NULL', ''), 'REFERENCES plugins (name) ON DELETE CASCADE', '')"
        )


def spoil(home: Home) -> None:
    untype(home)
    for statement in BAD_ROWS:
        change(home, statement)


async def test_a_host_opens_and_answers_over_a_database_with_a_spoilt_row_in_every_table(
    site: Site,
) -> None:
    data = site.home.data / "kept"
    data.mkdir()
    spoil(site.home)

    async with Host.open(site.home, settings=SETTINGS) as host:
        response = await host.run(HELLO)
        scanned = await host.scan_models(SCAN)
        healths = await host.check_health()
        await host.refresh()
        exported = json.loads(host.export_catalogue_json())

    assert response.provider == "steady"
    assert [one.provider for one in scanned] == ["steady"]
    assert [one.provider for one in healths] == ["steady"]
    assert {one["provider"] for one in exported["models"]} == {"steady"}
    assert data.is_dir()
    told = all_problems(site.home)
    for table in (
        "plugins",
        "removals",
        "model_catalog_cache",
        "routing_policies",
        "model_aliases",
        "route_attempt_logs",
        "cooldowns",
        "budget_counters",
        "health_checks",
        "notices",
    ):
        assert f"{table}: the row" in told


async def test_rows_that_are_spoilt_under_a_running_host_cost_nothing_that_was_read(
    site: Site,
) -> None:
    untype(site.home)
    async with Host.open(site.home, settings=SETTINGS) as host:
        assert (await host.run(HELLO)).provider == "first"
        spoil(site.home)

        assert (await host.run(HELLO)).provider == "first"
        await host.refresh()
        response = await host.run(HELLO)

    assert response.provider == "steady"
    with State.open(site.home) as state:
        assert state.attempts.count() == 4  # one of them spoilt


async def test_a_damaged_count_of_today_keeps_its_plugin_from_spending_more(site: Site) -> None:
    today = datetime.now(UTC).date().isoformat()
    with State.open(site.home) as state:
        state.learnt.add_spent(today, {"first": Spent(requests=5), "steady": Spent(requests=5)})
    change(site.home, "UPDATE budget_counters SET tokens = -1 WHERE plugin = 'first'")

    async with Host.open(site.home, settings=SETTINGS) as host:
        response = await host.run(HELLO)
        with pytest.raises(AllAttemptsFailed, match=r"over_budget.*is damaged"):
            await host.run(HELLO, plugin="first")

    assert response.provider == "steady"


# --- the file, while a host runs ---


@pytest.mark.parametrize("left", [0, 100, 20_000])
async def test_a_database_that_is_cut_under_a_running_host_costs_no_request(
    site: Site, left: int
) -> None:
    async with Host.open(site.home, settings=SETTINGS) as host:
        await host.run(HELLO)
        os.truncate(site.home.state_db, left)

        answers = [await host.run(HELLO) for _ in range(3)]
        with suppress(StateError):
            await host.refresh()
        answers += [await host.run(HELLO) for _ in range(3)]

    assert {answer.provider for answer in answers} <= {"first", "steady"}


# --- a state of another time or version ---

BROKEN = (("run", "hello"), ("list",), ("models", "list"), ("routes", "list"), ("health",))


def test_a_newer_database_is_left_alone_and_every_verb_says_so(site: Site, call: Call) -> None:
    change(site.home, "PRAGMA user_version = 99")
    before = site.home.lock_file.read_bytes()

    for words in BROKEN:
        called = call(*words)
        assert (called.code, called.out) == (1, "")
        assert "was written by a newer stockade" in called.err
        assert "what to do: upgrade stockade" in called.err

    assert site.home.lock_file.read_bytes() == before
    change(site.home, f"PRAGMA user_version = {VERSION}")
    assert [one.name for one in installed(site.home)] == ["first", "steady"]


@pytest.mark.parametrize("left", [0, 100, 20_000])
def test_a_database_that_was_cut_is_told_by_every_verb_and_nothing_else_is_lost(
    site: Site, call: Call, left: int
) -> None:
    whole = site.home.state_db.read_bytes()
    lock = site.home.lock_file.read_bytes()
    os.truncate(site.home.state_db, left)

    for words in BROKEN:
        called = call(*words)
        assert (called.code, called.out) == (1, "")
        assert ("is empty" if left == 0 else "is damaged") in called.err
        assert "what to do: restore it" in called.err

    assert site.home.lock_file.read_bytes() == lock
    for path in site.home.root.glob("state.db-*"):
        path.unlink()
    site.home.state_db.write_bytes(whole)
    assert call("run", "hello").code == 0  # its files are all there


@pytest.mark.parametrize("ahead_s", [3600.0, -3600.0, 365 * 86_400.0, -365 * 86_400.0, 9e11])
async def test_what_was_learnt_by_a_clock_that_was_set_since_keeps_nobody_away_for_long(
    site: Site, ahead_s: float
) -> None:
    at = time.time() + ahead_s
    tried = Tried("r", "chat", (Attempt(target="first/m", outcome="ok"),), at)
    with State.open(site.home) as state:
        state.learnt.keep_rests({"first/m": Rest(9, at, at + 60.0, "server_error")})
        state.lists.keep("first", ModelList((ModelInfo(id="old"),), at, 3600.0))
        state.learnt.keep_check("first", Checked(True, at, 1.0, "fine"))
        state.attempts.record([tried] * 2_000)

    async with Host.open(site.home, settings=SETTINGS) as host:
        rests = [one.until - time.monotonic() for one in host.standings().values()]
        response = await host.run(HELLO)
        first = await host.run(HELLO, plugin="first")
        listed = [one.info.id for one in host.knowledge.listing.models]

    assert all(0 < rest <= 60.0 for rest in rests)
    assert response.provider == ("first" if not rests else "steady")
    assert first.provider == "first"  # 2,000 requests of another time are not of this minute
    assert "old" in listed
    assert all_problems(site.home) == ""
