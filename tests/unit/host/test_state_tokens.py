"""Tokens: kept by their print, one of a name, bounded."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from stockade.errors import UsageError
from stockade.settings import Home
from stockade.state import State, Token
from stockade.state.tokens import MAX_TOKENS

DIGEST = bytes(range(32))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def token(name: str = "laptop", scope: str = "use", digest: bytes = DIGEST) -> Token:
    return Token(name, cast("Any", scope), digest, 5.0)  # wrong scopes are tried too


def test_tokens_outlive_the_process_and_are_listed_by_name(home: Home):
    with State.open(home) as state:
        state.tokens.put(token("web", "admin"))
        state.tokens.put(token("laptop", digest=bytes(32)))

    with State.open(home) as state:
        assert state.tokens.list() == (
            Token("laptop", "use", bytes(32), 5.0, None),
            Token("web", "admin", DIGEST, 5.0, None),
        )


def test_a_taken_name_keeps_the_token_that_has_it(home: Home):
    with State.open(home) as state:
        state.tokens.put(token())
        with pytest.raises(UsageError, match="laptop") as caught:
            state.tokens.put(token(digest=bytes(32)))

        assert [one.digest for one in state.tokens.list()] == [DIGEST]
        assert "stockade tokens revoke laptop" in caught.value.remedy


def test_a_token_that_was_removed_is_gone_and_its_name_free(home: Home):
    with State.open(home) as state:
        state.tokens.put(token())

        assert state.tokens.remove("laptop") is True
        assert state.tokens.remove("laptop") is False
        assert state.tokens.list() == ()
        state.tokens.put(token(digest=bytes(32)))
        assert [one.digest for one in state.tokens.list()] == [bytes(32)]


def test_use_is_noted_and_brings_no_token_back(home: Home):
    with State.open(home) as state:
        state.tokens.put(token())
        state.tokens.used({"laptop": 9.0, "gone": 9.0})

        assert [(one.name, one.last_used_at) for one in state.tokens.list()] == [("laptop", 9.0)]


@pytest.mark.parametrize(
    "name", ["", "-a", ".a", "a b", "a/b", "a\n", "é", "a" * 65, "\x1b[2J", "--json"]
)
def test_what_is_no_name_is_not_kept(home: Home, name: str):
    with State.open(home) as state:
        with pytest.raises(UsageError):
            state.tokens.put(token(name))
        assert state.tokens.list() == ()


@pytest.mark.parametrize("scope", ["", "root", "ADMIN", "use,admin"])
def test_what_is_no_scope_is_not_kept(home: Home, scope: str):
    with State.open(home) as state:
        with pytest.raises(UsageError, match="use or admin"):
            state.tokens.put(token(scope=scope))
        assert state.tokens.list() == ()


def test_there_are_at_most_so_many(home: Home):
    with State.open(home) as state:
        with closing(sqlite3.connect(home.state_db)) as raw, raw:
            raw.executemany(
                "INSERT INTO tokens VALUES (?, 'use', ?, 1.0, NULL)",
                [(f"t{number}", DIGEST) for number in range(MAX_TOKENS)],
            )
        with pytest.raises(UsageError, match=str(MAX_TOKENS)):
            state.tokens.put(token())
        assert len(state.tokens.list()) == MAX_TOKENS


@pytest.mark.parametrize(
    ("column", "damage"),
    [
        ("scope", "'root'"),
        ("digest", "x'00'"),
        ("digest", "zeroblob(33)"),
        ("name", "'a b'"),
        ("created_at", "-1.0"),
    ],
)
def test_a_damaged_token_lets_nobody_in_is_told_and_can_be_taken_away(
    home: Home, column: str, damage: str
):
    with State.open(home) as state:
        state.tokens.put(token("bad"))
        state.tokens.put(token("good"))
        with closing(sqlite3.connect(home.state_db)) as raw, raw:
            raw.execute(f"UPDATE tokens SET {column} = {damage} WHERE name = 'bad'")

        assert [one.name for one in state.tokens.list()] == ["good"]
        (told,) = state.problems()
        assert told.startswith("tokens: the row")

        assert state.tokens.remove("a b" if column == "name" else "bad")
        assert state.problems() == ()
