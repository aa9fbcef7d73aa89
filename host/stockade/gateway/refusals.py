"""Answers to what was no request yet, or could not be read as one. Pure."""

from __future__ import annotations

from http import HTTPStatus

import msgspec

from stockade.admin.failures import KINDS

KIND = "invalid_request_error"  # as both OpenAI and Anthropic name it
BUSY_KIND = "overloaded_error"


def refusal(status: int, why: str, request_id: str) -> bytes:
    """A whole answer, after which the connection ends.

    Who asks, and in which dialect, is not known: the body is one that clients of OpenAI, of
    Anthropic and of the admin API all read.
    """
    error = {
        "message": why,
        "type": BUSY_KIND if status == HTTPStatus.SERVICE_UNAVAILABLE else KIND,
        "param": None,
        "code": None,
        "kind": KINDS[status],
    }
    body = msgspec.json.encode({"type": "error", "error": error, "request_id": request_id})
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        f"x-request-id: {request_id}",
        f"request-id: {request_id}",
        "connection: close",
    ]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        lines.append("retry-after: 1")
    return "\r\n".join([*lines, "", ""]).encode() + body
