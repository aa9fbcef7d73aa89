"""Child processes that are no worker: what they say before any plugin is there, seen by the
supervisor. The callers get a typed error within the start's deadline, the child is ended.
"""

# ruff: noqa: E501 -- plugins in strings

from __future__ import annotations

import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from stockade.settings import SupervisionSettings
from stockade.supervisor import Launch, PluginEvent, PluginRuntime, Prepared, Supervisor, What
from stockade_sdk import Capability, ChatRequest, ProviderError, wire
from stockade_sdk.limits import Limits
from stockade_sdk.provider import Method
from stockade_worker.plan import Limits as KernelLimits
from stockade_worker.plan import Plan
from tests.system.hostile import MAX_GROWTH_BYTES, MIB, PATIENCE_S, grows_less_than

DIGEST = "sha256:" + "0" * 64
LAYERS = ("session", "descriptors")

PEER = """
import os, socket, sys, time
import msgspec
from stockade_sdk import wire
from stockade_worker.plan import Plan

plan = Plan.from_json(os.read(int(sys.argv[1]), 1 << 16))
listener = socket.socket(fileno=plan.listen_fd)
GREETING = b"\\xff" + bytes(8) + b"\\x7f\\x03\\x00" + b"NULL".ljust(20, b"\\0") + bytes(32)
READY = b"\\x04\\x1a\\x05READY\\x0bSocket-Type\\x00\\x00\\x00\\x04PAIR"

def read(size):
    got = b""
    while len(got) < size:
        piece = host.recv(size - len(got))
        if not piece:
            sys.exit(0)
        got += piece
    return got

def message(frame):
    data = frame if isinstance(frame, bytes) else wire.encode(frame)
    host.sendall(b"\\x02" + len(data).to_bytes(8, "big") + data)

def hello(**lies):
    told = dict(protocol_min=1, protocol_max=1, launch=plan.launch, plugin=plan.plugin,
        digest=plan.digest, pid=os.getpid(), sdk="1", python="3", layers=plan.layers)
    message(wire.Hello(**{**told, **lies}))

def shake():
    host.sendall(GREETING + READY)
    read(64 + 28)

def rest():
    while True:
        time.sleep(60)

host, _ = listener.accept()
"""

# What the child does, and what is said of it.
STARTS = {
    "says nothing": ("rest()", "not ready in time"),
    "sends half a greeting": ("host.sendall(GREETING[:32]); rest()", "not ready in time"),
    "sends a greeting alone": ("host.sendall(GREETING); rest()", "not ready in time"),
    "shakes hands and says nothing": ("shake(); rest()", "not ready in time"),
    "sends random bytes": ("host.sendall(os.urandom(4096)); rest()", "wrong signature|closed"),
    "sends zeros": ("host.sendall(bytes(4096)); rest()", "wrong signature"),
    "speaks HTTP": ("host.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n'); rest()", "wrong signature"),
    "speaks an old ZMTP": (
        "host.sendall(GREETING[:10] + b'\\x01' + GREETING[11:]); rest()",
        "a version other than",
    ),
    "is another kind of socket": (
        (
            "host.sendall(GREETING + b'\\x04\\x1c\\x05READY\\x0bSocket-Type\\x00\\x00\\x00\\x06DEALER');"
            " rest()"
        ),
        "Socket-Type is not PAIR",
    ),
    "never finishes its handshake": (
        "host.sendall(GREETING)\nwhile True: host.sendall(READY[:1] + b'\\xff' + bytes(255))",
        "handshake",
    ),
    "hangs up": ("host.close(); rest()", "closed its socket"),
    "leaves": ("sys.exit(5)", "left with exit code 5"),
    "speaks first and is no frame": ("shake(); message(b'\\xc1'); rest()", "no frame for a host"),
    "repeats another launch's word": (
        "shake(); hello(launch='0' * 32); rest()",
        "another launch word",
    ),
    "says it is another plugin": ("shake(); hello(plugin='steady'); rest()", "another plugin"),
    "says it has other files": ("shake(); hello(digest='sha256:1'); rest()", "another digest"),
    "says it is another process": ("shake(); hello(pid=1); rest()", "another process id"),
    "speaks a later protocol": (
        "shake(); hello(protocol_min=7, protocol_max=9); rest()",
        "speaks protocol 7 to 9",
    ),
    "confined itself less than planned": (
        "shake(); hello(layers=plan.layers[:1]); rest()",
        "confined itself without descriptors",
    ),
    "says hello twice": ("shake(); hello(); hello(); rest()", "said hello twice"),
    "answers before it is asked": (
        "shake(); hello(); message(wire.Result(1, wire.embed(1))); rest()",
        "call 1 that was never made",
    ),
    "loads and names methods that do not exist": (
        "shake(); hello(); message(wire.Loaded(('chat', 'rm -rf'))); rest()",
        "a method that does not exist",
    ),
    "loads without the methods it is for": (
        "shake(); hello(); message(wire.Loaded(('embed',))); rest()",
        "no method chat or stream_chat",
    ),
    "never loads": ("shake(); hello(); rest()", "not ready in time"),
    "blames a page of text": (
        (
            "shake(); hello(); message(wire.LoadFailed(wire.ErrorInfo(kind='unknown', "
            "message='\\x1b[2J' * 100_000))); rest()"
        ),
        r"could not be started: \\x1b",
    ),
    "blames 16 MiB of text": (
        (
            "shake(); hello(); message(wire.LoadFailed(wire.ErrorInfo(kind='unknown', "
            "message='x' * (15 << 20)))); rest()"
        ),
        "a frame about itself has",
    ),
}


def runtime(name: str, script: str) -> PluginRuntime:
    def prepare(launch: Launch) -> Prepared:
        plan = Plan(
            plugin=name,
            digest=DIGEST,
            launch=launch.word,
            host_pid=os.getpid(),
            listen_fd=launch.listen_fd,
            scratch=str(launch.scratch),
            limits=KernelLimits(memory_bytes=256 * MIB, open_files=256, file_size_bytes=64 * MIB),
            layers=LAYERS,
        )
        argv = (sys.executable, "-I", "-B", "-c", PEER + script)
        return Prepared(argv=argv, env={}, plan=plan, tier="none")

    load = wire.Load(
        entry="x:Provider",
        path=(),
        config={},
        secrets={},
        environment={},
        data_dir=None,
        concurrency=1,
    )
    return PluginRuntime(
        name=name,
        version="1.0.0",
        digest=DIGEST,
        capabilities=frozenset((Capability.CHAT,)),
        limits=Limits(start_timeout_s=1.0),
        load=load,
        outlet=None,
        prepare=prepare,
    )


HONEST = """
shake(); hello(); message(wire.Loaded(("chat",)))
while True:
    flag = read(1)[0]
    size = int.from_bytes(read(8 if flag & 2 else 1), "big")
    match wire.decode_to_worker(read(size)):
        case wire.Call(id=id):
            message(wire.Result(id, wire.embed({"type": "chat", "output": {}})))
        case wire.Ping(nonce=nonce):
            message(wire.Pong(nonce))
        case wire.Stop():
            sys.exit(0)
"""


@asynccontextmanager
async def supervising(
    folder: Path, script: str
) -> AsyncIterator[tuple[Supervisor, list[PluginEvent]]]:
    events: list[PluginEvent] = []
    plugins = {"rogue": runtime("rogue", script), "honest": runtime("honest", HONEST)}
    settings = SupervisionSettings(deaths=100, ping_interval_s=0.1, ping_timeout_s=1.0)
    async with Supervisor(plugins, folder / "run", settings, on_event=events.append) as supervisor:
        yield supervisor, events


async def ask(supervisor: Supervisor, plugin: str) -> object:
    request = ChatRequest.of_text("go")
    return await supervisor.call(plugin, Method.CHAT, request, timeout_s=PATIENCE_S)


async def test_this_files_own_peer_passes_where_it_does_not_lie(tmp_path: Path) -> None:
    async with supervising(tmp_path, HONEST) as (supervisor, events):
        assert await ask(supervisor, "rogue")
        assert not [event for event in events if event.what is What.DIED]


@pytest.mark.parametrize("name", STARTS)
async def test_a_start_is_refused_of_a_child_that(tmp_path: Path, name: str) -> None:
    script, reason = STARTS[name]

    async with supervising(tmp_path, script) as (supervisor, events):
        assert await ask(supervisor, "honest")
        with grows_less_than(MAX_GROWTH_BYTES), anyio.fail_after(PATIENCE_S):
            with pytest.raises(ProviderError) as failed:
                await ask(supervisor, "rogue")
            while not (dead := [event for event in events if event.what is What.DIED]):
                await anyio.lowlevel.checkpoint()
        assert await ask(supervisor, "honest")

    assert failed.value.kind in ("worker_died", "protocol")
    assert re.search(reason, failed.value.message), failed.value.message
    assert dead[0].plugin == "rogue"
    assert re.search(reason, dead[0].reason)
    assert len(failed.value.message) < 2_001
    assert failed.value.message.isprintable()
