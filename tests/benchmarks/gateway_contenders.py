"""The gateways as they are measured: processes of their own, on one CPU, before the same vendor.

Ours is `stockade serve` as it is installed: tokens checked, plugins in their full sandbox, routes,
attempts, a log line a request, metrics. LiteLLM's proxy has one worker, `LITELLM_MODE=PRODUCTION`,
its own price list and one key to check, without which it does not start; no database, no callback.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil

from . import gateway_mock as mock
from .contest import ROOT
from .gateway_client import EMBED, Load, Timed, request
from .usage import CPU, memory_kib, process_cpu

DEADLINE_S: Final = 120.0  # of a start
POLL_S: Final = 0.005
OURS, PEER, DIRECT = "stockade", "litellm", "direct"
PLUGIN: Final = "openai"
STOCKADE: Final = (sys.executable, "-m", "stockade")
LITELLM_OPTION: Final = "STOCKADE_BENCH_LITELLM"
CONFIG = """
model_list:
  - model_name: {chat}
    litellm_params: {{model: openai/{chat}, api_base: "{base}", api_key: sk-none}}
  - model_name: {embedding}
    litellm_params: {{model: openai/{embedding}, api_base: "{base}", api_key: sk-none}}
litellm_settings: {{num_retries: 0, telemetry: false}}
"""


class Gateway:
    """One that answers at ``port``; ``started_s`` is from its start to its first answer."""

    def __init__(self, name: str, port: int, *, token: str = "", root: int = 0) -> None:
        self.name, self.port, self.token = name, port, token
        self.started_s = 0.0
        self._root = root

    def load(self, kind: str, calls: int, connections: int = 1) -> Load:
        """A load on it."""
        model = mock.EMBEDDING_MODEL if kind == EMBED else mock.MODEL
        if self.name == OURS:
            model = f"{PLUGIN}/{model}"
        return Load(
            port=self.port,
            kind=kind,
            calls=calls,
            connections=connections,
            token=self.token,
            model=model,
        )

    @property
    def pids(self) -> list[int]:
        """Itself and all below it: nursery and workers."""
        root = psutil.Process(self._root)
        return [self._root, *(child.pid for child in root.children(recursive=True))]

    def cpu_s(self) -> float:
        """CPU that its processes have used. Those that ended meanwhile are not in it."""
        used = 0.0
        for pid in self.pids:
            with suppress(OSError):  # it ended since it was listed
                used += process_cpu(pid)
        return used

    def pss_mib(self) -> dict[str, float]:
        """Proportional memory of each of its processes, by what the process is."""
        return {f"{_title(pid)} {pid}": memory_kib(pid)["Pss"] / 1024 for pid in self.pids}


def _title(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


class Client:
    """The load client's process, and the vendor's."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def put_on(self, load: Load) -> Timed:
        """Put a load on; idle streams stay open until `close`. RuntimeError at a wrong answer."""
        assert self._process.stdout is not None
        self._tell(msgspec.json.encode(load).decode())
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the client ended; what it said is above")
        return msgspec.json.decode(line, type=Timed)

    def close(self) -> None:
        """End the idle streams."""
        self._tell("close")

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


@contextmanager
def client() -> Iterator[Client]:
    """A load client."""
    with _running(_module("gateway_client"), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as one:
        yield Client(one)


@contextmanager
def vendor() -> Iterator[Gateway]:
    """The vendor, as a contender that nothing stands before."""
    with _running(_module("gateway_mock"), stdout=subprocess.PIPE) as one:
        assert one.stdout is not None
        yield Gateway(DIRECT, int(one.stdout.readline()), root=one.pid)


def stockade_home(folder: Path, port: int) -> Path:
    """A new home with the `openai` plugin, whose vendor is at this port."""
    home, rule = folder / "home", f"127.0.0.1:{port}"

    def run(*arguments: str, said: str | None = None) -> None:
        done = subprocess.run(
            [*STOCKADE, *arguments],
            env=_environment(home),
            cwd=ROOT,
            input=said,
            text=True,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"stockade {' '.join(arguments)}: {done.stderr}")

    run("install", str(ROOT / "plugins" / PLUGIN), "--yes", "--allow-host", rule)
    run("config", "set", PLUGIN, "base_url", f"http://{rule}/v1")
    run("secrets", "set", PLUGIN, "OPENAI_API_KEY", "--host", rule, said="sk-none\n")
    return home


@contextmanager
def served(home: Path) -> Iterator[Gateway]:
    """`stockade serve` over a home, once it has answered a chat."""
    command = [*_pinned(), *STOCKADE, "serve", "--port", "0", "--json"]
    began = time.perf_counter()
    with _running(command, env=_environment(home), stdout=subprocess.PIPE) as one:
        said = _read_object(one)
        port = int(str(said["address"]).rpartition(":")[2])
        found = Gateway(OURS, port, token=said["token"], root=one.pid)
        _first_answer(found, one)
        found.started_s = time.perf_counter() - began
        yield found


@contextmanager
def litellm(folder: Path, port: int, python: str) -> Iterator[Gateway]:
    """LiteLLM's proxy, from an environment that has it."""
    config, key = folder / "litellm.yaml", f"sk-{secrets.token_hex(32)}"
    base = f"http://127.0.0.1:{port}/v1"
    config.write_text(CONFIG.format(chat=mock.MODEL, embedding=mock.EMBEDDING_MODEL, base=base))
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(folder),
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        "LITELLM_TELEMETRY": "False",
        "NO_PROXY": "127.0.0.1",
        "NO_DOCS": "True",
        "LITELLM_MASTER_KEY": key,
    }
    ours = _free_port()
    command = [*_pinned(), str(Path(python).with_name("litellm")), "--config", str(config)]
    command += ["--host", "127.0.0.1", "--port", str(ours), "--num_workers", "1"]
    began = time.perf_counter()
    with (
        (folder / "litellm.log").open("w") as log,
        _running(command, env=environment, cwd=folder, stdout=log, stderr=log) as one,
    ):
        found = Gateway(PEER, ours, token=key, root=one.pid)
        _first_answer(found, one)
        found.started_s = time.perf_counter() - began
        yield found


def litellm_python() -> str | None:
    """An interpreter with LiteLLM's proxy beside it, as `--litellm` or the environment says."""
    python = os.environ.get(LITELLM_OPTION)
    if python is None or not Path(python).with_name("litellm").exists():
        return None
    return python


def _module(name: str) -> list[str]:
    return [sys.executable, "-m", f"tests.benchmarks.{name}"]


def _environment(home: Path) -> dict[str, str]:
    """That of an ordinary start: the first one leaves compiled files for the next."""
    keyring = "keyring.backends.null.Keyring"
    own = {"STOCKADE_HOME": str(home), "PYTHON_KEYRING_BACKEND": keyring}
    ours = {name: said for name, said in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**ours, **own}


def _pinned() -> list[str]:
    return ["taskset", "-c", str(CPU)]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def _running(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    options = {"cwd": ROOT} | options
    with subprocess.Popen(command, text=True, **options) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


def _read_object(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The JSON that it prints first, on however many lines."""
    assert process.stdout is not None
    text = ""
    while line := process.stdout.readline():
        text += line
        with suppress(ValueError):
            found: dict[str, Any] = json.loads(text)
            return found
    raise RuntimeError("it ended before it said where it listens; what it said is above")


def _first_answer(gateway: Gateway, process: subprocess.Popen[str]) -> None:
    """Ask for a chat until there is an answer. RuntimeError past the deadline."""
    head, _, body = request(gateway.load("chat", 1)).request.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    until = time.perf_counter() + DEADLINE_S
    while time.perf_counter() < until and process.poll() is None:
        with suppress(OSError):
            asked = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
            try:
                asked.request("POST", "/v1/chat/completions", body, headers)
                answer = asked.getresponse()
                answer.read()
            finally:
                asked.close()
            if answer.status == 200:
                return
        time.sleep(POLL_S)
    raise RuntimeError(f"{gateway.name} never answered")
