"""CONNECT requests: reading a worker's, writing our own to an operator's proxy. Pure (RFC 9110
9.3.6).
"""

from __future__ import annotations

import re
from typing import Final

from stockade.settings import Proxy
from stockade_sdk.text import show

from .targets import Target, TargetRefused, read_target

__all__ = ["MAX_HEAD_BYTES", "ConnectRefused", "asking", "read_answer", "read_connect", "reply"]

MAX_HEAD_BYTES: Final = 8 * 1024
END_OF_HEAD: Final = b"\r\n\r\n"
_LINE: Final = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}) ([\x21-\x7e]{1,300}) HTTP/1\.[01]")
_FIELD: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")
_AUTHORITY: Final = re.compile(r"[^/?#@\\]+:[0-9]{1,5}")
_BODY: Final = re.compile(
    r"(?:transfer-encoding|content-length):(?![ \t]*0*[ \t]*$)", re.IGNORECASE
)
_ANSWER: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: [^\r\n]*)?\r\n")
_WORDS: Final = {
    400: "Bad Request",
    403: "Forbidden",
    405: "Method Not Allowed",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    502: "Bad Gateway",
    504: "Gateway Timeout",
}


class ConnectRefused(Exception):
    """A tunnel that is not opened: the `status` of the answer, and in words why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def read_connect(head: bytes) -> Target:
    """Where a CONNECT request wants to go; `head` is all up to and with its empty line.

    Raises `ConnectRefused` for every other request, 405 or 400.
    """
    first, *fields = head[: -len(END_OF_HEAD)].decode("latin-1").split("\r\n")
    found = _LINE.fullmatch(first)
    if found is None:
        raise ConnectRefused(400, f"{show(first)} is no request for a tunnel")
    method, authority = found.groups()
    if method != "CONNECT":
        raise ConnectRefused(405, f"{show(method)} is not carried, only CONNECT is: use https")
    for line in fields:
        if not _FIELD.fullmatch(line):
            raise ConnectRefused(400, f"{show(line)} is no header")
        if _BODY.match(line):
            raise ConnectRefused(400, "a request for a tunnel has no body")
    if not _AUTHORITY.fullmatch(authority):
        raise ConnectRefused(400, f"{show(authority)} is no host with its port")
    try:
        return read_target(f"https://{authority}/")
    except TargetRefused as refused:
        raise ConnectRefused(400, str(refused)) from None


def reply(refused: ConnectRefused) -> bytes:
    """The answer to a tunnel that is not opened.

    The reason stands in the status line too, for that is all that most libraries show.
    """
    line = "".join(one if " " <= one <= "~" else "?" for one in str(refused))
    body = f"{line}\n".encode()
    return (
        f"HTTP/1.1 {refused.status} {_WORDS[refused.status]}: {line}\r\n"
        f"content-type: text/plain\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    ).encode() + body


def asking(target: Target, proxy: Proxy) -> bytes:
    """Our request to the operator's proxy."""
    lines = [f"CONNECT {target.endpoint} HTTP/1.1", f"host: {target.endpoint}"]
    if proxy.authorization:
        lines.append(f"proxy-authorization: {proxy.authorization}")
    return "\r\n".join([*lines, "", ""]).encode()


def read_answer(head: bytes) -> int:
    """The status of the proxy's answer. Raises ValueError for what is no answer."""
    found = _ANSWER.match(head)
    if found is None:
        raise ValueError("it did not answer in HTTP")
    return int(found[1])
