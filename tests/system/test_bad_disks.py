"""Disks that are full or only read: requests go on, and what cannot be done says why."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from stockade import Host
from stockade.errors import StateError
from stockade.state import State
from tests.system.bad_homes import HELLO, LISTS, SCAN, SETTINGS, two_plugins
from tests.unit.host.cli_calls import calling

root_alone = pytest.mark.skipif(os.getuid() != 0, reason="only root mounts a file system")


@dataclass(frozen=True)
class Disk:
    """A small file system of its own."""

    folder: Path

    @property
    def ballast(self) -> Path:
        return self.folder / "ballast"

    def fill(self) -> None:
        with self.ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))

    def mount(self, *options: str) -> None:
        subprocess.run(["mount", *options, str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    disk = Disk(folder)
    try:
        disk.mount("-t", "tmpfs", "-o", "size=24m", "tmpfs")
    except subprocess.CalledProcessError:
        pytest.skip("root may not mount here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@root_alone
async def test_requests_go_on_while_the_disk_is_full_and_what_was_learnt_is_written_when_it_is_not(
    disk: Disk,
) -> None:
    site = two_plugins(disk.folder, LISTS)
    async with Host.open(site.home, settings=SETTINGS) as host:
        await host.run(HELLO)
        disk.fill()

        answers = [await host.run(HELLO) for _ in range(5)]
        cold = await host.run(HELLO, plugin="steady")  # its worker starts on the full disk
        scanned = {one.provider: one for one in await host.scan_models(SCAN)}
        (health,) = await host.check_health(["first"])
        await host.refresh()
        answers.append(await host.run(HELLO))
        host._parts.journal.write()
        disk.ballast.unlink()

    assert {answer.provider for answer in answers} == {"first"}
    assert cold.provider == "steady"
    assert scanned["first"].outcome == "failed"
    assert "the disk is full" in (scanned["first"].error or "")
    assert (health.ok, health.is_kept) == (True, False)
    with State.open(site.home) as state:
        assert state.problems() == ()
        assert state.attempts.count() == 8


@root_alone
async def test_a_host_that_cannot_start_on_a_full_disk_says_so_and_starts_when_there_is_room(
    disk: Disk,
) -> None:
    site = two_plugins(disk.folder, LISTS)
    disk.fill()

    with pytest.raises(StateError, match=r"disk is full|No space left") as caught:
        async with Host.open(site.home, settings=SETTINGS):
            pass
    disk.ballast.unlink()
    async with Host.open(site.home, settings=SETTINGS) as host:
        response = await host.run(HELLO)

    assert "room" in caught.value.remedy
    assert response.provider == "first"


@root_alone
def test_over_a_file_system_that_is_only_read_what_is_shown_is_shown_and_the_rest_says_why(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site = two_plugins(disk.folder, LISTS)
    call = calling(site.home.root, monkeypatch, capsys)
    call("aliases", "set", "mine", "first/m")
    call("run", "hello")  # the base environment is there from now on
    disk.mount("-o", "remount,ro")
    try:
        shown = [
            call(*words)
            for words in (
                ("list",),
                ("models", "list"),
                ("aliases", "list"),
                ("routes", "list"),
                ("routes", "test", "chat"),
                ("providers", "list"),
            )
        ]
        refused = [
            call(*words)
            for words in (
                ("run", "hello"),
                ("models", "scan"),
                ("health",),
                ("aliases", "set", "other", "first/m"),
                ("routes", "set", "chat", "first/m"),
            )
        ]
    finally:
        disk.mount("-o", "remount,rw")

    assert [(one.code, one.err.count("stockade:")) for one in shown] == [(0, 0)] * len(shown)
    assert [one.code for one in refused] == [1] * len(refused)
    for one in refused:
        assert str(site.home.root) in one.err
        assert "what to do: make it" in one.err
        assert "Traceback" not in one.err
