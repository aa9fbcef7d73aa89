"""The gateway over a host in this process, and clients of it that speak their dialects as JSON."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

import httpx

from stockade.admin import Caller, Tokens
from stockade.app import Host
from stockade.app.serving.front import Front
from stockade.gateway.door import Door
from stockade.gateway.endpoints import routes_of
from stockade.gateway.server import listening
from stockade.gateway.visitors import Visitors
from stockade.settings import GatewaySettings
from stockade_sdk import ChatResponse, ErrorKind
from stockade_sdk.dialects import openai_chat
from stockade_sdk.sse import EventReader
from stockade_sdk.stream import fold
from tests.recorded.interactions import CHAT, GEMINI, MESSAGES, RESPONSES, Interaction
from tests.recorded.ways import DIALECTS, UNRECORDED
from tests.system import vendor_wires

PATHS = {CHAT: "/v1/chat/completions", RESPONSES: "/v1/responses", MESSAGES: "/v1/messages"}
TOKEN = "stk_" + "r" * 43
TIMEOUT_S = 30.0
GOOD = {  # what a vendor of each wire says to a request that is looked at by itself
    CHAT: vendor_wires.CHAT.whole,
    RESPONSES: vendor_wires.RESPONSES.whole,
    MESSAGES: vendor_wires.CLAUDE.whole,
    GEMINI: vendor_wires.GEMINI.whole,
}
STATUS = {  # what a client is told of each kind of failure; an overloaded vendor: see `status_of`
    ErrorKind.QUOTA: 429,
    ErrorKind.RATE_LIMITED: 429,
    ErrorKind.OVER_BUDGET: 429,
    ErrorKind.TIMEOUT: 504,
    ErrorKind.CONTEXT_LENGTH: 400,
    ErrorKind.CONTENT_FILTER: 400,
    ErrorKind.INVALID_REQUEST: 400,
    ErrorKind.UNSUPPORTED: 400,
    ErrorKind.MODEL_UNAVAILABLE: 404,
}


@dataclass(frozen=True)
class Heard:
    """What a client got, on its wire."""

    wire: str
    response: httpx.Response

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def json(self) -> Any:
        return self.response.json()

    @property
    def streamed(self) -> bool:
        return self.response.headers["content-type"].startswith("text/event-stream")

    @property
    def codes(self) -> set[str]:
        """Of the warnings that came with an answer that was not streamed."""
        shown = self.response.headers.get("x-stockade-warnings", "")
        return {unquote(one).partition(":")[0] for one in shown.split("; ") if one}

    @property
    def answer(self) -> ChatResponse:
        """As a client of the dialect reads it. Raises ProviderError where its stream fails."""
        assert self.status == 200, self.response.text
        dialect = DIALECTS[self.wire]
        if not self.streamed:
            answer: ChatResponse = dialect.decode_response(
                openai_chat.parse_json(self.response.content)
            )
            return answer
        reader, decoder = EventReader(), dialect.StreamDecoder()
        sent = [*reader.feed(self.response.content), *reader.end()]
        events = [event for one in sent for event in decoder.feed(one.data, one.event)]
        return fold([*events, *decoder.finish()])


class Gateway:
    """Clients of every dialect."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def ask(self, wire: str, payload: dict[str, Any], *, model: str, stream: bool) -> Heard:
        """Send a request in its dialect, its model replaced."""
        said = {**payload, "model": model}
        if stream:
            said["stream"] = True
        else:
            said.pop("stream_options", None)
            said.pop("stream", None)
        return Heard(wire, await self._client.post(PATHS[wire], json=said))

    async def question(self, wire: str, *, model: str, stream: bool) -> Heard:
        """Ask something, to hear the answer."""
        usage = {"stream_options": {"include_usage": True}} if wire == CHAT and stream else {}
        said: Any = UNRECORDED[wire]
        return await self.ask(wire, {**said, **usage}, model=model, stream=stream)


@asynccontextmanager
async def gateway_over(host: Host) -> AsyncIterator[Gateway]:
    """The door, its endpoints and a listener, without the process around them."""
    tokens, settings = Tokens(), GatewaySettings()
    tokens.add_own(TOKEN, Caller("tests", "use"))
    routes, visitors = routes_of(Front(lambda: host)), Visitors((), "http", ())
    door = Door(settings, tokens, routes, {"": (_nobody, None)}, visitors, lambda exchange: None)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with (
            listening(door, [listener], settings, drain=door.drained),
            httpx.AsyncClient(
                base_url=base, headers=headers, timeout=TIMEOUT_S, trust_env=False
            ) as client,
        ):
            yield Gateway(client)


async def _nobody(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def good(interaction: Interaction, wire: str) -> Interaction:
    """What is played where only the request counts."""
    return replace(
        interaction, wire=wire, status=200, headers=(), body_kind="json", json=GOOD[wire], text="",
        head=b"",
    )  # fmt: skip


def status_of(kind: ErrorKind, wire: str) -> int:
    """By the contract; what is not in the table is the provider's failure."""
    if kind is ErrorKind.OVERLOADED:
        return 529 if wire == MESSAGES else 503
    return STATUS.get(kind, 502)
