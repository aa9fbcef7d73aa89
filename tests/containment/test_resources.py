"""What all share: memory, processors, processes, files, outputs. Nobody else is harmed."""

# ruff: noqa: PT017, PTH208 -- files never block here, and a limit may hold in one of two ways

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from stockade.errors import AllAttemptsFailed
from stockade.process.quota import DATA_BYTES
from stockade.supervisor import PluginEvent, What
from stockade_sdk.errors import ErrorKind
from tests.system.hostile import MIB, grows_less_than

from .site import Inmates, Site, kernel_status, until

MEMORY_MIB = 96
PROCESSES = 16
LIMITS = f'memory = "{MEMORY_MIB} MiB"\nprocesses = {PROCESSES}\nscratch = "8 MiB"\nopen_files = 64'
AS_ROOT = os.getuid() == 0
DEATHS = 10


@asynccontextmanager
async def bomber(
    spare: Site,
    tier: str,
    name: str,
    *,
    permissions: str = 'write = ["data"]',
    limits: str = LIMITS,
) -> AsyncIterator[Bombed]:
    """A worker to be driven to its limits, and a witness beside it that has to go on answering."""
    spare.install(name, permissions=permissions, limits=limits)
    witness = f"{name}-witness"
    spare.install(witness)
    events: list[PluginEvent] = []
    async with spare.host(tier, name, witness, on_event=events.append) as inmates:
        yield Bombed(inmates, name, witness, events)


class Bombed:
    """The worker, the witness, and what was heard of them."""

    def __init__(
        self, inmates: Inmates, name: str, witness: str, events: list[PluginEvent]
    ) -> None:
        self.inmates, self.name, self.witness, self.events = inmates, name, witness, events
        self._witnessed = inmates.pid(witness)

    async def fails(self, act: str, *, timeout: float = 30.0, **given: object) -> tuple[str, str]:
        """The kind and the words of an attempt's error."""
        with pytest.raises(AllAttemptsFailed) as failed:
            await self.inmates.attempt(self.name, act, timeout=timeout, **given)
        return failed.value.error.kind, failed.value.error.message

    async def others_are_well(self) -> None:
        """The witness answers, in the process that it has been in all along."""
        answers = await self.inmates.attempt(self.witness, "hello")
        assert answers["pid"] > 0
        assert self.inmates.pid(self.witness) == self._witnessed

    def deaths(self) -> list[str]:
        """Reasons for which its worker was ended."""
        return [
            one.reason for one in self.events if (one.plugin, one.what) == (self.name, What.DIED)
        ]


@pytest.mark.row("R1")
async def test_memory_ends_at_the_limit_and_is_nobody_elses(spare: Site, tier: str) -> None:
    async with bomber(spare, tier, "glutton") as bombed:
        pid = bombed.inmates.pid("glutton")
        with grows_less_than(32 * MIB):
            outcome = "died"
            try:
                outcome = await bombed.inmates.attempt("glutton", "allocate", pieces=2 * MEMORY_MIB)
            except AllAttemptsFailed as failed:
                assert failed.error.kind is ErrorKind.OUT_OF_MEMORY
                assert "limits.memory" in failed.error.message
        if outcome != "died":
            assert "MemoryError" in outcome
            peak = int(re.findall(r"\d+", kernel_status(pid)["VmHWM"])[0]) * 1024
            assert peak < (MEMORY_MIB + 48) * MIB
        await bombed.others_are_well()


@pytest.mark.row("R3")
async def test_a_fork_bomb_is_capped_and_leaves_nothing(spare: Site, tier: str) -> None:
    async with bomber(spare, tier, "forkbomb", permissions="subprocess = true") as bombed:
        nursery = psutil.Process(bombed.inmates.pid("forkbomb")).parent()
        assert nursery is not None
        count = 0
        try:
            seen = await bombed.inmates.attempt("forkbomb", "fork_bomb")
            count = seen["count"]
            assert seen["outcome"] == "EAGAIN"
        except AllAttemptsFailed as failed:
            assert re.search(r"limits\.(processes|memory)", failed.error.message)
        assert count < 4 * PROCESSES
        await bombed.others_are_well()
        tree = nursery.children(recursive=True)
    await until(lambda: not any(one.is_running() for one in tree), seconds=3)


@pytest.mark.row("R4")
async def test_a_thread_bomb_is_capped(spare: Site, tier: str) -> None:
    async with bomber(spare, tier, "threads") as bombed:
        pid = bombed.inmates.pid("threads")
        try:
            seen = await bombed.inmates.attempt("threads", "threads", most=500)
            assert seen["count"] <= PROCESSES
            assert int(kernel_status(pid)["Threads"]) <= PROCESSES
            assert "can't start new thread" in seen["outcome"]
            assert await bombed.inmates.attempt("threads", "let_threads_go") == "done"
            assert await bombed.inmates.attempt("threads", "thread") == "done"  # the twin
        except AllAttemptsFailed as failed:  # ended by the watch instead of held by the kernel
            assert "limits.processes" in failed.error.message
        await bombed.others_are_well()


@pytest.mark.row("R5")
async def test_spinning_is_throttled_and_ended_at_the_deadline(
    spare: Site, tier: str, exception: Callable[[str], None]
) -> None:
    limits = f'{LIMITS}\ncpu = 0.5\nrequest_timeout = "1s"'
    async with bomber(spare, tier, "spinner", limits=limits) as bombed:
        process = psutil.Process(bombed.inmates.pid("spinner"))
        began, before = time.monotonic(), sum(process.cpu_times()[:2])
        used = before

        kind, words = await bombed.fails("spin", count=4, timeout=1.0)

        assert kind is ErrorKind.TIMEOUT, words
        slow = time.monotonic()
        await bombed.others_are_well()
        assert time.monotonic() - slow < 2.0
        try:
            used = sum(process.cpu_times()[:2])
        except psutil.NoSuchProcess:
            used = before
        share = (used - before) / (time.monotonic() - began)
        if share > 0.75:
            exception(f"CPU is limited to whole processors here: {share:.1f} of 0.5 used")
            assert share < 1.2
        await until(lambda: bool(bombed.deaths()))


@pytest.mark.row("R7")
async def test_descriptors_end_at_the_limit_also_in_flight(spare: Site, tier: str) -> None:
    async with bomber(spare, tier, "opener") as bombed:
        before = len(os.listdir("/proc/self/fd"))

        opened = await bombed.inmates.attempt("opener", "open_files", path="/dev/null", most=10000)
        passed = await bombed.inmates.attempt("opener", "pass_descriptors", most=1_000_000)

        assert opened["outcome"] == "EMFILE"
        assert opened["count"] < 64
        assert passed["outcome"] in {"ETOOMANYREFS", "EAGAIN", "EMFILE", "EPERM"}
        assert passed["count"] <= 64 * 256
        assert len(os.listdir("/proc/self/fd")) <= before + 2
        again = await bombed.inmates.attempt("opener", "open_files", path="/dev/null", most=5)
        assert again == {"count": 5, "outcome": "done"}
        await bombed.others_are_well()


@pytest.mark.row("R8")
async def test_scratch_is_bounded(spare: Site, tier: str, exception: Callable[[str], None]) -> None:
    async with bomber(spare, tier, "hoarder") as bombed:
        folder = bombed.inmates.inside("hoarder", "scratch")
        total, outcomes = 0, set()
        with suppress(AllAttemptsFailed):  # ended by the watch, where scratch is a plain folder
            for number in range(4):
                path = f"{folder}/{number}"
                seen = await bombed.inmates.attempt("hoarder", "grow_file", path=path, mib=9)
                total += seen["mib"]
                outcomes.add(seen["outcome"])
            many: dict[str, Any] = {"folder": folder, "count": 20_000}
            outcomes.add((await bombed.inmates.attempt("hoarder", "make_files", **many))["outcome"])
        if tier == "full":
            assert outcomes == {"ENOSPC", "EFBIG"} or outcomes == {"ENOSPC"}
            assert total <= 8
        else:
            await until(lambda: bool(bombed.deaths()), seconds=10)
            assert "scratch" in bombed.deaths()[0]
            exception("scratch is measured, not held: it is over its limit for a moment")
        await bombed.others_are_well()


@pytest.mark.row("R8")
async def test_its_data_folder_is_bounded(spare: Site, tier: str) -> None:
    async with bomber(spare, tier, "filler") as bombed:
        folder, data = bombed.inmates.inside("filler", "data"), spare.data("filler")
        stretched = await bombed.inmates.attempt(
            "filler", "stretch_file", path=f"{folder}/sparse", size=1 << 40
        )
        assert stretched == "EFBIG"
        assert (data / "sparse").stat().st_blocks == 0
        twin = await bombed.inmates.attempt("filler", "grow_file", path=f"{folder}/a", mib=4)
        assert twin == {"mib": 4, "outcome": "done"}

        with suppress(AllAttemptsFailed):
            await bombed.inmates.attempt(
                "filler", "reserve_file", path=f"{folder}/b", size=DATA_BYTES + MIB
            )
        await until(lambda: bool(bombed.deaths()), seconds=10)

        assert f"more than {DATA_BYTES // MIB} MiB" in bombed.deaths()[0]
        await bombed.others_are_well()
    shutil.rmtree(data)


@pytest.mark.row("R10")
@pytest.mark.parametrize("lines", [True, False], ids=["by lines", "one line"])
async def test_a_flood_of_output_is_capped(spare: Site, tier: str, *, lines: bool) -> None:
    name = f"shouter-{'lines' if lines else 'line'}"
    async with bomber(spare, tier, name) as bombed:
        with grows_less_than(32 * MIB):
            try:
                await bombed.inmates.attempt(name, "flood", mib=16, lines=lines)
            except AllAttemptsFailed as failed:
                assert "output" in failed.error.message or "stdout" in failed.error.message
            await bombed.others_are_well()
        assert spare.home.log_of(name).stat().st_size < 12 * MIB


@pytest.mark.row("R13")
async def test_a_worker_that_dies_again_and_again_leaves_nothing(spare: Site, tier: str) -> None:
    async with bomber(spare, tier, "dier") as bombed:
        leases = Path("/run/stockade/uids")
        run = spare.home.run

        def left() -> tuple[int, int, int]:
            folders = sum(len(dirs) for _, dirs, _ in os.walk(run))
            taken = len(list(leases.iterdir())) if AS_ROOT else 0
            return len(os.listdir("/proc/self/fd")), folders, taken

        before = left()
        for _ in range(DEATHS):
            kind, words = await bombed.fails("die", how="3")
            assert kind is ErrorKind.WORKER_DIED, words
            bombed.inmates.host.try_again("dier")  # or it would have to wait longer each time
            await bombed.inmates.attempt("dier", "hello")
        await until(lambda: left() <= before, seconds=5)

        assert len(bombed.deaths()) >= DEATHS
        await bombed.others_are_well()
