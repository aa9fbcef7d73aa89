"""What is made of the source for the documentation, and the pages' own programs."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

import stockade_sdk
from stockade.kit.tapes import read_tapes
from stockade_sdk.provider import ProviderRequest
from tests.system.pages import DOCS, ROOT, blocks, rows, sections, words
from tests.system.test_docs_serving import shell

MODULES = DOCS / "reference" / "modules.md"
SDK = DOCS / "reference" / "sdk.md"
READMES = (ROOT / "README.md", ROOT / "README.zh.md")


@pytest.fixture(scope="module")
def module_list() -> ModuleType:
    """The Sphinx extension, which lies in no package."""
    path = DOCS / "extensions" / "module_list.py"
    spec = importlib.util.spec_from_file_location("module_list", path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_the_page_of_modules_has_every_module_with_its_first_sentence(
    module_list: ModuleType,
) -> None:
    source = [MODULES.read_text()]
    module_list._fill(source)
    told = {words(row[0])[0]: row[1] for row in rows(source[0])}

    folders = ("sdk/stockade_sdk", "worker/stockade_worker", "host/stockade")
    files = {
        ".".join(path.relative_to((ROOT / folder).parent).with_suffix("").parts)
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if "templates" not in path.parts
    }
    assert {name for name in files if not name.endswith("__init__")} <= set(told)
    assert set(told) <= files | {name.removesuffix(".__init__") for name in files}
    assert [name for name, said in told.items() if not said and name[-8:] != "__main__"] == []
    assert told["stockade.router.plan"].startswith("Which targets")


def test_a_sentence_ends_at_its_stop_and_breaks_no_table(module_list: ModuleType) -> None:
    said = module_list.first_sentence("Reads `a|b` of\n<it>. More of it.\n\nRules.")

    assert said == "Reads `a\\|b` of\n&lt;it>".replace("\n", " ")
    assert module_list.first_sentence("`install` and `uninstall`.") == "`install` and `uninstall`"


def test_every_public_name_of_the_sdk_has_its_place_on_the_page_of_the_sdk() -> None:
    text = SDK.read_text()
    documented = {line.split(":: ")[1] for line in text.splitlines() if ".. auto" in line}

    for name in stockade_sdk.__all__:
        value = getattr(stockade_sdk, name)
        home = getattr(value, "__module__", "")
        if not home.startswith("stockade_sdk."):
            continue  # an alias of types, which has no docstring
        whole = {f"stockade_sdk.{name}", f"{home}.{name}", home}
        assert whole & documented, f"{name} of {home}"


def test_the_program_that_embeds_a_host_says_who_answered(tmp_path: Path) -> None:
    home = {"STOCKADE_HOME": str(tmp_path / "home")}
    (program,) = blocks((DOCS / "how-to" / "embed-a-host.md").read_text(), "python")
    prepared = shell("stockade install echo --yes", home, tmp_path)

    done = shell(program, home, tmp_path, sys.executable)

    assert prepared.returncode == 0, prepared.stdout
    assert done.stdout == "hello ['echo/echo-1']\n", done.stdout


def test_the_recording_on_its_page_can_be_played(tmp_path: Path) -> None:
    (example,) = blocks((DOCS / "reference" / "recordings.md").read_text(), "json")
    (tmp_path / "001-post-chat-completions.json").write_text(example)

    (tape,) = read_tapes(tmp_path)

    assert (tape.host, tape.path) == ("api.example.com", "/v1/chat/completions")
    assert json.loads(tape.request.body.data)["model"] == "example-large"
    assert b"".join(chunk.data for chunk in tape.response.chunks).endswith(b"data: [DONE]\n\n")


def test_the_smoke_request_on_the_page_of_the_manifest_is_one() -> None:
    (example,) = blocks((DOCS / "reference" / "manifest.md").read_text(), "json")

    msgspec.json.decode(example, type=ProviderRequest)


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.name)
def test_both_readmes_have_each_vendors_plugin_in_a_table(path: Path) -> None:
    told = {words(row[1])[0] for row in rows(path.read_text("utf-8")) if words(row[1:2][0])}
    shipped = {file.parent.name for file in (ROOT / "plugins").glob("*/plugin.toml")}

    assert shipped - {"echo"} <= told


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.name)
@pytest.mark.parametrize("verb", ["new", "validate", "test", "pack", "upgrade", "rollback"])
def test_both_readmes_name_the_verbs_of_a_plugins_life(path: Path, verb: str) -> None:
    text = path.read_text("utf-8")

    assert f"stockade {verb}" in text or f"`{verb}`" in text


def test_the_guide_to_routes_has_a_chain_with_a_fallback_for_each_capability() -> None:
    text = sections((DOCS / "how-to" / "route-and-fall-back.md").read_text())
    (example,) = blocks(text["A chain for each capability"], "toml")

    for word in ("chat", "vision", "image_gen", "audio_stt", "audio_tts", "embedding", "rerank"):
        (line,) = [one for one in example.splitlines() if one.startswith(f"{word} = ")]
        assert line.count('"') >= 4, f"{word} has no fallback"
