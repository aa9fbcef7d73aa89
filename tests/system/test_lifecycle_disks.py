"""A disk that is full from some phase of an upgrade on: the old version stands, whole."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from stockade.errors import HostError
from stockade.packages import STEPS, commit_install, plan_install, sweep, verify_installed
from stockade.settings import Home
from stockade.state import Installed, State
from tests.unit.host.package_index import plugin_wheel, serving, wheel_bytes
from tests.unit.host.packaging_samples import plugin_folder

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root mounts a file system")
REQUIRES = 'requires = ["leaf"]\n'


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("root may not mount here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def leaf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An index that has the package."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    with serving() as index:
        index.add("leaf", wheel_bytes("leaf"))
        for name, value in index.environment().items():
            monkeypatch.setenv(name, value)
        yield


def fill(disk: Path) -> None:
    with (disk / "ballast").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def install(home: Home, state: State, folder: Path, full_at: str = "") -> Installed:
    def on_step(step: str) -> None:
        if step == full_at:
            fill(home.root.parent)

    proposal = plan_install(home, state, str(folder))
    return commit_install(home, state, proposal, granted=proposal.asked, on_step=on_step)


def stored(home: Home) -> set[str]:
    found = [*home.plugins.iterdir(), *home.environments.iterdir()]
    return {path.name for path in found if path.is_dir()}


@pytest.mark.parametrize("phase", STEPS)
def test_a_disk_that_fills_up_in_a_phase_leaves_the_old_version_or_the_new_and_nothing_else(
    disk: Path, tmp_path: Path, phase: str, leaf: None
) -> None:
    home = Home(disk / "home")
    old_folder = plugin_folder(tmp_path / "old")
    new_folder = plugin_folder(tmp_path / "new", version="2.0.0", more=REQUIRES, code="x = 1\n" * 9)
    with State.open(home) as state:
        old = install(home, state, old_folder)

        error: HostError | None = None
        try:
            install(home, state, new_folder, phase)
        except HostError as raised:
            error = raised
        record = state.require("sample")
        (disk / "ballast").unlink()
        sweep(home, state)

        assert record == state.require("sample")
        if record == old:
            assert error is not None
            assert "sample 2.0.0 was not installed" in error.what
            assert any(words in error.why for words in STEPS.values())
            assert stored(home) == {old.digest}
        else:
            assert phase in ("record", "lock-file", "tidy", "smoke")
            assert stored(home) == {old.digest, record.digest, record.environment}
        assert verify_installed(home, record) is None

        assert install(home, state, new_folder).version == "2.0.0"  # once there is room


def test_the_disk_is_full_in_these_tests(disk: Path) -> None:
    fill(disk)
    with pytest.raises(OSError, match="No space left"):
        (disk / "more").write_bytes(bytes(9000))


def test_a_plugin_as_a_wheel_that_does_not_fit_leaves_nothing(disk: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "sample-1.0.0-py3-none-any.whl"
    wheel.write_bytes(plugin_wheel())
    home = Home(disk / "home")
    with State.open(home) as state:
        with pytest.raises(HostError, match="was not installed"):
            install(home, state, wheel, "store")
        (disk / "ballast").unlink()
        assert state.list() == ()
        assert stored(home) == set()
        assert install(home, state, wheel).name == "sample"
