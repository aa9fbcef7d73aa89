"""From what an operation gave to what goes back over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec

from stockade.errors import HostError

from .encoding import json_of
from .endpoint import Endpoint
from .failures import Unfit, failure_of
from .follow import Send
from .values import Job

JSON: Final = b"application/json"
# Answers hold what is of the moment and for one reader alone.
USUAL: Final = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
UNREAD: Final = (408, 413)  # what of the body is still to come is not read
Header = tuple[bytes, bytes]


class Answer(msgspec.Struct, frozen=True):
    """A status, a body (JSON; none with 204) and headers beyond the usual."""

    status: int
    body: bytes = b""
    headers: tuple[Header, ...] = ()


def answer_of(endpoint: Endpoint, given: Any) -> Answer:
    """Of an operation that succeeded; a job says where it is to be asked for."""
    if endpoint.answer is None:
        return Answer(endpoint.status)
    headers: tuple[Header, ...] = ()
    if endpoint.status == 202 and isinstance(given, Job):
        headers = ((b"location", f"/api/jobs/{quote(given.id, safe='')}".encode()),)
    return Answer(endpoint.status, json_of(given), headers)


def failed(error: HostError) -> Answer:
    """Of what the host says of itself."""
    status, said = failure_of(error)
    return Answer(status, json_of(said))


def refused(unfit: Unfit) -> Answer:
    """Of a request that means nothing here."""
    headers: tuple[Header, ...] = ()
    if unfit.allow:
        headers = ((b"allow", unfit.allow.encode()),)
    elif unfit.status in UNREAD:
        headers = ((b"connection", b"close"),)
    return Answer(unfit.status, json_of(unfit.failure), headers)


def start(status: int, headers: Sequence[Header]) -> dict[str, Any]:
    """The message that begins an answer."""
    return {"type": "http.response.start", "status": status, "headers": [*headers, *USUAL]}


async def send_whole(send: Send, answer: Answer) -> None:
    """Send an answer that is all there."""
    headers = list(answer.headers)
    if answer.status != 204:  # which has neither (RFC 9110, 8.6)
        headers += [
            (b"content-type", JSON),
            (b"content-length", b"%d" % len(answer.body)),
        ]
    await send(start(answer.status, headers))
    await send({"type": "http.response.body", "body": answer.body})
