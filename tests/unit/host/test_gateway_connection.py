"""What a client may do to its connection: heads, bodies, pipelines, silence, and leaving."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from stockade.settings import GatewaySettings
from tests.unit.host.gateway_listener import (
    BACKEND_IDS,
    BACKENDS,
    SOON_S,
    Client,
    ask,
    client,
    comes,
    request,
    served,
)

pytestmark = pytest.mark.anyio

GET = request("/v1/once", "GET")


@pytest.fixture(params=BACKENDS, ids=BACKEND_IDS)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


BAD_HEADS = {
    "no HTTP": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "an unknown method": b"BREW /v1/once HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "both lengths": request("/v1/echo", headers=("Transfer-Encoding: chunked",)) + b"0\r\n\r\n",
    "two lengths": request("/v1/echo", headers=("Content-Length: 5",)) + b"hello",
    "a length below zero": GET.replace(b"\r\n\r\n", b"\r\nContent-Length: -1\r\n\r\n"),
    "an endless length": GET.replace(
        b"\r\n\r\n", b"\r\nContent-Length: 99999999999999999999\r\n\r\n"
    ),
    "a coding that is not chunked last": GET.replace(
        b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked, gzip\r\n\r\n"
    ),
    "a folded header": GET.replace(b"\r\n\r\n", b"\r\nX-A: b\r\n c\r\n\r\n"),
    "a space before the colon": GET.replace(b"\r\n\r\n", b"\r\nX-A : b\r\n\r\n"),
    "bare line feeds": GET.replace(b"\r\n", b"\n"),
    "a NUL in a header": GET.replace(b"\r\n\r\n", b"\r\nX-A: b\0c\r\n\r\n"),
    "a carriage return in a header": GET.replace(b"\r\n\r\n", b"\r\nX-A: b\rc\r\n\r\n"),
    "a path that is not ASCII": GET.replace(b"/v1/once", b"/v1/\xc3\xa9"),
    "another host's URL": GET.replace(b"/v1/once", b"http://evil.example/v1/once"),
    "another scheme": GET.replace(b"/v1/once", b"ftp://127.0.0.1/v1/once"),
    "an authority": b"CONNECT 127.0.0.1:443 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "two slashes": GET.replace(b"/v1/once", b"//v1/once"),
    "steps": GET.replace(b"/v1/once", b"/v1/../api"),
    "encoded steps": GET.replace(b"/v1/once", b"/v1/%2e%2e/api"),
    "an encoded NUL": GET.replace(b"/v1/once", b"/v1/once%00"),
    "an encoded line feed": GET.replace(b"/v1/once", b"/v1/once%0A"),
}


@pytest.mark.parametrize("data", BAD_HEADS.values(), ids=BAD_HEADS)
async def test_what_is_no_request_is_refused_in_json_and_the_connection_ends(data: bytes) -> None:
    async with served() as gateway, client(gateway.port) as one:
        await one.send(data)
        answer = await one.answer()
        rest = await one.rest()

    assert (answer.status, rest) == (400, b"")
    assert answer.json["error"]["type"] == "invalid_request_error"
    assert answer.json["error"]["message"]
    assert answer.headers["x-request-id"] == answer.headers["request-id"]
    assert [(one.status, one.method) for one in gateway.heard] == [(400, "")]


async def test_an_absolute_url_of_this_host_is_a_request() -> None:
    async with served() as gateway:
        answer = await ask(gateway.port, GET.replace(b"/v1/once", b"http://127.0.0.1/v1/once"))

    assert answer.status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([f"X-{number}: a" for number in range(120)], 200),
        ([f"X-{number}: a" for number in range(200)], 431),
        (["X-A: " + "a" * 60_000], 200),
        (["X-A: " + "a" * 70_000], 431),
        ([f"X-{number}: " + "a" * 5_000 for number in range(30)], 431),
    ],
)
async def test_heads_have_a_bound_in_number_and_size(headers: list[str], status: int) -> None:
    async with served() as gateway:
        answer = await ask(gateway.port, request("/v1/once", "GET", headers=tuple(headers)))

    assert answer.status == status


async def test_an_endless_head_ends_while_it_is_sent() -> None:
    async with served() as gateway, client(gateway.port) as one:
        await one.send(b"GET / HTTP/1.1\r\nX-A: ")
        with anyio.fail_after(SOON_S):
            for _ in range(40):
                await one.send(b"a" * 4_096)
        answer = await one.answer()

    assert answer.status == 431


async def test_a_slow_head_is_told_so_and_a_silent_connection_just_ends() -> None:
    async with served() as gateway, client(gateway.port) as slow, client(gateway.port) as silent:
        await slow.send(GET[:-2])
        await silent.send(GET)
        await silent.answer()  # so both were read
        async with client(gateway.port) as new:
            await new.send(GET)
            await new.answer()
            gateway.later(9.0)
            await new.send(GET)
            assert (await new.answer()).status == 200

            gateway.later(2.0)
            assert (await slow.answer()).status == 408

            gateway.later(80.0)
            assert await silent.rest() == b""


async def test_a_connection_that_says_nothing_at_all_ends_without_a_word() -> None:
    async with served() as gateway, client(gateway.port) as mute:
        await ask(gateway.port, GET)  # by then the first one was accepted
        gateway.later(11.0)

        assert await mute.rest() == b""


async def test_requests_sent_ahead_are_answered_in_order() -> None:
    async with served() as gateway, client(gateway.port) as one:
        bodies = [b"a" * number for number in range(1, 9)]
        await one.send(b"".join(request("/v1/echo", body=body) for body in bodies))
        answers = [await one.answer() for _ in bodies]

    assert [answer.body.split()[0] for answer in answers] == [b"%d" % n for n in range(1, 9)]


async def test_of_very_many_requests_sent_ahead_the_first_are_answered() -> None:
    async with served() as gateway, client(gateway.port) as one:
        await one.send(GET * 5_000)
        rest = await one.rest()

    assert 1 <= rest.count(b"HTTP/1.1 200 OK") <= 20
    assert rest.count(b"HTTP/1.1") == rest.count(b"HTTP/1.1 200 OK")
    assert rest.count(b"connection: close") == 1


async def test_rubbish_after_a_request_does_not_take_the_place_of_its_answer() -> None:
    async with served() as gateway, client(gateway.port) as one:
        await one.send(request("/v1/waits") + b"rubbish\r\n\r\n")
        await gateway.behind.began.wait()
        gateway.behind.go.set()
        answer = await one.answer()
        rest = await one.rest()

    assert (answer.status, answer.body, rest) == (200, b'"late"', b"")


async def test_a_broken_chunk_is_refused_once() -> None:
    async with served() as gateway, client(gateway.port) as one:
        head = request("/v1/echo").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        await one.send(head + b"5\r\nhello\r\nnonsense\r\n")
        answer = await one.answer()
        rest = await one.rest()
        (exchange,) = await gateway.told(1)

    assert (answer.status, rest) == (400, b"")
    assert (exchange.status, exchange.route, exchange.cancelled) == (400, "/v1/echo", False)


@pytest.mark.parametrize(
    "lines",
    [
        ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
        ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"),
    ],
)
@pytest.mark.parametrize(("body", "status"), [(b"", 200), (b"hello", 400)])
async def test_an_upgrade_is_not_done_and_nothing_after_it_is_read(
    lines: tuple[str, ...], body: bytes, status: int
) -> None:
    async with served() as gateway, client(gateway.port) as one:
        await one.send(request("/v1/echo", body=body, headers=lines))
        answer = await one.answer()
        await one.send(GET)
        rest = await one.rest()

    assert (answer.status, rest) == (status, b"")


async def test_http_1_0_is_answered_without_chunks_until_the_connection_ends() -> None:
    async with served() as gateway, client(gateway.port) as one:
        gateway.behind.go.set()
        await one.send(request("/v1/events", version="1.0"))
        head = await one.until(b"\r\n\r\n")
        rest = await one.rest()

    assert b"transfer-encoding" not in head
    assert rest == b"data: one\n\ndata: two\n\ndata: three\n\n"


async def test_head_has_the_length_and_no_body() -> None:
    async with served() as gateway, client(gateway.port) as one:
        await one.send(request("/v1/once", "HEAD"))
        answer = await one.answer(head_only=True)
        await one.send(GET)
        next_answer = await one.answer()

    assert (answer.status, answer.headers["content-length"]) == (200, "11")
    assert next_answer.json == {"ok": True}


async def dechunked(one: Client) -> list[bytes]:
    """The chunks of an answer's body, to its end."""
    found = []
    while size := int((await one.until(b"\r\n"))[:-2], 16):
        while len(one.read) < size + 2:
            one.read += await one.stream.receive(65_536)
        found.append(one.read[:size])
        one.read = one.read[size + 2 :]
    await one.until(b"\r\n")
    return found


@pytest.mark.parametrize(("path", "comments"), [("/v1/events", 2), ("/v1/binary", 0)])
async def test_only_a_silent_stream_of_events_gets_comments(path: str, comments: int) -> None:
    async with served() as gateway, client(gateway.port) as one:
        await one.send(request(path))
        await gateway.behind.began.wait()
        gateway.later(14.0)  # not yet
        gateway.later(2.0)
        gateway.later(2.0)  # nor again so soon
        gateway.later(16.0)
        gateway.behind.go.set()
        await one.until(b"\r\n\r\n")
        chunks = await dechunked(one)
        await one.send(GET)
        answer = await one.answer()
        gateway.later(16.0)  # no comment on an answer that is over

    between = [b": keep-alive\n\n"] * comments
    assert chunks == [b"data: one\n\n", *between, b"data: two\n\n", b"data: three\n\n"]
    assert (answer.status, one.read) == (200, b"")


async def test_a_client_that_never_reads_is_cut_off_and_its_request_cancelled() -> None:
    async with served() as gateway, client(gateway.port, receive_buffer=4_096) as one:
        await one.send(request("/v1/floods"))
        await gateway.behind.began.wait()
        (connection,) = gateway.bounds.open
        await comes(lambda: connection.flow.write_paused)
        inner: Any = connection.transport
        unsent = inner._transport.get_write_buffer_size()

        gateway.later(29.0)
        assert not gateway.behind.ended.is_set()
        gateway.later(2.0)
        (exchange,) = await gateway.told(1)

    assert unsent < 256 * 1024
    assert gateway.behind.ended.is_set()
    assert (exchange.cancelled, exchange.streamed) == (True, True)


@pytest.mark.parametrize("path", ["/v1/waits", "/v1/events"])
@pytest.mark.parametrize("ahead", [b"", GET])
async def test_a_client_that_leaves_cancels_its_request_at_once(path: str, ahead: bytes) -> None:
    async with served() as gateway:
        async with client(gateway.port) as one:
            await one.send(request(path) + ahead)
            await gateway.behind.began.wait()
        left = anyio.current_time()
        (exchange,) = await gateway.told(1)
        took_s = anyio.current_time() - left

    assert gateway.behind.cancelled
    assert exchange.cancelled
    assert took_s < 0.25


async def test_a_client_that_leaves_within_its_body_is_recorded_as_gone() -> None:
    async with served() as gateway:
        async with client(gateway.port) as one:
            await one.send(request("/v1/echo", body=b"x" * 1_000)[:-10])
            await ask(gateway.port, GET)
        _, exchange = await gateway.told(2)

    assert (exchange.route, exchange.cancelled, exchange.status) == ("/v1/echo", True, 0)


async def test_a_client_that_leaves_after_its_answer_is_not_recorded_as_gone() -> None:
    async with served() as gateway:
        await ask(gateway.port, GET)
        (exchange,) = await gateway.told(1)

    assert not exchange.cancelled


async def test_connections_beyond_the_most_get_an_answer() -> None:
    async with served(GatewaySettings(max_connections=2)) as gateway:
        async with client(gateway.port) as first, client(gateway.port) as second:
            for one in (first, second):
                await one.send(GET)
                assert (await one.answer()).status == 200
            async with client(gateway.port) as third:
                await third.send(GET)
                refused = await third.answer()
                assert await third.rest() == b""
            await first.send(GET)
            assert (await first.answer()).status == 200
        await comes(lambda: not (gateway.bounds.open or gateway.bounds.leaving))
        assert (await ask(gateway.port, GET)).status == 200

    assert refused.status == 503
    assert refused.headers["retry-after"] == "1"
    assert refused.json["error"]["type"] == "overloaded_error"


async def test_a_refusal_is_read_also_by_a_client_that_goes_on_sending() -> None:
    async with served() as gateway, client(gateway.port) as one:
        await one.send(request("/v1/echo", headers=("Content-Length: 1",))[:-2])
        await one.send(b"\r\n\r\n")
        with anyio.fail_after(SOON_S):
            for _ in range(200):
                await one.send(b"x" * 65_536)
        answer = await one.answer()

    assert answer.status == 400
