"""One call to one plugin in its sandbox, and everything about it that its author wants to know."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from stockade.app import Host
from stockade.egress import Decision, Redirect
from stockade.errors import AllAttemptsFailed, UsageError
from stockade.settings import Home
from stockade.supervisor import PluginEvent, What, read_acts, shown
from stockade.telemetry import Observed
from stockade_sdk.capability import Attempt
from stockade_sdk.chat import ChatRequest
from stockade_sdk.errors import ProviderError
from stockade_sdk.provider import ProviderRequest, ProviderResponse
from stockade_sdk.stream import ChatEvent, Folding, TextDelta
from stockade_sdk.text import show

from .playing import Player
from .tapes import Reel, read_tapes
from .vendor import Vendor

__all__ = ["Called", "Calling", "Reached", "call_plugin", "read_request"]

MAX_REQUEST_BYTES: Final = 32 * 1024 * 1024  # as the gateway takes; images are in it


class Reached(msgspec.Struct, kw_only=True):
    """One host that the plugin asked for: how often, how many bytes of bodies, the last status."""

    host: str
    port: int
    allowed: bool
    requests: int = 0
    bytes_out: int = 0
    bytes_in: int = 0
    status: int | None = None
    reason: str = ""


class Called(msgspec.Struct, kw_only=True):
    """What became of a call. `error` is there where there is no whole answer.

    Milliseconds from the call: until its worker was ready (None: it was already, or never), until
    the first event, until the end. `denied` is as in `stockade inspect`.
    """

    plugin: str
    response: ProviderResponse | None = None
    error: AllAttemptsFailed | None = None
    attempts: tuple[Attempt, ...] = ()
    start_ms: float | None = None
    first_event_ms: float | None = None
    total_ms: float = 0.0
    events: int | None = None
    hosts: list[Reached] = []
    denied: list[dict[str, Any]] = []
    recorded: tuple[Path, ...] = ()
    missed: tuple[str, ...] = ()


class Calling(msgspec.Struct, frozen=True, kw_only=True):
    """How to call: `record` is a folder for what the vendor said, `replay` one whose recordings
    stand for the vendor; then nothing leaves this machine.
    """

    stream: bool = False
    timeout_s: float | None = None
    record: Path | None = None
    replay: Path | None = None


class _Watcher:
    """Notes what a host tells while one call is under way."""

    def __init__(self, called: Called, clock: Callable[[], float]) -> None:
        self._called, self._clock = called, clock
        self._began = clock()
        self._reached: dict[tuple[str, int, bool], Reached] = {}

    def begin(self) -> None:
        self._began = self._clock()

    def ms(self) -> float:
        return round((self._clock() - self._began) * 1000, 1)

    def request(self, observed: Observed) -> None:
        """Its attempts come with the answer."""

    def worker(self, event: PluginEvent) -> None:
        if event.what is What.READY and self._called.start_ms is None:
            self._called.start_ms = self.ms()

    def egress(self, decision: Decision) -> None:
        key = (decision.host, decision.port, decision.allowed)
        found = self._reached.get(key)
        if found is None:
            found = Reached(host=decision.host, port=decision.port, allowed=decision.allowed)
            self._reached[key] = found
            self._called.hosts.append(found)
        found.requests += 1
        found.bytes_out += decision.bytes_out
        found.bytes_in += decision.bytes_in
        found.status, found.reason = decision.status, decision.reason


async def call_plugin(
    home: Home,
    plugin: str,
    request: ProviderRequest,
    how: Calling,
    *,
    on_text: Callable[[str], None] = lambda text: None,
    clock: Callable[[], float] = time.monotonic,
) -> Called:
    """Call an installed plugin of `home` once; `on_text` gets a stream's text as it comes.

    A failed call is in the result. Raises HostError where it cannot be made at all.
    """
    called = Called(plugin=plugin, hosts=[], denied=[])
    watcher = _Watcher(called, clock)
    reel = Reel() if how.record is not None else None
    async with AsyncExitStack() as stack:
        player, redirect = await stack.enter_async_context(_vendor(how.replay))
        host = await stack.enter_async_context(
            Host.open(
                home,
                watches=watcher,
                redirect=redirect,
                recorder=None if reel is None else reel.take,
            )
        )
        watcher.begin()
        try:
            await _call(host, called, watcher, request, how, on_text)
        except AllAttemptsFailed as failed:
            called.error, called.attempts = failed, failed.attempts
        called.total_ms = watcher.ms()
    # Only now: leaving the host ends requests, and saves what was denied.
    called.denied = shown(plugin, read_acts(home.logs, plugin))
    if reel is not None and how.record is not None:
        called.recorded = reel.save(how.record)
    if player is not None:
        called.missed = tuple(str(miss) for miss in player.missed)
    return called


async def _call(
    host: Host,
    called: Called,
    watcher: _Watcher,
    request: ProviderRequest,
    how: Calling,
    on_text: Callable[[str], None],
) -> None:
    if not how.stream:
        answer = await host.run(request, timeout=how.timeout_s, plugin=called.plugin)
        called.response, called.attempts = answer, answer.attempts
        return
    if not isinstance(request, ChatRequest):
        raise UsageError("only chat can be streamed", remedy="leave out --stream")
    folding, called.events = Folding(), 0
    async with host.stream(request, timeout=how.timeout_s, plugin=called.plugin) as events:
        try:
            async for event in events:
                if called.first_event_ms is None:
                    called.first_event_ms = watcher.ms()
                called.events += 1
                folding.add(event)
                _told(event, on_text)
        except ProviderError as error:
            raise AllAttemptsFailed(events.attempts, error) from error
        called.attempts = tuple(events.attempts)
    called.response = folding.response()


def _told(event: ChatEvent, on_text: Callable[[str], None]) -> None:
    if isinstance(event, TextDelta):
        on_text(event.text)


@asynccontextmanager
async def _vendor(folder: Path | None) -> AsyncIterator[tuple[Player | None, Redirect | None]]:
    """What plays recordings, if something does. Raises UsageError for a folder without any."""
    if folder is None:
        yield None, None
        return
    tapes = read_tapes(folder)
    if not tapes:
        raise UsageError(
            f"there is no recording in {show(str(folder), 300)}",
            remedy="make some with --record",
        )
    player = Player(tapes)
    async with Vendor.open(player.answer) as vendor:
        yield player, vendor.redirect


def read_request(path: Path) -> ProviderRequest:
    """A canonical request as JSON. Raises UsageError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_REQUEST_BYTES + 1)
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(f"cannot read {show(str(path), 300)}", why=why) from error
    if len(content) > MAX_REQUEST_BYTES:
        raise UsageError(f"{show(str(path), 300)} is larger than {MAX_REQUEST_BYTES} bytes")
    try:
        found: ProviderRequest = msgspec.json.decode(content, type=ProviderRequest)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{show(str(path), 300)} is no request",
            why=str(error),
            remedy='write one, as in {"type": "chat", "messages": [...]}',
        ) from error
    return found
