"""The keys that the operator trusts, and what becomes of the plugins that they signed."""

import sqlite3
from pathlib import Path

import msgspec
import pytest

from stockade.errors import UsageError
from stockade.settings import Home
from stockade.state import Installed, State, TrustedKey
from stockade.state.trust import MAX_KEYS, fingerprint

ANN = TrustedKey("ann", b"a" * 32, 1.0)
BOB = TrustedKey("bob", b"b" * 32, 2.0)


@pytest.fixture
def state(tmp_path: Path):
    with State.open(Home(tmp_path / "home")) as opened:
        yield opened


def plugin(name: str, trust: str, signer: str = "") -> Installed:
    return Installed(
        name=name, version="1.0.0", digest="d", manifest="m", trust=trust, signer=signer
    )


def trusts(state: State) -> dict[str, str]:
    return {record.name: record.trust for record in state.list()}


def test_a_key_is_kept_found_and_forgotten(state: State):
    state.trusted.put(BOB)
    state.trusted.put(ANN)
    assert state.trusted.list() == (ANN, BOB)
    assert state.trusted.by_fingerprint(fingerprint(b"b" * 32)) == BOB
    assert state.trusted.by_fingerprint("") is None

    assert state.trusted.remove("ann")

    assert state.trusted.list() == (BOB,)
    assert state.trusted.by_fingerprint(ANN.fingerprint) is None
    assert not state.trusted.remove("ann")


@pytest.mark.parametrize(
    "key",
    [
        TrustedKey("ann", b"c" * 32, 3.0),
        TrustedKey("carl", b"a" * 32, 3.0),
        TrustedKey("", b"c" * 32, 3.0),
        TrustedKey("-x", b"c" * 32, 3.0),
        TrustedKey("a\nb", b"c" * 32, 3.0),
        TrustedKey("x" * 65, b"c" * 32, 3.0),
    ],
)
def test_a_name_or_key_that_is_taken_or_none_is_refused(state: State, key: TrustedKey):
    state.trusted.put(ANN)
    with pytest.raises(UsageError):
        state.trusted.put(key)
    assert state.trusted.list() == (ANN,)


def test_a_key_of_another_length_is_a_fault_of_ours(state: State):
    with pytest.raises(ValueError, match="31 bytes"):
        state.trusted.put(TrustedKey("x", b"a" * 31, 1.0))


def test_plugins_follow_the_key_that_signed_them(state: State):
    for record in (
        plugin("by-ann", "unsigned", ANN.fingerprint),
        plugin("by-bob", "unsigned", BOB.fingerprint),
        plugin("by-nobody", "unsigned"),
        plugin("ours", "shipped"),
        plugin("dev", "development", ANN.fingerprint),
    ):
        state.put(record)
    before = trusts(state)

    state.trusted.put(ANN)
    assert trusts(state) == {**before, "by-ann": "signed"}

    state.trusted.put(BOB)
    state.trusted.remove("ann")
    assert trusts(state) == {**before, "by-bob": "signed"}


def test_versions_that_are_kept_follow_too(state: State):
    state.trusted.put(ANN)
    old = plugin("one", "signed", ANN.fingerprint)
    state.put(old)
    new = msgspec.structs.replace(old, digest="e")
    state.replace("one", lambda _: new, (), now=5.0)

    state.trusted.remove("ann")

    assert [version.record.trust for version in state.versions.of("one")] == ["unsigned"]


def test_a_damaged_row_vouches_for_nobody_and_is_told(tmp_path: Path):
    home = Home(tmp_path / "home")
    with State.open(home) as state:
        state.trusted.put(ANN)
    with sqlite3.connect(home.state_db) as connection:
        connection.execute("UPDATE trusted_keys SET key = x'00'")
    connection.close()
    with State.open(home) as state:
        assert state.trusted.list() == ()
        assert state.trusted.by_fingerprint(ANN.fingerprint) is None
        assert any("trusted_keys" in problem for problem in state.problems())
        assert state.trusted.remove("ann")
        assert state.problems() == ()


def test_keys_are_bounded_in_number(state: State):
    with state._database.writing(durable=True) as connection:
        connection.executemany(
            "INSERT INTO trusted_keys (name, key, added_at) VALUES (?, ?, 1.0)",
            [(f"k{n}", n.to_bytes(32, "big")) for n in range(MAX_KEYS)],
        )
    with pytest.raises(UsageError, match="1000 trusted keys"):
        state.trusted.put(ANN)
