"""Whose signatures the operator trusts: public keys by name."""

import hashlib
import re
import sqlite3
from typing import Annotated, Final

import msgspec

from stockade.errors import UsageError
from stockade.state.connection import Database
from stockade.state.rows import Moment, Row, Told, sift
from stockade_sdk.text import show

__all__ = ["KEY_BYTES", "MAX_KEYS", "TrustedKey", "TrustedKeys", "fingerprint"]

KEY_BYTES: Final = 32  # of an Ed25519 public key (RFC 8032)
FINGERPRINT_BYTES: Final = 16  # of a SHA-256: a second key for one is beyond reach
MAX_KEYS: Final = 1_000  # one for each author, with room

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_Key = Annotated[bytes, msgspec.Meta(min_length=KEY_BYTES, max_length=KEY_BYTES)]
_TABLES: Final = ("plugins", "plugin_versions")


def fingerprint(key: bytes) -> str:
    """What a public key is told apart by: 32 hexadecimal digits."""
    return hashlib.sha256(key).hexdigest()[: 2 * FINGERPRINT_BYTES]


class TrustedKey(msgspec.Struct, frozen=True):
    """`key` is the raw public key; `added_at` in seconds since 1970."""

    name: str
    key: bytes
    added_at: float

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.key)


class TrustedKeys:
    """`state.trusted`: the table `trusted_keys`. Blocking.

    A plugin's trust follows its key: in the transaction that adds or removes one, what it signed
    becomes `signed` or `unsigned`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self) -> tuple[TrustedKey, ...]:
        """Every trusted key, by name. A row that is damaged is left out: it vouches for nobody."""
        return self._list([])

    def by_fingerprint(self, wanted: str) -> TrustedKey | None:
        """The trusted key of that fingerprint."""
        return next((key for key in self.list() if key.fingerprint == wanted), None)

    def put(self, key: TrustedKey) -> None:
        """Trust a key. Raises `UsageError`: no name, a name or a key that is there, too many.

        Another key never takes a name over: what the old one signed would change hands unasked.
        """
        _check(key)
        with self._database.writing(durable=True) as connection:
            _check_free(connection, key)
            connection.execute(
                "INSERT INTO trusted_keys (name, key, added_at) VALUES (?, ?, ?)",
                (key.name, key.key, key.added_at),
            )
            _retrust(connection, key.fingerprint, "unsigned", "signed")

    def remove(self, name: str) -> bool:
        """Trust a key no more, a damaged one too; whether there was one of that name."""
        with self._database.writing(durable=True) as connection:
            rows = connection.execute(
                "SELECT key FROM trusted_keys WHERE name = ?", (name,)
            ).fetchall()
            connection.execute("DELETE FROM trusted_keys WHERE name = ?", (name,))
            for (key,) in rows:
                if isinstance(key, bytes):
                    _retrust(connection, fingerprint(key), "signed", "unsigned")
            return bool(rows)

    def problems(self) -> tuple[str, ...]:
        """What cannot be read, a sentence each."""
        told: Told = []
        self._list(told)
        return tuple(told)

    def _list(self, told: Told) -> tuple[TrustedKey, ...]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT name, key, added_at FROM trusted_keys ORDER BY name LIMIT ?", (MAX_KEYS,)
            ).fetchall()
        return tuple(sift("trusted_keys", rows, _key, told))


def _retrust(connection: sqlite3.Connection, signer: str, before: str, after: str) -> None:
    for table in _TABLES:
        connection.execute(
            f"UPDATE {table} SET trust = ? WHERE trust = ? AND signer = ?",  # noqa: S608 - our own
            (after, before, signer),
        )


def _key(row: Row) -> TrustedKey:
    name, key, added_at = msgspec.convert(row, tuple[str, _Key, Moment])
    if not _NAME.fullmatch(name):
        raise ValueError("no name")
    return TrustedKey(name, key, added_at)


def _check_free(connection: sqlite3.Connection, key: TrustedKey) -> None:
    other = connection.execute(
        "SELECT name FROM trusted_keys WHERE name = ? OR key = ?", (key.name, key.key)
    ).fetchone()
    if other is not None:
        raise UsageError(
            f"{show(other[0])} is trusted already, which has this name or is this key",
            remedy=f"choose another name, or: stockade trust remove {other[0]}",
        )
    (count,) = connection.execute("SELECT count(*) FROM trusted_keys").fetchone()
    if count >= MAX_KEYS:
        raise UsageError(
            f"there are {MAX_KEYS} trusted keys", remedy="remove some with `stockade trust remove`"
        )


def _check(key: TrustedKey) -> None:
    if not _NAME.fullmatch(key.name):
        raise UsageError(
            f"{show(key.name)} is no name of a key",
            remedy="write 1 to 64 letters, digits and . _ @ -, the first a letter or a digit",
        )
    if len(key.key) != KEY_BYTES:
        raise ValueError(f"a key of {len(key.key)} bytes")
