"""The three distributions agree on their version, and pip is given what uv has locked."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import stockade
import stockade_sdk
import stockade_worker

ROOT = Path(__file__).parents[2]
MODULES = {"sdk": stockade_sdk, "worker": stockade_worker, "host": stockade}
OURS = {"stockade", "stockade-sdk", "stockade-worker"}


def project(folder: str) -> dict:
    return tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]


VERSION = project("host")["version"]


@pytest.mark.parametrize("folder", MODULES)
def test_distribution_and_module_have_the_one_version(folder):
    assert project(folder)["version"] == VERSION
    assert MODULES[folder].__version__ == VERSION
    assert project(folder)["requires-python"] == project(".")["requires-python"]


@pytest.mark.parametrize("folder", MODULES)
def test_distributions_pin_each_other_exactly(folder):
    ours = [Requirement(text) for text in project(folder)["dependencies"]]
    pins = {r.name: str(r.specifier) for r in ours if r.name in OURS}
    assert pins == dict.fromkeys(pins, f"=={VERSION}")


def test_the_sdk_depends_on_msgspec_alone():
    assert [Requirement(text).name for text in project("sdk")["dependencies"]] == ["msgspec"]


def test_requirements_lock_says_what_uv_lock_says():
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    locked = {(package["name"], package.get("version")) for package in lock["package"]}
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pinned = {(r.name, str(r.specifier).removeprefix("==")) for r in map(Requirement, lines)}
    assert pinned <= locked
    unpinned = {name for name, _ in locked} - {name for name, _ in pinned}
    assert unpinned == OURS | {"stockade-workspace"}


def test_uv_lock_names_no_place_but_the_public_index():
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    sources = [package["source"] for package in lock["package"]]
    registries = {source["registry"] for source in sources if "registry" in source}
    folders = {source["editable"] for source in sources if "editable" in source}
    assert registries == {"https://pypi.org/simple"}
    assert folders == {".", "host", "sdk", "worker"}


def test_every_runtime_dependency_is_pinned_for_this_interpreter():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = map(Requirement, lines)
    here = {pin.name for pin in pins if pin.marker is None or pin.marker.evaluate()}
    wanted = {
        Requirement(text).name for folder in MODULES for text in project(folder)["dependencies"]
    }
    assert wanted - OURS <= here
