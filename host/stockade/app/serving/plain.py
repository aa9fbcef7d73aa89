"""`/healthz`, `/readyz` and `/metrics`: small answers for machines that watch this one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

__all__ = ["healthz", "metrics", "readyz"]

Send = Callable[[dict[str, Any]], Any]
App = Callable[[dict[str, Any], Any, Send], Any]


def healthz() -> App:
    """Says that the process answers: what is wrong with a plugin is no reason to restart it."""

    async def app(scope: dict[str, Any], receive: Any, send: Send) -> None:
        await _answer(scope, send, 200, msgspec.json.encode({"ok": True}))

    return app


def readyz(why_not: Callable[[], str | None]) -> App:
    """Says whether a request would be answered: 503 with the reason where none would."""

    async def app(scope: dict[str, Any], receive: Any, send: Send) -> None:
        why = why_not()
        body = msgspec.json.encode({"ready": why is None, "why": why})
        await _answer(scope, send, 200 if why is None else 503, body)

    return app


def metrics(scrape: Callable[[str], Awaitable[tuple[str, bytes]]]) -> App:
    """Prometheus's text, or OpenMetrics where the reader asks for it."""

    async def app(scope: dict[str, Any], receive: Any, send: Send) -> None:
        accept = dict(scope["headers"]).get(b"accept", b"").decode("latin-1")
        content_type, body = await scrape(accept)
        await _answer(scope, send, 200, body, content_type.encode())

    return app


async def _answer(
    scope: dict[str, Any],
    send: Send,
    status: int,
    body: bytes,
    content_type: bytes = b"application/json",
) -> None:
    if scope["method"] not in ("GET", "HEAD"):
        status, body, content_type = 405, b"ask with GET\n", b"text/plain; charset=utf-8"
    headers = [
        (b"content-type", content_type),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    if status == 405:
        headers.append((b"allow", b"GET, HEAD"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body if scope["method"] != "HEAD" else b""})
