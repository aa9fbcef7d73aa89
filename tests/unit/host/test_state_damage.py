"""Damage: every row is either read or told of, and no file is too broken for an error in words."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from stockade.errors import NotInstalled, StateError
from stockade.settings import Home, RoutingPolicy
from stockade.state import Checked, Installed, ModelList, Rest, Spent, State, Token, Tried
from stockade_sdk.capability import Attempt, Capability, ModelInfo

DAY = "2026-03-01"
LIST = ModelList((ModelInfo(id="m1"), ModelInfo(id="m2")), 1.0, 2.0)
REST = Rest(1, 2.0, 3.0, "network")


def plugin(name: str) -> Installed:
    return Installed(
        name=name, version="1", digest=name[0] * 64, manifest="", config={"base_url": "https://x"}
    )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def state(home: Home) -> Iterator[State]:
    """Two of everything, in tables that hold columns to no type."""
    with State.open(home) as state:
        for name in ("gone-bad", "gone-good"):
            state.put(plugin(name))
            state.remove(name)
        for name in ("bad", "good"):
            state.put(plugin(name), ["chat"])
            state.lists.keep(name, LIST)
            state.policies.set_alias(name, "good/m")
            state.attempts.record([Tried(name, "chat", (Attempt(target="x/y", outcome="ok"),), 1)])
            state.learnt.keep_check(name, Checked(True, 1.0, 2.0, "fine"))
            state.tokens.put(Token(name, "admin", bytes(32), 1.0, 2.0))
        state.policies.set_route(Capability.CHAT, RoutingPolicy(("bad/m", "x")))
        state.policies.set_route(Capability.VISION, RoutingPolicy(("good/m",)))
        state.learnt.keep_rests({"bad/m": REST, "good/m": REST})
        state.learnt.add_spent(DAY, {"bad": Spent(1), "good": Spent(2)})
    with closing(sqlite3.connect(home.state_db)) as raw, raw:
        raw.execute("PRAGMA writable_schema = ON")
        raw.execute(
            "UPDATE sqlite_master SET sql = replace(replace(sql, ') STRICT', ')'), 'NOT NULL', '')"
        )
    with State.open(home) as state:
        yield state


def everything(state: State) -> dict[str, list[Any]]:
    """What is read, by table."""
    return {
        "plugins": [one.name for one in state.list()],
        "provider_configs": [one.name for one in state.list()],
        "removals": [one.name for one in state.removals()],
        "routing_policies": [*state.policies.routes().items()],
        "model_aliases": [*state.policies.aliases().items()],
        "model_catalog_cache": [
            (name, model) for name, one in state.lists.all().items() for model in one.models
        ],
        "route_attempt_logs": [*state.attempts.recent()],
        "cooldowns": [*state.learnt.rests().items()],
        "budget_counters": [
            (name, one) for name, one in state.learnt.spent(DAY).items() if one is not None
        ],
        "health_checks": [*state.learnt.checks().items()],
        "tokens": [*state.tokens.list()],
    }


BAD_ROW = {
    "plugins": "name = 'bad'",
    "provider_configs": "id = 'bad'",
    "removals": "name = 'gone-bad'",
    "routing_policies": "capability = 'chat'",
    "model_aliases": "name = 'bad'",
    "model_catalog_cache": "provider_id = 'bad' AND model_id = 'm1'",
    "route_attempt_logs": "request_id = 'bad'",
    "cooldowns": "scope = 'bad/m'",
    "budget_counters": "plugin = 'bad'",
    "health_checks": "plugin = 'bad'",
    "tokens": "name = 'bad'",
}
GARBAGE = (None, b"\xff\xfe", "\x00", "{", '[{"a": [1e999]}]', "[" * 50_000, -1, 2**60, 1e400, "x")


@pytest.mark.parametrize("table", BAD_ROW)
@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda value: str(value)[:12])
def test_a_damaged_row_is_left_out_and_told_and_the_others_stay(
    home: Home, state: State, table: str, garbage: object
):
    whole, left_out = everything(state), 0
    assert state.problems() == ()
    with closing(sqlite3.connect(home.state_db)) as raw:
        columns = [row[1] for row in raw.execute(f"PRAGMA table_info({table})")]
        (rowid,) = raw.execute(f"SELECT rowid FROM {table} WHERE {BAD_ROW[table]}").fetchone()
        for column in columns:
            if (table, column) in {("route_attempt_logs", "id"), ("budget_counters", "day")}:
                continue  # the first is the row's own number; another day is another row
            change = f"UPDATE {table} SET {column} = ? WHERE rowid = ?"
            (before,) = raw.execute(
                f"SELECT {column} FROM {table} WHERE rowid = ?", (rowid,)
            ).fetchone()
            with raw:
                raw.execute(change, (garbage, rowid))

            found, told = everything(state)[table], state.problems()

            missing = [one for one in whole[table] if one not in found]
            assert len(missing) <= 1, column
            assert len(found) >= len(whole[table]) - 1
            if len(found) < len(whole[table]):
                left_out += 1
                assert any(text.startswith((table, "plugins")) for text in told), (column, told)
            assert all(text.isprintable() and len(text) < 500 for text in told)
            with raw:
                raw.execute(change, (before, rowid))
    assert everything(state) == whole
    assert left_out > 0 or garbage != b"\xff\xfe"  # some of the rest can be a text or a number


def test_a_damaged_plugin_is_told_named_and_can_be_taken_away(home: Home, state: State):
    with closing(sqlite3.connect(home.state_db)) as raw, raw:
        raw.execute("""UPDATE plugins SET granted = '{"network": ["*"]}' WHERE name = 'bad'""")

    assert [one.name for one in state.list()] == ["good"]
    (told,) = state.damaged_plugins()
    assert '"bad"' in told
    for act in (
        lambda: state.get("bad"),
        lambda: state.require("bad"),
        lambda: state.set_config("bad", "k", "v"),
        lambda: state.set_state("bad", "enabled"),
    ):
        with pytest.raises(StateError, match="damaged") as caught:
            act()
        assert "stockade uninstall bad" in caught.value.remedy

    state.remove("bad")

    assert state.problems() == ()
    assert "bad" in [removal.name for removal in state.removals()]
    with pytest.raises(NotInstalled):
        state.remove("bad")


@pytest.mark.parametrize("damage", ["many", -1, 1.5, b"\x01"])
def test_a_damaged_counter_stays_damaged_whatever_is_added_and_is_not_taken_for_nothing(
    home: Home, state: State, damage: object
):
    with closing(sqlite3.connect(home.state_db)) as raw, raw:
        raw.execute("UPDATE budget_counters SET tokens = ? WHERE plugin = 'bad'", (damage,))
    assert state.learnt.spent(DAY) == {"bad": None, "good": Spent(2)}

    state.learnt.add_spent(DAY, {"bad": Spent(requests=1, tokens=7), "good": Spent(1)})

    assert state.learnt.spent(DAY) == {"bad": None, "good": Spent(3)}
    assert any("budget_counters" in text and "bad" in text for text in state.problems())


@pytest.mark.parametrize(
    "name", ["", ".", "..", "/etc", "../../etc", "a/b", "a\n", "*", "A", "a" * 41, "-a", "a--b"]
)
def test_a_row_whose_name_is_no_plugins_names_no_folder(home: Home, state: State, name: str):
    """Folders of logs and data are named by it; a removal would take them away."""
    with closing(sqlite3.connect(home.state_db)) as raw, raw:
        raw.execute("UPDATE removals SET name = ? WHERE name = 'gone-bad'", (name,))
        raw.execute("UPDATE plugins SET name = ? WHERE name = 'bad'", (name,))

    assert [one.name for one in state.removals()] == ["gone-good"]
    assert [one.name for one in state.list()] == ["good"]
    assert len(state.problems()) == 2


def test_a_damaged_rest_is_told_without_the_print_of_its_key(home: Home, state: State):
    scopes = ("good@0a1b2c3d/m@x", "good@0a1b2c3d", "good/other")
    state.learnt.keep_rests(dict.fromkeys(scopes, REST))
    with closing(sqlite3.connect(home.state_db)) as raw, raw:
        raw.execute("UPDATE cooldowns SET failures = -1")

    told = " ".join(state.problems())

    assert told.count("cooldowns: the row") == 2 + len(scopes)
    assert "0a1b2c3d" not in told
    assert '"good@.../m@..."' in told
    assert '"good/other"' in told


# ------------------------------------------------------------------------------------- files


def read_all(home: Home) -> None:
    """Everything that a host reads at its start, and one change of each kind."""
    with State.open(home) as state:
        everything(state)
        state.problems()
        state.removals()
        state.attempts.since(0.0)
        state.attempts.count()
        state.learnt.add_spent(DAY, {"good": Spent(1)})
        state.policies.set_alias("new", "a/b")
        state.attempts.record([Tried("r", "chat", (Attempt(target="x/y", outcome="ok"),), 1)])
        state.tokens.put(Token("new", "use", bytes(32), 1.0))
        state.tokens.used({"good": 3.0})


@pytest.fixture
def content(home: Home, state: State) -> bytes:
    state.close()
    return home.state_db.read_bytes()


def put_back(home: Home, content: bytes) -> None:
    for path in home.root.glob("state.db*"):
        path.unlink()
    home.state_db.write_bytes(content)


def test_a_file_cut_anywhere_is_a_state_error_with_a_remedy_or_still_read(
    home: Home, content: bytes
):
    refused: list[StateError] = []
    for size in [1, 15, 16, 99, 100, 511, 512, *range(1024, len(content), 2048)]:
        put_back(home, content[:size])
        try:
            read_all(home)
        except StateError as error:
            refused.append(error)

    assert len(refused) > 10
    assert all(str(home.state_db) in str(error) for error in refused)
    assert all(error.why and error.remedy for error in refused)


def test_a_file_with_wrong_bytes_is_a_state_error_or_still_read(home: Home, content: bytes):
    chance = random.Random(11)
    for _ in range(150):
        broken = bytearray(content)
        for _ in range(chance.choice([1, 8, 200])):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        put_back(home, bytes(broken))
        with suppress(StateError):
            read_all(home)


@pytest.mark.parametrize("table", sorted(BAD_ROW))
def test_a_table_that_has_gone_is_a_state_error_with_a_remedy(home: Home, state: State, table: str):
    with closing(sqlite3.connect(home.state_db)) as raw, raw:
        raw.execute(f"DROP TABLE {table}")

    with pytest.raises(StateError, match="damaged") as caught:
        state.problems()
    assert caught.value.remedy


def test_a_file_whose_number_was_lost_is_still_ours(home: Home, state: State):
    before = everything(state)
    state.close()
    with closing(sqlite3.connect(home.state_db)) as raw:
        raw.execute("PRAGMA user_version = 0")  # as `.dump` and `.read` leave it

    with State.open(home) as again:
        assert everything(again) == before
    assert not [*home.root.glob("*.old*")]


def test_a_number_that_is_no_version_is_a_damaged_file(home: Home, state: State):
    state.close()
    with closing(sqlite3.connect(home.state_db)) as raw:
        raw.execute("PRAGMA user_version = -3")

    with pytest.raises(StateError, match="damaged"):
        State.open(home)
