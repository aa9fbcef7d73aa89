"""The small parts of `serve`: news for systemd, answers for machines, uses of tokens."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from stockade.app.serving.later import Later
from stockade.app.serving.notify import notify
from stockade.app.serving.plain import healthz, metrics, readyz
from stockade.app.serving.token_uses import TokenUses
from stockade.errors import StateError


async def asked(
    app: Any, method: str = "GET", accept: str = ""
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one answer."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "headers": [(b"accept", accept.encode())]}
    await app(scope, None, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, sent[1]["body"]


def test_systemd_is_told_where_it_listens(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        told = notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "notify")})

        assert told
        assert listener.recv(100) == b"READY=1"


def test_an_abstract_socket_is_told_as_well() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0stockade-test-{id(listener)}")
        name = listener.getsockname()[1:].decode()

        assert notify("STOPPING=1", {"NOTIFY_SOCKET": f"@{name}"})
        assert listener.recv(100) == b"STOPPING=1"


@pytest.mark.parametrize("address", ["", "relative", "/nowhere/at/all"])
def test_nobody_is_told_where_nobody_listens(address: str) -> None:
    assert not notify("READY=1", {"NOTIFY_SOCKET": address})


async def test_it_is_alive_whatever_plugins_are() -> None:
    assert (await asked(healthz()))[0] == 200


async def test_it_is_ready_or_says_why_not() -> None:
    ready, waiting = readyz(lambda: None), readyz(lambda: "every plugin rests")

    assert (await asked(ready))[0] == 200
    status, _, body = await asked(waiting)
    assert (status, json.loads(body)["why"]) == (503, "every plugin rests")


async def test_head_has_the_headers_alone_and_other_methods_are_refused() -> None:
    _, headers, body = await asked(healthz(), "HEAD")
    refused, allowed, _ = await asked(healthz(), "POST")

    assert (int(headers["content-length"]) > 0, body) == (True, b"")
    assert (refused, allowed["allow"]) == (405, "GET, HEAD")


async def test_metrics_come_as_the_reader_asked() -> None:
    async def scrape(accept: str) -> tuple[str, bytes]:
        return f"text/{accept}", b"up 1\n"

    status, headers, body = await asked(metrics(scrape), accept="special")

    assert (status, headers["content-type"], body) == (200, "text/special", b"up 1\n")


async def test_what_is_made_later_is_made_once_however_many_ask() -> None:
    made: list[int] = []

    def make() -> Any:
        made.append(1)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["answered"] = scope.get("answered", 0) + 1

        return app

    later = Later(make)
    scope: dict[str, Any] = {"type": "http"}
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(later, scope, None, None)

    assert (made, scope["answered"]) == ([1], 5)


async def test_what_could_not_be_made_is_tried_again() -> None:
    outcomes: list[Any] = [OSError("no file"), None]

    def make() -> Any:
        found = outcomes.pop(0)
        if found is not None:
            raise found

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["answered"] = True

        return app

    later, scope = Later(make), {"type": "http", "answered": False}
    with pytest.raises(OSError, match="no file"):
        await later(scope, None, None)
    await later(scope, None, None)

    assert scope["answered"]


def test_the_last_use_of_a_token_is_kept_and_not_forgotten_where_the_disk_is_full() -> None:
    kept: list[Mapping[str, float]] = []
    full = [True]

    def keep(names: Mapping[str, float]) -> None:
        if full:
            full.clear()
            raise StateError("no room")
        kept.append(dict(names))

    times = iter((10.0, 20.0, 30.0))
    uses = TokenUses(keep, lambda: next(times))
    uses.used("ci")
    uses.used("ci")
    uses.write()
    uses.used("shell")
    uses.write()

    assert kept == [{"ci": 20.0, "shell": 30.0}]
