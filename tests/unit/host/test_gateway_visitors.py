"""Hosts and origins: who may ask under which name, and what browsers are told."""

from __future__ import annotations

from typing import Any

import pytest

from stockade.gateway.failures import Rejected
from stockade.gateway.visitors import Visitors
from stockade.settings import GatewaySettings
from tests.unit.host.gateway_listener import ask, request, served

APP = "https://app.example.com"


def judged(
    *pairs: tuple[str, str],
    names: tuple[str, ...] = (),
    scheme: str = "http",
    server: str = "127.0.0.1",
    origins: tuple[str, ...] = (),
    **scope: Any,
) -> int:
    """200, or the status with which these headers are refused."""
    headers = [(name.lower().encode(), value.encode()) for name, value in pairs]
    whole = {"headers": headers, "server": (server, 8787), "method": "GET", "path": "/v1/models"}
    try:
        Visitors(names, scheme, origins)(dict(reversed(headers)), {**whole, **scope})
    except Rejected as rejected:
        return rejected.status
    return 200


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost:8787", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8787", "10.0.0.7"],
)
def test_loopback_and_the_address_that_was_come_in_on_are_hosts(host: str) -> None:
    assert judged(("Host", host), server="10.0.0.7") == 200


@pytest.mark.parametrize(
    ("host", "server"),
    [
        ("[fd00::7]:8787", "fd00::7"),
        ("[FD00:0:0::7]", "fd00::7"),
        ("10.0.0.7", "::ffff:10.0.0.7"),
        ("[fe80::1]", "fe80::1%eth0"),
    ],
)
def test_addresses_are_compared_by_what_they_mean(host: str, server: str) -> None:
    assert judged(("Host", host), server=server) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8787", "localhost.evil.example", "127.0.0.1.evil.example",
        "10.0.0.8", "0.0.0.0", "[::]", "127.0.0.2", "[::1", "::1", "[127.0.0.1]", "localhost:",
        "localhost:x", "localhost:80:80", "local host", "127.1", "2130706433", "0x7f.1",
        "user@localhost",
        "localhost,evil.example", "localhost/", "localhost:999999", "a" * 300, "\u00e9",
    ],
)  # fmt: skip
def test_any_other_host_is_refused(host: str) -> None:
    assert judged(("Host", host)) == 421


def test_every_address_is_no_name_also_where_it_is_listened_at() -> None:
    assert judged(("Host", "0.0.0.0:8787"), names=("0.0.0.0",)) == 421


def test_a_name_that_was_allowed_is_a_host_on_any_port() -> None:
    names = ("llm.example.com",)

    assert judged(("Host", "LLM.example.com:9000"), names=names) == 200
    assert judged(("Host", "sub.llm.example.com"), names=names) == 421


@pytest.mark.parametrize(
    "pairs",
    [
        (),
        (("Host", ""),),
        (("Host", "localhost"), ("Host", "localhost")),
        (("Host", "localhost"), ("Host", "evil.example")),
        (("Host", "localhost"), ("Authorization", "Bearer a"), ("Authorization", "Bearer b")),
        (("Host", "localhost"), ("X-Api-Key", "a"), ("X-Api-Key", "b")),
        (("Host", "localhost"), ("Origin", "http://localhost"), ("Origin", "null")),
    ],
)
def test_a_host_is_missing_or_one_of_two_headers_is_meant(pairs: Any) -> None:
    assert judged(*pairs) == 400


def test_other_headers_may_come_twice() -> None:
    assert judged(("Host", "localhost"), ("Accept", "a"), ("Accept", "b")) == 200


@pytest.mark.parametrize(
    ("origin", "host", "scheme", "status"),
    [
        ("http://localhost:8787", "localhost:8787", "http", 200),
        ("https://llm.example.com", "llm.example.com", "http", 200),  # something before it has TLS
        ("https://localhost:8787", "localhost:8787", "https", 200),
        ("http://localhost:8787", "localhost:8787", "https", 403),
        ("http://localhost:3000", "localhost:8787", "http", 403),
        ("http://127.0.0.1:8787", "localhost:8787", "http", 403),
        ("http://localhost:8787.evil.example", "localhost:8787", "http", 403),
        ("null", "localhost:8787", "http", 403),
        ("", "localhost:8787", "http", 403),
        ("file://", "localhost:8787", "http", 403),
        ("chrome-extension://abc", "localhost:8787", "http", 403),
        (APP, "localhost:8787", "http", 403),
    ],
)
def test_pages_are_ours_where_scheme_host_and_port_are(
    origin: str, host: str, scheme: str, status: int
) -> None:
    pairs = (("Host", host), ("Origin", origin))

    assert judged(*pairs, names=("llm.example.com",), scheme=scheme) == status


@pytest.mark.parametrize(
    ("site", "mode", "scope", "status"),
    [
        ("same-origin", "cors", {}, 200),
        ("none", "navigate", {}, 200),
        ("cross-site", "no-cors", {}, 403),
        ("same-site", "no-cors", {}, 403),
        ("cross-site", "navigate", {"path": "/providers"}, 200),
        ("cross-site", "navigate", {"path": "/providers", "method": "POST"}, 403),
        ("cross-site", "no-cors", {"path": "/providers"}, 403),
        ("cross-site", "navigate", {"path": "/api/plugins"}, 403),
        ("cross-site", "navigate", {"path": "/v1/models"}, 403),
    ],
)
def test_a_browser_that_says_that_a_foreign_page_asks_is_believed(
    site: str, mode: str, scope: Any, status: int
) -> None:
    pairs = (("Host", "localhost"), ("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", mode))

    assert judged(*pairs, **scope) == status


pytest_async = pytest.mark.anyio
ALLOWING = GatewaySettings(origins=(APP,))
ASKING = (
    "Access-Control-Request-Method: POST",
    "Access-Control-Request-Headers: authorization,content-type,x-stainless-os",
)


@pytest_async
async def test_cors_is_off_by_default() -> None:
    async with served() as gateway:
        own = await ask(gateway.port, request("/v1/once", "GET"))
        foreign = await ask(gateway.port, request("/v1/once", "GET", headers=(f"Origin: {APP}",)))
        preflight = request("/v1/once", "OPTIONS", token="", headers=(f"Origin: {APP}", *ASKING))
        question = await ask(gateway.port, preflight)

    assert (own.status, foreign.status, question.status) == (200, 403, 403)
    for answer in (own, foreign, question):
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "vary" not in answer.headers


@pytest_async
async def test_a_page_that_was_allowed_is_told_so_before_and_with_each_answer() -> None:
    async with served(ALLOWING) as gateway:
        preflight = request("/v1/once", "OPTIONS", token="", headers=(f"Origin: {APP}", *ASKING))
        question = await ask(gateway.port, preflight)
        lines = (f"Origin: {APP}", "Sec-Fetch-Site: cross-site")
        answers = [
            await ask(gateway.port, request("/v1/once", "GET", headers=lines)),
            await ask(gateway.port, request("/v1/once", token="wrong", headers=lines)),
            await ask(gateway.port, request("/other", "GET", headers=lines)),
        ]
        without = await ask(gateway.port, request("/v1/once", "GET"))

    assert question.status == 204
    assert question.headers["access-control-allow-origin"] == APP
    assert "POST" in question.headers["access-control-allow-methods"]
    assert question.headers["access-control-allow-headers"] == ASKING[1].partition(": ")[2]
    assert [answer.status for answer in answers] == [200, 401, 200]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == APP
        exposed = answer.headers["access-control-expose-headers"].split(", ")
        ours = {"x-stockade-attempts", "x-stockade-warnings"}
        assert {"x-request-id", "request-id", "retry-after", *ours} == set(exposed)
        assert answer.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in answer.headers
    assert without.headers["vary"] == "Origin"
    assert "access-control-allow-origin" not in without.headers


@pytest_async
async def test_another_page_is_still_refused_and_told_nothing() -> None:
    async with served(ALLOWING) as gateway:
        lines = ("Origin: https://evil.example", *ASKING)
        answer = await ask(gateway.port, request("/v1/once", "OPTIONS", token="", headers=lines))

    assert answer.status == 403
    assert "access-control-allow-origin" not in answer.headers


@pytest_async
async def test_a_foreign_host_is_refused_in_the_dialect_that_was_asked_in() -> None:
    async with served() as gateway:
        known = await ask(gateway.port, request("/v1/once", host="evil.example"))
        other = await ask(gateway.port, request("/providers", "GET", host="evil.example"))
        missing = await ask(gateway.port, request("/v1/once", host=""))

    assert (known.status, other.status, missing.status) == (421, 421, 400)
    assert "[gateway]" in known.json["said"]
    assert "[gateway]" in other.json["usual"]
    assert "missing" in missing.json["said"]
