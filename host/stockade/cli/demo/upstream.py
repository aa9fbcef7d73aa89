"""A server on this machine that speaks the OpenAI wire, and does wrong on demand.

The model's name says what becomes of a request: `demo-stall` is never answered, `demo-error-503`
is answered with that status, any other is answered at once or, where it asks for it, as a stream.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
from aiohttp import web
from anyio.abc import SocketAttribute, SocketStream

__all__ = ["Sink", "Upstream", "open_sink", "open_upstream", "reply_to"]

LOOPBACK: Final = "127.0.0.1"
ERROR_PREFIX: Final = "demo-error-"
STALL: Final = "demo-stall"
PIECE_GAP_S: Final = 0.03  # between two pieces of a stream, so that it is seen to be one
SHUTDOWN_S: Final = 0.2


def reply_to(prompt: str) -> str:
    """What the upstream answers."""
    return f"You said {prompt!r}, says the upstream."


class Upstream:
    """What was asked of it. `stalled` is set when a request hangs, `hung_up` when one was left."""

    def __init__(self) -> None:
        self.port = 0
        self.keys: list[str] = []
        self.models: list[str] = []
        self.stalled = anyio.Event()
        self.hung_up = anyio.Event()

    @property
    def base_url(self) -> str:
        """As a plugin is configured with it."""
        return f"http://{LOOPBACK}:{self.port}/v1"

    @property
    def rule(self) -> str:
        """As `--allow-host` takes it."""
        return f"{LOOPBACK}:{self.port}"

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/chat/completions."""
        body = await request.json()
        model = str(body.get("model"))
        self.models.append(model)
        self.keys.append(request.headers.get("Authorization", ""))
        if model == STALL:
            await self._stall()
        if model.startswith(ERROR_PREFIX):
            return _error(int(model.removeprefix(ERROR_PREFIX)))
        text = reply_to(str(body["messages"][-1]["content"]))
        if body.get("stream"):
            return await _streamed(request, model, text)
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return web.json_response(_envelope(model, "chat.completion", choice))

    async def _stall(self) -> None:
        """Wait until the other side has gone, when the server cancels whoever serves it."""
        self.stalled.set()
        try:
            await anyio.sleep_forever()
        finally:
            self.hung_up.set()


def _envelope(model: str, kind: str, choice: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "demo-1",
        "object": kind,
        "created": int(time.time()),
        "model": model,
        "choices": [choice],
        "usage": {"prompt_tokens": 4, "completion_tokens": 6, "total_tokens": 10},
    }


def _error(status: int) -> web.Response:
    error = {"message": "the demo was asked to fail", "type": "server_error", "code": None}
    return web.json_response({"error": error}, status=status)


async def _streamed(request: web.Request, model: str, text: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    pieces = [{"content": word + " "} for word in text.split(" ")]
    pieces[-1]["content"] = pieces[-1]["content"][:-1]
    for delta in pieces:
        chunk = {"index": 0, "delta": delta, "finish_reason": None}
        data = json.dumps(_envelope(model, "chat.completion.chunk", chunk))
        await response.write(f"data: {data}\n\n".encode())
        await anyio.sleep(PIECE_GAP_S)
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    data = json.dumps(_envelope(model, "chat.completion.chunk", last))
    await response.write(f"data: {data}\n\ndata: [DONE]\n\n".encode())
    return response


class Sink:
    """A port that only counts who comes."""

    def __init__(self) -> None:
        self.port = 0
        self.visits = 0

    async def visit(self, stream: SocketStream) -> None:
        """A connection, whatever it wanted."""
        self.visits += 1
        await stream.aclose()


@asynccontextmanager
async def open_upstream() -> AsyncIterator[Upstream]:
    """The upstream, listening on a free port of this machine."""
    upstream = Upstream()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", upstream.chat)
    async with _listening(app) as upstream.port:
        yield upstream


@asynccontextmanager
async def open_sink() -> AsyncIterator[Sink]:
    """A sink, listening on a free port of this machine."""
    sink = Sink()
    listener = await anyio.create_tcp_listener(local_host=LOOPBACK)
    sink.port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - anyio's, not Django's
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, sink.visit)
        yield sink
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def _listening(app: web.Application) -> AsyncIterator[int]:
    runner = web.AppRunner(
        app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_S
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, LOOPBACK, 0)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        with anyio.CancelScope(shield=True):
            await runner.cleanup()
