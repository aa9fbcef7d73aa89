"""The example in C, built: as it is, and with what it should not be able to do in place of saying
its text back.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from stockade import Host
from stockade.settings import Home, RoutingPolicy, Settings, SupervisionSettings
from stockade_sdk import ChatRequest, ChatResponse
from stockade_sdk.capability import Capability

from .pages import DOCS
from .patience import PATIENCE_S, News
from .plugin_samples import install

EXAMPLE = DOCS / "examples" / "echo-in-c"
ACTS = Path(__file__).with_name("program_acts.h")
NAME = "echo-in-c"
TIERS = ("full", "restricted")


def _cannot(why: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"{why}, and CI is to have one", pytrace=False)
    pytest.skip(why)


def built(folder: Path, *flags: str) -> Path:
    """A copy of the example in `folder`, built as its page says and with `flags`. Skips the test
    where no C compiler is, or none that links statically; in CI it fails there.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        _cannot("there is no C compiler (cc) here")
    folder.mkdir(parents=True)
    (folder / "trial.c").write_text("int main(void) { return 0; }\n")
    trial = [compiler, "-static", "-o", str(folder / "trial"), str(folder / "trial.c")]
    if subprocess.run(trial, capture_output=True, check=False).returncode:
        _cannot("the C compiler here cannot link statically")
    for name in ("trial", "trial.c"):
        (folder / name).unlink()
    shutil.copy(EXAMPLE / "plugin.toml", folder)
    (folder / "bin").mkdir()
    command = [compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-static", *flags]
    command += ["-o", str(folder / "bin" / "echo"), str(EXAMPLE / "worker.c")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@asynccontextmanager
async def hosting(
    root: Path,
    *folders: Path,
    tier: str = "full",
    allow: tuple[str, ...] = (),
    targets: tuple[str, ...] = (f"{NAME}/echo",),
    news: News | None = None,
) -> AsyncIterator[Host]:
    """A host that has these plugins and no stronger tier than `tier`. Skips the test where the
    weaker one is not to be had.
    """
    home = install(Home(root / "home"), folders, allow=allow)
    settings = Settings(
        routes={Capability.CHAT: RoutingPolicy(targets)},
        supervision=SupervisionSettings(ping_interval_s=0.05, ping_timeout_s=0.5),
        minimum_tier=tier,
        plugin_minimum_tiers={NAME: tier},
    )
    async with Host.open(home, settings=settings, on_event=(news or News()).hear) as host:
        host._parts.confining._tiers = (tier,)
        reached = await host.reached()
        if tier == "restricted" and reached.tier != tier:  # root's users may not read its Python
            pytest.skip(f"tier {tier} is not to be had: {reached.tried[0][1].words}")
        yield host


async def said(host: Host, text: str, model: str = f"{NAME}/echo") -> str:
    """What it answers."""
    response = await host.run(ChatRequest.of_text(text, model=model), timeout=PATIENCE_S)
    assert isinstance(response, ChatResponse)
    return response.text


def pid_of(host: Host) -> int:
    """Of its one worker, as the kernel numbers it for us."""
    (worker,) = host.status(NAME).workers
    assert worker.pid is not None
    return worker.pid
