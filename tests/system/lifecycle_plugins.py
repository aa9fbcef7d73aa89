"""Versions of one plugin, written into a folder and installed one over the other."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from stockade.packages import commit_install, plan_install
from stockade.packages.source import Source
from stockade.settings import Home
from stockade.state import Installed, State

MANIFEST: Final = """\
manifest = 1

[plugin]
name = "changing"
version = "{version}"
entry = "changing_provider:Changing"
sdk = ">=0.1,<0.2"
capabilities = ["chat"]

{more}

[limits]
concurrency = 32
request_timeout = "20s"
"""
ANSWERS: Final = """\
import asyncio
import os
from pathlib import Path

from stockade_sdk.capability import HealthReport
from stockade_sdk.chat import ChatRequest, ChatResponse


class Changing:
    async def chat(self, request, ctx):
        await asyncio.sleep({pause})
        return ChatResponse.of_text("{version}")

    async def check_health(self, ctx):
        return HealthReport(ok={well}, detail="{version} looked")
"""
BROKEN: Final = "raise RuntimeError('broken as it was saved')\n"
DYING: Final = """\
import os


class Changing:
    async def chat(self, request, ctx):
        os._exit(3)
"""
SMOKE: Final = '{"type":"chat","messages":[{"role":"user","content":[{"type":"text","text":"?"}]}]}'


def answering(version: str, *, pause: float = 0.01, well: bool = True) -> str:
    """A module that answers with its version, after so many seconds."""
    return ANSWERS.format(version=version, pause=pause, well=well)


def version_folder(
    parent: Path, version: str, source: str | None = None, *, more: str = "", smoke: str = ""
) -> Path:
    """The folder of a version, in place of what stood there; `more` are lines of its manifest."""
    folder = parent / "changing"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "changing_provider").mkdir(parents=True)
    (folder / "plugin.toml").write_text(MANIFEST.format(version=version, more=more))
    code = answering(version) if source is None else source
    (folder / "changing_provider" / "__init__.py").write_text(code)
    if smoke:
        (folder / "smoke.json").write_text(smoke)
    return folder


def install_version(
    home: Home,
    folder: Path,
    *,
    development: bool = False,
    trial: Callable[[Installed], None] = lambda candidate: None,
) -> Installed:
    """Install it with all that it asks for; the record."""
    home.ensure()
    source: Source | str = str(folder)
    if development:
        source = Source(kind="development", path=folder, trust="development", origin=str(folder))
    with State.open(home) as state:
        proposal = plan_install(home, state, source)
        return commit_install(home, state, proposal, granted=proposal.asked, trial=trial)
