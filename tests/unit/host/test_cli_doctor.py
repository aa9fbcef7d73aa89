"""`doctor`: what this machine can enforce, and what it must not claim."""

from pathlib import Path

import pytest

from stockade.sandbox.plan import LAYERS, WORDS
from tests.unit.host.cli_calls import Call, calling


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def call(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    return calling(home, monkeypatch, capsys)


def test_its_keys_are_stable(call: Call) -> None:
    found = call("doctor", "--json").json

    assert list(found) == ["ok", "tier", "limitation", "kernel", "host", "layers"]
    assert {tuple(row) for row in (*found["kernel"], *found["host"])} == {
        ("name", "ok", "needed", "detail", "remedy")
    }
    assert [row["name"] for row in found["host"]] == [
        "python",
        "home",
        "settings",
        "base environment",
        "uv",
    ]


def test_it_claims_the_layers_that_a_worker_gets_and_no_other(call: Call) -> None:
    found = call("doctor", "--json").json

    assert found["tier"] == "none"
    assert [row["name"] for row in found["layers"]] == list(LAYERS)
    told = call("doctor").out
    assert "builds no wall of the kernel's" in " ".join(told.split())
    assert all(words in told for words in WORDS.values())


def test_it_leaves_no_home_behind(call: Call, home: Path) -> None:
    assert call("doctor").code == 0
    assert not home.exists()


def test_a_home_that_others_may_write_to_is_a_failed_check(call: Call, home: Path) -> None:
    home.mkdir()
    home.chmod(0o777)

    called = call("doctor")

    assert called.code == 1
    assert f"chmod 700 {home}" in called.out


def test_a_home_that_is_a_file_is_a_failed_check(call: Call, home: Path) -> None:
    home.write_text("")

    assert call("doctor").code == 1


def test_settings_that_cannot_be_read_are_a_failed_check(call: Call, home: Path) -> None:
    home.mkdir(mode=0o700)
    (home / "stockade.toml").write_text("[routes]\nchta = []\n")

    called = call("doctor")

    assert called.code == 1
    assert "line 2" in called.out
