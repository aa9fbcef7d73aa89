"""`upgrade`, `rollback`, `gc` and `inspect --verify` as an operator types them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stockade.packages import plugin_path
from stockade.settings import Home
from stockade.state import State
from tests.unit.host.cli_calls import Call, calling
from tests.unit.host.packaging_samples import plugin_folder

NETWORK = '[permissions]\nnetwork = ["api.example.com"]\n'
WIDER = '[permissions]\nnetwork = ["api.example.com", "more.example.com"]\n'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def call(home: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> Call:
    return calling(home, monkeypatch, capsys)


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, str]:
    made = {"1.0": NETWORK, "1.1": NETWORK, "2.0": WIDER}
    return {
        number: str(plugin_folder(tmp_path / number, version=number, more=more))
        for number, more in made.items()
    }


def inspected(home: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """In a process of its own: it looks at the machine, for which it opens a host."""
    argv = [sys.executable, "-m", "stockade", "inspect", "sample", "--json", *options]
    env = {**os.environ, "STOCKADE_HOME": str(home)}
    done = subprocess.run(argv, env=env, check=False, capture_output=True, text=True, timeout=60)
    return done.returncode, json.loads(done.stdout)


def test_an_upgrade_asks_only_for_what_widened(call: Call, folders: dict[str, str]):
    call("install", folders["1.0"], "--yes")

    plain = call("upgrade", "sample", folders["1.1"], "--json")
    asked = call("upgrade", "sample", folders["2.0"])
    agreed = call("upgrade", "sample", folders["2.0"], "--yes", "--json")

    assert plain.code == 0, plain.err
    assert (plain.json["version"], plain.json["replaced"]) == ("1.1", "1.0")
    assert asked.code == 3
    assert "It asks for more than it has:" in asked.out
    assert "more.example.com" in asked.out
    assert agreed.json["replaced"] == "1.1"
    assert agreed.json["granted"]["network"] == ["api.example.com", "more.example.com"]


def test_an_upgrade_without_a_source_looks_where_it_was_from(call: Call, folders: dict[str, str]):
    call("install", folders["1.0"], "--yes")
    (Path(folders["1.0"]) / "more.py").touch()

    assert call("upgrade", "sample", "--json").json["replaced"] == "1.0"
    assert "Nothing to upgrade" in call("upgrade", "sample").out


def test_an_older_version_needs_its_own_word_and_consent(call: Call, folders: dict[str, str]):
    call("install", folders["1.1"], "--yes")

    refused = call("upgrade", "sample", folders["1.0"], "--yes")
    unasked = call("upgrade", "sample", folders["1.0"], "--downgrade")
    done = call("upgrade", "sample", folders["1.0"], "--downgrade", "--yes", "--json")

    assert (refused.code, unasked.code) == (3, 3)
    assert "--downgrade" in refused.err
    assert done.json["version"] == "1.0"


def test_a_rollback_goes_back_and_what_is_kept_is_listed_and_collected(
    call: Call, home: Path, folders: dict[str, str]
):
    for number in ("1.0", "1.1", "2.0"):
        call("install", folders[number], "--yes")

    back = call("rollback", "sample", "--json")
    versions = inspected(home)[1]["versions"]
    freed = call("gc", "--keep", "0", "--json")

    assert (back.json["version"], back.json["replaced"]) == ("1.1", "2.0")
    assert [version["version"] for version in versions] == ["2.0", "1.0"]
    assert freed.json["versions"] == {"sample": ["2.0", "1.0"]}
    assert freed.json["freed_bytes"] > 0
    assert call("rollback", "sample").code == 2


def test_what_was_tampered_with_is_named_and_exits_with_1(
    call: Call, home: Path, folders: dict[str, str]
):
    call("install", folders["1.0"], "--yes")
    assert inspected(home, "--verify")[1]["verified"]["whole"] is True
    with State.open(Home(home)) as state:
        path = plugin_path(Home(home), state.require("sample")) / "plugin.toml"
    path.chmod(0o644)
    path.write_text("other")

    code, found = inspected(home, "--verify")

    assert code == 1
    assert found["verified"]["wrong"] == [f"{path} was changed"]
