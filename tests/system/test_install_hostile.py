"""Hostile wheels, sources and names, through the command: refused in words, nothing written."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.system.install_faults import NAME, PATIENCE_S, Done, Site, new_template, said
from tests.unit.host.archive_samples import Entry, wheel_file, wheel_files

pytestmark = pytest.mark.timeout(90)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def site(tmp_path: Path, template: Path) -> Site:
    return Site(tmp_path, template)


INFO = "sample-1.0.0.dist-info"


def _hostile(folder: Path) -> dict[str, tuple[Path, str]]:
    """Wheels that are refused: what of them, and the word that says so."""
    good = wheel_files()
    kinds: dict[str, tuple[dict[str, object], str]] = {
        "I1 leads out": ({"entries": [Entry("../../escaped.py", b"x")]}, "escaped.py"),
        "I1 absolute": ({"entries": [Entry("/tmp/escaped.py", b"x")]}, "escaped.py"),
        "I1 backslash": ({"entries": [Entry("..\\escaped.py", b"x")]}, "escaped.py"),
        "I2 link": ({"entries": [Entry("sample_provider/l", b"/etc", mode=0o120777)]}, "l"),
        "I2 pipe": ({"entries": [Entry("sample_provider/p", b"", mode=0o010644)]}, "p"),
        "I5 bomb": ({"entries": [Entry("sample_provider/b", bytes(400 << 20))]}, ""),
        "I6 hash": ({"record": b"sample_provider/__init__.py,sha256=AAAA,1\n"}, "RECORD"),
        "I7 pth": ({"files": {**good, "start.pth": b"import os\n"}}, "start.pth"),
        "I7 customize": ({"files": {**good, "sitecustomize.py": b""}}, "sitecustomize"),
        "I7 scripts": ({"files": {**good, "sample-1.0.0.data/scripts/ls": b""}}, "data"),
        "I10 two": ({"files": {**good, "plugin.toml": good[f"{INFO}/plugin.toml"]}}, "plugin.toml"),
        "I10 name": ({"files": _renamed(good)}, "other"),
    }
    found = {}
    for number, (kind, (options, word)) in enumerate(kinds.items()):
        (folder / str(number)).mkdir(parents=True)
        found[kind] = (wheel_file(folder / str(number), **options), word)  # type: ignore[arg-type]
    return found


def _renamed(files: dict[str, bytes]) -> dict[str, bytes]:
    manifest = files[f"{INFO}/plugin.toml"].replace(b'"sample"', b'"other"')
    return {**files, f"{INFO}/plugin.toml": manifest}


def test_a_hostile_wheel_is_refused_in_words_and_nothing_is_written(
    site: Site, tmp_path: Path
) -> None:
    wheels = _hostile(tmp_path / "wheels")
    before = sorted(tmp_path.rglob("*"))
    with site.unchanged():
        running = {
            kind: site.start("install", wheel, "--yes") for kind, (wheel, _) in wheels.items()
        }
        done = {kind: Done(process) for kind, process in running.items()}
        for kind, one in done.items():
            assert one.code == 2, (kind, one.err)
            said(one, wheels[kind][1])
    assert [path for path in tmp_path.rglob("*") if path.name.startswith("escaped")] == []
    assert not Path("/tmp/escaped.py").exists()
    assert [path for path in sorted(tmp_path.rglob("*")) if path not in before] == []
    assert site("install", wheel_file(tmp_path), "--yes", "--no-smoke").code == 0


def test_other_sources_and_names_are_refused_and_nothing_of_them_runs(
    site: Site, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    runs = f"open({str(canary)!r}, 'a').close()\n"
    sdist = tmp_path / "sample-1.0.0.tar.gz"
    with tarfile.open(sdist, "w:gz") as archive:
        for name in ("setup.py", "plugin.toml"):
            content = tarfile.TarInfo(f"sample-1.0.0/{name}")
            content.size = len(runs)
            archive.addfile(content, io.BytesIO(runs.encode()))
    named = site.version("2.0.0", runs)
    manifest = named / "plugin.toml"
    text = manifest.read_text()
    names = ("../up", ".dot", "-dash", "con/x", "x" * 300, "new\\nline", "nul\\u0000")
    with site.unchanged():
        built = site("install", sdist, "--yes")
        assert built.code == 2
        said(built, "source archives")
        running = []
        for number, name in enumerate(names):
            folder = shutil.copytree(named, tmp_path / f"named-{number}")
            (folder / "plugin.toml").write_text(text.replace(f'"{NAME}"', f'"{name}"'))
            running.append(site.start("install", folder, "--yes"))
        done = [Done(process) for process in running]
    assert [one.code for one in done] == [2] * len(names)
    assert all("name" in one.err and "Traceback" not in one.err for one in done)
    assert not canary.exists()
    exec(runs)  # what runs it is found out by the file
    assert canary.exists()


def test_a_name_close_to_an_installed_one_is_warned_of(site: Site) -> None:
    folder = site.version("2.0.0")
    manifest = folder / "plugin.toml"
    manifest.write_text(manifest.read_text().replace(f'"{NAME}"', '"chang1ng"'))
    with site.unchanged():
        done = site("install", folder)
    assert done.code == 3
    assert f"close to {NAME}" in done.out


# The interpreter's own audit, of the command's own process: what it starts, writes and imports.
AUDITED = """
import json, os, runpy, sys
log = open(sys.argv.pop(1), "w", buffering=1)
def hook(event, args):
    if event in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"):
        print(json.dumps(["start", str(args[0])]), file=log)
    if event == "open" and isinstance(args[0], str) and args[2] & (os.O_WRONLY | os.O_RDWR):
        print(json.dumps(["write", args[0]]), file=log)
    if event == "import":
        print(json.dumps(["import", args[0]]), file=log)
sys.addaudithook(hook)
runpy.run_module("stockade", run_name="__main__", alter_sys=True)
"""


def test_an_install_writes_below_its_home_and_starts_nothing_of_the_plugin(
    site: Site, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    wheel = wheel_file(tmp_path)
    command = [sys.executable, "-c", AUDITED, str(log), "install", str(wheel), "--yes"]
    done = subprocess.run(
        [*command, "--no-smoke"], env=site.env, capture_output=True, check=False, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert {what for kind, what in events if kind == "start"} == {sys.executable}
    written = [what for kind, what in events if kind == "write"]
    assert any(what.startswith(str(site.home.plugins)) for what in written)
    outside = [what for what in written if not what.startswith(str(site.home.root))]
    assert set(outside) <= {os.devnull}
    assert "sample_provider" not in {
        what.split(".")[0] for kind, what in events if kind == "import"
    }
