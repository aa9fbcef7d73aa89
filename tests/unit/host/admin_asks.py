"""Asking an ASGI application as a server would, without one: any bytes may be sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

import anyio
import msgspec

JSON = (b"content-type", b"application/json")
GONE = {"type": "http.disconnect"}


class Heard:
    """What came back, message by message. ``over`` is set with the last."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.over = anyio.Event()
        self.came = anyio.Event()

    async def send(self, message: Any) -> None:
        self.messages.append(message)
        self.came.set()
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.over.set()

    @property
    def status(self) -> int:
        status: int = self.messages[0]["status"]
        return status

    @property
    def headers(self) -> dict[str, str]:
        return {key.decode(): value.decode() for key, value in self.messages[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(one["body"] for one in self.messages[1:])

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    async def until(self, part: bytes) -> None:
        """Wait until ``part`` came."""
        while not self.messages or part not in self.body:
            self.came = anyio.Event()
            await self.came.wait()


def scope_of(
    method: str, target: str | bytes, headers: Sequence[tuple[bytes, bytes]] = ()
) -> dict[str, Any]:
    raw = target.encode() if isinstance(target, str) else target
    path, _, query = raw.partition(b"?")
    return {
        "type": "http",
        "method": method,
        "path": unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path,
        "query_string": query,
        "headers": list(headers),
    }


async def ask(
    app: Any,
    method: str,
    target: str | bytes,
    body: bytes | Sequence[bytes] | None = None,
    headers: Sequence[tuple[bytes, bytes]] | None = None,
) -> Heard:
    """One whole request; a body of several pieces comes piece by piece."""
    pieces = [body or b""] if body is None or isinstance(body, bytes) else list(body)
    left = [
        {"type": "http.request", "body": piece, "more_body": index + 1 < len(pieces)}
        for index, piece in enumerate(pieces)
    ]

    async def receive() -> Any:
        if not left:
            await anyio.sleep_forever()
        return left.pop(0)

    heard = Heard()
    if headers is None:
        headers = [] if body is None else [JSON]
    await app(scope_of(method, target, headers), receive, heard.send)
    return heard
