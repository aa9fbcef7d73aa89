"""`stockade test`: what it prints, writes and exits with."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from stockade.cli.program import run_program
from stockade.settings import Home

from .conformance_samples import BROKEN, sample

pytestmark = pytest.mark.timeout(120)
QUICK = ("--only", "chat.unary", "--only", "vendor.rate_limited")


@pytest.fixture(autouse=True, scope="module")
def _home(base: Home) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STOCKADE_HOME", str(base.root))
        yield


def test_a_plugin_that_behaves_gets_a_report_and_a_file_and_exit_code_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = sample(tmp_path)

    code = run_program(["test", str(folder), *QUICK, "--keep", "--junit", str(tmp_path / "j.xml")])

    printed = capsys.readouterr().out
    assert code == 0
    assert "vendor.rate_limited" in printed
    assert "Score: 100%" in printed
    kept = json.loads((folder / "conformance.json").read_text())
    assert (kept["plugin"], kept["score"], kept["failed"]) == ("sample", 1.0, 0)
    suite = ElementTree.parse(tmp_path / "j.xml").find("testsuite")
    assert suite is not None
    assert suite.get("failures") == "0"

    assert run_program(["test", str(folder), *QUICK, "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["digest"] == kept["digest"]  # the report itself changed nothing


def test_a_plugin_that_does_not_gets_what_came_and_what_to_do_and_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = sample(tmp_path, BROKEN["takes a 429 for an answer"][0])

    code = run_program(["test", str(folder), *QUICK])

    printed = capsys.readouterr().out
    assert code == 1
    assert "expected a typed error; an answer came" in printed
    assert "what to do: " in printed
    assert "Score: 67%" in printed


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("no/such/folder",),
        ("--only", "chats"),
        ("--config", "base_url"),
        ("--config", "colour=red"),
        ("--record", "a", "--replay", "b"),
        ("--replay", "no/such/folder"),
    ],
)
def test_wrong_input_exits_with_2_and_runs_nothing(
    arguments: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = arguments and not arguments[0].startswith("-")
    folder = () if not arguments or given else (str(sample(tmp_path)),)

    assert run_program(["test", *folder, *arguments]) == 2

    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err


def test_the_checks_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["test", "--list", "--json"]) == 0

    listed = json.loads(capsys.readouterr().out)
    assert {"id", "title", "needs"} == set(listed[0])
    assert "vendor.cancelled" in {one["id"] for one in listed}
