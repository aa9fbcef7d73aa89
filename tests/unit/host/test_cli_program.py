"""The command as a whole: its verbs, their help, wrong usage, and what a call imports."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer

from stockade import __version__
from stockade.cli.program import VERBS, run_program

PROMISED = (
    "upgrade rollback gc "
    "test "
    "pack sign verify trust new call dev "
    "demo run install uninstall list inspect validate logs doctor config secrets enable disable"
    " permissions health auth plugins models aliases routes providers serve top tokens"
)
HEAVY = ("anyio", "asyncio", "aiohttp", "msgspec", "sqlite3", "rich", "stockade_sdk", "zmq")


def test_every_promised_verb_is_there() -> None:
    assert set(VERBS) == set(PROMISED.split())


@pytest.mark.parametrize("name", VERBS)
def test_the_list_of_verbs_says_of_each_what_its_own_help_says(name: str) -> None:
    verb = VERBS[name]

    found = getattr(import_module(f"stockade.cli.{verb.module}"), verb.name)

    said = found.info.help if isinstance(found, typer.Typer) else found.__doc__
    assert str(said).splitlines()[0] == verb.help


@pytest.mark.parametrize("name", VERBS)
def test_no_line_of_the_list_of_verbs_is_cut(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    run_program(["--help"])

    assert VERBS[name].help in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program([name, "--help"]) == 0
    assert f"Usage: stockade {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["run"],
        ["run", "hi", "--frobnicate"],
        ["run", "hi", "--timeout", "soon"],
        ["install"],
        ["run", "\udcff"],
        ["inspect", "\udcff"],
        ["logs", "echo", "-n", "-1"],
        ["config", "set", "echo"],
        ["config", "frobnicate"],
        ["secrets", "set", "echo", "KEY", "the-value-itself"],
    ],
)
def test_wrong_usage_exits_with_2_and_leaves_stdout_alone(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program(arguments) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err


@pytest.mark.parametrize("arguments", [["--version"], ["--version", "list"]])
def test_the_version_is_shown(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(arguments) == 0
    assert capsys.readouterr().out == f"stockade {__version__}\n"


def imported(arguments: list[str], home: Path) -> set[str]:
    """What one command imports, in a process of its own."""
    code = (
        "import sys\n"
        f"sys.argv = {['stockade', *arguments]!r}\n"
        "from stockade.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"STOCKADE_HOME": str(home), "PATH": ""},
    )
    return set(done.stderr.split())


def test_help_imports_typer_and_nothing_of_the_hosts(tmp_path: Path) -> None:
    found = imported(["--help"], tmp_path)

    assert "typer" in found
    assert found.isdisjoint(HEAVY)
    assert not (tmp_path / "state.db").exists()


def test_the_version_does_not_even_import_typer(tmp_path: Path) -> None:
    assert "typer" not in imported(["--version"], tmp_path)


def test_listing_starts_no_event_loop(tmp_path: Path) -> None:
    found = imported(["list"], tmp_path)

    assert "stockade.state" in found
    assert found.isdisjoint({"asyncio", "anyio", "aiohttp", "rich"})
