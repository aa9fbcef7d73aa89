"""`top`: what each plugin's workers do, live."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from stockade.cli.output import print_json, safe
from stockade.cli.stored import opened

if TYPE_CHECKING:
    from stockade.cli.figures import Sample, Times, Worker
    from stockade.control.client import Client
    from stockade.settings import Home
    from stockade.supervisor import Posted

__all__ = ["top"]

HOUR_S: Final = 3_600.0


def top(
    once: Annotated[bool, typer.Option("--once", help="Print one table and end.")] = False,
    interval: Annotated[
        float, typer.Option(min=0.2, max=3_600.0, metavar="SECONDS", help="Between two looks.")
    ] = 2.0,
    json: Annotated[
        bool, typer.Option("--json", help="Print one look as JSON with stable keys, and end.")
    ] = False,
) -> None:
    """Show live what each plugin's workers do.

    Processor, memory, requests in flight, restarts; requests of the last minute, errors of the last
    hour. q or Ctrl-C leaves. Without a terminal it prints one table.
    """
    from stockade.cli.figures import as_json, as_lines
    from stockade.cli.screen import is_live
    from stockade.settings import Home

    home = Home.find()
    if json:
        print_json(as_json(look(home), {}))
    elif once or not is_live():
        print(safe("\n".join(as_lines(as_json(look(home), {})))))
    else:
        _watched(home, interval)


def _watched(home: Home, interval: float) -> None:
    """Draw until somebody leaves. A look that fails is told and tried again: hosts come and go."""
    from stockade.cli.figures import as_json, as_lines, processor_times
    from stockade.cli.screen import Screen
    from stockade.errors import HostError

    before: Times = {}
    lines: list[str] = []
    try:
        with Screen() as screen:
            while True:
                try:
                    sample = look(home)
                except HostError as error:
                    lines = [safe(str(error)).replace("\n", " "), *lines[1:]]
                else:
                    lines = as_lines(as_json(sample, before))
                    before = processor_times(sample)
                next_at = time.monotonic() + interval
                screen.draw(lines)
                while (what := screen.wait(max(0.0, next_at - time.monotonic()))) == "resized":
                    screen.draw(lines)
                if what == "quit":
                    return
    except KeyboardInterrupt:  # the usual way to leave it
        return


def look(home: Home) -> Sample:
    """One look: as the running host says, else as its home does. Raises HostError."""
    from stockade.cli.live import running

    client = running(home)
    return _of_home() if client is None else _of_host(client)


def _of_host(client: Client) -> Sample:
    import msgspec

    from stockade.cli import figures as f
    from stockade.errors import HostError

    asked: dict[str, Any] = {
        "serving": client.get("/api/status"),
        "plugins": client.get("/api/plugins"),
        "workers": client.get("/api/workers"),
        "recent": client.get("/api/health"),
        "attempts": client.get(f"/api/attempts?limit={f.ATTEMPTS}"),
    }
    try:
        return msgspec.convert({"at": time.time(), **asked}, f.Sample)
    except msgspec.ValidationError as error:
        raise HostError(
            "the running host's answer is not understood",
            why=str(error)[:200],
            remedy="is it of this version? stop it and start it again: stockade serve",
        ) from error


def _of_home() -> Sample:
    """What is on disk: the boards on which hosts post their workers, and what requests left."""
    import msgspec

    from stockade.app.health import providers_seen
    from stockade.cli import figures as f
    from stockade.supervisor import posted_in

    now = time.time()
    with opened() as (home, state):
        records = state.list()
        seen = providers_seen(state.attempts.since(now - HOUR_S), {})
        attempts = state.attempts.recent(limit=f.ATTEMPTS)
        posted = posted_in(home.run)
    return f.Sample(
        at=now,
        serving=None,
        plugins=[
            f.Plugin(name=one.name, state=one.state, last_error=one.last_error) for one in records
        ],
        workers=[_worker(one, now) for one in posted],
        recent=[
            f.Recent(plugin=name, failed=one.failed, last_error_kind=one.last_kind)
            for name, one in seen.items()
        ],
        attempts=[msgspec.convert(one, f.Attempt, from_attributes=True) for one in attempts],
    )


def _worker(posted: Posted, now: float) -> Worker:
    from stockade.cli.figures import Worker
    from stockade.process import read_usage

    usage = read_usage(posted.pid)
    return Worker(
        plugin=posted.plugin,
        pid=posted.pid,
        state="ready",  # a board has those that are
        tier=posted.tier,
        rss_bytes=usage.rss_bytes if usage is not None else None,
        cpu_seconds=usage.cpu_seconds if usage is not None else None,
        restarts=posted.restarts,
        uptime_s=max(0.0, now - posted.since),
    )
