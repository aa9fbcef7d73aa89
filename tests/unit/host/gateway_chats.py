"""A host for chats that is scripted: behind it stands a vendor's wire without a network.

What reaches the vendor is what a plugin would send, by the dialect it speaks; what comes back is
read as a plugin would read it.
"""

import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

import anyio
import httpx
import msgspec

from stockade.admin import Caller, Tokens
from stockade.gateway.chat import Chat, ChatWire
from stockade.gateway.door import Door
from stockade.gateway.exchange import Exchange
from stockade.gateway.messages import AnthropicMessages
from stockade.gateway.openai_chat import OpenAIChat
from stockade.gateway.responses import OpenAIResponses
from stockade.gateway.server import listening
from stockade.gateway.visitors import Visitors
from stockade.gateway.wires import Endpoint, Routes
from stockade.router import Target
from stockade.settings import GatewaySettings
from stockade_sdk.capability import Attempt, RuntimeWarning
from stockade_sdk.chat import ChatRequest, ChatResponse
from stockade_sdk.sse import EventReader
from stockade_sdk.stream import ChatEvent, Finish

TOKEN = "stk_" + "c" * 43

WIRES: dict[str, Callable[[], ChatWire]] = {
    "/v1/chat/completions": OpenAIChat,
    "/v1/responses": OpenAIResponses,
    "/v1/messages": AnthropicMessages,
}
OK = (Attempt(target="echo/one", outcome="ok", ms=1.0),)
STREAMING = (Attempt(target="echo/one", outcome="streaming"),)


class Streamed:
    """An answer in batches, as `stockade.router.Answer` gives them; an exception is raised where it
    stands, and an event is waited for.
    """

    def __init__(self, script: Iterable[Sequence[ChatEvent] | Exception | anyio.Event]) -> None:
        self._script = iter(script)
        self.attempts: tuple[Attempt, ...] = STREAMING
        self.warnings: tuple[RuntimeWarning, ...] = ()
        self.target = Target("echo", "one")
        self.left = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.left = True

    async def batch(self) -> list[ChatEvent]:
        for one in self._script:
            if isinstance(one, Exception):
                self.attempts = (Attempt(target="echo/one", outcome="failed"),)
                raise one
            if isinstance(one, anyio.Event):
                await one.wait()
                continue
            return list(one)
        return []


class Serving:
    """Answers with ``answer``: a response, a script of batches, or an error to raise."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[ChatRequest] = []
        self.timeouts: list[float | None] = []
        self.streams: list[Streamed] = []

    async def run(
        self, request: ChatRequest, *, timeout: float | None = None, plugin: str | None = None
    ) -> ChatResponse:
        self._keep(request, timeout)
        answer: ChatResponse = self.answer
        return answer if answer.attempts else msgspec.structs.replace(answer, attempts=OK)

    def stream(
        self, request: ChatRequest, *, timeout: float | None = None, plugin: str | None = None
    ) -> Streamed:
        self._keep(request, timeout)
        self.streams.append(Streamed(self.answer))
        return self.streams[-1]

    def _keep(self, request: ChatRequest, timeout: float | None) -> None:
        self.asked.append(request)
        self.timeouts.append(timeout)
        if isinstance(self.answer, Exception):
            raise self.answer


class Vendor(Serving):
    """Answers as a plugin that speaks ``dialect`` to a vendor who says ``said``: JSON, or the data
    of a stream's events. ``sent`` is what the vendor got.
    """

    def __init__(self, dialect: Any, said: Any) -> None:
        super().__init__(None)
        self._dialect, self._said = dialect, said
        self.sent: list[dict[str, Any]] = []

    def _keep(self, request: ChatRequest, timeout: float | None) -> None:
        crossed = msgspec.msgpack.decode(msgspec.msgpack.encode(request), type=ChatRequest)
        super()._keep(crossed, timeout)
        stream = isinstance(self._said, list)
        payload, warnings = self._dialect.encode_request(crossed, model="m", stream=stream)
        self.sent.append(payload)
        if not stream:
            response = self._dialect.decode_response(self._said)
            together = (*warnings, *response.warnings)
            self.answer = msgspec.structs.replace(response, warnings=together)
            return
        decoder = self._dialect.StreamDecoder()
        events = [event for data in self._said for event in decoder.feed(msgspec.json.encode(data))]
        last = decoder.finish()
        batches = [[event] for event in (*events, *last)]
        finish = batches[-1][0]
        assert isinstance(finish, Finish)
        batches[-1] = [
            msgspec.structs.replace(finish, warnings=(*warnings, *finish.warnings)),
        ]
        self.answer = batches


def routes_of(serves: Any) -> Routes:
    wires = {path: make() for path, make in WIRES.items()}
    endpoints = [Endpoint(path, wire, {"POST": Chat(wire, serves)}) for path, wire in wires.items()]
    return Routes(endpoints, wires["/v1/chat/completions"])


class Gateway:
    """A client of a gateway on a real listener, and what was told of each request."""

    def __init__(self, client: httpx.AsyncClient, heard: list[Exchange]) -> None:
        self.client, self.heard = client, heard

    async def post(self, path: str, json: Any = None, **more: Any) -> httpx.Response:
        return await self.client.post(path, json=json, **more)

    async def events(self, path: str, json: dict[str, Any]) -> list[tuple[str, Any]]:
        """The events of a stream: the name of each and its data, `[DONE]` as text."""
        response = await self.client.post(path, json={**json, "stream": True})
        assert response.status_code == 200, response.text
        assert response.headers["content-type"].startswith("text/event-stream")
        reader, read = EventReader(), []
        for sent in reader.feed(response.content):
            done = sent.data == "[DONE]"
            read.append((sent.event, sent.data if done else msgspec.json.decode(sent.data)))
        return read


async def nobody(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@contextlib.asynccontextmanager
async def gateway(serves: Any) -> AsyncIterator[Gateway]:
    tokens, heard, settings = Tokens(), list[Exchange](), GatewaySettings()
    tokens.add_own(TOKEN, Caller("tests", "use"))
    visitors = Visitors((), "http", ())

    def hear(exchange: Exchange) -> None:
        heard.append(exchange)

    door = Door(
        settings,
        tokens,
        routes_of(serves),
        {"": (nobody, None)},
        visitors,
        hear,
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        headers = {"x-api-key": TOKEN}
        async with (
            listening(door, [listener], settings, drain=door.drained),
            httpx.AsyncClient(base_url=base, headers=headers, timeout=30) as client,
        ):
            yield Gateway(client, heard)
