"""`/api/` as an ASGI application over an `Operator`. Who may come in is decided before it.

It reads the path whole and undecoded (see `asking`): it is mounted without cutting anything off.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import anyio
import msgspec

from stockade.errors import HostError

from .answering import Answer, answer_of, failed, refused, send_whole, start
from .asking import body_of, named, pieces_of, query_of
from .endpoint import Asked, Endpoint, NoQuery
from .endpoints import ENDPOINTS, PARAMS
from .failures import Unfit
from .follow import Receive, Send, follow
from .openapi import document
from .operator import Operator
from .values import LogLine, SecretGiven

MAX_BODY_BYTES: Final = 1024 * 1024  # the largest honest body is a key of 64 KiB
BODY_S: Final = 30.0  # for the whole of a body to come
DOCUMENT: Final = ("", "api", "openapi.json")
BUG: Final = "stockade failed at this request; its log has more"
EVENTS: Final = ((b"content-type", b"text/event-stream"),)
LOG: Final = logging.getLogger("stockade.admin")


class ClientGone(Exception):
    """The client left while its body was read."""


def admin_app(operator: Operator, version: str = "0") -> AdminApp:
    """The application; ``version`` is what its document says of itself: stockade's."""
    return AdminApp(operator, version)


class AdminApp:
    """Answers what ENDPOINTS has, and `/api/openapi.json`. A body comes within ``body_s`` s."""

    def __init__(self, operator: Operator, version: str, *, body_s: float = BODY_S) -> None:
        self._operator, self._version, self._body_s = operator, version, body_s
        self._described: bytes | None = None  # made when it is asked for: it takes 20 to 40 ms
        self._ending = anyio.Event()

    def end(self) -> None:
        """Logs that are followed end now, and new ones at once: the host is going down."""
        self._ending.set()

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """One HTTP request; raises nothing but what ``receive`` and ``send`` raise."""
        endpoint: Endpoint | None = None
        answer: Answer | AsyncIterator[LogLine]
        try:
            pieces = pieces_of(scope)
            if pieces == DOCUMENT:
                answer = await self._document(scope)
            else:
                endpoint, found = sought(scope["method"], pieces)
                asked = await read(endpoint, found, scope, receive, self._body_s)
                answer = await self._done(endpoint, asked)
        except ClientGone:
            return
        except Unfit as unfit:
            answer = refused(unfit)
        except HostError as error:
            answer = failed(error)
        except Exception as error:  # noqa: BLE001 - the outermost: a bug gets words and no trace
            log_bug(endpoint, error)
            answer = refused(Unfit(500, BUG))
        if isinstance(answer, Answer):
            await send_whole(send, answer)
        else:
            await send(start(200, EVENTS))
            await follow(answer, receive, send, ending=self._ending)

    async def _document(self, scope: Mapping[str, Any]) -> Answer:
        if scope["method"] != "GET":
            raise wrong_method(["GET"])
        query_of(scope["query_string"], NoQuery)
        if self._described is None:
            made = await anyio.to_thread.run_sync(document, ENDPOINTS, self._version)
            self._described = msgspec.json.encode(made)
        return Answer(200, self._described)

    async def _done(self, endpoint: Endpoint, asked: Asked) -> Answer | AsyncIterator[LogLine]:
        """What came of it: an answer, or lines to follow."""
        given = await endpoint.call(self._operator, asked)
        if endpoint.follow is not None and asked.query.follow:
            return endpoint.follow(self._operator, asked)  # `given` shows that there is such a log
        return answer_of(endpoint, given)


def sought(method: str, pieces: tuple[str, ...]) -> tuple[Endpoint, dict[str, str]]:
    """The endpoint and the names in its path. Raises Unfit (404, 405).

    The nearest path that has the method: a plugin may be called `propose`.
    """
    near: list[Endpoint] = []
    for endpoint in ENDPOINTS:
        found = endpoint.fits(pieces)
        if found is None:
            continue
        if endpoint.method == method:
            return endpoint, found
        near.append(endpoint)
    if near:
        raise wrong_method([one.method for one in near if one.path == near[0].path])
    raise Unfit(404, "there is nothing at this path", remedy="GET /api/openapi.json has them all")


def wrong_method(allowed: list[str]) -> Unfit:
    allow = ", ".join(sorted(set(allowed)))
    return Unfit(405, f"this path is asked by {allow}", allow=allow)


async def read(
    endpoint: Endpoint,
    found: Mapping[str, str],
    scope: Mapping[str, Any],
    receive: Receive,
    body_s: float,
) -> Asked:
    """What is asked for, checked; the body last, which costs the most. Raises Unfit, ClientGone."""
    path = named(found, PARAMS)
    query = query_of(scope["query_string"], endpoint.query)
    if endpoint.body is None:
        return Asked(path, query, None)
    headers = dict(reversed(scope["headers"]))  # of several of one name, the first
    raw = await read_whole(receive, headers.get(b"content-length", b""), body_s)
    media_type = headers.get(b"content-type", b"").decode("latin-1")
    return Asked(path, query, body_of(raw, media_type, endpoint.body))


async def read_whole(receive: Receive, declared: bytes, body_s: float) -> bytes:
    """The body, at most MAX_BODY_BYTES of it in memory. Raises Unfit (408, 413), ClientGone."""
    too_large = Unfit(413, f"a body may have {MAX_BODY_BYTES} bytes")
    if declared.isdigit() and (len(declared) > 12 or int(declared) > MAX_BODY_BYTES):
        raise too_large
    body = bytearray()
    try:
        with anyio.fail_after(body_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                body += message.get("body", b"")
                if len(body) > MAX_BODY_BYTES:
                    raise too_large
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise Unfit(408, f"the body did not come within {body_s:g} s") from None


def log_bug(endpoint: Endpoint | None, error: Exception) -> None:
    """Once, for who mends it. The message is left out where it may repeat a key."""
    name = "no endpoint" if endpoint is None else endpoint.id
    hidden = endpoint is not None and endpoint.body is SecretGiven
    said = "" if hidden else f": {error}"
    trace = "".join(traceback.format_tb(error.__traceback__))
    LOG.error("%s failed within stockade: %s%s\n%s", name, type(error).__name__, said, trace)
