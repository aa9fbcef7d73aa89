"""A plugin served from its folder: in its sandbox, behind a gateway on loopback, anew at each save.

What runs is always a copy in the store of a home of its own, tried before it takes over, so that a
save that is broken or half done leaves what ran before.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import msgspec
from msgspec.structs import replace

from stockade.app.developing import Stamp, stamp_of
from stockade.app.operating.reading import Tail
from stockade.app.serving import Serving, serving
from stockade.app.trying import trial_of
from stockade.control.client import connect
from stockade.errors import HostError
from stockade.gateway.exchange import Exchange
from stockade.settings import Home, Settings, TelemetrySettings
from stockade.state import State

from .bench import Bench, Wanted, install_on
from .checking import check_plugin

__all__ = ["Developing", "developing", "line_of_request"]

POLL_S: Final = 0.5  # between looks at the folder
SETTLE_S: Final = 0.1  # a save may be several writes: only what rests so long is read
TAIL_S: Final = 0.2
REQUESTS: Final = "requests.jsonl"
Say = Callable[[str], None]
Sleep = Callable[[float], Awaitable[object]]


class Developing:
    """Watches one folder for as long as `run` runs; `say` gets a line for each thing that happens.

    `seen` is what it held when it was installed; `take_up` installs what it holds by now, has the
    running host know, and may block.
    """

    def __init__(
        self,
        folder: Path,
        seen: Stamp,
        take_up: Callable[[], str],
        say: Say,
        *,
        sleep: Sleep = anyio.sleep,
    ) -> None:
        self._folder, self._take_up, self._say, self._sleep = folder, take_up, say, sleep
        self._seen = seen

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._sleep(POLL_S)
            await self.look()

    async def look(self) -> None:
        """Take up what was saved since the last look, once it rests."""
        stamp = await self._stamp()
        if stamp == self._seen:
            return
        await self._sleep(SETTLE_S)
        if await self._stamp() != stamp:
            return  # still being written: the next look
        self._seen = stamp
        try:
            said = await anyio.to_thread.run_sync(self._take_up)
        except HostError as error:
            why = f"; {error.why}" if error.why else ""
            self._say(f"not taken up, and what ran before runs on: {error.what}{why}")
        except OSError as error:
            self._say(f"not taken up, and what ran before runs on: {error}")
        else:
            self._say(said)

    async def _stamp(self) -> Stamp:
        return await anyio.to_thread.run_sync(stamp_of, self._folder)


@asynccontextmanager
async def developing(
    bench: Bench, wanted: Wanted, settings: Settings, say: Say
) -> AsyncIterator[Serving]:
    """Serve what is on the bench while the block runs, and tell of each call, of what goes out, of
    what is denied, and of each save. Raises HostError where it cannot be served.
    """
    home, name = bench.home, bench.manifest.name
    served = replace(settings, telemetry=TelemetrySettings(log="file"))
    folder = Path(wanted.source)
    seen = await anyio.to_thread.run_sync(stamp_of, folder)
    watching = Developing(folder, seen, partial(_take_up, home, name, wanted, served), say)
    async with serving(home, served) as found, anyio.create_task_group() as tasks:
        tasks.start_soon(watching.run)
        tasks.start_soon(_follow, home.logs / REQUESTS, line_of_request, say)
        tasks.start_soon(_follow, home.log_of(name), line_of_log, say)
        try:
            yield found
        finally:
            tasks.cancel_scope.cancel()


def _take_up(home: Home, name: str, wanted: Wanted, settings: Settings) -> str:
    """Install the folder as it is now, and have the running host know. Blocking; raises HostError
    for what its author has to mend.
    """
    checked = check_plugin(wanted.source)
    broken = [one for one in (*checked.problems, *checked.warnings) if not one.key]
    if checked.problems:
        raise HostError("; ".join(one.describe(str(checked.path)) for one in checked.problems))
    if checked.manifest is not None and checked.manifest.name != name:
        raise HostError(
            f"it calls itself {checked.manifest.name} now, and {name} is what is served",
            remedy="start `stockade dev` again",
        )
    with State.open(home) as state:
        before = state.require(name).digest
        record = install_on(home, state, wanted, trial=trial_of(home, settings, smoke=False))
    client = connect(home)
    if client is not None:
        client.post("/api/refresh")
    hints = "".join(f"; {one.message}" for one in broken)
    if record.digest == before:
        return f"saved, and nothing that runs is another{hints}"
    return f"saved, and in use from the next call on ({name} {record.version}){hints}"


async def _follow(path: Path, told: Callable[[str], str | None], say: Say) -> None:
    """Say each new line of a file, until cancelled."""
    with Tail(path) as tail:
        await anyio.to_thread.run_sync(tail.begin, 0)
        try:
            while True:
                await _told(tail, told, say)
                await anyio.sleep(TAIL_S)
        finally:
            with anyio.CancelScope(shield=True):  # what was written last is of interest too
                await _told(tail, told, say)


async def _told(tail: Tail, told: Callable[[str], str | None], say: Say) -> None:
    for line in await anyio.to_thread.run_sync(tail.look):
        text = told(line)
        if text is not None:
            say(text)


def line_of_request(line: str) -> str | None:
    """One request to the gateway in words; None for what is none, such as the page's own."""
    try:
        seen = msgspec.json.decode(line, type=Exchange)
    except (ValueError, RecursionError):
        return None
    if seen.capability is None:
        return None
    target = seen.target or seen.model or "no model"
    outcome = "cancelled" if seen.cancelled else seen.kind or "ok"
    streamed = ", streamed" if seen.streamed else ""
    return (
        f"call    {seen.capability} {target} {outcome} ({seen.status}), {seen.ms:.0f} ms{streamed}"
    )


def line_of_log(line: str) -> str | None:
    """A line of the plugin's log without its time: who watches sees when it comes."""
    stamp, _, rest = line.partition(" ")
    return rest if stamp[:4].isdigit() else line
