"""The command line beside `stockade serve`: told at once, and asked in place of a second host."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psutil
import pytest

from stockade.control.client import connect
from stockade.settings import Home
from stockade.supervisor import posted_in
from tests.system.lending import lend
from tests.system.plugin_samples import plugin_folder
from tests.unit.host.cli_calls import Call, calling

DEADLINE_S = 30.0
ANSWERS = """
from stockade_sdk import ChatResponse
class Sample:
    async def chat(self, request, ctx):
        return ChatResponse.of_text("here I am")
"""


class Served(NamedTuple):
    """A host in a process of its own."""

    process: subprocess.Popen[str]
    address: str
    token: str

    def chat(self, model: str, token: str | None = None) -> tuple[int, Any]:
        """Status and body of one request over HTTP."""
        connection = HTTPConnection(urlsplit(self.address).netloc, timeout=DEADLINE_S)
        try:
            connection.request(
                "POST",
                "/v1/chat/completions",
                json.dumps({"model": model, "messages": [{"role": "user", "content": "hello"}]}),
                {
                    "Authorization": f"Bearer {self.token if token is None else token}",
                    "Content-Type": "application/json",
                },
            )
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def answer(self, model: str) -> str | None:
        """The text of an answer, None where there is none."""
        status, body = self.chat(model)
        return body["choices"][0]["message"]["content"] if status == 200 else None


@pytest.fixture
def home(base: Home, tmp_path: Path) -> Home:
    return lend(base, Home(tmp_path / "home"))


@pytest.fixture
def call(home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    call = calling(home.root, monkeypatch, capsys)
    assert call("install", "echo", "--yes").code == 0
    return call


@contextmanager
def serving(home: Home) -> Iterator[Served]:
    with subprocess.Popen(
        [sys.executable, "-m", "stockade", "serve", "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "STOCKADE_HOME": str(home.root)},
    ) as process:
        try:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            yield Served(process, said["address"], said["token"])
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(DEADLINE_S)
            finally:
                process.kill()


@pytest.fixture
def served(home: Home, call: Call) -> Iterator[Served]:
    with serving(home) as served:
        yield served


def test_what_is_installed_beside_a_host_answers_its_next_request(
    call: Call, served: Served, tmp_path: Path
) -> None:
    folder = plugin_folder(tmp_path / "sources", "late", ANSWERS)
    assert served.answer("late/any") != "here I am"

    installed = call("install", str(folder), "--yes")

    untried = "note: late 1.0.0 was not tried (--no-smoke).\n"  # and nothing of a host left untold
    assert (installed.code, installed.err) == (0, untried)
    assert served.answer("late/any") == "here I am"
    assert call("disable", "late").err == ""
    assert served.answer("late/any") != "here I am"
    assert call("enable", "late").err == ""
    assert served.answer("late/any") == "here I am"
    assert call("uninstall", "late", "--yes").err == ""
    assert served.answer("late/any") != "here I am"


def test_a_token_lets_in_at_once_and_when_revoked_no_more(call: Call, served: Served) -> None:
    token = call("tokens", "create", "laptop").out.strip()

    assert served.chat("echo/echo-1", token)[0] == 200
    assert call("tokens", "revoke", "laptop").code == 0
    assert served.chat("echo/echo-1", token)[0] == 401


def test_an_alias_holds_for_the_next_request(call: Call, served: Served) -> None:
    assert call("aliases", "set", "mine", "echo/echo-1").code == 0
    assert served.chat("mine")[0] == 200


def test_checks_and_scans_are_made_by_the_running_hosts_worker(
    call: Call, home: Home, served: Served
) -> None:
    assert served.chat("echo/echo-1")[0] == 200
    (before,) = posted_in(home.run)

    scanned = call("models", "scan", "--json")
    checked = call("health", "--json")
    inspected = call("inspect", "echo", "--json")

    assert [one["provider"] for one in scanned.json] == ["echo"]
    assert [(one["name"], one["state"]) for one in checked.json] != [("echo", "failing")]
    assert [one["name"] for one in checked.json] == ["echo"]
    assert [one["pid"] for one in inspected.json["workers"]] == [before.pid]
    assert posted_in(home.run) == [before]
    assert served.process.pid in [one.pid for one in psutil.Process(before.pid).parents()]


def test_inspect_without_a_worker_takes_the_tier_of_the_running_host(
    call: Call, home: Home, served: Served
) -> None:
    client = connect(home)
    assert client is not None
    theirs = client.get("/api/plugins/echo")["inspected"]

    ours = call("inspect", "echo", "--json").json

    assert (ours["tier"], ours["layers"]) == (theirs["tier"], theirs["layers"])


def test_top_shows_the_worker_and_what_it_did(call: Call, home: Home, served: Served) -> None:
    for _ in range(3):
        assert served.chat("echo/echo-1")[0] == 200
    deadline = time.monotonic() + DEADLINE_S
    while True:  # attempts are written in batches, beside the requests
        found = call("top", "--json").json
        (plugin,) = found["plugins"]
        if plugin["requests_per_min"] or time.monotonic() > deadline:
            break

    assert found["host"]["pid"] == served.process.pid
    assert found["host"]["url"] == served.address
    (worker,) = plugin["workers"]
    (posted,) = posted_in(home.run)
    assert worker["pid"] == posted.pid
    assert worker["rss_bytes"] > 2**20
    assert plugin["requests_per_min"] == 3.0
    assert 0 < plugin["p50_ms"] < 30_000
    assert plugin["errors"] == 0


def test_a_log_is_followed_beside_a_host(call: Call, home: Home, served: Served) -> None:
    assert served.chat("echo/echo-1")[0] == 200
    written = call("logs", "echo").out.splitlines()
    with subprocess.Popen(
        [sys.executable, "-m", "stockade", "logs", "echo", "-f"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "STOCKADE_HOME": str(home.root)},
    ) as follower:
        try:
            assert follower.stdout is not None
            assert [follower.stdout.readline().rstrip("\n") for _ in written] == written
            call("disable", "echo")  # its worker is drained
            line = follower.stdout.readline()
        finally:
            follower.send_signal(signal.SIGINT)
    assert line.split()[1] == "host"


def test_a_second_host_over_the_home_is_refused(home: Home, served: Served) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "stockade", "serve", "--port", "0"],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        env={**os.environ, "STOCKADE_HOME": str(home.root)},
    )

    assert (second.returncode, second.stdout) == (1, "")
    assert f"process {served.process.pid}" in second.stderr
    assert served.chat("echo/echo-1")[0] == 200


def test_after_a_kill_verbs_find_no_host_and_the_next_one_starts(call: Call, home: Home) -> None:
    with serving(home) as first:
        first.process.kill()
        first.process.wait()
    assert home.control_socket.is_socket()

    assert call("disable", "echo").err == ""
    assert call("top", "--json").json["host"] is None
    assert call("enable", "echo").err == ""

    with serving(home) as second:
        assert second.chat("echo/echo-1")[0] == 200
        assert call("top", "--json").json["host"]["pid"] == second.process.pid
    assert not home.control_socket.exists()


def test_a_host_that_is_stopped_is_warned_of(call: Call, home: Home, served: Served) -> None:
    served.process.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        called = call("aliases", "set", "mine", "echo/echo-1")
        took = time.monotonic() - began
    finally:
        served.process.send_signal(signal.SIGCONT)

    assert called.code == 0
    assert "the running host did not take it up" in called.err
    assert f"kill {served.process.pid}" in called.err
    assert took < 12
