"""The vendor of the gateways' measures: `python -m tests.benchmarks.gateway_mock`, prints its port.

Cheap, so that what is measured is what stands before it: a protocol on uvloop that answers from
ready-made bytes. A request says in its text what it wants: `PACED` for a chunk every 10 ms, `IDLE`
for a first chunk and then none. Otherwise each chunk of a stream is a write of its own, in a turn
of the loop of its own, as fast as the other side takes them.
"""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from functools import partial
from typing import Final, cast

import uvloop

from .usage import pin

MODEL: Final = "gpt-4o-mini"  # one that LiteLLM has a price for: it is slower with others
EMBEDDING_MODEL: Final = "text-embedding-3-small"
CHUNKS: Final = 50
PACE_S: Final = 0.010
PACED, IDLE = "mock-paced", "mock-idle"
SIZE: Final = 256  # of an embedding
USAGE = {"prompt_tokens": 40, "completion_tokens": 50, "total_tokens": 90}
CPU: Final = 1  # the gateways have the other one


def _answer(body: object, kind: bytes = b"application/json") -> bytes:
    content = json.dumps(body).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"
    return head % (kind, len(content)) + content


def _chunk(event: object) -> bytes:
    data = b"data: %b\n\n" % (event if isinstance(event, bytes) else json.dumps(event).encode())
    return b"%x\r\n%b\r\n" % (len(data), data)


def _event(delta: dict[str, str], reason: str | None = None) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000}
    return {**head, "model": MODEL, "choices": [choice]}


_MESSAGE = {"role": "assistant", "content": "word " * 50}
CHAT = _answer(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": MODEL,
        "choices": [{"index": 0, "message": _MESSAGE, "finish_reason": "stop"}],
        "usage": USAGE,
    }
)
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
EVENTS = [
    _chunk(_event({"role": "assistant", "content": "word "})),
    *(_chunk(_event({"content": "word "})) for _ in range(CHUNKS - 2)),
    _chunk(_event({"content": "word "}, "stop")),
]
TOTALS = _chunk({**_event({}), "choices": [], "usage": USAGE})
END = _chunk(b"[DONE]") + b"0\r\n\r\n"
MODELS = _answer({"object": "list", "data": [{"id": MODEL, "object": "model"}]})
FLOATS = [number / SIZE for number in range(SIZE)]
BASE64 = base64.b64encode(struct.pack(f"<{SIZE}f", *FLOATS)).decode()


def _embedding(vector: object) -> bytes:
    one = {"object": "embedding", "index": 0, "embedding": vector}
    usage = {"prompt_tokens": 8, "total_tokens": 8}
    return _answer({"object": "list", "data": [one], "model": EMBEDDING_MODEL, "usage": usage})


EMBEDDING, EMBEDDING_BASE64 = _embedding(FLOATS), _embedding(BASE64)


class Vendor(asyncio.Protocol):
    """One connection. Requests come one at a time, with a content-length, as both gateways send."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._got = cast("asyncio.Transport", transport), b""
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, ended, body = self._got.partition(b"\r\n\r\n")
        if not ended:
            return
        _, said, rest = head.lower().partition(b"\r\ncontent-length:")
        length = int(rest.partition(b"\r\n")[0]) if said else 0
        if len(body) >= length:
            self._got = body[length:]
            self._reply(head, body[:length])

    def _reply(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET "):  # ours asks what models there are
            self._transport.write(MODELS)
        elif b"/embeddings" in head[:200]:
            self._transport.write(EMBEDDING_BASE64 if b'"base64"' in body else EMBEDDING)
        elif b'"stream":true' not in body.replace(b" ", b""):
            self._transport.write(CHAT)
        else:
            totals = TOTALS if b"include_usage" in body else b""
            pace = PACE_S if PACED.encode() in body else 0.0
            self._transport.write(STREAM)
            self._stream(0, totals, pace, 1 if IDLE.encode() in body else CHUNKS)

    def _stream(self, at: int, totals: bytes, pace_s: float, until: int) -> None:
        if self._transport.is_closing():
            return
        if at == CHUNKS:
            self._transport.write(totals + END)
            return
        self._transport.write(EVENTS[at])
        if at + 1 == until < CHUNKS:
            return  # says no more, and keeps the connection
        turn = partial(self._stream, at + 1, totals, pace_s, until)
        if pace_s:
            self._loop.call_later(pace_s, turn)
        else:
            self._loop.call_soon(turn)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Vendor, "127.0.0.1", 0, backlog=1_024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    pin(CPU)
    uvloop.run(_serve())
