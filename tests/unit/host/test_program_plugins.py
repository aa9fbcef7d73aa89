"""A plugin that is a program, from its folder to its plan; see the system tests for its life."""

import zipfile
from pathlib import Path

import pytest

from stockade.errors import UsageError
from stockade.kit.checking import check_plugin
from stockade.packages import consent_text, plan_install
from stockade.packages.folder import read_folder
from stockade.packages.packing import pack_plugin
from stockade.packages.wheel import read_wheel
from stockade.sandbox.plan import compare_acts, expected_acts
from stockade.settings import Home
from stockade.state import State
from stockade_sdk.limits import Limits
from stockade_sdk.permissions import Permissions
from stockade_worker.plan import EXECUTE, FULL, NONE, READ, RESTRICTED
from tests.unit.host.test_sandbox_plan import planned

MANIFEST = """\
manifest = 1

[plugin]
name = "sample"
version = "1.0.0"
entry = "./bin/sample"
sdk = ">=0.1,<0.2"
capabilities = ["chat"]
"""
WORDS = "Runs a program of its own (no Python): what its source does cannot be read here."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "plugin"
    (folder / "bin").mkdir(parents=True)
    (folder / "plugin.toml").write_text(MANIFEST)
    (folder / "bin" / "sample").write_bytes(b"\x7fELF and so on")
    (folder / "bin" / "sample").chmod(0o755)
    return folder


def planned_from(folder: Path) -> None:
    home = Home(folder.parent / "home")
    home.ensure()
    with State.open(home) as state:
        plan_install(home, state, str(folder))


def test_an_executable_file_is_taken(folder: Path) -> None:
    planned_from(folder)

    assert check_plugin(str(folder)).problems == ()


@pytest.mark.parametrize("how", ["gone", "not executable"])
def test_a_program_that_is_not_there_to_be_executed_is_refused(folder: Path, how: str) -> None:
    program = folder / "bin" / "sample"
    if how == "gone":
        program.unlink()
    else:
        program.chmod(0o644)

    with pytest.raises(UsageError, match="no such executable file in the folder"):
        planned_from(folder)
    with pytest.raises(UsageError, match="no such executable file in the folder"):
        pack_plugin(folder, folder.parent / "out")
    (problem,) = check_plugin(str(folder)).problems
    assert problem.key == "plugin.entry"
    assert "chmod +x" in problem.remedy


def test_its_wheel_is_for_this_machine_and_any_python_and_keeps_it_executable(
    folder: Path,
) -> None:
    made = pack_plugin(folder, folder.parent / "out")

    assert made.path.name.startswith("sample-1.0.0-py3-none-linux_")
    assert read_wheel(made.path).digest == read_folder(folder).digest
    with zipfile.ZipFile(made.path) as wheel:
        metadata = wheel.read("sample-1.0.0.dist-info/WHEEL").decode()
    assert "Root-Is-Purelib: false" in metadata


def test_who_installs_it_is_told_that_it_is_a_program(folder: Path) -> None:
    manifest = check_plugin(str(folder)).manifest
    assert manifest is not None

    assert WORDS in consent_text(manifest, Permissions(), Limits())
    (folder / "plugin.toml").write_text(MANIFEST.replace("./bin/sample", "sample:Sample"))
    other = check_plugin(str(folder)).manifest
    assert other is not None
    assert WORDS not in consent_text(other, Permissions(), Limits())


@pytest.mark.parametrize("tier", [FULL, RESTRICTED])
def test_its_plan_lets_one_file_be_executed_and_a_python_plugins_none(tier: str) -> None:
    python, program = planned(tier), planned(tier, program="bin/sample")

    (extra,) = set(program.paths) - set(python.paths)
    assert (extra.path, extra.access) == (program.program, EXECUTE)
    assert program.program.endswith("/bin/sample")
    assert python.program == ""
    assert {path.path: path.access for path in python.paths}[
        program.program.removesuffix("/bin/sample") + ("/." if tier == RESTRICTED else "")
    ] == READ
    assert program._replace(paths=python.paths, program="") == python


def test_without_walls_it_is_the_file_itself() -> None:
    plan = planned(NONE, program="bin/sample")

    assert plan.program == "/home/me/stockade/plugins/p/bin/sample"
    assert plan.paths == ()


def test_only_its_attempt_to_execute_may_get_as_far_as_finding_nothing() -> None:
    python, program = planned(), planned(program="bin/sample")
    differs = {
        name
        for name, right in expected_acts(program).items()
        if right != expected_acts(python)[name]
    }

    assert differs == {"execute"}
    acts = {name: min(right) for name, right in expected_acts(program).items()}
    assert compare_acts(program, acts) == []
    assert compare_acts(program, acts | {"execute": 0}) == ["execute went"]
