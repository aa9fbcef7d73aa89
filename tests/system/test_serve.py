"""`stockade serve`: from the command to an answer, and to its end."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from stockade.settings import Home
from tests.system.lending import lend
from tests.system.listed_plugins import install
from tests.system.served import Served, served
from tests.unit.host.cli_calls import Call, calling

WORDS = {"role": "user", "content": "hello there"}
CHAT = {"model": "echo-1", "messages": [WORDS]}
SLOW = """
import asyncio
from stockade_sdk import ChatResponse, Provider, TextDelta

class Sample(Provider):
    async def chat(self, request, ctx):
        await asyncio.sleep(float(request.last_text))
        return ChatResponse.of_text("at last")

    async def stream_chat(self, request, ctx):
        yield "begun "
        await asyncio.sleep(float(request.last_text))
        yield "done"
"""


PROWLER_MANIFEST = 'capabilities = ["chat"]'
PROWLER = """
from stockade_sdk import ChatResponse, Provider

class Sample(Provider):
    async def chat(self, request, ctx):
        url = f"http://127.0.0.1:{request.last_text}/healthz"
        return ChatResponse.of_text((await ctx.http.request("GET", url)).text)
"""


@pytest.fixture
def calls(
    base: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """The command over the test's home."""
    return calling(lend(base, Home(tmp_path / "home")).root, monkeypatch, capsys)


@pytest.fixture
def home(tmp_path: Path, calls: Call) -> Path:
    """A home with the plugin that answers by itself, and one that takes its time."""
    assert calls("install", "echo", "--yes").code == 0
    install(calls, tmp_path, "slow", 'capabilities = ["chat"]', SLOW)
    return tmp_path / "home"


def slow(seconds: float, **more: Any) -> dict[str, Any]:
    """A request that is answered after some time."""
    return {
        "model": "slow/default",
        "messages": [{"role": "user", "content": str(seconds)}],
        **more,
    }


def test_it_answers_with_its_token_and_to_nobody_without(home: Path) -> None:
    with served(home) as gateway, gateway.client() as client:
        answer = client.post("/v1/chat/completions", json=CHAT)
        stranger = client.post(
            "/v1/chat/completions", json=CHAT, headers={"authorization": "Bearer stk_other"}
        )

    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"] == "hello there"
    assert stranger.status_code == 401


def test_a_reload_takes_the_new_settings_and_interrupts_nobody(home: Path) -> None:
    asked = slow(1.5, stream=True)
    with (
        served(home) as gateway,
        gateway.client() as client,
        client.stream("POST", "/v1/chat/completions", json=asked) as stream,
    ):
        lines = stream.iter_lines()
        first = next(lines)
        (home / "stockade.toml").write_text('[aliases]\nfast = "echo/echo-1"\n')
        reloaded = client.post("/api/reload")
        aliased = client.post("/v1/chat/completions", json={**CHAT, "model": "fast"})
        rest = list(lines)

    assert "begun" in first
    assert reloaded.status_code == 204
    assert aliased.status_code == 200
    assert any("done" in line for line in rest)
    assert rest[-2:] == ["data: [DONE]", ""]


def test_settings_that_cannot_be_read_change_nothing(home: Path) -> None:
    with served(home) as gateway, gateway.client() as client:
        (home / "stockade.toml").write_text("[requests]\ntimeuot = '20s'\n")
        refused = client.post("/api/reload")
        answer = client.post("/v1/chat/completions", json=CHAT)

    assert refused.status_code == 422
    assert "line 2" in refused.text
    assert answer.status_code == 200


def test_a_stop_lets_an_answer_end_and_nobody_new_in(home: Path) -> None:
    with served(home) as gateway, gateway.client() as client:
        with client.stream("POST", "/v1/chat/completions", json=slow(1.0, stream=True)) as stream:
            lines = stream.iter_lines()
            next(lines)
            gateway.process.send_signal(signal.SIGTERM)
            _wait_until_closed(gateway)
            rest = list(lines)
        gateway.stop()

    assert any("done" in line for line in rest)
    assert rest[-2:] == ["data: [DONE]", ""]
    assert gateway.process.returncode == 0


def test_what_does_not_end_in_time_is_told_so_in_its_stream(home: Path) -> None:
    (home / "stockade.toml").write_text('[gateway]\ndrain = "300ms"\n')
    with served(home) as gateway, gateway.client() as client:
        with client.stream("POST", "/v1/chat/completions", json=slow(30, stream=True)) as stream:
            lines = stream.iter_lines()
            next(lines)
            gateway.process.send_signal(signal.SIGTERM)
            rest = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
        gateway.stop()

    assert rest[-1]["error"]["code"] == "overloaded"
    assert gateway.process.returncode == 0


def test_one_home_is_served_once(home: Path) -> None:
    with served(home) as gateway:
        other = subprocess.run(
            [sys.executable, "-m", "stockade", "serve", "--port", "0"],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip

    assert other.returncode == 1
    assert str(gateway.process.pid) in other.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--host", "0.0.0.0"], 3, "without TLS"),
        (["--host", "nowhere.invalid"], 2, "has no address"),
        (["--tls-certificate", "/nowhere.pem"], 2, "cannot read /nowhere.pem"),
    ],
)
def test_where_it_may_not_listen_it_says_why(
    home: Path, arguments: list[str], code: int, words: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stockade", "serve", "--port", "0", *arguments],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert done.returncode == code
    assert words in done.stderr
    assert not done.stdout


def test_a_taken_port_is_told(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "stockade", "serve", "--port", str(port)],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip

    assert done.returncode == 2
    assert "the port is taken" in done.stderr


def test_systemd_hears_that_it_is_ready_and_that_it_stops(home: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(20)
        with served(home, environment={"NOTIFY_SOCKET": str(tmp_path / "notify")}) as gateway:
            heard = [listener.recv(100)]
            gateway.process.send_signal(signal.SIGHUP)
            heard += [listener.recv(100), listener.recv(100)]
            gateway.stop()
            heard.append(listener.recv(100))

    words = [one.partition(b"\n")[0] for one in heard]
    assert words == [b"READY=1", b"RELOADING=1", b"READY=1", b"STOPPING=1"]


def test_readiness_goes_by_what_could_answer(tmp_path: Path) -> None:
    with served(tmp_path / "empty") as gateway, gateway.client() as client:
        alive = client.get("/healthz", headers={"authorization": ""})
        ready = client.get("/readyz", headers={"authorization": ""})

    assert alive.status_code == 200
    assert ready.status_code == 503
    assert "no plugin" in ready.json()["why"]


def test_a_plugin_that_is_granted_loopback_does_not_reach_the_gateway(
    home: Path, tmp_path: Path, calls: Call
) -> None:
    with served(home) as gateway, gateway.client() as client:
        port = int(gateway.address.rpartition(":")[2])
        install(calls, tmp_path, "prowler", PROWLER_MANIFEST, PROWLER)
        calls("permissions", "grant", "prowler", "--allow-host", f"127.0.0.1:{port}", "--yes")
        got = client.post(
            "/v1/chat/completions",
            json={"model": "prowler/default", "messages": [{"role": "user", "content": f"{port}"}]},
        )

    assert got.status_code == 502
    assert f"127.0.0.1:{port}: it is a port of the host's own" in got.json()["error"]["message"]


def _wait_until_closed(gateway: Served) -> None:
    """Until nobody listens any more."""
    host, _, port = gateway.address.removeprefix("http://").rpartition(":")
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:  # it was let in at the last moment: nobody took it
            continue
    raise AssertionError("it goes on listening")
