"""Processes: nobody else is seen, signalled, traced; nothing outlives the worker."""

# ruff: noqa: ASYNC220, ASYNC240 -- looks at files of the kernel's and of its own, which never block

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from stockade_worker.confine.numbers import for_machine

from .site import DENIED, Inmates, Site, kernel_status, until

NUMBERS = for_machine(os.uname().machine).numbers
NEW = {"NS": 0x20000, "CGROUP": 0x2000000, "UTS": 0x4000000, "IPC": 0x8000000,
       "USER": 0x10000000, "PID": 0x20000000, "NET": 0x40000000}  # fmt: skip
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
GONE = DENIED | {"ESRCH"}


@pytest.mark.row("X1")
async def test_no_signal_reaches_anybody_else(
    cell: Inmates, tier: str, exception: Callable[[str], None]
) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: heard.append(number))
    others = [os.getpid(), os.getppid(), cell.pid("neighbour"), cell.pid("forker")]
    try:
        for name in ("hostile", "forker"):
            own = cell.pid(name)
            for pid in (one for one in others if one != own):
                for number in (0, signal.SIGUSR1, signal.SIGTERM):
                    assert await cell.attempt(name, "kill", pid=pid, number=number) in GONE
                opened = await cell.attempt(name, "open_process", pid=pid)
                if (name, tier, opened) == ("forker", "restricted", "done"):
                    exception("that a process ends, for who may start some (pidfd_open)")
                else:
                    assert opened in GONE | {"EINVAL"}
            for pid in (-1, -os.getpgid(0)):
                assert await cell.attempt(name, "kill", pid=pid, number=signal.SIGUSR1) in GONE
            itself = (await cell.attempt(name, "hello"))["pid"]
            assert await cell.attempt(name, "kill", pid=itself, number=0) == "done"
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert heard == []
    assert cell.pid("neighbour") == others[2]
    assert (await cell.attempt("neighbour", "hello"))["pid"] > 0


@pytest.mark.row("X2")
async def test_no_list_of_processes(
    cell: Inmates, tier: str, exception: Callable[[str], None]
) -> None:
    for name in ("hostile", "forker"):
        listed = await cell.attempt(name, "list_folder", path="/proc")
        assert listed["outcome"] in DENIED
        assert listed["names"] == []
        for what in ("cmdline", "status", "stat"):
            for pid in (1, os.getpid(), cell.pid("neighbour")):
                seen = await cell.attempt(name, "read", path=f"/proc/{pid}/{what}")
                assert seen["outcome"] in DENIED
    there = await cell.attempt("hostile", "look", path=f"/proc/{os.getpid()}")
    if tier == "full":
        assert there in DENIED
    else:
        exception("whether a process number is in use (stat of /proc/N)")


@pytest.mark.row("X3")
async def test_nobody_is_traced_and_no_memory_read(cell: Inmates) -> None:
    targets = [1, os.getpid(), cell.pid("neighbour")]
    for name in ("hostile", "forker"):
        for pid in targets:
            for act, number in (("trace", "ptrace"), ("seize", "ptrace")):
                assert await cell.attempt(name, act, number=NUMBERS[number], pid=pid) in GONE
            seen = await cell.attempt(
                name, "read_memory", number=NUMBERS["process_vm_readv"], pid=pid
            )
            assert seen in GONE
        assert await cell.attempt(name, "invite_tracer", number=NUMBERS["prctl"]) in DENIED
    for pid in (os.getpid(), cell.pid("neighbour"), cell.pid("hostile")):
        assert kernel_status(pid)["TracerPid"] == "0"


@pytest.mark.row("X5")
async def test_children_do_not_outlive_the_host(spare: Site, tier: str) -> None:
    spare.install("breeder", permissions="subprocess = true")
    async with spare.host(tier, "breeder") as inmates:
        assert await inmates.attempt("breeder", "leave_children", count=8) == "done"
        worker = psutil.Process(inmates.pid("breeder"))
        tree = [worker, *started_by(worker, tier)]
        assert len(tree) >= (9 if tier == "full" else 1)  # the others were ended as orphans

    await until(lambda: not any(one.is_running() for one in tree), seconds=3)


@pytest.mark.row("X5")
async def test_children_do_not_outlive_their_worker(spare: Site, tier: str) -> None:
    spare.install("breeder-2", permissions="subprocess = true")
    async with spare.host(tier, "breeder-2") as inmates:
        assert await inmates.attempt("breeder-2", "leave_children", count=8) == "done"
        worker = psutil.Process(inmates.pid("breeder-2"))
        tree = started_by(worker, tier)
        assert len(tree) >= (8 if tier == "full" else 0)
        os.kill(worker.pid, signal.SIGKILL)
        await until(lambda: not any(one.is_running() for one in tree), seconds=3)


def started_by(worker: psutil.Process, tier: str) -> list[psutil.Process]:
    """What a worker has started: orphans come to it in a PID namespace, else to the nursery."""
    found = worker.children(recursive=True)
    nursery = worker.parent()
    assert nursery is not None
    if tier != "full":
        found += [one for one in nursery.children(recursive=True) if one not in (worker, *found)]
    return found


@pytest.mark.row("X6")
async def test_a_killed_host_takes_its_workers_along(spare: Site, tier: str) -> None:
    spare.install("survivor", permissions="subprocess = true")
    code = "from tests.containment.asking import main; main()"
    command = [sys.executable, "-c", code, str(spare.home.root), tier, "survivor", "hold"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    ) as host:
        assert host.stdout is not None
        pids = [int(word) for word in host.stdout.readline().split()]
        assert len(pids) >= 2  # a worker and a child of its
        watched = [os.pidfd_open(pid) for pid in pids]
        host.kill()
        ended = [bool(select.select([fd], [], [], 2.0)[0]) for fd in watched]
        for fd in watched:
            os.close(fd)
    assert all(ended)


@pytest.mark.row("X8")
async def test_a_set_uid_program_gives_nothing(cell: Inmates) -> None:
    status = kernel_status(cell.pid("forker"))
    own = status["Uid"].split()[0]
    setuid = [path for path in ("/usr/bin/su", "/usr/bin/mount", "/usr/bin/newgrp")
              if Path(path).exists()]  # fmt: skip

    twin = await cell.attempt("forker", "run", argv=["/usr/bin/id", "-u"])
    became = await cell.attempt("forker", "run", argv=["/usr/bin/su", "-c", "/usr/bin/id -u"])
    shown = await cell.attempt("forker", "run", argv=["/bin/sh", "-c", "ulimit -c; /usr/bin/id -u"])

    assert setuid
    assert status["NoNewPrivs"] == "1"
    assert twin["out"].strip() == own
    assert became["code"] != 0
    assert "0" not in became["out"].split()
    assert shown["out"].split()[-1] == own


@pytest.mark.row("X9")
async def test_no_capability_and_no_other_user(
    cell: Inmates, tier: str, exception: Callable[[str], None]
) -> None:
    bounded = tier == "full" or os.getuid() == 0
    if not bounded:
        exception("the bounding set stays (CAP_SETPCAP); with no_new_privs nothing is gained by it")
    for name in ("hostile", "forker"):
        pid = cell.pid(name)
        before = kernel_status(pid)
        seen = await cell.attempt(name, "become_root")
        after = kernel_status(pid)

        assert set(seen.values()) <= DENIED | {"EINVAL"}, seen
        for status in (before, after):
            checked = SETS if bounded else [one for one in SETS if one != "CapBnd"]
            assert {status[one] for one in checked} == {"0000000000000000"}
            assert status["NoNewPrivs"] == "1"
            assert "0" not in status["Uid"].split()
            assert status["Uid"] == before["Uid"]
            assert status["Groups"] == before["Groups"]
        assert (await cell.attempt(name, "hello"))["uid"] == int(before["Uid"].split()[0])
    if os.getuid() == 0:
        uids = {kernel_status(cell.pid(name))["Uid"] for name in ("hostile", "neighbour", "bare")}
        assert len(uids) == 3


@pytest.mark.row("X10")
async def test_no_namespaces_of_its_own(cell: Inmates) -> None:
    for name in ("hostile", "forker"):
        folder = Path(f"/proc/{cell.pid(name)}/ns")
        before = {one.name: one.readlink() for one in folder.iterdir()}
        for flag in NEW.values():
            assert await cell.attempt(name, "unshare", flags=flag) == "EPERM"
            assert await cell.attempt(name, "clone", number=NUMBERS["clone"], flags=flag) == "EPERM"
        seen = await cell.attempt(name, "clone3", number=NUMBERS["clone3"], flags=NEW["USER"])
        assert seen == "ENOSYS"
        entered = await cell.attempt(name, "enter", number=NUMBERS["setns"])
        assert set(entered.values()) <= DENIED, entered
        assert {one.name: one.readlink() for one in folder.iterdir()} == before
    assert await cell.attempt("hostile", "thread") == "done"
    assert await cell.attempt("forker", "fork") == "done"


@pytest.mark.row("X12")
async def test_no_process_without_the_grant(cell: Inmates) -> None:
    for name in ("hostile", "bare"):
        assert await cell.attempt(name, "fork") == "EPERM"
        ran = await cell.attempt(name, "run", argv=["/usr/bin/true"])
        assert ran["outcome"] in DENIED
        assert await cell.attempt(name, "execute", path="/usr/bin/true") in DENIED
        assert not psutil.Process(cell.pid(name)).children(recursive=True)
        assert await cell.attempt(name, "thread") == "done"
    assert (await cell.attempt("forker", "run", argv=["/usr/bin/true"]))["code"] == 0


@pytest.mark.row("X14")
async def test_nothing_is_left_for_the_next_start(
    spare: Site, tier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spare.install("planter", permissions='write = ["data"]')
    data = spare.data("planter")
    for name in ("PYTHONPATH", "PYTHONSTARTUP", "LD_PRELOAD_", "PYTHONHOME_"):
        monkeypatch.setenv(name, str(data / "startup.py"))
    for _ in range(2):
        async with spare.host(tier, "planter") as inmates:
            inside = inmates.inside("planter", "data")
            scratch = inmates.inside("planter", "scratch")
            for folder in (inside, scratch):
                made = await inmates.attempt(
                    "planter", "plant_startup", folder=folder, marker=f"{inside}/marker"
                )
                assert set(made.values()) == {"done"}
            told = await inmates.attempt("planter", "itself")
            assert inside not in told["path"]
            assert scratch not in told["path"]
            assert not [one for one in told["environment"] if one.startswith(("PYTHON", "LD_"))]
    assert (data / "sitecustomize.py").exists()
    assert not (data / "marker").exists()
