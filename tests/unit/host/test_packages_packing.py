"""`pack`: what goes into a wheel, that pip takes it, and that it is the same each time."""

import json
import os
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from stockade.errors import HostError, UsageError
from stockade.packages import shipped_plugins
from stockade.packages.archive import open_archive
from stockade.packages.folder import read_folder
from stockade.packages.packing import pack_bundle, pack_plugin
from stockade.packages.wheel import read_wheel
from tests.unit.host.packaging_samples import plugin_folder, tree

CODE = "sample_provider/__init__.py"
INFO = "sample-1.0.0.dist-info"
ABOUT = """\
summary = "A sample: for the tests"
authors = ["Ann <ann@example.com>", "Bob"]
license = "Apache-2.0"
homepage = "https://example.com/sample"
requires = ["tiktoken>=0.7"]
"""
LIST_ENTRIES = """
import sys
sys.path.insert(0, sys.argv[1])
from importlib.metadata import entry_points
print(sorted(entry.name for entry in entry_points(group="stockade.providers")))
"""


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def content(wheel: Path, name: str) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(name)


def test_a_wheel_has_the_code_and_its_metadata(tmp_path: Path):
    folder = plugin_folder(tmp_path, more=ABOUT)
    (folder / "README.md").write_text("# Sample\n\nName: evil\n")
    (folder / "LICENSE").write_text("free")
    (folder / "smoke.json").write_text(json.dumps({"type": "chat", "messages": []}))

    made = pack_plugin(folder, tmp_path / "out")

    assert made.path == tmp_path / "out" / "sample-1.0.0-py3-none-any.whl"
    assert (made.manifest.name, made.left_out) == ("sample", ())
    assert names(made.path) == [
        CODE,
        *(f"{INFO}/{name}" for name in ("METADATA", "WHEEL", "entry_points.txt")),
        *(f"{INFO}/{name}" for name in ("licenses/LICENSE", "plugin.toml", "smoke.json", "RECORD")),
    ]
    told = message_from_bytes(content(made.path, f"{INFO}/METADATA"))
    assert told.items() == [
        ("Metadata-Version", "2.4"),
        ("Name", "sample"),
        ("Version", "1.0.0"),
        ("Summary", "A sample: for the tests"),
        ("Author", "Ann <ann@example.com>, Bob"),
        ("License-Expression", "Apache-2.0"),
        ("License-File", "LICENSE"),
        ("Project-URL", "Homepage, https://example.com/sample"),
        ("Requires-Python", ">=3.11"),
        ("Requires-Dist", "tiktoken>=0.7"),
        ("Description-Content-Type", "text/markdown"),
    ]
    assert told.get_payload() == "# Sample\n\nName: evil\n"
    assert content(made.path, f"{INFO}/entry_points.txt") == (
        b"[stockade.providers]\nsample = sample_provider:Sample\n"
    )
    assert [one.name for one in made.path.parent.iterdir()] == [made.path.name]


def test_it_is_installed_as_the_folder_would_be(tmp_path: Path):
    folder = plugin_folder(tmp_path)
    made = pack_plugin(folder, tmp_path / "out")
    assert made.digest == read_wheel(made.path).digest == read_folder(folder).digest


def test_what_is_the_authors_alone_stays_out_and_is_told(tmp_path: Path):
    folder = plugin_folder(tmp_path)
    for path in ("tests/test_it.py", "recordings/a.json", "docs/index.md", "assets/logo.svg",
                 "__pycache__/x.pyc", ".github/ci.yml"):  # fmt: skip
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text("x")
    for name in ("pyproject.toml", "setup.py", "conftest.py", "test_it.py", ".env", "helper.py"):
        (folder / name).write_text("x = 1")

    made = pack_plugin(folder, tmp_path / "out")

    assert [name for name in names(made.path) if INFO not in name] == [
        "assets/logo.svg", "helper.py", CODE,
    ]  # fmt: skip
    assert made.left_out == (
        ".env", ".github/", "conftest.py", "docs/", "pyproject.toml", "recordings/", "setup.py",
        "test_it.py", "tests/",
    )  # fmt: skip


def test_the_same_folder_gives_the_same_bytes(tmp_path: Path):
    one, other = plugin_folder(tmp_path / "a"), plugin_folder(tmp_path / "b")
    (one / "sample_provider" / "run").write_text("#!")
    (other / "sample_provider" / "run").write_text("#!")
    for folder in (one, other):
        (folder / "sample_provider" / "run").chmod(0o755)
    os.utime(other / "plugin.toml", (1, 1))
    (other / "plugin.toml").chmod(0o600)
    first = pack_plugin(one, tmp_path / "out").path.read_bytes()
    again = pack_plugin(other, tmp_path / "out").path.read_bytes()
    assert first == again
    assert [e.path for e in read_wheel(tmp_path / "out/sample-1.0.0-py3-none-any.whl").files
            if e.executable] == ["sample_provider/run"]  # fmt: skip


def test_a_compiled_module_binds_it_to_this_python(tmp_path: Path):
    folder = plugin_folder(tmp_path)
    (folder / "sample_provider" / "fast.so").write_bytes(b"\x7fELF")
    path = pack_plugin(folder, tmp_path / "out").path
    assert f"cp3{sys.version_info.minor}-cp3{sys.version_info.minor}-linux_" in path.name
    assert b"Root-Is-Purelib: false" in content(path, f"{INFO}/WHEEL")


def test_pip_takes_it_and_runs_nothing_of_it(tmp_path: Path):
    target = tmp_path / "target"
    wheels = [
        pack_plugin(plugin_folder(tmp_path), tmp_path / "out").path,
        pack_plugin(shipped_plugins()["openai"], tmp_path / "out").path,
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--no-compile",
         "--disable-pip-version-check", "--target", str(target), *map(str, wheels)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = tree(target)
    assert {CODE, f"{INFO}/plugin.toml", "openai-0.1.0.dist-info/plugin.toml"} <= found
    assert "plugin.toml" not in found
    listed = subprocess.run(
        [sys.executable, "-c", LIST_ENTRIES, str(target)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "openai" in listed.stdout
    assert "sample" in listed.stdout


@pytest.mark.parametrize("name", shipped_plugins())
def test_every_shipped_plugin_can_be_packed(tmp_path: Path, name: str):
    folder = shipped_plugins()[name]
    made = pack_plugin(folder, tmp_path)
    assert set(made.left_out) <= {"conformance.toml"}  # how its author tests it
    assert read_wheel(made.path).manifest == (folder / "plugin.toml").read_bytes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "plugin.toml").write_text("x"), "manifest cannot be used"),
        (lambda folder: (folder / "plugin.toml").unlink(), "no plugin.toml"),
        (lambda folder: (folder / CODE).unlink(), "no such module"),
        (lambda folder: (folder / "x.pth").write_text(""), "when Python starts"),
        (lambda folder: (folder / "smoke.json").write_text("{}"), "smoke.json is no request"),
        (lambda folder: (folder / "smoke.json").write_text(" " * 70_000), "larger than 64 KiB"),
        (lambda folder: (folder / "link").symlink_to("/etc/passwd"), "symbolic link"),
        (lambda folder: (folder / "sample_provider" / "plugin.toml").write_text(""), "manifests"),
    ],
)
def test_what_could_not_be_installed_is_not_packed(tmp_path: Path, change, said: str):
    folder = plugin_folder(tmp_path)
    change(folder)
    out = tmp_path / "out"
    with pytest.raises(UsageError, match=said):
        pack_plugin(folder, out)
    assert list(out.iterdir()) == []


def test_the_wheel_may_be_put_into_the_folder_itself(tmp_path: Path):
    """As an author does who stands in it; the one before is no part of the next."""
    folder = plugin_folder(tmp_path)
    first = pack_plugin(folder, folder / "dist").path.read_bytes()

    assert pack_plugin(folder, folder / "dist").path.read_bytes() == first


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path):
    (tmp_path / "out").write_text("")
    with pytest.raises(HostError, match="cannot write"):
        pack_plugin(plugin_folder(tmp_path), tmp_path / "out")


def test_a_bundle_has_the_wheel_and_those_it_needs(tmp_path: Path):
    wheel = pack_plugin(plugin_folder(tmp_path), tmp_path / "out").path
    other = pack_plugin(plugin_folder(tmp_path, "other"), tmp_path / "wheels").path

    bundle = pack_bundle(wheel, [other])

    assert bundle == tmp_path / "out" / "sample-1.0.0.bundle.zip"
    with open_archive(bundle) as archive:
        assert {member.name: archive.read(member) for member in archive.members} == {
            wheel.name: wheel.read_bytes(),
            f"wheels/{other.name}": other.read_bytes(),
        }
