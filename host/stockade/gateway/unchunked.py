"""Answers for clients of HTTP/1.0, as proxies in front of us may still be."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class Unchunked:
    """Sends a client of HTTP/1.0 its answer: it knows no chunks, so that a body whose length is
    not known ends with the connection.
    """

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle, self._send, self._endless = cycle, cycle.send, False

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            names = {name.lower() for name, _ in message.get("headers", ())}
            if b"content-length" not in names:
                self._endless, self._cycle.chunked_encoding = True, False
        elif self._endless:
            self._cycle.expected_content_length = len(message.get("body", b""))
        await self._send(message)
