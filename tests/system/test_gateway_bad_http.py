"""HTTP that is none, is too much, or hides another request: one answer at most, at a low cost."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.besieged import (
    ALIAS,
    CHAT,
    DIALECTS,
    MIB,
    Besieged,
    besieging,
    rest,
)
from tests.system.talking import talking

PATHS = (*DIALECTS, ALIAS)
BODY_BYTES = 100 * MIB
MORE_MIB = 96  # a body of at most 32 MiB, and what is made of it
PIECE = b"x" * 65_536


@pytest.fixture(scope="module")
def besieged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    with talking() as vendor, besieging(tmp_path_factory.mktemp("besieged"), vendor) as besieged:
        yield besieged


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_a_hundred_megabytes_are_refused_unread(
    besieged: Besieged, path: str, chunked: bool
) -> None:
    method = "PUT" if path == ALIAS else "POST"
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {BODY_BYTES}"
    head = besieged.head(path, "Content-Type: application/json", length, method=method) + b"\r\n"
    piece = b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if chunked else PIECE

    with besieged.bounded(MORE_MIB), besieged.connection() as client:
        client.sendall(head)
        sender = threading.Thread(target=_pour, args=(client, piece, BODY_BYTES // len(PIECE)))
        sender.start()
        answer = rest(client)
        sender.join()

    assert answer.startswith(b"HTTP/1.1 413 ")
    body = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert ("1048576 bytes" if path == ALIAS else "larger than") in body["error"]["message"]
    besieged.settled()


def _pour(client: Any, piece: bytes, times: int) -> None:
    """Send as long as it is taken."""
    try:
        for _ in range(times):
            client.sendall(piece)
    except OSError:
        return


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([f"X-Long: {'x' * 100_000}"], id="one long header"),
        pytest.param([f"X-{n}: {n}" for n in range(200)], id="many headers"),
        pytest.param([f"X-{n}: {'x' * 6_000}" for n in range(40)], id="many long headers"),
    ],
)
def test_headers_beyond_the_bound_are_refused(besieged: Besieged, lines: list[str]) -> None:
    with besieged.bounded(16), besieged.connection() as client:
        client.sendall(besieged.head("/healthz", *lines, method="GET") + b"\r\n")
        answer = rest(client)

    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"headers" in answer.partition(b"\r\n\r\n")[2]
    besieged.settled()


def test_requests_sent_ahead_are_answered_or_refused_in_order(besieged: Besieged) -> None:
    good = besieged.head("/healthz", method="GET") + b"\r\n"

    with besieged.bounded(16), besieged.connection() as client:
        client.sendall(good * 200)
        client.shutdown(1)
        answers = rest(client)

    statuses = [line[9:12] for line in answers.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    assert {*statuses} <= {b"200", b"503"}
    besieged.settled()


SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        (["Content-Length: 4", "Transfer-Encoding: chunked"], b"0\r\n\r\n" + SMUGGLED),
        (["Transfer-Encoding: chunked", "Content-Length: 4"], b"0\r\n\r\n" + SMUGGLED),
        (["Content-Length: 0", f"Content-Length: {len(SMUGGLED)}"], SMUGGLED),
        ([f"Content-Length: 0, {len(SMUGGLED)}"], SMUGGLED),
        (["Content-Length: +0"], SMUGGLED),
        (["Content-Length: 0x0"], SMUGGLED),
        (["Content-Length: -1"], SMUGGLED),
        (["Content-Length : 0"], SMUGGLED),
        (["Transfer-Encoding : chunked"], b"0\r\n\r\n" + SMUGGLED),
        (["Transfer-Encoding: xchunked"], b"0\r\n\r\n" + SMUGGLED),
        (["Transfer-Encoding: chunked, identity"], b"0\r\n\r\n" + SMUGGLED),
        (["Transfer-Encoding: chunked"], b"fffffffffffffffff\r\n" + SMUGGLED),
        (["Transfer-Encoding: chunked"], b"0x0\r\n\r\n" + SMUGGLED),
        (["Transfer-Encoding: chunked"], b"-1\r\n\r\n" + SMUGGLED),
        (["Transfer-Encoding: chunked"], b"0\n\n" + SMUGGLED),
        (["X-Folded: a", " Content-Length: 0"], SMUGGLED),
    ],
)
def test_a_request_hidden_in_another_one_is_not_answered(
    besieged: Besieged, lines: list[str], body: bytes
) -> None:
    with besieged.connection() as client:
        client.sendall(besieged.head(CHAT, *lines) + b"\r\n" + body)
        client.shutdown(1)
        answers = rest(client)

    assert answers.count(b"HTTP/1.1 ") <= 1
    assert not answers.startswith(b"HTTP/1.1 200")
    besieged.keeps_to_itself(answers.decode())
    besieged.settled()


def test_what_is_no_http_at_all_is_refused(besieged: Besieged) -> None:
    for data in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"\0" * 500,
        b"hi\n",
    ):
        with besieged.connection() as client:
            client.sendall(data)
            client.shutdown(1)
            answer = rest(client)
        assert not answer or answer.startswith(b"HTTP/1.1 400 ")

    besieged.settled()
