"""A host with shipped plugins whose vendors are one loopback upstream, which says what it is told.

Every wire has a good answer, whole and as a stream, so that a test can spoil it and then see that
the next good one comes, from the same worker.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from stockade import Host
from stockade.errors import AllAttemptsFailed
from stockade.packages import commit_install, plan_install
from stockade.settings import Home, SandboxSettings, Settings
from stockade.state import Secrets, State
from stockade_sdk import (
    ChatRequest,
    ChatResponse,
    ProviderError,
    TextDelta,
    fold,
)
from stockade_sdk.manifest import read_manifest_file
from stockade_sdk.provider import ProviderResponse
from tests.conftest import holdings
from tests.system.egress_sink import Received, Sink
from tests.system.vendor_wires import TEXT, Wire

PLUGINS = Path(__file__).parents[2] / "plugins"
KEY = "sk-canary-0d83ba61f2c94e57"
TIMEOUT_S = 20.0
# A nursery's spare child may come at any time, and a test would be blamed for it.
WITHOUT_SPARES = Settings(sandbox=SandboxSettings(nursery=False))


@dataclass(frozen=True)
class Answer:
    """What the upstream sends: a head, then pieces of a body, each a chunk of its own.

    ``then`` is "end" for a proper end, "cut" for a connection that closes before it, "wait" for
    one that stays open and says nothing more.
    """

    pieces: tuple[bytes, ...] = ()
    status: str = "200 OK"
    headers: tuple[str, ...] = ("content-type: application/json",)
    then: str = "end"
    before: bytes = b""  # interim answers


Reply = Callable[[Any, Any], Any]


@dataclass
class Vendors:
    """The upstream; ``playing`` is sent to whoever asks."""

    playing: Answer | Reply = Answer()
    sink: Sink = field(init=False)

    async def reply(self, reader: Any, writer: Any) -> str:
        if not isinstance(self.playing, Answer):
            await self.playing(reader, writer)
            return "close"
        answer = self.playing
        lines = (f"HTTP/1.1 {answer.status}", *answer.headers, "connection: close")
        head = "\r\n".join((*lines, "transfer-encoding: chunked", "", "")).encode()
        writer.write(answer.before + head)
        for piece in filter(None, answer.pieces):
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        if answer.then == "end":
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        if answer.then == "wait":
            await reader.read()
        return "close"

    @property
    def asked(self) -> list[Received]:
        """The requests that came."""
        return self.sink.requests


@dataclass(frozen=True)
class Outcome:
    """What came out of the host: an answer, or an error and the text that came before it."""

    response: ProviderResponse | None = None
    error: ProviderError | None = None
    said: str = ""
    told: str = ""  # all of it, as text

    @property
    def kind(self) -> str:
        return "" if self.error is None else str(self.error.kind)

    @property
    def chat(self) -> ChatResponse:
        assert isinstance(self.response, ChatResponse), self.told
        return self.response

    @property
    def codes(self) -> set[str]:
        """Of the answer's warnings."""
        return {warning.code for warning in self.chat.warnings}


@dataclass
class Clinic:
    """The host, the upstream, and what has to be so after everything."""

    host: Host
    vendors: Vendors

    async def ask(
        self,
        wire: Wire,
        answer: Answer | Reply,
        *,
        stream: bool = False,
        timeout_s: float = TIMEOUT_S,
    ) -> Outcome:
        """What becomes of a request whose vendor answers so; the key is in nothing that is told."""
        self.vendors.playing = answer
        self.host.try_again(wire.plugin)
        said: list[str] = []
        try:
            response = await self._ask(wire, said, timeout_s, stream=stream)
        except AllAttemptsFailed as failed:
            attempts = [attempt.message for attempt in failed.attempts]
            outcome = Outcome(error=failed.error, told=f"{failed!r} {failed} {attempts}")
        except ProviderError as error:
            outcome = Outcome(error=error, said="".join(said), told=f"{error!r} {error}")
        else:
            outcome = Outcome(response=response, told=repr(response))
            msgspec.json.encode(response)  # whatever it is, a client can be told
        assert KEY not in outcome.told
        return outcome

    async def ask_all(
        self,
        wires: Iterable[Wire],
        answer: Callable[[Wire], Answer | Reply],
        *,
        stream: bool = False,
        timeout_s: float = TIMEOUT_S,
    ) -> dict[str, Outcome]:
        """The same of several wires, by their names; each is well afterwards."""
        found = {}
        for wire in wires:
            found[wire.name] = await self.ask(
                wire, answer(wire), stream=stream, timeout_s=timeout_s
            )
            await self.is_well(wire)
        return found

    async def _ask(
        self, wire: Wire, said: list[str], timeout_s: float, *, stream: bool
    ) -> ProviderResponse:
        if not stream:
            return await self.host.run(wire.request, timeout=timeout_s)
        assert isinstance(wire.request, ChatRequest)
        async with self.host.stream(wire.request, timeout=timeout_s) as events:
            came = []
            async for event in events:
                came.append(event)
                said += [event.text] if isinstance(event, TextDelta) else []
        return fold(came)

    async def is_well(self, wire: Wire) -> None:
        """See that the next good answer comes, from a worker that never died, and that no log has
        the key.
        """
        outcome = await self.ask(wire, good(wire))
        assert outcome.response is not None, outcome.told
        if isinstance(outcome.response, ChatResponse):
            assert outcome.chat.text == TEXT
            assert outcome.chat.finish_reason == "stop"
        status = self.host.status(wire.plugin)
        assert [worker.restarts for worker in status.workers] == [0]
        assert not [path for path in self.host.home.logs.iterdir() if KEY.encode() in text_of(path)]


def text_of(file: Path) -> bytes:
    """What is in it, nothing where it was replaced meanwhile."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""


def kept() -> set[str]:
    """What this process holds, but for its threads: anyio has a pool of them."""
    return {line for line in holdings() if not line.startswith("thread ")}


def good(wire: Wire) -> Answer:
    """The whole good answer of a wire."""
    return body_of(wire.body)


def body_of(body: bytes, status: str = "200 OK", *headers: str) -> Answer:
    """A whole answer."""
    return Answer((body,), status, headers or ("content-type: application/json",))


def stream_of(pieces: Iterable[bytes], then: str = "end", *headers: str) -> Answer:
    """Server-sent events."""
    return Answer(tuple(pieces), headers=("content-type: text/event-stream", *headers), then=then)


@asynccontextmanager
async def open_clinic(folder: Path, wires: Iterable[Wire]) -> AsyncIterator[Clinic]:
    """A host with the plugins of these wires, each started, its key bound to the upstream."""
    home, vendors = Home(folder / "home"), Vendors()
    home.ensure()
    plugins = dict.fromkeys(wire.plugin for wire in wires)
    async with Sink.open(vendors.reply) as vendors.sink:
        for name in plugins:
            install(home, name, vendors.sink)
        async with Host.open(home, settings=WITHOUT_SPARES) as host:
            clinic = Clinic(host, vendors)
            for wire in wires:
                await clinic.is_well(wire)
                assert {worker.tier for worker in host.status(wire.plugin).workers} == {"full"}
            yield clinic


def install(home: Home, name: str, sink: Sink) -> None:
    """As the CLI does it: all granted that it asks for, and the upstream."""
    manifest = read_manifest_file(PLUGINS / name / "plugin.toml")
    with State.open(home) as state:
        proposal = plan_install(home, state, str(PLUGINS / name))
        commit_install(home, state, proposal, granted=proposal.asked, operator_hosts=(sink.rule,))
        if name == "azure-openai":
            state.set_config(name, "endpoint", sink.url.rstrip("/"))
        else:
            path = {"anthropic": "", "gemini": "v1beta"}.get(name, "v1")
            state.set_config(name, "base_url", sink.url + path)
    for secret in manifest.permissions.secrets:
        Secrets(home).set(name, secret.name, KEY, (sink.rule,))
