"""Who may come in over HTTP: a token's name, what it may do, and a print of its text."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec

from stockade.errors import UsageError
from stockade.state.connection import Database
from stockade.state.rows import Moment, Row, Told, sift
from stockade_sdk.text import show

__all__ = ["MAX_TOKENS", "SCOPES", "Token", "Tokens"]

MAX_TOKENS: Final = 1_000  # one for each program that asks, with room
PRINT_BYTES: Final = 32  # of a SHA-256
Scope = Literal["use", "admin"]
SCOPES: Final[tuple[Scope, ...]] = ("use", "admin")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_COLUMNS = "name, scope, digest, created_at, last_used_at"
_Print = Annotated[bytes, msgspec.Meta(min_length=PRINT_BYTES, max_length=PRINT_BYTES)]
_Token = tuple[str, Scope, _Print, Moment, Moment | None]


class Token(msgspec.Struct, frozen=True):
    """`digest` is the SHA-256 of the text, which is kept nowhere; times in seconds since 1970."""

    name: str
    scope: Scope
    digest: bytes
    created_at: float
    last_used_at: float | None = None


class Tokens:
    """`state.tokens`: the table `tokens`. Blocking."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self) -> tuple[Token, ...]:
        """Every token, by name. One whose row is damaged is left out: it lets nobody in."""
        return self._list([])

    def put(self, token: Token) -> None:
        """Keep a new token. Raises UsageError: no name, no scope, a name that is taken, too many.

        Another token never takes a name over: who holds the old one would be shut out unasked.
        """
        _check(token)
        with self._database.writing(durable=True) as connection:
            if connection.execute("SELECT 1 FROM tokens WHERE name = ?", (token.name,)).fetchone():
                raise UsageError(
                    f"there is a token called {token.name}",
                    remedy=f"choose another name, or: stockade tokens revoke {token.name}",
                )
            (count,) = connection.execute("SELECT count(*) FROM tokens").fetchone()
            if count >= MAX_TOKENS:
                raise UsageError(
                    f"there are {MAX_TOKENS} tokens",
                    remedy="revoke some with `stockade tokens revoke`",
                )
            connection.execute(
                f"INSERT INTO tokens ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)",  # noqa: S608 - our own
                (token.name, token.scope, token.digest, token.created_at, token.last_used_at),
            )

    def remove(self, name: str) -> bool:
        """Forget a token, a damaged one too; whether there was one."""
        with self._database.writing(durable=True) as connection:
            gone = connection.execute("DELETE FROM tokens WHERE name = ?", (name,))
            return gone.rowcount > 0

    def used(self, names: Mapping[str, float]) -> None:
        """Note when these were used last; those that have gone stay gone."""
        with self._database.writing(durable=False) as connection:
            connection.executemany(
                "UPDATE tokens SET last_used_at = ? WHERE name = ?",
                [(at, name) for name, at in names.items()],
            )

    def problems(self) -> tuple[str, ...]:
        """What cannot be read, a sentence each."""
        told: Told = []
        self._list(told)
        return tuple(told)

    def _list(self, told: Told) -> tuple[Token, ...]:
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM tokens ORDER BY name LIMIT {MAX_TOKENS}"  # noqa: S608
            ).fetchall()
        return tuple(sift("tokens", rows, _token, told))


def _token(row: Row) -> Token:
    name, scope, digest, created_at, last_used_at = msgspec.convert(row, _Token)
    if not _NAME.fullmatch(name):
        raise ValueError("no name")
    return Token(name, scope, digest, created_at, last_used_at)


def _check(token: Token) -> None:
    if not _NAME.fullmatch(token.name):
        raise UsageError(
            f"{show(token.name)} is no name of a token",
            remedy="write 1 to 64 letters, digits and . _ -, the first a letter or a digit",
        )
    if token.scope not in SCOPES:
        raise UsageError(
            f"{show(token.scope)} is nothing that a token may do", remedy="write use or admin"
        )
    if len(token.digest) != PRINT_BYTES:
        raise ValueError(f"a print of {len(token.digest)} bytes")
