"""`new`: what it makes is whole from the start, and nothing is overwritten."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from stockade.errors import UsageError
from stockade.kit.checking import check_plugin
from stockade.kit.template import WIRES, create_plugin, module_of
from stockade_sdk.manifest import read_manifest_file
from stockade_sdk.provider import ProviderRequest
from tests.unit.host.cli_calls import calling

EVERYTHING = ["chat", "vision", "embedding", "image_gen", "audio_stt", "audio_tts", "rerank"]
MADE = [("openai", EVERYTHING), *((wire, []) for wire in WIRES)]
TO_THINK_OVER = {"plugin.authors", "plugin.homepage", "permissions.network[0]"}


@pytest.mark.parametrize(("wire", "capabilities"), MADE)
def test_what_is_made_can_be_installed_and_warns_of_what_is_made_up(
    tmp_path: Path, wire: str, capabilities: list[str]
) -> None:
    made = create_plugin("acme-cloud", tmp_path, wire=wire, capabilities=capabilities)

    checked = check_plugin(str(made.folder))
    assert checked.problems == ()
    assert {warning.key for warning in checked.warnings} == TO_THINK_OVER


@pytest.mark.parametrize(("wire", "capabilities"), MADE)
def test_its_own_tests_pass(tmp_path: Path, wire: str, capabilities: list[str]) -> None:
    made = create_plugin("acme-cloud", tmp_path, wire=wire, capabilities=capabilities)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=made.folder,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_every_capability_has_its_model_and_vision_is_the_chat_models(tmp_path: Path) -> None:
    made = create_plugin("acme", tmp_path, capabilities=EVERYTHING)

    models = read_manifest_file(made.folder / "plugin.toml").models
    assert [word for model in models for word in model.capabilities] == EVERYTHING
    assert models[0].capabilities == ("chat", "vision")


@pytest.mark.parametrize("capability", ["chat", "embedding", "rerank"])
def test_its_smoke_request_is_one(tmp_path: Path, capability: str) -> None:
    made = create_plugin("acme", tmp_path, capabilities=[capability])

    smoke = msgspec.json.decode((made.folder / "smoke.json").read_bytes(), type=ProviderRequest)
    assert type(smoke).__name__.lower().startswith(capability)


def test_nothing_is_overwritten_and_nothing_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "mine.txt").write_text("kept")

    with pytest.raises(UsageError, match="there already"):
        create_plugin("acme", tmp_path)

    assert [path.name for path in tmp_path.rglob("*")] == ["acme", "mine.txt"]


@pytest.mark.parametrize(
    "name", ["Acme", "acme_cloud", "../acme", "a b", "", "-a", "a" * 41, 'a"b', "echo", "openai"]
)
def test_a_name_that_cannot_be_or_is_taken_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        create_plugin(name, tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_name_close_to_a_shipped_ones_is_told(tmp_path: Path) -> None:
    assert "openai" in create_plugin("openal", tmp_path).warnings[0]
    assert create_plugin("acme", tmp_path).warnings == ()


@pytest.mark.parametrize(
    "wrong", [{"wire": "smtp"}, {"capabilities": ["chatt"]}, {"wire": "own", "capabilities": ["x"]}]
)
def test_a_wire_or_a_capability_without_a_template_is_refused(
    tmp_path: Path, wrong: dict[str, object]
) -> None:
    with pytest.raises(UsageError):
        create_plugin("acme", tmp_path, **wrong)  # type: ignore[arg-type]

    assert list(tmp_path.iterdir()) == []


def test_its_package_hides_no_module_of_ours() -> None:
    assert module_of("acme-cloud") == "stockade_acme_cloud"
    assert module_of("sdk") == "stockade_sdk_plugin"


def test_the_command_tells_what_it_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call = calling(tmp_path / "home", monkeypatch, capsys)

    called = call("new", "acme", "--dir", str(tmp_path), "--json")

    assert list(called.json) == ["name", "path", "files"]
    assert called.json["path"] == str(tmp_path / "acme")
    assert all((tmp_path / "acme" / file).is_file() for file in called.json["files"])
    assert call("new", "acme", "--dir", str(tmp_path)).code == 2
