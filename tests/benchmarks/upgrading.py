"""What an upgrade under load costs requests, and what a trial costs an install.

A host with one plugin in its sandbox is asked 200 times a second; a second in, another version is
installed, tried, and taken up. A request is lost where it raises, and late where it misses its
deadline.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from stockade import Host
from stockade.app.trying import trial_of, try_plugin
from stockade.errors import AllAttemptsFailed
from stockade.packages import base_environment
from stockade.settings import Home, Settings
from stockade.state import State
from stockade_sdk import ChatRequest
from tests.system.lifecycle_plugins import SMOKE, install_version, version_folder

from .contest import Goal, Row

RATE: Final = 200
SECONDS: Final = 10.0
UPGRADES_AT_S: Final = (1.0, 4.0, 7.0)
DEADLINE_S: Final = 1.0  # of each request; its vendor takes 10 ms
TRIALS: Final = 7
HELLO: Final = ChatRequest.of_text("hello")


def upgrading() -> list[Row]:
    """An upgrade under 200 requests a second, and a trial beside what runs."""
    with tempfile.TemporaryDirectory(prefix="stockade-upgrading-") as place:
        home, folder = Home(Path(place, "home")), Path(place)
        home.ensure()
        base_environment(home)  # once a home, at its first use
        install_version(home, version_folder(folder, "1.0.0", smoke=SMOKE))
        return [*_trials(home), *asyncio.run(_under_load(home, folder))]


def _trials(home: Home) -> list[Row]:
    with State.open(home) as state:
        record = state.require("changing")
    rows = []
    for smoke, words in ((False, "start and handshake"), (True, "with health and smoke request")):
        took = [try_plugin(home, Settings(), record, smoke=smoke).ms for _ in range(TRIALS)]
        median = statistics.median(took)
        rows.append(
            Row(
                name=f"trial: {words}",
                ours=f"{median:.0f} ms (worst {max(took):.0f})",
                peer="",
                figure=median,
                goal=None,
            )
        )
    return rows


async def _under_load(home: Home, folder: Path) -> list[Row]:
    took: list[float] = []
    lost: list[str] = []
    async with Host.open(home) as host:
        await host.run(HELLO)

        async def one() -> None:
            began = time.monotonic()
            try:
                await host.run(HELLO, timeout=DEADLINE_S)
            except AllAttemptsFailed as error:
                lost.append(str(error))
            took.append(time.monotonic() - began)

        async def upgrade(number: int) -> None:
            await anyio.sleep(UPGRADES_AT_S[number])
            await anyio.to_thread.run_sync(_installed, home, folder, f"2.{number}.0")
            await host.refresh()

        async with anyio.create_task_group() as tasks:
            for number in range(len(UPGRADES_AT_S)):
                tasks.start_soon(upgrade, number)
            begin = time.monotonic()
            for number in range(int(RATE * SECONDS)):
                await anyio.sleep(max(0.0, begin + number / RATE - time.monotonic()))
                tasks.start_soon(one)
        reached = (await host.run(HELLO)).text
    took.sort()
    late = sum(seconds > DEADLINE_S for seconds in took)
    return [
        Row(
            name=f"{len(UPGRADES_AT_S)} upgrades at {RATE} requests a second",
            ours=f"{len(lost)} lost, {late} late of {len(took)}",
            peer="",
            figure=float(len(lost) + late),
            goal=Goal(0.0, unit=" requests"),
            notes=(
                f"p50 {_ms(took, 0.5)} ms, p99 {_ms(took, 0.99)} ms, worst {_ms(took, 1.0)} ms",
                f"ends with version {reached}",
                *lost[:3],
            ),
        )
    ]


def _ms(ordered: list[float], part: float) -> int:
    """What this part of them took at most."""
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000)


def _installed(home: Home, folder: Path, version: str) -> None:
    trial = trial_of(home, Settings(), smoke=True)
    install_version(home, version_folder(folder, version, smoke=SMOKE), trial=trial)
