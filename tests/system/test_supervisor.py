"""The supervisor with real workers: started, called, killed, stopped, replaced, ended."""

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from stockade.errors import NotInstalled
from stockade.process import read_usage
from stockade.sandbox.plan import layers_of
from stockade.settings import SupervisionSettings
from stockade.supervisor import (
    Launch,
    PluginEvent,
    PluginRuntime,
    PluginState,
    Prepared,
    StartRefused,
    Supervisor,
    What,
)
from stockade.supervisor.board import FILE
from stockade_sdk import wire
from stockade_sdk.capability import Capability
from stockade_sdk.chat import ChatRequest, ChatResponse
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.limits import Limits
from stockade_sdk.provider import Method
from stockade_sdk.stream import ChatEvent, fold
from stockade_worker.plan import FULL, NONE
from tests.system.forking import environment_in, plan_of, program_of

MIB = 1024 * 1024
DIGEST = "sha256:" + "0" * 64
PATIENCE_S = 20.0  # for anything on a busy machine
QUICK = SupervisionSettings(ping_interval_s=0.1, ping_timeout_s=0.4)
LENIENT = SupervisionSettings(deaths=1000, ping_interval_s=0.1, ping_timeout_s=0.4)
TIERS = (NONE, FULL)

PLUGIN = """
import asyncio, os, signal, socket, subprocess, sys, time
from stockade_sdk import ChatResponse
from stockade_sdk.stream import Finish, TextDelta, TextEnd, TextStart


class Provider:
    async def chat(self, request, ctx):
        word, _, rest = request.last_text.partition(" ")
        match word:
            case "pid":
                rest = str(os.getpid())
            case "exit":
                sys.stderr.write("the last straw\\n")
                os._exit(int(rest))
            case "signal":
                os.kill(os.getpid(), int(rest))
            case "sleep":
                await asyncio.sleep(float(rest))
            case "block":
                time.sleep(float(rest))
            case "stubborn":
                while True:
                    try:
                        await asyncio.sleep(3600)
                    except asyncio.CancelledError:
                        pass
            case "memory":
                sys.stderr.write("MemoryError\\n")
                os._exit(1)
            case "print":
                for _ in range(int(rest)):
                    print("x" * 1000, flush=True)
            case "grandchild":
                child = subprocess.Popen(["/bin/sleep", "1000"])
                rest = str(child.pid)
            case "log":
                ctx.log.warning(rest, number=7)
            case "raise":
                raise RuntimeError(rest)
            case "scratch":
                os.makedirs("a/b")
                open("a/b/note", "w").close()
            case "hang_up":
                for number in range(3, 64):  # not close(): libzmq would notice, and give up
                    try:
                        held = socket.socket(fileno=os.dup(number))
                        held.getpeername()
                        held.getsockname() and held.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        continue
                time.sleep(1000)
        return ChatResponse.of_text(rest)

    async def stream_chat(self, request, ctx):
        for number in range(3):
            yield TextStart(str(number))
            yield TextDelta(str(number), request.last_text)
            yield TextEnd(str(number))
            if request.last_text == "die":
                await asyncio.sleep(0.05)
                os.kill(os.getpid(), signal.SIGKILL)
        yield Finish()
"""


class House:
    """A folder for a supervisor, its plugins, and what they said.

    Workers are in tier `none` unless a test wants another: what is tested here is the supervisor,
    and without walls a worker may do more of what a supervisor has to cope with.
    """

    def __init__(self, root: Path, environment: Path, tier: str = NONE) -> None:
        self.root = root
        self.environment = environment
        self.tier = tier
        self.run = root / "run"
        self.held = 0  # starts whose things were not given back yet
        self.sources = root / "plugins"
        self.sources.mkdir(mode=0o755, exist_ok=True)
        self.events: list[PluginEvent] = []
        self.lines: list[tuple[str, str, str]] = []
        self.plugins: dict[str, PluginRuntime] = {}
        self.news = anyio.Event()
        self.add("good", PLUGIN)

    def add(
        self,
        name: str,
        source: str,
        *,
        digest_in_plan: str = DIGEST,
        capabilities: frozenset[Capability] = frozenset((Capability.CHAT,)),
        patch: str = "",
        **limits: Any,
    ) -> None:
        """A plugin; `patch` is what is done to its nursery's code before it serves."""
        module = "p_" + name.replace("-", "_")
        (self.sources / f"{module}.py").write_text(textwrap.dedent(source))
        patched = self.root / f"program-{name}" if patch else None
        program = program_of(self.environment, patched, patch)

        async def prepare(launch: Launch) -> Prepared:
            plan, give_back = plan_of(
                self.tier,
                environment=self.environment,
                plugin_folder=self.sources,
                scratch=launch.scratch,
                launch=launch.word,
                plugin=name,
                digest=digest_in_plan,
                limits=Limits(**limits),
            )
            self.held += 1

            def release() -> None:
                self.held -= 1
                give_back()

            load = wire.Load(
                entry=f"{module}:Provider",
                path=("/stockade/plugin" if self.tier == FULL else str(self.sources),),
                config={},
                secrets={},
                environment={},
                data_dir=None,
                concurrency=16,
            )
            return Prepared(program=program, plan=plan, load=load, release=release)

        self.plugins[name] = PluginRuntime(
            name=name,
            version="1.2.3",
            digest=DIGEST,
            capabilities=capabilities,
            limits=Limits(**limits),
            outlet=None,
            prepare=prepare,
        )

    @asynccontextmanager
    async def supervisor(
        self,
        settings: SupervisionSettings = QUICK,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> AsyncIterator[Supervisor]:
        async with Supervisor(
            self.plugins,
            self.run,
            settings,
            on_event=self.hear,
            on_line=lambda *line: self.lines.append(line),
            clock=clock,
        ) as supervisor:
            yield supervisor

    def hear(self, event: PluginEvent) -> None:
        self.events.append(event)
        self.news.set()
        self.news = anyio.Event()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until `true`, which some event or line makes so."""
        with anyio.fail_after(PATIENCE_S):
            while not true():
                with anyio.move_on_after(0.02):
                    await self.news.wait()

    def left(self) -> list[Path]:
        """What workers have in the run folder: sockets and scratch folders."""
        return [
            path for folder in self.run.iterdir() for path in folder.iterdir() if path.name != FILE
        ]

    def count(self, what: What) -> int:
        return sum(event.what is what for event in self.events)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment_in(tmp_path_factory.mktemp("environment"))


@pytest.fixture
def house(tmp_path: Path, environment: Path) -> Iterator[House]:
    house = House(tmp_path, environment)
    yield house
    assert house.held == 0


@pytest.fixture(params=TIERS)
def any_house(tmp_path: Path, environment: Path, request: pytest.FixtureRequest) -> Iterator[House]:
    """One in each tier, for what must not depend on it."""
    tmp_path.chmod(0o755)
    house = House(tmp_path, environment, request.param)
    yield house
    assert house.held == 0


async def say(
    supervisor: Supervisor, text: str, *, plugin: str = "good", timeout_s: float = PATIENCE_S
) -> str:
    request = ChatRequest.of_text(text)
    answer = await supervisor.call(plugin, Method.CHAT, request, timeout_s=timeout_s)
    assert isinstance(answer, ChatResponse)
    return answer.text


async def pid_of(supervisor: Supervisor, plugin: str = "good") -> int:
    """The one worker's process as this host knows it; a worker is started where there is none."""
    await say(supervisor, "echo", plugin=plugin)
    pids = [one.pid for one in supervisor.status(plugin).workers if one.state == "ready"]
    (pid,) = pids
    assert pid is not None
    return pid


async def failure(
    supervisor: Supervisor, text: str, *, plugin: str = "good", timeout_s: float = PATIENCE_S
) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await say(supervisor, text, plugin=plugin, timeout_s=timeout_s)
    return caught.value


def alive(pid: int) -> bool:
    """Whether it runs; what is dead and not reaped by whoever inherited it does not."""
    usage = read_usage(pid)
    return usage is not None and usage.state not in ("Z", "X")


# --- a life without faults ---


async def test_the_first_call_starts_a_worker_and_the_next_finds_it(house: House) -> None:
    async with house.supervisor() as supervisor:
        before = supervisor.status("good")
        first = await pid_of(supervisor)
        second = await pid_of(supervisor)
        status = supervisor.status("good")

    assert before.state is PluginState.STOPPED
    assert first == second
    assert status.state is PluginState.READY
    (worker,) = status.workers
    assert worker.pid == first
    assert worker.layers == layers_of(NONE, as_root=False)
    assert worker.rss_bytes is not None
    assert worker.rss_bytes > MIB
    assert (worker.restarts, worker.in_flight, worker.tier) == (0, 0, "none")


async def test_leaving_ends_every_worker_and_removes_the_run_folder(house: House) -> None:
    async with house.supervisor() as supervisor:
        pid = await pid_of(supervisor)
        grandchild = int(await say(supervisor, "grandchild"))

    assert not alive(pid)
    assert not alive(grandchild)
    assert list(house.run.iterdir()) == []


async def test_an_error_in_the_block_ends_everything_too(any_house: House) -> None:
    pid = 0
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with any_house.supervisor() as supervisor:
            pid = await pid_of(supervisor)
            raise ZeroDivisionError

    assert pid
    assert not alive(pid)
    assert list(any_house.run.iterdir()) == []


async def test_cancellation_from_outside_ends_everything_too(any_house: House) -> None:
    pid = 0
    with anyio.CancelScope() as scope:
        async with any_house.supervisor() as supervisor:
            pid = await pid_of(supervisor)
            scope.cancel()
            await say(supervisor, "sleep 100")

    assert scope.cancelled_caught
    assert not alive(pid)
    assert list(any_house.run.iterdir()) == []


async def test_cancellation_during_a_start_leaves_nothing(any_house: House) -> None:
    any_house.add("slow", "import time; time.sleep(100)")
    with anyio.CancelScope() as scope:
        async with any_house.supervisor() as supervisor, anyio.create_task_group() as tasks:
            tasks.start_soon(
                failure,
                supervisor,
                "hello",
            )
            await any_house.until(lambda: any_house.count(What.STARTED) == 1)
            scope.cancel()

    assert list(any_house.run.iterdir()) == []


async def test_a_stream_folds_to_the_answer(any_house: House) -> None:
    events: list[ChatEvent] = []
    async with any_house.supervisor() as supervisor:
        request = ChatRequest.of_text("ab")
        async with supervisor.stream("good", request, timeout_s=PATIENCE_S) as pieces:
            async for piece in pieces:
                events += piece

    assert fold(events).text == "ababab"


async def test_calls_beyond_one_workers_concurrency_start_another(house: House) -> None:
    house.add("wide", PLUGIN, workers=2, concurrency=1)
    async with house.supervisor() as supervisor, anyio.create_task_group() as tasks:
        tasks.start_soon(say_to("wide", supervisor, "sleep 0.5"))
        tasks.start_soon(say_to("wide", supervisor, "sleep 0.5"))
        await house.until(lambda: len(supervisor.status("wide").workers) == 2)
        tasks.start_soon(say_to("wide", supervisor, "sleep 0"))
        await house.until(lambda: supervisor.status("wide").waiting == 0)
        most = len(supervisor.status("wide").workers)

    assert most == 2
    assert house.count(What.STARTED) == 2


async def test_a_full_queue_is_overloaded_at_once(house: House) -> None:
    house.add("narrow", PLUGIN, concurrency=1)
    answers: list[str] = []
    async with house.supervisor() as supervisor:
        await pid_of(supervisor, "narrow")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keep, answers, supervisor, "sleep 0.5")
            for _ in range(16):
                tasks.start_soon(keep, answers, supervisor, "echo next")
            await house.until(lambda: supervisor.status("narrow").waiting == 16)
            error = await failure(supervisor, "hello", plugin="narrow")

    assert error.kind is ErrorKind.OVERLOADED
    assert "limits.workers" in error.message
    assert answers == ["0.5", *["next"] * 16]


async def test_who_waits_too_long_gets_a_timeout_and_the_queue_goes_on(house: House) -> None:
    house.add("narrow", PLUGIN, concurrency=1)
    answers: list[str] = []
    async with house.supervisor() as supervisor:
        await pid_of(supervisor, "narrow")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keep, answers, supervisor, "sleep 0.5")
            await house.until(lambda: supervisor.status("narrow").workers[0].in_flight == 1)
            error = await failure(supervisor, "hello", plugin="narrow", timeout_s=0.1)
        after = await say(supervisor, "echo on", plugin="narrow")

    assert error.kind is ErrorKind.TIMEOUT
    assert error.phase == "total"
    assert answers == ["0.5"]
    assert after == "on"


async def test_an_idle_worker_is_dismissed_and_the_next_call_starts_another(
    any_house: House,
) -> None:
    any_house.add("lazy", PLUGIN, idle_stop_s=0.2)
    async with any_house.supervisor() as supervisor:
        first = await pid_of(supervisor, "lazy")
        await any_house.until(lambda: any_house.count(What.ENDED) == 1)
        between = supervisor.status("lazy")
        second = await pid_of(supervisor, "lazy")

    assert between.state is PluginState.STOPPED
    assert between.deaths == 0
    assert first != second


async def test_a_workers_scratch_folder_goes_with_it(house: House) -> None:
    async with house.supervisor() as supervisor:
        await say(supervisor, "scratch")
        names = {path.name for folder in house.left() for path in folder.rglob("*")}
        await supervisor.drain("good")
        await house.until(lambda: not house.left())

    assert names == {"a", "b", "note"}


async def test_drain_lets_calls_finish_and_later_calls_start_anew(any_house: House) -> None:
    answers: list[str] = []
    async with any_house.supervisor() as supervisor:
        first = await pid_of(supervisor)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keep, answers, supervisor, "sleep 0.3", "good")
            await any_house.until(lambda: supervisor.status("good").workers[0].in_flight == 1)
            await supervisor.drain("good")
            drained = not alive(first)
        second = await pid_of(supervisor)

    assert answers == ["0.3"]
    assert drained
    assert first != second
    assert any_house.count(What.DIED) == 0


async def test_output_and_log_records_arrive_with_their_plugins_name(any_house: House) -> None:
    async with any_house.supervisor() as supervisor:
        await say(supervisor, "print 1")
        await say(supervisor, "log disk is\x1b[31m full")
        await any_house.until(lambda: len(any_house.lines) == 2)

    assert ("good", "stdout", "x" * 1000) in any_house.lines
    assert ("good", "warning", "disk is\\x1b[31m full number=7") in any_house.lines


async def test_megabytes_of_output_neither_stop_the_plugin_nor_fill_the_host(house: House) -> None:
    async with house.supervisor() as supervisor:
        answer = await say(supervisor, "print 8000")
    kept = sum(len(text) for _, _, text in house.lines)

    assert answer == "8000"
    assert kept < 3 * MIB
    assert any(text.endswith("bytes dropped") for _, _, text in house.lines)


async def test_a_home_of_300_characters_works(tmp_path: Path, environment: Path) -> None:
    deep = tmp_path / ("d" * 150) / ("e" * 150)
    deep.mkdir(parents=True)
    async with House(deep, environment).supervisor() as supervisor:
        answer = await say(supervisor, "echo here")

    assert answer == "here"


async def test_a_plugin_that_is_not_there_is_said_so(house: House) -> None:
    async with house.supervisor() as supervisor:
        with pytest.raises(NotInstalled, match="no plugin called nobody"):
            await say(supervisor, "hello", plugin="nobody")


# --- deaths ---


async def test_a_killed_worker_fails_its_calls_at_once_and_is_replaced(any_house: House) -> None:
    errors: list[ProviderError] = []

    async def lose(supervisor: Supervisor) -> None:
        errors.append(await failure(supervisor, "sleep 100"))

    async with any_house.supervisor() as supervisor:
        pid = await pid_of(supervisor)
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lose, supervisor)
                tasks.start_soon(lose, supervisor)
                await any_house.until(lambda: supervisor.status("good").workers[0].in_flight == 2)
                os.kill(pid, signal.SIGKILL)
        another = await pid_of(supervisor)
        status = supervisor.status("good")

    assert [error.kind for error in errors] == [ErrorKind.WORKER_DIED] * 2
    assert "SIGKILL" in errors[0].message
    assert "good 1.2.3" in errors[0].message
    assert another != pid
    assert (status.deaths, status.workers[0].restarts) == (1, 1)
    assert "SIGKILL" in status.last_error


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        ("exit 3", ErrorKind.WORKER_DIED, "exit code 3"),
        ("exit 0", ErrorKind.WORKER_DIED, "exit code 0"),
        ("exit 3", ErrorKind.WORKER_DIED, "the last straw"),
        ("signal 11", ErrorKind.WORKER_DIED, "SIGSEGV"),
        ("signal 6", ErrorKind.WORKER_DIED, "SIGABRT"),
        ("memory", ErrorKind.OUT_OF_MEMORY, 'limits.memory = "256 MiB"'),
        ("hang_up", ErrorKind.PROTOCOL, "went on running"),
    ],
)
async def test_a_death_is_explained(house: House, words: str, kind: ErrorKind, said: str) -> None:
    async with house.supervisor() as supervisor:
        error = await failure(supervisor, words)

    assert error.kind is kind
    assert said in error.message


async def test_a_stream_breaks_off_with_the_cause(house: House) -> None:
    events: list[ChatEvent] = []
    async with house.supervisor() as supervisor:
        request = ChatRequest.of_text("die")
        with pytest.raises(ProviderError) as caught:  # noqa: PT012
            async with supervisor.stream("good", request, timeout_s=PATIENCE_S) as pieces:
                async for piece in pieces:
                    events += piece

    assert len(events) == 3
    assert caught.value.kind is ErrorKind.WORKER_DIED
    assert "SIGKILL" in caught.value.message


async def test_the_third_death_stops_a_plugin_until_it_is_enabled(house: House) -> None:
    async with house.supervisor() as supervisor:
        messages = [(await failure(supervisor, "exit 1")).message for _ in range(3)]
        refused = await failure(supervisor, "echo hello")
        status = supervisor.status("good")
        supervisor.try_again("good")
        answer = await say(supervisor, "echo back")

    assert "stockade enable good" not in messages[1]
    assert "stockade enable good" in messages[2]
    assert "3 times within 5m" in refused.message
    assert refused.kind is ErrorKind.WORKER_DIED
    assert status.state is PluginState.FAILED
    assert house.count(What.GAVE_UP) == 1
    assert answer == "back"


async def test_after_kills_answers_come_again_quickly(any_house: House) -> None:
    waits: list[float] = []
    async with any_house.supervisor(LENIENT) as supervisor:
        for _ in range(5):
            pid = await pid_of(supervisor)
            os.kill(pid, signal.SIGKILL)
            began = anyio.current_time()
            while True:
                try:
                    await say(supervisor, "echo on")
                    break
                except ProviderError:
                    continue
            waits.append(anyio.current_time() - began)

    # The start of a Python process is nearly all of it; no back-off after a worker that served.
    assert sorted(waits)[2] < 2.0


async def test_a_plugin_that_cannot_be_imported_is_refused_with_its_reason(house: House) -> None:
    house.add("broken", "raise ImportError('no such wheel')")
    async with house.supervisor() as supervisor:
        errors = [await failure(supervisor, "hello", plugin="broken") for _ in range(4)]
        status = supervisor.status("broken")

    assert "ImportError: no such wheel" in errors[0].message
    assert "the next call starts it again" in errors[0].message
    assert "stockade enable broken" in errors[3].message
    assert status.state is PluginState.FAILED
    assert house.count(What.STARTED) == 3


async def test_a_plugin_without_the_methods_of_its_capabilities_is_refused(house: House) -> None:
    house.add("liar", PLUGIN, capabilities=frozenset((Capability.CHAT, Capability.EMBEDDING)))
    async with house.supervisor() as supervisor:
        error = await failure(supervisor, "hello", plugin="liar")

    assert '"embedding"' in error.message
    assert "`capabilities`" in error.message


async def test_a_start_that_takes_too_long_names_its_limit(any_house: House) -> None:
    any_house.add("slow", "import time; time.sleep(100)", start_timeout_s=0.6)
    async with any_house.supervisor() as supervisor:
        error = await failure(supervisor, "hello", plugin="slow")

    assert error.kind is ErrorKind.WORKER_DIED
    assert 'limits.start_timeout = "600ms"' in error.message


async def test_a_worker_of_another_digest_is_refused_before_its_plugin_is_loaded(
    any_house: House,
) -> None:
    marker = any_house.root / "loaded"
    any_house.add("swapped", f"open({str(marker)!r}, 'w')", digest_in_plan="sha256:" + "f" * 64)
    async with any_house.supervisor() as supervisor:
        error = await failure(supervisor, "hello", plugin="swapped")

    assert "another digest" in error.message
    assert not marker.exists()


async def test_a_worker_that_skips_a_layer_is_refused(house: House) -> None:
    patch = "from stockade_worker import main\nmain.seal = lambda plan, birth: plan.layers[1:]"
    house.add("naked", PLUGIN, patch=patch)
    async with house.supervisor() as supervisor:
        error = await failure(supervisor, "hello", plugin="naked")

    assert "without parent_death" in error.message


async def test_a_worker_that_dies_before_its_hello_is_explained_by_its_exit(house: House) -> None:
    patch = (
        "from stockade_worker import main, nursery\n"
        "nursery.work = lambda birth: main.leave(9, 'no way')"
    )
    house.add("early", PLUGIN, patch=patch)
    async with house.supervisor() as supervisor:
        error = await failure(supervisor, "hello", plugin="early")

    assert "exit code 9" in error.message
    assert "no way" in error.message


async def test_a_worker_that_speaks_no_zmtp_is_ended(house: House) -> None:
    patch = (
        "import socket, time\nfrom stockade_worker import nursery\n"
        "def work(birth):\n"
        "    peer = socket.socket(fileno=3).accept()[0]\n"
        "    peer.sendall(b'HTTP/1.1 200 OK' * 20)\n"
        "    time.sleep(1000)\n"
        "nursery.work = work"
    )
    house.add("stranger", PLUGIN, patch=patch)
    async with house.supervisor() as supervisor:
        error = await failure(supervisor, "hello", plugin="stranger")

    assert error.kind in (ErrorKind.PROTOCOL, ErrorKind.WORKER_DIED)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("b'\\x01'", "its answer to chat is none: Expected `object`"),
        ("b'\\x81\\xa4type\\xa2\\xff\\xfe'", "its answer to chat is none"),
        ("b'\\x91' * 100_000 + b'\\x90'", "nested too deeply"),
    ],
    ids=["wrong type", "not UTF-8", "nested"],
)
async def test_an_answer_that_is_none_ends_the_worker(house: House, body: str, said: str) -> None:
    patch = (
        "import msgspec\nfrom stockade_sdk import wire\nfrom stockade_worker import session\n"
        "session.Session.answer = lambda self, call, body: self._credit.pop(call) or "
        f"wire.encode(wire.Result(call, msgspec.Raw({body})))"
    )
    house.add("odd", PLUGIN, patch=patch)
    async with house.supervisor() as supervisor:
        error = await failure(supervisor, "hello", plugin="odd")
        await house.until(lambda: house.count(What.DIED) == 1)
        last = supervisor.status("odd").last_error

    assert error.kind is ErrorKind.PROTOCOL
    assert said in error.message
    assert "broke the protocol" in last
    assert said in last


async def test_under_a_rain_of_kills_every_call_ends_once_in_an_answer_or_a_typed_error(
    any_house: House,
) -> None:
    any_house.add("twin", PLUGIN, workers=2, concurrency=4)
    outcomes: list[str] = []
    numbers = iter(range(600))

    async def client(supervisor: Supervisor) -> None:
        for number in numbers:
            try:
                outcomes.append(await say(supervisor, f"echo {number}", plugin="twin"))
            except ProviderError as error:
                outcomes.append(f"{error.kind} {number}")
            await anyio.sleep(0.005)

    async def rain(supervisor: Supervisor) -> None:
        while True:
            await anyio.sleep(0.15)
            for worker in supervisor.status("twin").workers:
                if worker.state == "ready" and worker.pid is not None:
                    os.kill(worker.pid, signal.SIGKILL)

    async with any_house.supervisor(LENIENT) as supervisor, anyio.create_task_group() as weather:
        weather.start_soon(rain, supervisor)
        async with anyio.create_task_group() as clients:
            for _ in range(8):
                clients.start_soon(client, supervisor)
        weather.cancel_scope.cancel()

    assert sorted(int(outcome.split()[-1]) for outcome in outcomes) == list(range(600))
    failed = [outcome for outcome in outcomes if not outcome.isdigit()]
    assert all(outcome.startswith("worker_died ") for outcome in failed)
    assert len(failed) < 300
    assert any_house.count(What.DIED) > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
async def test_an_interrupted_host_leaves_no_worker(
    any_house: House, number: signal.Signals
) -> None:
    source = (
        "import anyio, pathlib, sys\n"
        "from tests.system.test_supervisor import House, pid_of\n"
        "async def main():\n"
        "    root, environment = map(pathlib.Path, sys.argv[1:3])\n"
        "    async with House(root, environment, sys.argv[3]).supervisor() as supervisor:\n"
        "        print(await pid_of(supervisor), flush=True)\n"
        "        await anyio.sleep_forever()\n"
        "anyio.run(main)\n"
    )
    top = Path(__file__).parents[2]
    house = any_house
    argv = (sys.executable, "-c", source, str(house.root), str(house.environment), house.tier)
    async with await anyio.open_process(argv, cwd=top, stderr=subprocess.DEVNULL) as host:
        assert host.stdout is not None
        with anyio.fail_after(PATIENCE_S):
            pid = int(await host.stdout.receive())
            running = alive(pid)
            host.send_signal(number)
            await host.wait()
            await any_house.until(lambda: not alive(pid))
    left = len(list(any_house.run.iterdir()))
    async with any_house.supervisor():
        swept = len(list(any_house.run.iterdir()))

    assert running
    assert left == (1 if number is signal.SIGKILL else 0)
    assert swept == 1  # the new host's own


async def no_landlock(made: Awaitable[Prepared]) -> Prepared:
    (await made).release()
    raise StartRefused("this machine has no landlock")


async def no_program(made: Awaitable[Prepared]) -> Prepared:
    prepared = await made
    program = dataclasses.replace(prepared.program, python=("/nonexistent/python",))
    return dataclasses.replace(prepared, program=program)


async def no_nursery(made: Awaitable[Prepared]) -> Prepared:
    prepared = await made
    program = dataclasses.replace(prepared.program, python=("/bin/sh", "-c", "echo no; exit 3"))
    return dataclasses.replace(prepared, program=program)


async def no_room(made: Awaitable[Prepared]) -> Prepared:
    prepared = await made
    return dataclasses.replace(prepared, plan=prepared.plan._replace(launch="x" * 99999))


async def no_step(made: Awaitable[Prepared]) -> Prepared:
    prepared = await made
    layers = ("a_wall_of_tomorrow", *prepared.plan.layers)
    return dataclasses.replace(prepared, plan=prepared.plan._replace(layers=layers))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (no_landlock, "no landlock"),
        (no_program, "/nonexistent/python"),
        (no_nursery, "the nursery has ended"),
        (no_room, "its plan has"),
        (no_step, "confinement failed at step a_wall_of_tomorrow"),
    ],
)
async def test_a_start_that_fails_half_way_leaves_nothing(
    house: House, spoil: Callable[[Awaitable[Prepared]], Awaitable[Prepared]], said: str
) -> None:
    runtime = house.plugins["good"]

    async def prepare(launch: Launch) -> Prepared:
        return await spoil(runtime.prepare(launch))

    house.plugins["good"] = dataclasses.replace(runtime, prepare=prepare)
    async with house.supervisor() as supervisor:
        error = await failure(supervisor, "hello")
        await house.until(lambda: not house.left())  # a child that had begun is buried first

    assert said in error.message


# --- silence ---


async def test_an_idle_stopped_worker_is_replaced(any_house: House) -> None:
    async with any_house.supervisor() as supervisor:
        pid = await pid_of(supervisor)
        os.kill(pid, signal.SIGSTOP)
        with anyio.fail_after(5):
            await any_house.until(lambda: any_house.count(What.READY) == 2)
        another = await pid_of(supervisor)

    assert another != pid
    assert not alive(pid)


async def test_a_stopped_worker_fails_its_call_before_the_calls_deadline(any_house: House) -> None:
    async with any_house.supervisor() as supervisor:
        pid = await pid_of(supervisor)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stop_when_busy, any_house, supervisor, pid)
            error = await failure(supervisor, "sleep 100", timeout_s=10)

    assert error.kind is ErrorKind.WORKER_DIED
    assert "SIGSTOP" in error.message


async def test_a_blocked_loop_is_tolerated_while_its_call_has_time(house: House) -> None:
    async with house.supervisor() as supervisor:
        first = await pid_of(supervisor)
        await say(supervisor, "block 1.5")  # pings time out after 0.4 s
        second = await pid_of(supervisor)

    assert first == second


async def test_a_blocked_loop_is_ended_once_a_call_is_overdue(house: House) -> None:
    async with house.supervisor() as supervisor:
        await pid_of(supervisor)
        error = await failure(supervisor, "block 100", timeout_s=0.3)
        with anyio.fail_after(5):
            await house.until(lambda: house.count(What.READY) == 2)
        last = supervisor.status("good").last_error

    assert error.kind is ErrorKind.TIMEOUT
    assert "event loop is blocked" in last


async def test_a_worker_that_keeps_cancelled_calls_is_replaced_when_it_has_no_others(
    house: House,
) -> None:
    patient = SupervisionSettings(ping_interval_s=0.1, ping_timeout_s=1000)
    async with house.supervisor(patient, clock=lambda: 20 * time.monotonic()) as supervisor:
        first = await pid_of(supervisor)
        with anyio.move_on_after(0.2):
            await say(supervisor, "stubborn")
        await house.until(lambda: house.count(What.DIED) == 1)
        second = await pid_of(supervisor)
        last = supervisor.status("good").last_error

    assert first != second
    assert "left a cancelled call unanswered" in last


async def test_a_cancelled_call_is_answered_and_harms_nobody(house: House) -> None:
    async with house.supervisor() as supervisor:
        first = await pid_of(supervisor)
        with anyio.move_on_after(0.1):
            await say(supervisor, "sleep 100")
        await house.until(lambda: supervisor.status("good").workers[0].in_flight == 0)
        second = await pid_of(supervisor)

    assert first == second
    assert house.count(What.DIED) == 0


def say_to(plugin: str, supervisor: Supervisor, text: str) -> Callable[[], Any]:
    async def run() -> None:
        await say(supervisor, text, plugin=plugin)

    return run


async def keep(
    answers: list[str], supervisor: Supervisor, text: str, plugin: str = "narrow"
) -> None:
    answers.append(await say(supervisor, text, plugin=plugin))


async def stop_when_busy(house: House, supervisor: Supervisor, pid: int) -> None:
    await house.until(lambda: supervisor.status("good").workers[0].in_flight == 1)
    os.kill(pid, signal.SIGSTOP)
