"""A host in a process of its own, for tests that kill it or put it under a filter.

``python -m tests.containment.asking HOME TIERS PLUGIN [hold]``: start the plugin where a tier is
enough, one after the other of TIERS (with commas). Prints a line for each: as JSON how it went, or,
with ``hold``, the numbers of the worker and of its children, and waits to be killed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import anyio
import psutil

from stockade import Host
from stockade.errors import AllAttemptsFailed
from stockade.settings import Settings
from stockade_sdk import ChatRequest


async def ask(home: Path, tier: str, plugin: str, *, hold: bool) -> None:
    settings = Settings(minimum_tier=tier, plugin_minimum_tiers={plugin: tier})
    async with Host.open(home, settings=settings) as host:
        act = (
            {"act": "leave_children", "given": {"count": 2}}
            if hold
            else {"act": "hello", "given": {}}
        )
        try:
            await host.run(ChatRequest.of_text(json.dumps(act)), plugin=plugin, timeout=20)
        except AllAttemptsFailed as failed:
            error = failed.error
            print(json.dumps({"kind": str(error.kind), "message": error.message}), flush=True)
            return
        (worker,) = host.status(plugin).workers
        if hold:
            assert worker.pid is not None
            nursery = psutil.Process(worker.pid).parent()
            assert nursery is not None
            print(*(one.pid for one in nursery.children(recursive=True)), flush=True)
            await anyio.sleep_forever()
        print(json.dumps({"tier": worker.tier, "layers": worker.layers}), flush=True)


def main() -> None:
    home, tiers, plugin, *more = sys.argv[1:]

    async def ask_all() -> None:
        for tier in tiers.split(","):
            await ask(Path(home), tier, plugin, hold="hold" in more)

    anyio.run(ask_all)


if __name__ == "__main__":
    main()
