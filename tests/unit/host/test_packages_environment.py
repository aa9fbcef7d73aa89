"""The base environment, and a plugin's own packages beside it."""

import importlib.util
import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stockade.errors import HostError
from stockade.packages import base_environment, hold_environment
from stockade.packages.environment import (
    Part,
    find_parts,
    sweep_environments,
)
from stockade.settings import Home

CHECK_S = 0.005  # what a start may spend on finding the environment as it should be


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> tuple[Home, Path]:
    home = Home(tmp_path_factory.mktemp("base") / "home")
    return home, base_environment(home)


def imports(path: Path, module: str) -> bool:
    script = f"import sys; sys.path.insert(0, sys.argv[1]); import {module}"
    argv = [sys.executable, "-I", "-S", "-B", "-c", script, str(path)]
    done = subprocess.run(argv, stderr=subprocess.PIPE, check=False, timeout=30)
    return done.returncode == 0


@pytest.mark.parametrize("module", ["stockade_sdk", "stockade_worker", "msgspec", "zmq"])
def test_a_worker_can_import_what_it_needs(shared, module: str):
    assert imports(shared[1], module)


@pytest.mark.parametrize("module", ["stockade", "typer", "rich", "aiohttp", "anyio", "psutil"])
def test_a_worker_cannot_import_the_host_or_what_it_uses(shared, module: str):
    assert importlib.util.find_spec(module) is not None  # it is there to be leaked
    assert not imports(shared[1], module)


def test_it_holds_five_folders_read_only_and_compiled(shared):
    path = shared[1]
    names = {one.name for one in path.iterdir()}
    assert names - {"pyzmq.libs"} == {"stockade_sdk", "stockade_worker", "msgspec", "zmq"}
    for one in (path, *path.rglob("*")):
        assert not stat.S_IMODE(one.stat().st_mode) & 0o222, one
        assert not one.is_symlink()
        assert one.suffix != ".pth"
    compiled = next((path / "stockade_sdk" / "__pycache__").glob("__init__.*.pyc"))
    assert compiled.read_bytes()[4:8] == b"\x01\0\0\0"  # hash-based, unchecked (PEP 552)


def test_it_names_no_path_of_this_machine_in_its_code(shared):
    compiled = next((shared[1] / "stockade_sdk" / "__pycache__").glob("__init__.*.pyc"))
    assert str(shared[0].root).encode() not in compiled.read_bytes()


def test_the_second_start_takes_it_as_it_is_and_at_once(shared):
    home, path = shared
    inode = path.stat().st_ino
    took = []
    for _ in range(5):
        begin = time.perf_counter()
        assert base_environment(home) == path
        took.append(time.perf_counter() - begin)
    assert path.stat().st_ino == inode
    assert min(took) < CHECK_S


@pytest.fixture
def own_parts(tmp_path: Path) -> tuple[Part, ...]:
    """The four, ours copied so that a test can change them."""
    parts = []
    for part in find_parts():
        if part.record is None:
            folder = tmp_path / "source" / part.module
            shutil.copytree(part.folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
            parts.append(Part(part.module, folder))
        else:
            parts.append(part)
    return tuple(parts)


def test_a_change_of_our_sources_makes_a_new_one(tmp_path: Path, own_parts):
    home = Home(tmp_path / "home")
    first = base_environment(home, own_parts)
    (own_parts[0].folder / "added_module.py").write_text("x = 1\n")

    second = base_environment(home, own_parts)

    assert second != first
    assert not (first / "stockade_sdk/added_module.py").exists()
    assert imports(second, "stockade_sdk.added_module")


def test_one_that_cannot_be_imported_is_never_put_in_place(tmp_path: Path, own_parts):
    home = Home(tmp_path / "home")
    (own_parts[1].folder / "__init__.py").write_text("raise ImportError('planted')\n")
    with pytest.raises(HostError, match="planted"):
        base_environment(home, own_parts)
    assert list(home.environments.iterdir()) == []


def test_a_foreign_list_of_files_cannot_lead_outside(tmp_path: Path, own_parts):
    site = tmp_path / "site"
    for part in own_parts[2:]:
        assert part.record is not None
        for row in part.record.read_text().splitlines():
            name = row.split(",")[0]
            source = part.record.parent.parent / name
            if ".." not in name and source.is_file():
                (site / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, site / name)
    (tmp_path / "outside.py").write_text("")
    (site / "evil.pth").write_text("import os")
    record = next(site.glob("msgspec-*.dist-info/RECORD"))
    with record.open("a") as file:
        file.write("../outside.py,,\nevil.pth,,\nmsgspec/../evil.pth,,\n/etc/passwd,,\n")
    parts = (
        *own_parts[:2],
        Part("msgspec", site / "msgspec", record),
        Part("zmq", site / "zmq", next(site.glob("pyzmq-*.dist-info/RECORD"))),
    )

    path = base_environment(Home(tmp_path / "home"), parts)

    names = {one.name for one in path.iterdir()}
    assert names - {"pyzmq.libs"} == {"stockade_sdk", "stockade_worker", "msgspec", "zmq"}
    assert not (path.parent / "outside.py").exists()


def test_others_are_swept_when_old_and_not_held(tmp_path: Path):
    home = Home(tmp_path / "home")
    current = base_environment(home)
    names = {name: home.environments / f"base-{name}" for name in ("old", "held", "fresh")}
    for path in names.values():
        path.mkdir()
    for name in ("old", "held"):
        os.utime(names[name], (1, 1))
    os.utime(current, (1, 1))

    with hold_environment(names["held"]):
        assert sweep_environments(home) == ("base-old",)

    assert {path.name for path in home.environments.iterdir()} == {
        current.name,
        "base-held",
        "base-fresh",
    }
    assert sweep_environments(home) == ("base-held",)


def test_processes_that_meet_a_new_home_at_once_share_one(tmp_path: Path):
    script = (
        "import sys; from pathlib import Path; from stockade.settings import Home;"
        "from stockade.packages.environment import base_environment;"
        "print(base_environment(Home(Path(sys.argv[1]))))"
    )
    argv = [sys.executable, "-c", script, str(tmp_path / "home")]
    children = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = {child.communicate(timeout=60)[0] for child in children}
    assert len(said) == 1
    assert [str(path) for path in (tmp_path / "home/environments").iterdir()] == [
        said.pop().strip()
    ]
