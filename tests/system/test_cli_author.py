"""`call` and `dev` as an author uses them: in processes of their own, judged by what they print and
by what a vendor on loopback was asked.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from stockade.settings import Home
from tests.system.lending import lend
from tests.system.plugin_samples import plugin_folder

KEY = "sk-canary-77aa31c09f2d4a38b1"
SHOUTS = """\
from stockade_sdk import ChatRequest, ChatResponse, Context, Provider

class Sample(Provider):
    async def chat(self, request: ChatRequest, ctx: Context) -> ChatResponse:
        print("printed")
        return ChatResponse.of_text(request.last_text.upper())
"""
ASKS = """\
from stockade_sdk import ChatRequest, ChatResponse, Context, Provider

class Sample(Provider):
    async def chat(self, request: ChatRequest, ctx: Context) -> ChatResponse:
        answer = await ctx.http.request("GET", "https://example.com/")
        return ChatResponse.of_text(answer.text)
"""


class Author:
    """Somebody with a home, a place for temporary files, and a key in the environment."""

    def __init__(self, home: Path, tmp_path: Path) -> None:
        self.home, self.scratch = home, tmp_path / "t"
        self.scratch.mkdir()
        self.env = {
            "STOCKADE_HOME": str(self.home),
            "TMPDIR": str(self.scratch),
            "PATH": os.environ.get("PATH", ""),
            "ACME_API_KEY": KEY,
            "PYTHONWARNINGS": "error::ResourceWarning",
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "stockade", *arguments]

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self.env,
            check=False,
            timeout=50,
        )


@pytest.fixture(scope="module")
def home(base: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all, since nothing is written there."""
    return lend(base, Home(tmp_path_factory.mktemp("author") / "home")).root


@pytest.fixture
def author(home: Path, tmp_path: Path) -> Author:
    return Author(home, tmp_path)


class Vendor(ThreadingHTTPServer):
    """Answers every chat on OpenAI's wire; `asked` are paths and keys."""

    daemon_threads = False
    asked: list[tuple[str, str | None]]


class _Answers(BaseHTTPRequestHandler):
    server: Vendor

    def do_POST(self) -> None:
        self.server.asked.append((self.path, self.headers["authorization"]))
        self.rfile.read(int(self.headers["content-length"]))
        message = {"role": "assistant", "content": "from the vendor"}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        body = json.dumps({"choices": choices}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Not on stderr."""


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with Vendor(("127.0.0.1", 0), _Answers) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_a_plugin_is_called_without_being_installed_and_nothing_is_left(
    author: Author, tmp_path: Path
) -> None:
    folder = plugin_folder(tmp_path, "loud", SHOUTS)

    people = author("call", str(folder), "hello")
    called = json.loads(author("call", str(folder), "hello", "--json").stdout)

    assert people.stdout == "HELLO\n"
    assert "until its worker was ready" in people.stderr
    assert called["text"] == "HELLO"
    assert 0 < called["timings"]["start_ms"] <= called["timings"]["total_ms"]
    assert json.loads(author("list", "--json").stdout) == []
    assert list(author.scratch.iterdir()) == []


def test_what_it_was_denied_comes_with_the_line_that_would_allow_it(
    author: Author, tmp_path: Path
) -> None:
    folder = plugin_folder(tmp_path, "asker", ASKS)

    people = author("call", str(folder), "hello")
    called = json.loads(author("call", str(folder), "hello", "--json").stdout)

    assert people.returncode == 3
    assert "refused example.com:443" in people.stderr
    assert "denied network example.com; would be allowed by: network = " in people.stderr
    assert called["error"]["kind"] == "permission_denied"
    assert called["denied"][0]["what"] == "example.com"
    assert [one["allowed"] for one in called["hosts"]] == [False]


def test_a_call_is_recorded_without_its_key_and_played_without_its_vendor(
    author: Author, vendor: Vendor, tmp_path: Path
) -> None:
    tapes = tmp_path / "tapes"
    place = f"127.0.0.1:{vendor.server_port}"
    assert author("new", "acme", "--dir", str(tmp_path)).returncode == 0
    call = ["call", str(tmp_path / "acme"), "hello", "--json", "--model", "acme-chat"]
    call += ["--allow-host", place, "--config", f"base_url=http://{place}/v1"]
    # Its key may go to api.example.com alone, as its manifest says: so it is not sent here.

    recorded = json.loads(author(*call, "--record", str(tapes)).stdout)
    asked = list(vendor.asked)
    played = json.loads(author(*call, "--replay", str(tapes)).stdout)

    assert recorded["text"] == played["text"] == "from the vendor"
    assert asked == vendor.asked == [("/v1/chat/completions", None)]
    assert played["missed"] == []
    (tape,) = tapes.iterdir()
    assert KEY not in tape.read_text()
    assert recorded["recorded"] == [str(tape)]
    assert [(one["host"], one["status"]) for one in recorded["hosts"]] == [("127.0.0.1", 200)]


def test_a_key_comes_from_the_variable_of_its_name_and_is_kept_nowhere(
    author: Author, vendor: Vendor, tmp_path: Path
) -> None:
    place = f"127.0.0.1:{vendor.server_port}"
    assert author("new", "acme", "--dir", str(tmp_path)).returncode == 0
    toml = tmp_path / "acme" / "plugin.toml"
    toml.write_text(toml.read_text().replace('hosts = ["api.example.com"]', "hosts = []"))

    called = author(
        *("call", str(tmp_path / "acme"), "hello", "--model", "acme-chat", "--allow-host", place),
        *("--config", f"base_url=http://{place}/v1"),
    )

    assert called.stdout == "from the vendor\n"
    assert vendor.asked == [("/v1/chat/completions", f"Bearer {KEY}")]
    assert KEY not in called.stderr
    kept = [path for path in author.home.rglob("*") if path.is_file()]
    assert all(KEY.encode() not in path.read_bytes() for path in kept)


@pytest.mark.parametrize(
    "wrong",
    [
        ["nowhere", "hi"],
        ["./nowhere", "hi"],
        ["echo"],
        ["echo", "hi", "--record", "a", "--replay", "b"],
        ["echo", "hi", "--config", "novalue"],
        ["echo", "hi", "--config", "no=setting"],
        ["echo", "hi", "--replay", "/nowhere"],
    ],
)
def test_a_call_that_cannot_be_made_is_wrong_input(author: Author, wrong: list[str]) -> None:
    called = author("call", *wrong)

    assert called.returncode == 2, called.stderr
    assert called.stdout == ""
    assert list(author.scratch.iterdir()) == []


def asked(line: str, token: str) -> Any:
    """What the gateway says to the request that a printed `curl` line makes."""
    url = line.split("curl -s ", 1)[1].partition(" ")[0]
    body = line.rsplit("-d ", 1)[1].strip().strip("'").encode()
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    request = urllib.request.Request(url, body, headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read())["choices"][0]["message"]["content"]


@pytest.mark.timeout(120)
def test_a_save_takes_effect_and_a_broken_one_does_not(author: Author, tmp_path: Path) -> None:
    folder = plugin_folder(tmp_path, "loud", SHOUTS)
    code = folder / "sample_loud" / "__init__.py"
    with subprocess.Popen(
        author.command("dev", str(folder)), stdout=subprocess.PIPE, text=True, env=author.env
    ) as process:
        assert process.stdout is not None
        until = waiting(process.stdout)
        token = until(lambda line: line.startswith("Their key:")).split()[-1]
        tried = until(lambda line: line.startswith("Try it:"))
        assert asked(tried, token) == "HELLO"
        until(lambda line: "printed" in line)

        code.write_text(SHOUTS.replace("upper()", "title()"))
        until(lambda line: line.startswith("saved, and in use"))
        assert asked(tried, token) == "Hello"

        code.write_text(SHOUTS.replace("class Sample", "clash Sample"))
        said = until(lambda line: line.startswith("not taken up"))
        assert "line 3" in said
        (folder / "plugin.toml").write_text("manifest = 1\nmanifest = 2\n")
        said = until(lambda line: line.startswith("not taken up"))
        assert "plugin.toml:2" in said
        assert asked(tried, token) == "Hello"
        until(lambda line: line.startswith("call    chat loud/default ok (200)"))

        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait() == 0, rest
    assert list(author.scratch.iterdir()) == []
    assert not (author.home / "plugins").exists() or not list((author.home / "plugins").iterdir())


def waiting(lines: Iterator[str]) -> Callable[[Callable[[str], bool]], str]:
    """Reads on until a line is as it is wanted; the end before that fails the test."""

    def until(wanted: Callable[[str], bool]) -> str:
        seen = []
        for line in lines:
            seen.append(line)
            if wanted(line):
                return line
        raise AssertionError("it ended: " + "".join(seen))

    return until
