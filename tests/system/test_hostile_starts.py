"""Child processes that are no worker: what they say before any plugin is there, seen by the
supervisor. The callers get a typed error within the start's deadline, the child is ended.
"""

# ruff: noqa: E501 -- plugins in strings

from __future__ import annotations

import re
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
from stockade_worker.plan import NONE
from tests.system.forking import environment_in, plan_of, program_of
from tests.system.hostile import MAX_GROWTH_BYTES, PATIENCE_S, grows_less_than

DIGEST = "sha256:" + "0" * 64
# What the children of the nursery do instead of a worker's work. They are in tier none, without any
# of its steps: what the kernel would show of them is for `sandbox.verify`, here they talk.
PATCH = """
from stockade_worker import nursery

def work(birth):
    exec(compile({script!r}, "peer", "exec"), {{"birth": birth}})

nursery.work = work
"""

PEER = """
import os, resource, socket, sys, time
import msgspec
from stockade_sdk import wire
from stockade_worker.confine import syscalls
from stockade_worker.confine.limits import set_limits
from stockade_worker.main import read_plan
from stockade_worker.plan import LISTEN_FD, PLAN_FD

plan = read_plan(PLAN_FD)
set_limits(plan.limits)
syscalls.no_new_privileges()
os.setsid()
listener = socket.socket(fileno=LISTEN_FD)
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
        digest=plan.digest, pid=os.getpid(), sdk="1", python="3", layers=plan.layers, acts={})
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
        "confined itself without session",
    ),
    "tried other acts than it was to": (
        "shake(); hello(acts={'fork': 0}); rest()",
        "it tried other acts than it was to try",
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


def runtime(name: str, script: str, folder: Path, environment: Path) -> PluginRuntime:
    program = program_of(environment, folder / name, PATCH.format(script=PEER + script))

    async def prepare(launch: Launch) -> Prepared:
        plan, release = plan_of(
            NONE,
            environment=environment,
            plugin_folder=folder,
            scratch=launch.scratch,
            launch=launch.word,
            plugin=name,
            digest=DIGEST,
        )
        load = wire.Load(
            entry="x:Provider",
            path=(),
            config={},
            secrets={},
            environment={},
            data_dir=None,
            concurrency=1,
        )
        return Prepared(program=program, plan=plan, load=load, release=release)

    return PluginRuntime(
        name=name,
        version="1.0.0",
        digest=DIGEST,
        capabilities=frozenset((Capability.CHAT,)),
        limits=Limits(start_timeout_s=1.0),
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


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment_in(tmp_path_factory.mktemp("environment"))


@asynccontextmanager
async def supervising(
    folder: Path, environment: Path, script: str
) -> AsyncIterator[tuple[Supervisor, list[PluginEvent]]]:
    events: list[PluginEvent] = []
    plugins = {
        name: runtime(name, words, folder, environment)
        for name, words in (("rogue", script), ("honest", HONEST))
    }
    settings = SupervisionSettings(deaths=100, ping_interval_s=0.1, ping_timeout_s=1.0)
    async with Supervisor(plugins, folder / "run", settings, on_event=events.append) as supervisor:
        yield supervisor, events


async def ask(supervisor: Supervisor, plugin: str) -> object:
    request = ChatRequest.of_text("go")
    return await supervisor.call(plugin, Method.CHAT, request, timeout_s=PATIENCE_S)


async def test_this_files_own_peer_passes_where_it_does_not_lie(
    tmp_path: Path, environment: Path
) -> None:
    async with supervising(tmp_path, environment, HONEST) as (supervisor, events):
        assert await ask(supervisor, "rogue")
        assert not [event for event in events if event.what is What.DIED]


@pytest.mark.parametrize("name", STARTS)
async def test_a_start_is_refused_of_a_child_that(
    tmp_path: Path, environment: Path, name: str
) -> None:
    script, reason = STARTS[name]

    async with supervising(tmp_path, environment, script) as (supervisor, events):
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
