"""`list --available`: what could be installed from here, what was passed over; nothing is run."""

import sys
from pathlib import Path

import pytest

from tests.unit.host.cli_calls import Call, calling
from tests.unit.host.package_index import file_name, plugin_wheel
from tests.unit.host.packaging_samples import plugin_folder
from tests.unit.host.test_packages_source import unpacked

AVAILABLE = {"name", "version", "from", "trust", "installed", "source"}


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    monkeypatch.chdir(tmp_path)
    return calling(tmp_path / "home", monkeypatch, capsys)


def found(call: Call) -> dict[str, dict[str, object]]:
    return {row["source"]: row for row in call("list", "--available", "--json").json["plugins"]}


def test_plugins_that_ship_lie_here_or_stand_beside_are_available(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin_folder(tmp_path / "plugins", "mine", version="2.0.0")
    unpacked(tmp_path / "site", plugin_wheel("beside", "3.0.0"))
    monkeypatch.syspath_prepend(tmp_path / "site")

    rows = found(call)

    assert all(set(row) == AVAILABLE for row in rows.values())
    assert (rows["echo"]["from"], rows["echo"]["trust"]) == ("shipped", "shipped")
    assert rows["./plugins/mine"] | {"trust": "unsigned"} == {
        "name": "mine",
        "version": "2.0.0",
        "from": "folder",
        "trust": "unsigned",
        "installed": None,
        "source": "./plugins/mine",
    }
    assert (rows["beside"]["from"], rows["beside"]["version"]) == ("package", "3.0.0")


def test_what_is_said_to_install_can_be_installed_and_is_then_told_of(
    call: Call, tmp_path: Path
) -> None:
    plugin_folder(tmp_path / "plugins", "mine")
    (source,) = [row["source"] for row in found(call).values() if row["name"] == "mine"]
    assert call("permissions", "show", "mine").code == 2
    # What it does at a start is no matter here: its record is.
    from stockade.packages import commit_install, plan_install
    from stockade.settings import Home
    from stockade.state import State

    home = Home(tmp_path / "home")
    with State.open(home) as state:
        proposal = plan_install(home, state, str(source))
        commit_install(home, state, proposal, granted=proposal.asked)
    assert found(call)["./plugins/mine"]["installed"] == "1.0.0"


def test_a_broken_plugin_is_told_of_and_hides_no_other(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("good", "broken"):
        plugin_folder(tmp_path / "plugins", name)
    (tmp_path / "plugins/broken/plugin.toml").write_text("[plugin\x1b[31m")
    info = unpacked(tmp_path / "site", plugin_wheel("beside"))
    (info / "RECORD").write_text("odd")
    unpacked(tmp_path / "site2", plugin_wheel("good"))
    for site in ("site", "site2"):
        monkeypatch.syspath_prepend(tmp_path / site)

    called = call("list", "--available", "--json")

    assert called.code == 0
    names = [row["name"] for row in called.json["plugins"]]
    assert names.count("good") == 1
    assert not {"broken", "beside"} & set(names)
    codes = {(one["code"], *one["keys"]) for one in called.json["diagnostics"]}
    assert codes == {
        ("invalid_manifest", "broken"),
        ("broken_distribution", info.name),
        ("hidden_provider", "good"),
    }
    shown = call("list", "--available")
    assert "good" in shown.out
    assert '"broken" was passed over' in shown.err
    assert "\x1b" not in shown.out + shown.err


@pytest.mark.parametrize("kind", ["folder", "wheel", "package"])
def test_no_verb_that_looks_at_a_plugin_runs_any_of_it(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    source = {"folder": "./plugins/sample", "wheel": f"./{file_name('sample')}"}.get(kind, "sample")
    if kind == "folder":
        plugin_folder(tmp_path / "plugins")
    elif kind == "wheel":
        (tmp_path / file_name("sample")).write_bytes(plugin_wheel())
    else:
        unpacked(tmp_path / "site", plugin_wheel())
        monkeypatch.syspath_prepend(tmp_path / "site")

    assert call("list", "--available").code == 0
    if kind != "package":
        assert call("validate", source).code == 0
    asked = call("install", source)

    assert asked.code == 3  # nobody agreed: all was read, and nothing was installed
    assert "sample 1.0.0" in asked.out
    assert "sample_provider" not in sys.modules  # its code would have ended this process besides
    assert call("uninstall", "sample").code == 2
