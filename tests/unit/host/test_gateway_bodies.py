"""Bodies: how large, how slow, how many at once, and what is told before they are sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from stockade.gateway.bodies import Bodies, ClientGone
from stockade.gateway.failures import Rejected
from stockade.settings import GatewaySettings
from tests.unit.host.gateway_listener import SOON_S, ask, client, comes, request, served

pytestmark = pytest.mark.anyio

KIB = 1024
SMALL = GatewaySettings(max_body_bytes=100 * KIB, max_bodies_bytes=250 * KIB)
GET = request("/v1/once", "GET")


def coming(*pieces: bytes | None) -> Callable[[], Awaitable[dict[str, Any]]]:
    """A client that sends these pieces; None: it leaves."""
    left = list(pieces)

    async def receive() -> dict[str, Any]:
        piece = left.pop(0)
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(left)}

    return receive


def chunked(*sizes: int) -> bytes:
    head = request("/v1/echo").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    return head + b"".join(b"%x\r\n%b\r\n" % (size, b"x" * size) for size in sizes) + b"0\r\n\r\n"


async def test_what_is_held_is_counted_until_it_is_given_back() -> None:
    bodies = Bodies(SMALL)

    body = await bodies.read(coming(b"abc", b"def"), {})
    assert (body, bodies.held) == (b"abcdef", 6)
    bodies.release(6)
    assert bodies.held == 0


@pytest.mark.parametrize(
    ("pieces", "error"),
    [([b"x" * 60 * KIB, b"x" * 60 * KIB, b""], Rejected), ([b"abc", None], ClientGone)],
)
async def test_a_body_that_came_to_nothing_is_not_held(pieces: Any, error: type[Exception]) -> None:
    bodies = Bodies(SMALL)

    with pytest.raises(error):
        await bodies.read(coming(*pieces), {})
    assert bodies.held == 0


@pytest.mark.parametrize("length", [b"102401", b"9" * 40])
async def test_a_length_beyond_the_most_is_refused_before_anything_is_read(length: bytes) -> None:
    async def receive() -> dict[str, Any]:
        raise AssertionError("it was read")

    with pytest.raises(Rejected) as refused:
        await Bodies(SMALL).read(receive, {b"content-length": length})
    assert refused.value.status == 413


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request("/v1/echo", body=b"x" * 100 * KIB), 200),
        (request("/v1/echo", body=b"x" * (100 * KIB + 1)), 413),
        (chunked(60 * KIB, 40 * KIB), 200),
        (chunked(60 * KIB, 41 * KIB), 413),
        (chunked(*[1] * 1_000), 200),
    ],
)
async def test_bodies_have_a_bound_however_they_are_sent(data: bytes, status: int) -> None:
    async with served(SMALL) as gateway:
        answer = await ask(gateway.port, data)

    assert answer.status == status
    if status == 413:
        assert "100 KiB" in answer.json["said"]


async def test_a_hundred_megabytes_are_refused_and_the_client_reads_why() -> None:
    async with served() as gateway, client(gateway.port) as one:
        head = request("/v1/echo").replace(b"Content-Length: 0", b"Content-Length: 104857600")
        await one.send(head)
        answer = await one.answer()
        with anyio.fail_after(SOON_S):
            for _ in range(100):  # a client that sends all of it before it reads is not cut off
                await one.send(b"x" * 65_536)

    assert (answer.status, answer.headers["connection"]) == (413, "close")


@pytest.mark.parametrize("path", ["/v1/echo", "/v1/once", "/nowhere"])
async def test_without_a_token_nothing_of_a_body_is_asked_for(path: str) -> None:
    head = request(path, token="wrong", headers=("Expect: 100-continue",)).replace(
        b"Content-Length: 0", b"Content-Length: 10"
    )
    async with served(mounts={"": (nobody, "use")}) as gateway, client(gateway.port) as one:
        await one.send(head)
        answer = await one.answer()

    assert answer.status == 401
    assert answer.headers["connection"] == "close"


async def nobody(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("it came in")


async def test_a_client_that_waits_for_the_word_gets_it_when_its_body_is_wanted() -> None:
    head = request("/v1/echo", headers=("Expect: 100-continue",)).replace(
        b"Content-Length: 0", b"Content-Length: 3"
    )
    async with served() as gateway, client(gateway.port) as one:
        await one.send(head)
        assert await one.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await one.send(b"abc")
        answer = await one.answer()

    assert answer.body == b"3 294"


async def test_a_body_too_large_is_refused_without_the_word() -> None:
    head = request("/v1/echo", headers=("Expect: 100-continue",)).replace(
        b"Content-Length: 0", b"Content-Length: 200000"
    )
    async with served(SMALL) as gateway, client(gateway.port) as one:
        await one.send(head)
        answer = await one.answer()

    assert answer.status == 413


async def test_a_body_that_is_too_slow_is_refused() -> None:
    settings = GatewaySettings(body_timeout_s=0.05)
    async with served(settings) as gateway, client(gateway.port) as one:
        await one.send(request("/v1/echo", body=b"abc")[:-1])
        answer = await one.answer()
        rest = await one.rest()
        (exchange,) = await gateway.told(1)

    assert (answer.status, rest, exchange.status) == (408, b"", 408)
    assert "in time" in answer.json["said"]


async def test_bodies_at_once_have_a_bound_that_holds_until_requests_are_over() -> None:
    settings = GatewaySettings(max_body_bytes=100 * KIB, max_bodies_bytes=150 * KIB)
    body = request("/v1/echo", body=b"x" * 90 * KIB)
    async with served(settings) as gateway, client(gateway.port) as first:
        await first.send(body[:-1])
        await comes(lambda: gateway.door._bodies.held > 89 * KIB)
        refused = await ask(gateway.port, body)
        await first.send(body[-1:])
        answer = await first.answer()
        later = await ask(gateway.port, body)

    assert (refused.status, refused.headers["retry-after"]) == (529, "1")
    assert (answer.status, later.status) == (200, 200)
    assert gateway.door._bodies.held == 0


async def test_an_answer_before_the_body_leaves_a_connection_that_works() -> None:
    async with served() as gateway, client(gateway.port) as one:
        data = request("/v1/once", body=b"abcdef")
        await one.send(data[:-3])
        first = await one.answer()
        await one.send(data[-3:] + GET)
        second = await one.answer()

    assert (first.status, second.status) == (200, 200)


async def test_a_client_that_goes_on_sending_what_nobody_reads_is_cut_off() -> None:
    async with served() as gateway, client(gateway.port) as one:
        await one.send(request("/v1/once", body=b"x" * 1_000)[:-1])
        await one.answer()
        gateway.later(6.0)

        assert await one.rest() == b""
