"""What an operator, a disk or a clock may spoil: a clear error or the last good state, and requests
that can be answered are.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stockade import AllAttemptsFailed, Host
from stockade.errors import SettingsError, StateError
from stockade.settings import Budget, Home, RoutingPolicy, Settings
from stockade.state import Checked, Installed, ModelList, Rest, Spent, State, Tried
from stockade_sdk import Capability, ChatRequest, ModelInfo
from stockade_sdk.capability import Attempt, DiscoveryOptions
from tests.system.hostile import Site, new_site
from tests.unit.host.cli_calls import Call, calling

HELLO = ChatRequest.of_text("hello")
CHAT = {Capability.CHAT: RoutingPolicy(("first/m", "steady/m"))}
FINE = """
class Provider:
    async def chat(self, request, ctx):
        return FINE
"""
LISTS = (
    FINE
    + """
    async def list_models(self, ctx):
        return [ModelInfo(id=f"x{at}") for at in range(3_000)]

    async def check_health(self, ctx):
        return HealthReport(ok=True)
"""
)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A home with two plugins, `first` and `steady`."""
    site = new_site(tmp_path)
    site.install(FINE, name="first", capabilities=("chat",))
    return site


def change(home: Home, statement: str, *values: object) -> None:
    """Do to the database what no program of ours does."""
    with closing(sqlite3.connect(home.state_db)) as raw, raw:
        raw.execute(statement, values)


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


SETTINGS = Settings(
    routes=CHAT, budgets={"*": Budget(tokens_per_day=10**9, requests_per_minute=1000)}
)
SCAN = DiscoveryOptions(remote=True, refresh=True)


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


def all_problems(home: Home) -> str:
    with State.open(home) as state:
        return " ".join(state.problems())


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


async def test_settings_that_are_broken_under_a_running_host_leave_it_the_last_good_ones(
    site: Site,
) -> None:
    site.home.settings_toml.write_text('[routes]\nchat = ["steady/m", "first/m"]\n')

    async with Host.open(site.home) as host:
        site.home.settings_toml.write_text("[routes\nchat =")
        before = await host.run(HELLO)
        await host.refresh()
        after = await host.run(HELLO)
        scanned = await host.scan_models(SCAN)

    assert (before.provider, after.provider) == ("steady", "steady")
    assert len(scanned) == 2
    with pytest.raises(SettingsError, match=r"stockade\.toml is not TOML"):
        async with Host.open(site.home):
            pass


# --- the disk ---

root_alone = pytest.mark.skipif(os.getuid() != 0, reason="only root mounts a file system")


@dataclass(frozen=True)
class Disk:
    """A small file system of its own."""

    folder: Path

    @property
    def ballast(self) -> Path:
        return self.folder / "ballast"

    def fill(self) -> None:
        with self.ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))

    def mount(self, *options: str) -> None:
        subprocess.run(["mount", *options, str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    disk = Disk(folder)
    disk.mount("-t", "tmpfs", "-o", "size=24m", "tmpfs")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def settle(disk: Disk) -> Site:
    site = new_site(disk.folder)
    site.install(LISTS, name="first", capabilities=("chat",))
    return site


@root_alone
async def test_requests_go_on_while_the_disk_is_full_and_what_was_learnt_is_written_when_it_is_not(
    disk: Disk,
) -> None:
    site = settle(disk)
    async with Host.open(site.home, settings=SETTINGS) as host:
        await host.run(HELLO)
        disk.fill()

        answers = [await host.run(HELLO) for _ in range(5)]
        cold = await host.run(HELLO, plugin="steady")  # its worker starts on the full disk
        scanned = {one.provider: one for one in await host.scan_models(SCAN)}
        (health,) = await host.check_health(["first"])
        await host.refresh()
        answers.append(await host.run(HELLO))
        host._parts.journal.write()
        disk.ballast.unlink()

    assert {answer.provider for answer in answers} == {"first"}
    assert cold.provider == "steady"
    assert scanned["first"].outcome == "failed"
    assert "the disk is full" in (scanned["first"].error or "")
    assert (health.ok, health.is_kept) == (True, False)
    with State.open(site.home) as state:
        assert state.problems() == ()
        assert state.attempts.count() == 8


@root_alone
async def test_a_host_that_cannot_start_on_a_full_disk_says_so_and_starts_when_there_is_room(
    disk: Disk,
) -> None:
    site = settle(disk)
    disk.fill()

    with pytest.raises(StateError, match=r"disk is full|No space left") as caught:
        async with Host.open(site.home, settings=SETTINGS):
            pass
    disk.ballast.unlink()
    async with Host.open(site.home, settings=SETTINGS) as host:
        response = await host.run(HELLO)

    assert "room" in caught.value.remedy
    assert response.provider == "first"


@root_alone
def test_over_a_file_system_that_is_only_read_what_is_shown_is_shown_and_the_rest_says_why(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site = settle(disk)
    call = calling(site.home.root, monkeypatch, capsys)
    call("aliases", "set", "mine", "first/m")
    call("run", "hello")  # the base environment is there from now on
    disk.mount("-o", "remount,ro")
    try:
        shown = [
            call(*words)
            for words in (
                ("list",),
                ("models", "list"),
                ("aliases", "list"),
                ("routes", "list"),
                ("routes", "test", "chat"),
                ("providers", "list"),
            )
        ]
        refused = [
            call(*words)
            for words in (
                ("run", "hello"),
                ("models", "scan"),
                ("health",),
                ("aliases", "set", "other", "first/m"),
                ("routes", "set", "chat", "first/m"),
            )
        ]
    finally:
        disk.mount("-o", "remount,rw")

    assert [(one.code, one.err.count("stockade:")) for one in shown] == [(0, 0)] * len(shown)
    assert [one.code for one in refused] == [1] * len(refused)
    for one in refused:
        assert str(site.home.root) in one.err
        assert "what to do: make it" in one.err
        assert "Traceback" not in one.err


# --- names and routes ---


@pytest.fixture
def call(site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    return calling(site.home.root, monkeypatch, capsys)


LOOPS = """
[aliases]
a = "b"
b = "c"
c = "a"
self = "self"
fine = "steady/m"
[routes]
chat = ["a", "gone/x", "self", "fine"]
embedding = ["self"]
rerank = ["steady/m"]
"""


def test_loops_and_targets_that_are_not_there_are_left_out_of_routes_and_told_by_name(
    site: Site, call: Call
) -> None:
    site.home.settings_toml.write_text(LOOPS)
    with State.open(site.home) as state:
        state.policies.set_alias("set", "a")  # from the state into the file
        state.policies.set_alias("b", "set")  # and round through both

    answered, looped = call("run", "hello"), call("run", "hello", "--model", "set")
    tested = call("routes", "test", "chat", "--json").json

    assert (answered.code, answered.out) == (0, "steady hello\n")
    assert (looped.code, looped.out) == (2, "")
    assert "why: set -> a -> b -> set" in looped.err
    assert [one["target"] for one in tested["targets"]] == ["steady/m"]
    assert [one["target"] for one in tested["left_out"]] == ["a", "gone/x", "self"]
    assert call("aliases", "list").code == call("routes", "list").code == 0
    assert call("routes", "set", "chat", "a").code == 2
    assert call("aliases", "set", "new", "set").code == 2
    assert call("aliases", "set", "a", "fine").code == 0  # the way out
    assert call("run", "hello", "--model", "set").out == "steady hello\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("run", "hello", "--capability", "embedding"), 1, "no target can serve embedding: self: "),
        (("run", "hello", "--capability", "image_gen"), 1, "no enabled plugin serves image_gen"),
        (("run", "hello", "--model", "rerank"), 2, "rerank does not fit the request"),
        (("run", "hello", "--model", "gone/x"), 2, "no plugin called 'gone' is installed"),
        (("run", "hello", "--plugin", "gone"), 2, "'gone' is not installed"),
        (("routes", "test", "rerank"), 1, "the model does not serve rerank"),
        (("routes", "test", "image_gen"), 1, "the model does not serve image_gen"),
        (("routes", "set", "painting", "steady/m"), 2, "there is no capability"),
        (("routes", "set", "chat", "no-such-model"), 2, "there is no model called"),
    ],
    ids=str,
)
def test_what_nobody_has_is_told_in_words(
    site: Site, call: Call, words: tuple[str, ...], code: int, said: str
) -> None:
    site.home.settings_toml.write_text(LOOPS)

    called = call(*words)

    assert called.code == code
    assert said in called.err + called.out
    assert "Traceback" not in called.err


@pytest.mark.parametrize(
    "name", ["Steady", "STEADY", "st\u0435ady", "steady ", "ste\u200bady", "s teady"]
)
def test_a_second_plugin_by_a_name_that_looks_alike_cannot_be_installed(
    site: Site, name: str
) -> None:
    before = [(one.name, one.digest) for one in installed(site.home)]

    with pytest.raises(Exception, match=r"plugin\.name"):
        site.install(FINE, name=name)

    assert [(one.name, one.digest) for one in installed(site.home)] == before


def test_a_plugin_of_the_same_name_takes_the_place_of_the_first_and_is_there_once(
    site: Site, tmp_path: Path
) -> None:
    (tmp_path / "more").mkdir()
    other = Site(site.home, tmp_path / "more")

    other.install(LISTS, name="steady")

    assert [one.name for one in installed(site.home)] == ["first", "steady"]


def installed(home: Home) -> tuple[Installed, ...]:
    with State.open(home) as state:
        return state.list()


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
    change(site.home, "PRAGMA user_version = 2")
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


KEYED = """
network = ["api.example.com"]

[[permissions.secrets]]
name = "KEY"
hosts = ["api.example.com"]
header = "authorization"
"""


@pytest.mark.parametrize("value", ["sk-1\n", "sk-1\nx: y", " sk-1", "x" * 5_000])
async def test_a_variable_that_holds_no_key_stops_its_own_plugin_and_tells_which_it_is(
    site: Site, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """A key from a file often comes with its line end."""
    site.install(FINE, name="keyed", capabilities=("chat",), permissions=KEYED)
    monkeypatch.setenv("STOCKADE_SECRET_KEYED__KEY", value)
    route = RoutingPolicy(("keyed/m", "steady/m"))

    async with Host.open(site.home, settings=Settings(routes={Capability.CHAT: route})) as host:
        response = await host.run(HELLO)
        healths = {one.provider: one for one in await host.check_health()}
        with pytest.raises(AllAttemptsFailed, match="STOCKADE_SECRET_KEYED__KEY") as caught:
            await host.run(HELLO, plugin="keyed")

    assert response.provider == "steady"
    assert healths["keyed"].ok is False
    assert "STOCKADE_SECRET_KEYED__KEY" in (healths["keyed"].detail or "")
    assert set(healths) == {"first", "keyed", "steady"}
    assert "sk-1" not in str(caught.value) + repr(healths)
