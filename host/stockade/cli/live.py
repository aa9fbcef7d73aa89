"""The host that runs over this home, if one does: it is asked, and told what was changed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from stockade.cli.output import note

if TYPE_CHECKING:
    from stockade.control.client import Client
    from stockade.settings import Home

__all__ = ["finished", "running", "tell_changed"]

POLL_S: Final = 0.2


def running(home: Home) -> Client | None:
    """The host that serves this home, None where none does. Raises HostError where one is there and
    cannot be spoken to.
    """
    if not home.control_socket.is_socket():  # as most often, and the client costs 20 ms to import
        return None
    from stockade.control.client import connect

    return connect(home)


def tell_changed(home: Home) -> None:
    """Let a running host take up what was changed; say so where it does not. Raises nothing: what
    was changed stays changed.
    """
    from stockade.errors import HostError

    client = None
    try:
        client = running(home)
        if client is not None:
            client.post("/api/refresh")
    except HostError as error:
        restart = "stop it and start it again"
        if client is not None and client.pid:
            restart = f"kill {client.pid}, then start it again: stockade serve"
        note(f"warning: this is kept, but the running host did not take it up: {error.what}")
        note(f"  what to do: until it is restarted it may act as before; {restart}")


def finished(client: Client, job: Any, sleep: Callable[[float], None] = time.sleep) -> Any:
    """What a running host's job came to; its steps are told on a terminal. Raises HostError."""
    from stockade.errors import HostError

    told: list[str] = []
    while True:
        if not isinstance(job, Mapping) or not isinstance(job.get("id"), str):
            raise HostError("the running host's answer is no job", remedy="restart it")
        steps = [str(step) for step in job.get("steps") or []]
        if sys.stderr.isatty():
            for step in _new(steps, told):
                note(f"[{job.get('done')}/{job.get('total') or '?'}] {step}")
        told = steps
        if job.get("state") == "done":
            return job.get("result")
        if job.get("state") == "failed":
            raise HostError(str(job.get("error") or "the running host failed at it"))
        sleep(POLL_S)
        job = client.get(f"/api/jobs/{quote(job['id'], safe='')}")


def _new(steps: list[str], told: list[str]) -> list[str]:
    """Those steps that were not told; of many the host forgets the first."""
    for known in range(min(len(steps), len(told)), -1, -1):
        if steps[:known] == told[len(told) - known :]:
            return steps[known:]
    return steps
