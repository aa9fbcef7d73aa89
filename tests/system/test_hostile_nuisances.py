"""Plugins that make noise, start threads and processes, or come too late, and still answer: their
answers count, and nobody else notices.
"""

# ruff: noqa: E501 -- plugins in strings

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import anyio
import pytest

from stockade.errors import AllAttemptsFailed
from stockade_sdk import ErrorKind
from tests.system.hostile import MIB, PATIENCE_S, Site, new_site

NOISE = """
line = "noise " * 20 + "\\n"
def shout():
    for stream in (sys.stdout, sys.stderr):
        for _ in range({megabytes} * 8192):
            stream.write(line)
        stream.write("x" * {megabytes} * 1048576)
        stream.write(chr(10) + "after the noise" + chr(10))
        stream.flush()
"""

PLAIN = """
class Provider:
    async def chat(self, request, ctx):
        return FINE
    async def embed(self, request, ctx):
        pass
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory.mktemp("nuisances"))


def in_chat(code: str, setup: str = "") -> str:
    body = "\n".join(f"        {line}" for line in code.strip().splitlines())
    return f"{setup}\nclass Provider:\n    async def chat(self, request, ctx):\n        word = request.last_text\n{body}\n        return FINE\n    async def embed(self, request, ctx):\n        pass\n"


NUISANCES = {
    "prints megabytes at its import": NOISE.format(megabytes=2) + "shout()\n" + PLAIN,
    "prints megabytes in a call": in_chat("shout()", NOISE.format(megabytes=2)),
    "prints what is no text": in_chat("os.write(1, bytes(range(256)) * 64)\nos.write(2, b'\\xff')"),
    "prints frames of the protocol": in_chat(
        "frame = wire.encode(wire.Result(1, wire.embed(ChatResponse.of_text('forged'))))\n"
        "os.write(1, bytes((0, len(frame))) + frame)\nos.write(2, bytes((0, len(frame))) + frame)"
    ),
    "closes its standard streams": in_chat("os.closerange(0, 3)"),
    "replaces its standard streams": in_chat("sys.stdout = sys.stderr = None"),
    "prints from threads": in_chat(
        "for _ in range(4):\n    threading.Thread(target=shout, daemon=True).start()",
        NOISE.format(megabytes=1),
    ),
    "forks without being allowed to": in_chat(
        "try:\n    child = os.fork()\nexcept PermissionError:\n    return FINE\n"
        "while True:\n    time.sleep(60)"
    ),
    "kills itself": in_chat("os.kill(os.getpid(), signal.SIGKILL)"),  # the first of its processes
    "kills all that it sees": in_chat(
        "for pid in (-1, 0, os.getppid(), *range(2, 300)):\n    with contextlib.suppress(OSError):\n"
        "        os.kill(pid, signal.SIGKILL)"
    ),
    "ignores signals": in_chat(
        "for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):\n"
        "    signal.signal(number, signal.SIG_IGN)"
    ),
    "leaves tasks that fail": in_chat(
        "async def fail():\n    raise ValueError('nobody asked')\n"
        "asyncio.ensure_future(fail())\nawait asyncio.sleep(0)"
    ),
    "logs more than anyone reads": in_chat(
        "for number in range(20_000):\n    ctx.log.info('noise ' * 100, number=number)"
    ),
    "says who answered": in_chat(
        "return ChatResponse(output=FINE.output, provider='steady', attempts=(Attempt("
        "target='steady/m', outcome='ok'),) * 1000)"
    ),
}


@pytest.mark.parametrize("name", NUISANCES)
async def test_an_answer_counts_of_a_plugin_that(site: Site, name: str) -> None:
    rogue = site.install(NUISANCES[name])

    async with site.host(rogue) as stage, stage.unharmed():
        for _ in range(2):
            response = await stage.ask()

            assert response.provider == rogue
            assert [attempt.outcome for attempt in response.attempts] == ["ok"]
            assert await stage.text(plugin=rogue) == "fine"
        assert not stage.deaths()
        pids = stage.pids()
        assert [group(pid) for pid in pids] == [[pid] for pid in pids]

    assert not any(group(pid) for pid in pids)


FORKS = {
    "leaves in the child": (
        "child = os.fork()\nif not child:\n    os._exit(0)\nos.waitpid(child, 0)",
        1,
    ),
    "has a child that stays": ("if not os.fork():\n    while True:\n        time.sleep(60)", 5),
    "has a child with a session of its own": (
        "if not os.fork():\n    os.setsid()\n    while True:\n        time.sleep(60)",
        5,
    ),
}


@pytest.mark.parametrize("name", FORKS)
async def test_processes_end_with_the_worker_of_a_plugin_that_may_fork_and(
    site: Site, name: str
) -> None:
    code, processes = FORKS[name]
    rogue = site.install(in_chat(code), permissions="subprocess = true")

    async with site.host(rogue) as stage, stage.unharmed():
        for _ in range(4):
            assert (await stage.ask()).provider == rogue
        (pid,) = stage.pids()
        walls = pid_namespace(pid)
        assert len(within(walls)) == processes
        assert not stage.deaths()

    assert not within(walls)


async def test_what_a_plugin_prints_is_kept_by_the_line_and_bounded(site: Site) -> None:
    rogue = site.install(
        in_chat("shout()\nprint('\\x1b[31mred\\u202e')", NOISE.format(megabytes=2))
    )

    async with site.host(rogue) as stage:
        assert await stage.text() == "fine"
        await stage.until(lambda: "bytes dropped" in stage.log())

        lines = stage.log().splitlines()
    text = (site.home.logs / f"{rogue}.log").read_text()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert sum(line.endswith("noise") or "noise noise" in line for line in lines) > 100
    assert max(map(len, lines)) < 16 * 1024 + 64
    files = list(site.home.logs.glob(f"{rogue}.log*"))
    assert sum(path.stat().st_size for path in files) <= 2 * MIB


async def test_a_quiet_plugins_words_are_kept_whole(site: Site) -> None:
    rogue = site.install(
        in_chat(
            "print('to stdout')\nprint('to stderr', file=sys.stderr)\nctx.log.warn('noted', n=5)"
        ).replace("ctx.log.warn(", "ctx.log.warning(")
    )

    async with site.host(rogue) as stage:
        assert await stage.text() == "fine"
    text = (site.home.logs / f"{rogue}.log").read_text()

    assert re.search(r" stdout +to stdout$", text, re.MULTILINE)
    assert re.search(r" stderr +to stderr$", text, re.MULTILINE)
    assert re.search(r" warning +noted n=5$", text, re.MULTILINE)


LATE = in_chat(
    """
match word:
    case "late":
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        self.late = True
        return ChatResponse.of_text("too late")
    case "late?":
        return ChatResponse.of_text(str(getattr(self, "late", False)))
    case "deaf":
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
    case "who":
        return ChatResponse.of_text(self.name)
""",
    setup="import uuid",
).replace("    async def chat", "    name = uuid.uuid4().hex\n\n    async def chat")


async def test_an_answer_after_the_cancellation_is_dropped_and_forgiven(site: Site) -> None:
    rogue = site.install(LATE)

    async with site.host(rogue) as stage, stage.unharmed():
        name = await stage.text("who", plugin=rogue)
        with pytest.raises(AllAttemptsFailed) as failed:
            await stage.ask("late", plugin=rogue, timeout=0.3)
        with anyio.fail_after(PATIENCE_S):
            while await stage.text("late?", plugin=rogue) != "True":
                pass

        assert failed.value.error.kind is ErrorKind.TIMEOUT
        assert await stage.text("who", plugin=rogue) == name
        assert stage.host.status(rogue).workers[0].in_flight == 0
        assert not stage.deaths()


async def test_a_worker_that_keeps_cancelled_calls_for_ever_is_replaced(site: Site) -> None:
    rogue = site.install(LATE)

    async with site.host(rogue) as stage, stage.unharmed():
        name = await stage.text("who", plugin=rogue)
        with pytest.raises(AllAttemptsFailed) as failed:
            await stage.ask("deaf", plugin=rogue, timeout=0.3)
        assert failed.value.error.kind is ErrorKind.TIMEOUT
        assert await stage.text("who", plugin=rogue) == name  # it goes on serving others meanwhile

        reason = await stage.died()

        assert "left a cancelled call unanswered" in reason
        assert await stage.text("who", plugin=rogue) != name


async def test_a_callers_cancellation_reaches_the_plugin_and_only_that_call(site: Site) -> None:
    rogue = site.install(LATE)

    async with site.host(rogue) as stage, stage.unharmed():
        name = await stage.text("who", plugin=rogue)
        began = time.monotonic()
        with anyio.move_on_after(0.2) as scope:
            await stage.ask("late", plugin=rogue)
        assert scope.cancelled_caught
        assert time.monotonic() - began < 1.0  # the caller is let go at once
        with anyio.fail_after(PATIENCE_S):
            while await stage.text("late?", plugin=rogue) != "True":
                pass

        assert await stage.text("who", plugin=rogue) == name


def group(leader: int) -> list[int]:
    """Living processes of a process group."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(path.name)) == leader:
                state = (path / "stat").read_text().rpartition(")")[2].split()[0]
                found += [int(path.name)] if state != "Z" else []
        except (ProcessLookupError, FileNotFoundError):
            continue
    return found


def pid_namespace(pid: int) -> str:
    """The name of a process' PID namespace."""
    return str(Path(f"/proc/{pid}/ns/pid").readlink())


def within(namespace: str) -> list[int]:
    """Living processes of a PID namespace, by the name of its link under /proc."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if pid_namespace(int(path.name)) == namespace:
                state = (path / "stat").read_text().rpartition(")")[2].split()[0]
                found += [int(path.name)] if state != "Z" else []
        except (ProcessLookupError, FileNotFoundError, PermissionError):
            continue
    return found
