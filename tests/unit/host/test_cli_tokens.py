"""`tokens`: made and shown once, listed without their text, revoked."""

import hashlib
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from stockade.settings import Home
from stockade.state import State
from tests.unit.host.cli_calls import Call, calling


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def call(home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    return calling(home.root, monkeypatch, capsys)


def test_a_token_alone_is_on_stdout_and_what_it_may_do_beside_it(call: Call) -> None:
    called = call("tokens", "create", "laptop")

    assert called.code == 0
    assert re.fullmatch(r"stk_[A-Za-z0-9_-]{43}\n", called.out)
    assert called.err == (
        "laptop may send requests to the gateway. Keep it now: it is not shown again.\n"
    )


def test_an_admin_token_says_that_it_may_change_everything(call: Call) -> None:
    called = call("tokens", "create", "me", "--scope", "admin")

    assert "change everything" in called.err
    assert call("tokens", "list", "--json").json[0]["scope"] == "admin"


def test_only_a_print_of_it_is_kept(call: Call, home: Home) -> None:
    text = call("tokens", "create", "laptop").out.strip()

    with State.open(home) as state:
        (kept,) = state.tokens.list()
    assert kept.digest == hashlib.sha256(text.encode()).digest()
    for path in home.root.rglob("*"):
        assert not path.is_file() or text.encode() not in path.read_bytes(), path


def test_two_tokens_are_never_the_same(call: Call) -> None:
    assert call("tokens", "create", "a").out != call("tokens", "create", "b").out


def test_the_keys_of_json_are_stable(call: Call) -> None:
    created = call("tokens", "create", "laptop", "--json")
    listed = call("tokens", "list", "--json")

    assert list(created.json) == ["name", "scope", "text"]
    (row,) = listed.json
    assert list(row) == ["name", "scope", "created_at", "last_used_at"]
    assert (row["name"], row["scope"], row["last_used_at"]) == ("laptop", "use", None)
    assert created.json["text"] not in listed.out


def test_the_list_shows_when_each_was_used(call: Call, home: Home) -> None:
    call("tokens", "create", "laptop")
    with State.open(home) as state:
        state.tokens.used({"laptop": 86_400.0 * 365})

    titles, row = call("tokens", "list").out.splitlines()

    assert titles.split() == ["NAME", "SCOPE", "CREATED", "LAST", "USED"]
    assert row.split()[:2] == ["laptop", "use"]
    assert "1971-01-01" in row or "1970-12-31" in row


def test_no_token_at_all_says_how_to_make_one(call: Call) -> None:
    assert "stockade tokens create" in call("tokens", "list").out


def test_a_name_that_is_taken_makes_none(call: Call) -> None:
    call("tokens", "create", "laptop")

    called = call("tokens", "create", "laptop", "--scope", "admin")

    assert (called.code, called.out) == (2, "")
    assert "stockade tokens revoke laptop" in called.err
    assert [one["scope"] for one in call("tokens", "list", "--json").json] == ["use"]


@pytest.mark.parametrize(
    "words", [("a b",), ("",), ("x" * 65,), ("ok", "--scope", "root"), ("ok", "--scope", "")]
)
def test_what_is_no_name_or_scope_is_wrong_usage(call: Call, words: tuple[str, ...]) -> None:
    called = call("tokens", "create", *words)

    assert (called.code, called.out) == (2, "")
    assert "what to do:" in called.err
    assert call("tokens", "list", "--json").json == []


def test_a_revoked_token_is_gone(call: Call) -> None:
    call("tokens", "create", "laptop")

    assert call("tokens", "revoke", "laptop").out == "Revoked laptop.\n"
    assert call("tokens", "list", "--json").json == []


def test_revoking_what_is_not_there_names_the_nearest(call: Call) -> None:
    call("tokens", "create", "laptop")

    called = call("tokens", "revoke", "labtop")

    assert called.code == 2
    assert "did you mean laptop?" in called.err
    assert len(call("tokens", "list", "--json").json) == 1


def test_a_damaged_token_is_told_beside_the_list(call: Call, home: Home) -> None:
    call("tokens", "create", "bad")
    call("tokens", "create", "good")
    with closing(sqlite3.connect(home.state_db)) as raw, raw:
        raw.execute("UPDATE tokens SET digest = x'00' WHERE name = 'bad'")

    called = call("tokens", "list", "--json")

    assert [one["name"] for one in called.json] == ["good"]
    assert "lets nobody in" in called.err
