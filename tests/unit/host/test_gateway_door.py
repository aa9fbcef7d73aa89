"""Who comes in, what each request leaves behind, and what is told when something fails."""

from __future__ import annotations

import logging
from typing import Any

import anyio
import pytest

from stockade.gateway.exchange import Exchange
from stockade.settings import GatewaySettings
from tests.unit.host.gateway_listener import TOKEN, ask, client, comes, request, served

pytestmark = pytest.mark.anyio


def with_tokens(*lines: str) -> bytes:
    return request("/v1/once", token="", headers=lines)


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ((f"Authorization: Bearer {TOKEN}",), 200),
        ((f"authorization: bearer {TOKEN}",), 200),
        ((f"X-Api-Key: {TOKEN}",), 200),
        (("Authorization: Basic abc", f"X-Api-Key: {TOKEN}"), 200),
        ((), 401),
        (("Authorization: Bearer",), 401),
        ((f"Authorization: {TOKEN}",), 401),
        ((f"Authorization: Bearer {TOKEN}x",), 401),
        ((f"Authorization: Bearer {TOKEN[:-1]}",), 401),
        ((f"Authorization: Bearer {TOKEN}, Bearer {TOKEN}",), 401),
        (("Authorization: Bearer stk_\xe9",), 401),
        (("Authorization: Bearer " + "a" * 30_000,), 401),
        (("Authorization: Bearer wrong", f"X-Api-Key: {TOKEN}"), 401),
        ((f"Cookie: token={TOKEN}",), 401),
        ((f"Authorization: Bearer {TOKEN}", f"Authorization: Bearer {TOKEN}"), 400),
    ],
)
async def test_one_token_lets_in_and_nothing_else(lines: tuple[str, ...], status: int) -> None:
    async with served() as gateway, client(gateway.port) as one:
        await one.send("".join(with_tokens(*lines).decode("utf-8")).encode("latin-1"))
        answer = await one.answer()

    assert answer.status == status
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert TOKEN not in answer.body.decode()


async def test_a_token_for_use_may_not_do_what_needs_admin() -> None:
    async with served() as gateway:
        refused = await ask(gateway.port, request("/api/plugins", "GET", token="stk_use"))
        allowed = await ask(gateway.port, request("/api/plugins", "GET"))
        missing = await ask(gateway.port, request("/api/plugins", "GET", token=""))

    assert [refused.status, missing.status] == [403, 401]
    assert "--scope admin" in refused.json["error"]["message"]
    assert missing.json["error"]["kind"] == "unknown_caller"
    assert allowed.headers["x-own"] == "page"


async def test_what_is_no_endpoint_is_said_in_json_under_v1_and_is_the_pages_elsewhere() -> None:
    async with served() as gateway:
        unknown = await ask(gateway.port, request("/v1/v1/once"))
        page = await ask(gateway.port, request("/providers", "GET", token=""))

    assert (unknown.status, page.status) == (404, 200)
    assert "base URL" in unknown.json["usual"]


@pytest.mark.parametrize(
    ("path", "method", "status", "allow"),
    [
        ("/v1/echo", "GET", 405, "POST, OPTIONS"),
        ("/v1/echo", "DELETE", 405, "POST, OPTIONS"),
        ("/v1/echo", "HEAD", 405, "POST, OPTIONS"),
        ("/v1/once", "PUT", 405, "GET, POST, HEAD, OPTIONS"),
        ("/v1/once", "OPTIONS", 204, "GET, POST, HEAD, OPTIONS"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    path: str, method: str, status: int, allow: str
) -> None:
    async with served() as gateway, client(gateway.port) as one:
        await one.send(request(path, method))
        answer = await one.answer(head_only=True)

    assert (answer.status, answer.headers["allow"]) == (status, allow)


async def test_every_answer_has_the_id_of_its_record_and_never_the_clients() -> None:
    line = "X-Request-Id: mine-7"
    async with served() as gateway:
        answers = [
            await ask(gateway.port, request(path, method, token=token, headers=(line,)))
            for path, method, token in [
                ("/v1/once", "GET", TOKEN),
                ("/v1/once", "GET", "wrong"),
                ("/v1/fails", "POST", TOKEN),
                ("/page", "GET", ""),
            ]
        ]
        heard = await gateway.told(4)

    for answer, exchange in zip(answers, heard, strict=True):
        assert answer.headers["x-request-id"] == answer.headers["request-id"]
        assert answer.headers["x-request-id"] == exchange.request_id
        assert exchange.client_request_id == "mine-7"
    assert len({exchange.request_id for exchange in heard}) == 4


@pytest.mark.parametrize(
    ("given", "kept"),
    [("a" * 128, "a" * 128), ("a" * 129, None), ("", None), ("\xe9", None), ("a\tb", None)],
)
async def test_a_clients_own_id_is_kept_where_it_can_be_written_down(
    given: str, kept: str | None
) -> None:
    data = request("/v1/once", headers=(f"X-Request-Id: {given}",))
    async with served() as gateway:
        await ask(gateway.port, data.decode().encode("latin-1"))
        (exchange,) = await gateway.told(1)

    assert exchange.client_request_id == kept


async def test_a_fault_of_ours_tells_the_client_an_id_and_the_log_the_rest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with served() as gateway:
        answer = await ask(gateway.port, request("/v1/fails"))
        (exchange,) = await gateway.told(1)

    assert (answer.status, exchange.status, exchange.kind) == (500, 500, "server_error")
    assert exchange.request_id in answer.json["said"]
    assert "secret" not in answer.body.decode()
    assert "Traceback" not in answer.body.decode()
    assert any("the secret of the house" in str(one.exc_info) for one in caplog.records)


async def test_requests_beyond_the_most_are_told_when_to_come_again() -> None:
    async with served(GatewaySettings(max_requests=1)) as gateway, client(gateway.port) as one:
        await one.send(request("/v1/waits"))
        await gateway.behind.began.wait()
        refused = await ask(gateway.port, request("/v1/once"))
        page = await ask(gateway.port, request("/page", "GET"))
        gateway.behind.go.set()
        answer = await one.answer()
        later = await ask(gateway.port, request("/v1/once"))

    assert (refused.status, refused.headers["retry-after"]) == (529, "1")
    assert (page.status, answer.status, later.status) == (200, 200, 200)


def only(heard: list[Exchange]) -> Exchange:
    (exchange,) = heard
    return exchange


async def test_a_drain_lets_requests_end_and_takes_no_new_ones() -> None:
    async with served() as gateway, client(gateway.port) as one, client(gateway.port) as two:
        await two.send(request("/v1/once"))
        await two.answer()
        await one.send(request("/v1/waits"))
        await gateway.behind.began.wait()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(gateway.door.drained)
            await comes(lambda: gateway.door.draining)
            await two.send(request("/v1/once"))
            refused = await two.answer()
            gateway.behind.go.set()
            answer = await one.answer()

    assert (answer.status, answer.body) == (200, b'"late"')
    assert (refused.status, refused.headers["connection"]) == (529, "close")


async def test_at_the_end_of_a_drain_a_stream_is_told_that_it_failed_and_ends() -> None:
    async with client_of_a_drain("/v1/events") as (one, gateway):
        rest = await one.until(b"0\r\n\r\n")
        exchange = only(await gateway.told(1))

    assert rest.endswith(b"data: failed 503\n\n\r\n0\r\n\r\n")
    assert (exchange.kind, exchange.cancelled, exchange.status) == ("overloaded", False, 200)


async def test_at_the_end_of_a_drain_a_request_that_was_not_answered_gets_503() -> None:
    async with client_of_a_drain("/v1/waits") as (one, gateway):
        answer = await one.answer()
        exchange = only(await gateway.told(1))

    assert answer.status == 529  # the dialect's own word for it
    assert "shutting down" in answer.json["said"]
    assert (exchange.status, exchange.cancelled) == (529, False)


async def test_at_the_end_of_a_drain_a_stream_without_words_for_it_is_cut() -> None:
    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await anyio.sleep_forever()

    async with served(mounts={"logs": (endless, None)}) as gateway, client(gateway.port) as one:
        await one.send(request("/logs", "GET"))
        await one.until(b"one\r\n")
        with anyio.fail_after(1):  # nobody waits for what only follows
            await gateway.door.drained()
        rest = await one.rest()
        exchange = only(await gateway.told(1))

    assert rest == b""
    assert (exchange.route, exchange.cancelled) == ("/logs", False)


class client_of_a_drain:  # noqa: N801
    """A client that asks, and a gateway that is told to end and does not wait."""

    def __init__(self, path: str) -> None:
        self.path = path

    async def __aenter__(self) -> Any:
        self.serving = served(GatewaySettings(drain_s=0.05))
        gateway = await self.serving.__aenter__()
        self.connecting = client(gateway.port)
        one = await self.connecting.__aenter__()
        await one.send(request(self.path))
        await gateway.behind.began.wait()
        await gateway.door.drained()
        return one, gateway

    async def __aexit__(self, *exc: Any) -> None:
        await self.connecting.__aexit__(None, None, None)
        await self.serving.__aexit__(None, None, None)


async def test_the_client_of_a_mount_that_leaves_is_recorded_once_as_gone() -> None:
    began = anyio.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        began.set()
        await anyio.sleep_forever()

    async with served(mounts={"logs": (endless, None)}) as gateway:
        async with client(gateway.port) as one:
            await one.send(request("/logs", "GET"))
            await began.wait()
        exchange = only(await gateway.told(1))

    assert (exchange.route, exchange.cancelled) == ("/logs", True)


async def test_a_mount_that_answers_and_then_fails_has_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def failing(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b"its own words"})
        raise ValueError("fault")

    async with served(mounts={"logs": (failing, None)}) as gateway, client(gateway.port) as one:
        await one.send(request("/logs", "GET"))
        await one.until(b"its own words\r\n0\r\n\r\n")
        await one.send(request("/v1/once"))
        answer = await one.answer()

    assert answer.status == 200
    assert any(record.levelno == logging.ERROR for record in caplog.records)
