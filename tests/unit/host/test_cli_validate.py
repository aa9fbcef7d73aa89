"""`validate`: every problem at once, without running any of it."""

from pathlib import Path

import pytest

from tests.unit.host.cli_calls import Call, calling
from tests.unit.host.packaging_samples import plugin_folder


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    return calling(tmp_path / "home", monkeypatch, capsys)


def test_a_plugin_is_valid_and_its_code_is_not_run(call: Call, tmp_path: Path) -> None:
    called = call("validate", str(plugin_folder(tmp_path)))  # its code would end this process

    assert called.code == 0
    assert called.out.startswith("sample 1.0.0 is a plugin that can be installed.\n")
    assert not (tmp_path / "home").exists()


def test_the_keys_of_a_verdict_are_stable(call: Call, tmp_path: Path) -> None:
    folder = plugin_folder(tmp_path)

    found = call("validate", str(folder), "--json").json

    assert list(found) == ["valid", "path", "name", "version", "problems", "warnings"]
    assert found | {"warnings": []} == {
        "valid": True,
        "path": str(folder / "plugin.toml"),
        "name": "sample",
        "version": "1.0.0",
        "problems": [],
        "warnings": [],
    }


def test_every_problem_is_told_at_once_with_its_line(call: Call, tmp_path: Path) -> None:
    folder = plugin_folder(tmp_path, version="one", more="[permissions]\nnetwrok = []\n")

    people, programs = call("validate", str(folder)), call("validate", str(folder), "--json")

    assert people.code == programs.code == 2
    assert "plugin.toml:5: plugin.version" in people.err
    assert "plugin.toml:10: permissions.netwrok" in people.err
    assert "2 problems found" in people.err  # and no warnings: of a broken manifest there are none
    found = programs.json["problems"]
    assert [list(problem) for problem in found] == [["line", "key", "message", "remedy"]] * 2
    assert [problem["line"] for problem in found] == [5, 10]


def test_a_manifest_alone_can_be_checked(call: Call, tmp_path: Path) -> None:
    folder = plugin_folder(tmp_path)

    assert call("validate", str(folder / "plugin.toml")).code == 0


def test_an_entry_that_is_not_there_is_a_problem(call: Call, tmp_path: Path) -> None:
    folder = plugin_folder(tmp_path)
    (folder / "sample_provider").rename(folder / "renamed")

    called = call("validate", str(folder), "--json")

    assert called.code == 2
    assert [problem["key"] for problem in called.json["problems"]] == ["plugin.entry"]


def test_a_file_that_would_run_at_pythons_start_is_a_problem(call: Call, tmp_path: Path) -> None:
    folder = plugin_folder(tmp_path)
    (folder / "evil.pth").write_text("import os\n")

    called = call("validate", str(folder))

    assert called.code == 2
    assert "would run code when Python starts" in called.err


def test_an_sdk_that_is_not_this_one_is_a_problem(call: Call, tmp_path: Path) -> None:
    folder = plugin_folder(tmp_path)
    manifest = folder / "plugin.toml"
    manifest.write_text(manifest.read_text().replace(">=0.1,<0.2", ">=7"))

    called = call("validate", str(folder), "--json")

    assert [problem["key"] for problem in called.json["problems"]] == ["plugin.sdk"]


@pytest.mark.parametrize("path", ["nowhere", "nowhere/plugin.toml", "", "a\0b"])
def test_a_path_to_nothing_is_wrong_input(call: Call, tmp_path: Path, path: str) -> None:
    assert call("validate", str(tmp_path / path) if path else "no such place").code == 2


def test_a_folder_without_a_manifest_has_one_problem(call: Call, tmp_path: Path) -> None:
    called = call("validate", str(tmp_path))

    assert called.code == 2
    assert "plugin.toml" in called.err


def test_a_plugin_that_ships_with_stockade_is_checked_by_name(call: Call) -> None:
    assert call("validate", "echo").code == 0
