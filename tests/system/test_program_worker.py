"""A plugin that is a program, in C: it speaks the documented wire, inside the same walls."""

import os
import signal
from pathlib import Path

import anyio
import psutil
import pytest

from stockade import AllAttemptsFailed
from stockade.sandbox.plan import compare_acts
from stockade.sandbox.verify import compare
from stockade.supervisor import What
from stockade_sdk import ChatRequest, ErrorKind, fold
from tests.system.egress_sink import Sink, saying, silent
from tests.system.patience import PATIENCE_S, News, until
from tests.system.plugin_samples import plugin_folder
from tests.system.programs import ACTS, NAME, TIERS, built, hosting, pid_of, said

CANARY = "canary-81f0a7"
SPARE = """
from stockade_sdk import ChatResponse

class Sample:
    async def chat(self, request, ctx):
        return ChatResponse.of_text("spare")
"""
DATA = '\n[permissions]\nwrite = ["data"]\n'


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where their home is: one for all, since what workers import is assembled once a home."""
    place = tmp_path_factory.mktemp("place")
    for path in (place, place.parent):  # as root a worker is another user, who has to get there
        path.chmod(path.stat().st_mode | 0o011)
    return place


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example as it is."""
    return built(tmp_path_factory.mktemp("built") / "echo")


@pytest.fixture(scope="module")
def actor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one that tries things, with a folder for its data and another program beside its own."""
    folder = built(tmp_path_factory.mktemp("built") / "actor", "-include", str(ACTS))
    manifest = folder / "plugin.toml"
    manifest.write_text(manifest.read_text() + DATA)
    other = folder / "bin" / "other"
    other.write_bytes((folder / "bin" / "echo").read_bytes())
    other.chmod(0o755)
    return folder


@pytest.mark.parametrize("tier", TIERS)
async def test_it_answers_whole_and_word_by_word_alike(place: Path, echo: Path, tier: str) -> None:
    text = "wörld " * 40_000 + "end"  # more than a stream's window and than 16 bits of length
    request = ChatRequest.of_text(text)

    async with hosting(place, echo, tier=tier) as host:
        whole = await host.run(request, timeout=PATIENCE_S)
        async with host.stream(request, timeout=PATIENCE_S) as answer:
            events = [event async for event in answer]
        (worker,) = host.status(NAME).workers

    assert whole.text == text
    assert len(events) > 40_000
    assert fold(events).output == whole.output
    assert (worker.tier, worker.restarts) == (tier, 0)


async def test_its_log_records_arrive_with_its_name(place: Path, echo: Path) -> None:
    async with hosting(place, echo) as host:
        await said(host, "hello")
        log = host.home.log_of(NAME)
        await until(lambda: log.exists() and "a worker in C is here" in log.read_text())


async def test_it_reaches_through_the_host_what_it_was_allowed_and_nothing_else(
    place: Path, echo: Path
) -> None:
    body = b"over there " * 50_000  # more than the window of an exchange

    async with (
        Sink.open(saying(body)) as sink,
        Sink.open(saying(b"no")) as other,
        hosting(place, echo, allow=(f"127.0.0.1:{sink.port}",)) as host,
    ):
        fetched = await said(host, sink.url, f"{NAME}/fetch")
        with pytest.raises(AllAttemptsFailed) as refused:
            await said(host, other.url, f"{NAME}/fetch")

    assert fetched == body.decode()
    assert [request.method for request in sink.requests] == ["GET"]
    assert other.connections == 0
    assert [one.kind for one in refused.value.attempts] == [ErrorKind.PERMISSION_DENIED]


async def test_a_cancelled_call_closes_its_connection_and_the_worker_goes_on(
    place: Path, echo: Path
) -> None:
    async with (
        Sink.open(silent) as sink,
        hosting(place, echo, allow=(f"127.0.0.1:{sink.port}",)) as host,
    ):
        await said(host, "hello")
        pid = pid_of(host)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(said, host, sink.url, f"{NAME}/fetch")
            await sink.arrived.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(PATIENCE_S):
            await sink.closed.wait()
        after = await said(host, "after")
        await until(lambda: host.status(NAME).workers[0].in_flight == 0)

        assert (after, pid_of(host)) == ("after", pid)


async def test_a_stream_nobody_reads_is_held_back_and_others_are_answered(
    place: Path, echo: Path
) -> None:
    text = "word " * 60_000

    async with hosting(place, echo) as host:
        async with host.stream(ChatRequest.of_text(text), timeout=PATIENCE_S):
            answers = [await said(host, f"{number}") for number in range(20)]
            pid = pid_of(host)
        after = await said(host, "after")

        assert pid_of(host) == pid
    assert answers == [f"{number}" for number in range(20)]
    assert after == "after"


async def test_it_answers_pings_and_one_that_does_not_is_ended(place: Path, echo: Path) -> None:
    news = News()

    async with hosting(place, echo, news=news) as host:
        await said(host, "hello")
        (worker,) = host._parts.supervisor._crews[NAME].workers
        channel = worker.channel
        await until(lambda: channel._ponged >= 3)  # type: ignore[union-attr]
        assert news.count(What.DIED, NAME) == 0
        os.kill(pid_of(host), signal.SIGSTOP)
        await news.until(What.DIED, NAME, 1)
        assert await said(host, "another") == "another"


async def test_a_killed_one_fails_its_call_as_such_and_a_fallback_answers(
    tmp_path: Path, place: Path, echo: Path
) -> None:
    spare = plugin_folder(tmp_path, "spare", SPARE)
    targets = (f"{NAME}/fetch", "spare/default")

    async with (
        Sink.open(silent) as sink,
        hosting(place, echo, spare, allow=(f"127.0.0.1:{sink.port}",), targets=targets) as host,
        anyio.create_task_group() as tasks,
    ):

        async def kill() -> None:
            await sink.arrived.wait()
            os.kill(pid_of(host), signal.SIGKILL)

        tasks.start_soon(kill)
        response = await host.run(ChatRequest.of_text(sink.url), timeout=PATIENCE_S)

    assert response.text == "spare"
    assert [one.kind for one in response.attempts] == [ErrorKind.WORKER_DIED, None]


async def test_it_is_confined_and_looked_at_before_it_is_executed(place: Path, actor: Path) -> None:
    async with hosting(place, actor) as host:
        rehearsal = await host.rehearse(NAME)

        assert host.status(NAME).workers == ()
    assert compare(rehearsal.plan, rehearsal.seen) == []
    assert compare_acts(rehearsal.plan, rehearsal.acts) == []


@pytest.mark.parametrize("content", ["#!/bin/sh\n", "no program"], ids=["script", "text"])
async def test_a_file_that_cannot_be_executed_there_is_said_so(
    tmp_path: Path, place: Path, echo: Path, content: str
) -> None:
    folder = tmp_path / "script"
    (folder / "bin").mkdir(parents=True)
    (folder / "plugin.toml").write_bytes((echo / "plugin.toml").read_bytes())
    (folder / "bin" / "echo").write_text(content)
    (folder / "bin" / "echo").chmod(0o755)

    async with hosting(place, folder) as host:
        with pytest.raises(AllAttemptsFailed) as failed:
            await said(host, "hello")

    assert "linked statically" in str(failed.value)


@pytest.mark.parametrize("tier", TIERS)
async def test_it_reads_its_own_folder_and_no_file_of_the_hosts(
    tmp_path: Path, place: Path, actor: Path, tier: str
) -> None:
    canary = tmp_path / "canary"
    canary.write_text(CANARY)
    canary.chmod(0o644)

    async with hosting(place, actor, tier=tier) as host:
        await said(host, "hello")
        (worker,) = host._parts.supervisor._crews[NAME].workers
        assert worker.plan is not None
        own = worker.plan.program.removesuffix("bin/echo") + "plugin.toml"
        answers = {path: await said(host, f"read {path}") for path in (own, str(canary))}

    assert answers[own] == (actor / "plugin.toml").read_text()
    assert CANARY not in answers[str(canary)]


@pytest.mark.parametrize("tier", TIERS)
async def test_it_writes_into_its_data_and_nowhere_else(
    tmp_path: Path, place: Path, actor: Path, tier: str
) -> None:
    async with hosting(place, actor, tier=tier) as host:
        await said(host, "hello")
        (worker,) = host._parts.supervisor._crews[NAME].workers
        assert worker.plan is not None
        own = worker.plan.program.removesuffix("/bin/echo")
        data = "/stockade/data" if tier == "full" else "/proc/self/fd/13"
        for folder in (own, str(tmp_path), data):
            await said(host, f"write {folder}/written")
        home = host.home

    assert below("written", tmp_path, place) == [home.data_of(NAME)]


@pytest.mark.parametrize("tier", TIERS)
async def test_it_executes_itself_and_no_other_program(place: Path, actor: Path, tier: str) -> None:
    async with hosting(place, actor, tier=tier) as host:
        await said(host, "hello")
        pid = pid_of(host)
        (worker,) = host._parts.supervisor._crews[NAME].workers
        assert worker.plan is not None
        own = worker.plan.program

        for other in (own.replace("echo", "other"), "/bin/true", "/usr/bin/true"):
            await said(host, f"exec {other}")
            assert (pid_of(host), command_of(pid)) == (pid, own)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(said, host, f"exec {own}")
            await until(lambda: command_of(pid) == "another")
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("granted", [False, True], ids=["without", "granted"])
async def test_it_starts_processes_only_where_that_is_granted(
    tmp_path: Path, place: Path, actor: Path, tier: str, granted: bool
) -> None:
    folder = tmp_path / "forker"
    (folder / "bin").mkdir(parents=True)
    text = (actor / "plugin.toml").read_text() + ("subprocess = true\n" if granted else "")
    (folder / "plugin.toml").write_text(text)
    (folder / "bin" / "echo").write_bytes((actor / "bin" / "echo").read_bytes())
    (folder / "bin" / "echo").chmod(0o755)

    async with hosting(place, folder, tier=tier) as host:
        await said(host, "fork")
        pid = pid_of(host)
        children = children_of(pid)

    assert len(children) == granted


@pytest.mark.parametrize("tier", TIERS)
async def test_it_opens_no_socket_of_its_own(place: Path, actor: Path, tier: str) -> None:
    async with Sink.open(saying(b"hello")) as sink:
        allow = (f"127.0.0.1:{sink.port}",)
        async with hosting(place, actor, tier=tier, allow=allow) as host:
            await said(host, f"connect {sink.port}")
            by_itself = sink.connections
            through_the_host = await said(host, sink.url, f"{NAME}/fetch")

    assert by_itself == 0
    assert (sink.connections, through_the_host) == (1, "hello")


@pytest.mark.parametrize("tier", TIERS)
async def test_it_ends_with_its_nursery_even_while_it_is_stopped(
    place: Path, echo: Path, tier: str
) -> None:
    async with hosting(place, echo, tier=tier) as host:
        await said(host, "hello")
        worker = psutil.Process(pid_of(host))
        nursery = worker.parent()
        assert nursery is not None
        worker.suspend()
        nursery.kill()

        await until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
        assert await said(host, "another") == "another"


async def test_it_goes_with_a_host_that_stops(place: Path, echo: Path) -> None:
    news = News()

    async with hosting(place, echo, news=news) as host:
        await said(host, "hello")
        pid = pid_of(host)

    assert not psutil.pid_exists(pid)
    assert news.count(What.DIED, NAME) == 0


def below(name: str, *roots: Path) -> list[Path]:
    """The folders below these that have a file of this name."""
    return [path.parent for root in roots for path in root.rglob(name)]


def children_of(pid: int) -> list[str]:
    """The processes that it has started."""
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def command_of(pid: int) -> str:
    """Its first argument, as the kernel tells it."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
