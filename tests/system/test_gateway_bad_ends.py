"""Workers and gateways that end within their streams: who is told, and what is left behind."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from stockade.settings import Home
from tests.system.besieged import (
    CHAT,
    DIALECTS,
    KEYRING,
    MESSAGES,
    RESPONSES,
    Besieged,
    asking,
    comes,
    furnish,
    is_gone,
    rest,
    until,
    worker_of,
)
from tests.system.served import served
from tests.system.talking import Talking, talking


@pytest.fixture
def vendor() -> Iterator[Talking]:
    with talking() as vendor:
        yield vendor


@pytest.fixture
def home(tmp_path: Path, vendor: Talking) -> Path:
    return furnish(tmp_path, vendor)


def events(text: str) -> list[Any]:
    """The JSON of a stream's events."""
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def failure_in(text: str, path: str) -> str:
    """What the last event of a broken stream says, which must not look whole."""
    assert "[DONE]" not in text
    last = events(text)[-1]
    if path == MESSAGES:
        assert last["type"] == "error"
        assert "message_stop" not in text
        return str(last["error"]["message"])
    if path == RESPONSES:
        assert "response.completed" not in text
        assert last["type"] in ("error", "response.failed")
        error = last["response"]["error"] if last["type"] == "response.failed" else last
        return str(error["message"])
    return str(last["error"]["message"])


def test_a_worker_killed_within_its_streams_is_told_of_in_each(home: Path, vendor: Talking) -> None:
    with served(home, environment=KEYRING) as gateway, contextlib.ExitStack() as stack:
        besieged = Besieged(gateway, vendor)
        clients = _held(besieged, stack)
        begun = {path: until(client, b"word") for path, client in clients.items()}
        psutil.Process(worker_of(besieged, "holding")).kill()
        said = {path: (begun[path] + _whole(client)).decode() for path, client in clients.items()}
        again = _held(besieged, stack)
        answers = [until(client, b"word") for client in again.values()]
        besieged.answers()

    for path, text in said.items():
        assert failure_in(text, path)
        besieged.keeps_to_itself(text)
    assert all(b"word" in answer for answer in answers)


def _held(besieged: Besieged, stack: contextlib.ExitStack) -> dict[str, socket.socket]:
    """A stream of each dialect that was asked for at the plugin which holds its streams."""
    clients = {path: stack.enter_context(besieged.connection()) for path in DIALECTS}
    for path, client in clients.items():
        client.sendall(besieged.request(path, asking(path, "holding/default", stream=True)))
    return clients


def _whole(client: socket.socket) -> bytes:
    """What comes until the stream's end, which its last chunk says."""
    return until(client, b"\r\n0\r\n\r\n")


def test_a_gateway_that_must_end_says_so_in_its_streams(home: Path, vendor: Talking) -> None:
    with served(home, environment=KEYRING) as gateway, contextlib.ExitStack() as stack:
        besieged = Besieged(gateway, vendor)
        clients = _held(besieged, stack)
        begun = {path: until(client, b"word") for path, client in clients.items()}
        children = besieged.pids()
        gateway.process.send_signal(signal.SIGTERM)
        said = {path: (begun[path] + rest(client)).decode() for path, client in clients.items()}
        stderr = gateway.stop()

    for path, text in said.items():
        assert "shutting down" in failure_in(text, path)
        assert text.endswith("\r\n0\r\n\r\n")  # the end, and not a cut
    assert "Traceback" not in stderr
    assert gateway.process.returncode == 0
    assert children
    comes(lambda: all(is_gone(pid) for pid in children))


def test_a_gateway_that_is_killed_leaves_nothing_and_the_next_one_takes_over(
    home: Path, vendor: Talking
) -> None:
    control = Home(home).control_socket
    with served(home, environment=KEYRING) as killed:
        besieged = Besieged(killed, vendor)
        asked = besieged.request(CHAT, asking(CHAT, "openai/word", stream=True))
        with besieged.connection() as client:
            client.sendall(asked)
            until(client, b"word")
            children = besieged.pids()
            vendor.forget()
            killed.process.kill()
            rest(client)
        vendor.until_left()
        killed.process.wait()
        comes(lambda: all(is_gone(pid) for pid in children))
        left_behind = control.exists()

    with served(home, environment=KEYRING) as gateway:
        again = Besieged(gateway, vendor)
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(control))) as operator:
            status = operator.get("http://localhost/api/status")
        again.settled()

    assert len(children) >= 2  # the nursery, and the plugins' workers
    assert left_behind  # else there was nothing to take over
    assert status.json()["pid"] == gateway.process.pid
