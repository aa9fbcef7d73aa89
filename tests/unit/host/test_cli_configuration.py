"""Setting what a plugin needs: configuration, and keys that are never shown."""

from pathlib import Path

import pytest

from tests.unit.host.cli_calls import Call, calling
from tests.unit.host.packaging_samples import ASKS, plugin_folder

KEY = b"sk-very-secret-0123456789"
MORE = (
    ASKS
    + """
[config.retries]
type = "integer"
default = 3
help = "How often"

[config.mode]
type = "choice"
choices = ["fast", "careful"]

[config.verbose]
type = "boolean"

[config.account]
type = "string"
required = true
"""
)


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    call = calling(tmp_path / "home", monkeypatch, capsys)
    folder = plugin_folder(tmp_path / "sources", more=MORE)
    installed = call("install", str(folder), "--yes", "--allow-host", "127.0.0.1:9000")
    assert installed.code == 0, installed.err
    return call


@pytest.mark.parametrize(
    ("key", "typed", "kept"),
    [
        ("base_url", "https://api.example.com/v1", "https://api.example.com/v1"),
        ("retries", "-1", -1),
        ("mode", "careful", "careful"),
        ("verbose", "True", True),
    ],
)
def test_a_value_is_kept_in_its_own_type(call: Call, key: str, typed: str, kept: object) -> None:
    assert call("config", "set", "sample", key, typed).code == 0

    assert call("config", "get", "sample", key, "--json").json == kept
    assert call("config", "get", "sample", "--json").json[key] == kept


@pytest.mark.parametrize(
    ("key", "typed"),
    [
        ("base_url", "ftp://api.example.com"),
        ("base_url", "https://user:pw@api.example.com"),
        ("retries", "often"),
        ("mode", "fats"),
        ("verbose", "perhaps"),
        ("base_ur", "https://api.example.com"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_what_would(
    call: Call, key: str, typed: str
) -> None:
    before = call("config", "get", "sample", "--json").json

    called = call("config", "set", "sample", key, typed)

    assert called.code == 2
    assert "what to do: " in called.err
    assert call("config", "get", "sample", "--json").json == before


def test_a_default_holds_until_a_value_is_set_and_again_when_it_is_unset(call: Call) -> None:
    default = call("config", "get", "sample", "retries").out
    call("config", "set", "sample", "retries", "9")
    changed = call("config", "get", "sample", "retries").out
    call("config", "unset", "sample", "retries")

    assert (default, changed) == ("3\n", "9\n")
    assert call("config", "get", "sample", "retries").out == "3\n"


def test_asking_for_a_value_that_nobody_set_fails(call: Call) -> None:
    called = call("config", "get", "sample", "mode")

    assert called.code == 1
    assert called.out == ""


def test_the_table_says_what_must_be_set(call: Call) -> None:
    rows = call("config", "get", "sample").out.splitlines()

    assert rows[0].split()[:4] == ["KEY", "TYPE", "VALUE", "FROM"]
    assert [row.split()[0] for row in rows if "must be set" in row] == ["account"]


def test_a_key_is_kept_and_never_shown(call: Call, tmp_path: Path) -> None:
    kept = call("secrets", "set", "sample", "SAMPLE_KEY", stdin=KEY + b"\n")

    assert kept.code == 0
    shown = [
        kept,
        call("secrets", "list"),
        call("secrets", "list", "--json"),
        call("config", "get", "sample"),
        call("permissions", "show", "sample"),
        call("list", "--json"),
        call("logs", "sample"),
        call("install", "sample", "--yes"),
    ]
    assert not any(KEY.decode() in one.out + one.err for one in shown)
    assert KEY in (tmp_path / "home" / "secrets.json").read_bytes()
    assert (tmp_path / "home" / "secrets.json").stat().st_mode & 0o077 == 0


def test_the_list_of_keys_has_stable_keys_and_those_that_are_missing(call: Call) -> None:
    missing = call("secrets", "list", "--json").json
    call("secrets", "set", "sample", "SAMPLE_KEY", "--host", "127.0.0.1:9000", stdin=KEY)
    there = call("secrets", "list", "--json").json

    row = {"plugin": "sample", "name": "SAMPLE_KEY", "expose": False}
    assert missing == [{**row, "set": False, "source": None, "hosts": ["api.example.com"]}]
    hosts = ["api.example.com", "127.0.0.1:9000"]
    assert there == [{**row, "set": True, "source": "file", "hosts": hosts}]


def test_a_new_value_goes_to_the_same_hosts(call: Call) -> None:
    call("secrets", "set", "sample", "SAMPLE_KEY", "--host", "127.0.0.1:9000", stdin=KEY)
    call("secrets", "set", "sample", "SAMPLE_KEY", stdin=b"sk-rotated")

    hosts = call("secrets", "list", "--json").json[0]["hosts"]
    assert hosts == ["api.example.com", "127.0.0.1:9000"]


def test_a_key_that_the_manifest_does_not_declare_is_refused(call: Call) -> None:
    called = call("secrets", "set", "sample", "OTHER_KEY", stdin=KEY)

    assert called.code == 2
    assert "SAMPLE_KEY" in called.err
    assert KEY.decode() not in called.err


@pytest.mark.parametrize("host", ["127.0.0.1:9001", "127.0.0.1", "evil.example.net", "example.org"])
def test_a_key_is_bound_to_no_host_that_the_plugin_may_not_reach(call: Call, host: str) -> None:
    called = call("secrets", "set", "sample", "SAMPLE_KEY", "--host", host, stdin=KEY)

    assert called.code == 3
    assert "may not reach" in called.err
    assert not call("secrets", "list", "--json").json[0]["set"]


def test_a_key_is_bound_to_a_host_that_was_granted(call: Call) -> None:
    assert (
        call("secrets", "set", "sample", "SAMPLE_KEY", "--host", "a.example.org", stdin=KEY).code
        == 0
    )


def test_a_key_that_was_denied_is_not_kept(call: Call) -> None:
    call("permissions", "revoke", "sample", "secrets:SAMPLE_KEY")

    called = call("secrets", "set", "sample", "SAMPLE_KEY", stdin=KEY)

    assert called.code == 3
    assert "permissions grant sample secrets:SAMPLE_KEY" in called.err


@pytest.mark.parametrize("value", [b"", b"\n", b"two\nlines", b"\xff\xfe", b"x" * 100_000])
def test_what_cannot_be_a_key_is_refused(call: Call, value: bytes) -> None:
    called = call("secrets", "set", "sample", "SAMPLE_KEY", stdin=value)

    assert called.code == 2
    assert not call("secrets", "list", "--json").json[0]["set"]


def test_a_key_can_be_forgotten_once(call: Call, tmp_path: Path) -> None:
    call("secrets", "set", "sample", "SAMPLE_KEY", stdin=KEY)

    assert call("secrets", "remove", "sample", "SAMPLE_KEY").code == 0
    assert KEY not in (tmp_path / "home" / "secrets.json").read_bytes()
    assert call("secrets", "remove", "sample", "SAMPLE_KEY").code == 2
