"""A gateway that serves, and what is seen of it from outside: its memory, its descriptors, whether
it still answers; and connections of raw bytes to it.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil

from stockade.packages import commit_install, plan_install
from stockade.settings import Home
from stockade.state import Secrets, State
from stockade_sdk.hosts import HostRule
from tests.system import plugin_samples
from tests.system.served import Served, served
from tests.system.talking import Talking
from tests.system.upstreams import KEY, PLUGINS

MIB = 1024 * 1024
SOON_S = 20.0
CALM_S = 0.7
WORDS = {"role": "user", "content": "hello there"}
CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
DIALECTS = (CHAT, RESPONSES, MESSAGES)
ALIAS = "/api/aliases/short"
KEYRING = {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
# Says one word and waits: at most 64 requests at a time leave one plugin, so that many idle streams
# are those of a plugin and not of its vendor.
HOLDING = """
import asyncio

class Sample:
    async def stream_chat(self, request, ctx):
        yield "word "
        await asyncio.Event().wait()
"""
SETTINGS = """
[gateway]
header_timeout = "2s"
body_timeout = "3s"
stall_timeout = "3s"
drain = "300ms"
"""


def furnish(folder: Path, vendor: Talking) -> Path:
    """A home: echo, openai before the vendor with a key, and the plugin that holds its streams."""
    home = Home(folder / "home")
    limits = {"concurrency": 1024, "request_timeout": "600s"}
    holding = plugin_samples.plugin_folder(folder, "holding", HOLDING, **limits)
    rule = HostRule.parse(f"127.0.0.1:{vendor.port}")
    plugin_samples.install(home, [holding])
    with State.open(home) as state:
        for name in ("echo", "openai"):
            proposal = plan_install(home, state, str(PLUGINS / name))
            commit_install(home, state, proposal, granted=proposal.asked, operator_hosts=(rule,))
        state.set_config("openai", "base_url", vendor.url)
        state.set_config("openai", "api", "chat")
    Secrets(home).set("openai", "OPENAI_API_KEY", KEY, (rule,))
    (folder / "home" / "stockade.toml").write_text(SETTINGS)
    return folder / "home"


def asking(path: str, model: str = "echo/echo-1", **more: Any) -> dict[str, Any]:
    """A request of words in the dialect of a path."""
    match path:
        case "/v1/responses":
            return {"model": model, "input": "hello there", **more}
        case "/v1/messages":
            return {"model": model, "max_tokens": 100, "messages": [WORDS], **more}
    return {"model": model, "messages": [WORDS], **more}


def told(answer: httpx.Response, path: str) -> str:
    """What a refusal says to a person, of the shape that clients of the path's dialect read."""
    body = answer.json()
    error = body["error"]
    if path.startswith("/api/"):
        assert {"kind", "message", "why", "remedy"} >= {*error} >= {"kind", "message"}
        return f"{error['message']} {error.get('why', '')} {error.get('remedy', '')}"
    assert error["type"]
    if path == MESSAGES:
        assert body["type"] == "error"
    else:
        assert {"message", "type", "param", "code"} <= {*error}
    assert isinstance(error["message"], str)
    return str(error["message"])


class Besieged:
    """A gateway under attack. ``calm`` is what it held before: see `settled`."""

    def __init__(self, gateway: Served, vendor: Talking) -> None:
        self.gateway, self.vendor, self.home = gateway, vendor, gateway.home
        self.process = psutil.Process(gateway.process.pid)
        self.port = int(gateway.address.rpartition(":")[2])
        self.answers()  # workers, pools and databases are there from now on
        with gateway.client() as client:
            for model in ("openai/good", "holding/default"):
                asked = asking(CHAT, model, stream=True)
                with client.stream("POST", CHAT, json=asked) as stream:
                    next(stream.iter_lines())
        self._until_calm()
        self.calm = self.descriptors

    def _until_calm(self) -> None:
        """Until it has started nothing for a while: the nursery forks one child ahead."""
        pids, since = self.pids(), time.monotonic()
        while time.monotonic() - since < CALM_S:
            time.sleep(0.02)
            if (now := self.pids()) != pids:
                pids, since = now, time.monotonic()

    @property
    def descriptors(self) -> int:
        return self.process.num_fds()

    @contextlib.contextmanager
    def bounded(self, mib: int) -> Iterator[None]:
        """The process takes at most so much more memory, at any moment of the block."""
        place = Path(f"/proc/{self.process.pid}")
        (place / "clear_refs").write_text("5")  # the peak begins anew (proc(5))
        before = self._peak(place)
        yield
        more = (self._peak(place) - before) // MIB
        assert more <= mib, f"{more} MiB more, at most {mib} were to be"

    @staticmethod
    def _peak(place: Path) -> int:
        lines = (place / "status").read_text().splitlines()
        (line,) = [one for one in lines if one.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024

    def answers(self, within: float = SOON_S) -> None:
        """It lives, and answers a good request."""
        assert self.gateway.process.poll() is None
        with self.gateway.client(timeout=within) as client:
            answer = client.post(CHAT, json=asking(CHAT))
        assert answer.status_code == 200, answer.text

    def settled(self) -> None:
        """It answers, and holds no more descriptors than before."""
        self.answers()
        comes(lambda: self.descriptors <= self.calm + 4)  # a pooled connection, a journal
        with self.gateway.client() as client:
            comes(lambda: client.get("/api/status").json()["in_flight"] == 0)

    def keeps_to_itself(self, text: str) -> None:
        """An answer that tells a client no more than is its business."""
        assert "Traceback" not in text
        assert 'File "' not in text
        for secret in (KEY, self.gateway.token, str(self.home), str(PLUGINS.parent)):
            assert secret not in text, f"the answer has {secret}"

    def post(
        self, path: str, content: bytes, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """One request with a body of bytes that says to be JSON; what it got is no secret."""
        with self.gateway.client() as client:
            said = {"content-type": "application/json", **(headers or {})}
            method = "PUT" if path.startswith("/api/") else "POST"
            answer = client.request(method, path, content=content, headers=said)
        self.keeps_to_itself(answer.text + str(answer.headers))
        return answer

    @contextlib.contextmanager
    def connection(self, receive_buffer: int | None = None) -> Iterator[socket.socket]:
        """A connection of bytes."""
        with socket.socket() as client:
            if receive_buffer is not None:  # before it connects: the window goes by it
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            client.settimeout(SOON_S)
            client.connect(("127.0.0.1", self.port))
            yield client

    def head(self, path: str, *lines: str, method: str = "POST") -> bytes:
        """A request's line and headers, with the token, and without the empty line."""
        own = ("Host: 127.0.0.1", f"Authorization: Bearer {self.gateway.token}")
        return "\r\n".join((f"{method} {path} HTTP/1.1", *own, *lines, "")).encode()

    def request(self, path: str, asked: Any) -> bytes:
        """A whole good request."""
        body = json.dumps(asked).encode()
        length = f"Content-Length: {len(body)}"
        return self.head(path, "Content-Type: application/json", length) + b"\r\n" + body

    def pids(self) -> set[int]:
        """Everything that it started."""
        return {child.pid for child in self.process.children(recursive=True)}


@contextlib.contextmanager
def besieging(folder: Path, vendor: Talking) -> Iterator[Besieged]:
    """A gateway over a new home while the block runs; it ends as it should, and without a word."""
    with served(furnish(folder, vendor), environment=KEYRING) as gateway:
        yield Besieged(gateway, vendor)
        said = gateway.stop()
    assert "Traceback" not in said
    assert KEY not in said
    assert gateway.process.returncode == 0


def comes(fact: Callable[[], bool], within: float = SOON_S) -> None:
    """Wait for what nobody tells of."""
    deadline = time.monotonic() + within
    while not fact():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.02)


def until(client: socket.socket, end: bytes) -> bytes:
    """What comes until ``end`` was in it, or the other side ended."""
    read = bytearray()
    while end not in read and (piece := client.recv(65_536)):
        read += piece
    return bytes(read)


def rest(client: socket.socket) -> bytes:
    """All that comes until the other side ends, or cuts it."""
    read = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(65_536):
            read += piece
    return bytes(read)


def is_gone(pid: int) -> bool:
    """Whether a process has ended; who it fell to may be slow to take note."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def worker_of(besieged: Besieged, plugin: str) -> int:
    """The process that runs a plugin, which has one."""
    with besieged.gateway.client() as client:
        (row,) = [row for row in client.get("/api/workers").json() if row["plugin"] == plugin]
    return int(row["pid"])
