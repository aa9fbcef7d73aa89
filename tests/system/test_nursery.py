"""Forks of a nursery, kept or fresh: they run, they end with it and with the host, and leave
nothing.
"""

# ruff: noqa: ASYNC220, ASYNC230 -- /dev/null and a host of our own, which never block

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import psutil
import pytest

from stockade.process import Child, Exit, Nurseries, NurseryGone, Program, read_usage
from stockade.supervisor.probing import run_probe
from stockade_worker.plan import EXIT_PLAN, FULL, NONE
from tests.system.forking import environment_in, plan_of, program_of

PATIENCE_S = 20.0
SOON_S = 1.0  # for what has to end with another process

# What a child does instead of a worker's work: says who it is and waits for its plan's pipe to end.
PATCH = """
import os, signal, time
from stockade_worker import nursery
from stockade_worker.plan import PLAN_FD

def work(birth):
    os.write(1, b"up %d\\n" % os.getpid())
    word = os.read(PLAN_FD, 100)
    while not word:
        time.sleep(60)
    if word.startswith(b"fds"):
        for number in range(300):
            try:
                target = os.readlink("/proc/self/fd/%d" % number)
            except OSError:
                continue
            os.write(1, b"fd %d %s\\n" % (number, target.encode()))
    if word.startswith(b"chain"):  # each the child of the one before
        for _ in range(int(word[5:])):
            if os.fork() != 0:
                while True:
                    time.sleep(60)
            os.setsid()
        os.write(1, b"forked\\n")
        while True:
            time.sleep(60)
    if word.startswith(b"fork"):
        for _ in range(int(word[4:])):
            if os.fork() == 0:
                os.setsid()
                while True:
                    time.sleep(60)
        os.write(1, b"forked\\n")
        while True:
            time.sleep(60)
    if word.startswith(b"signal"):
        signal.signal(int(word[6:]), signal.SIG_DFL)
        os.kill(os.getpid(), int(word[6:]))
    os._exit(int(word[4:]) if word.startswith(b"exit") else 0)

nursery.work = work
"""

# A nursery that never answers, and one that is slow to.
DEAF = "import time\ntime.sleep(3600)"
SLOW = (
    "import time\nfrom stockade_worker.confine import syscalls\nfork = syscalls.fork_into\n"
    "syscalls.fork_into = lambda walls: time.sleep(0.3) or fork(walls)\n" + PATCH
)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment_in(tmp_path_factory.mktemp("environment"))


@pytest.fixture(params=[False, True], ids=["without namespaces", "with namespaces"])
def namespaces(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@dataclass
class Nest:
    """Nurseries in use, and what their children said."""

    nurseries: Nurseries
    tasks: anyio.abc.TaskGroup
    lines: list[str] = field(default_factory=list)

    async def fork(self, program: Program, *, namespaces: bool, word: bytes = b"") -> Child:
        """A child that is told `word`; with none, it waits for ever."""
        with pipe(word) as plan, Path(os.devnull).open("rb") as nobody:
            return await self.nurseries.fork(
                program,
                (plan, nobody.fileno()),
                namespaces=namespaces,
                on_line=lambda stream, line: self.lines.append(line),
                tasks=self.tasks,
            )

    async def heard(self, start: str, times: int = 1) -> None:
        """Wait for lines that begin like this."""
        with anyio.fail_after(PATIENCE_S):
            while sum(line.startswith(start) for line in self.lines) < times:  # noqa: ASYNC110
                await anyio.sleep(0.001)


@contextmanager
def pipe(word: bytes) -> Iterator[int]:
    read, write = os.pipe()
    os.write(write, word)
    os.close(write)
    try:
        yield read
    finally:
        os.close(read)


@asynccontextmanager
async def nesting(*, keep: bool = True) -> AsyncIterator[Nest]:
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            nurseries = Nurseries(tasks, lambda stream, line: None, keep=keep)
            yield Nest(nurseries, tasks)
            nurseries.close()


@pytest.fixture
def program(environment: Path, tmp_path: Path) -> Program:
    return program_of(environment, tmp_path / "program", PATCH)


def nursery_pids() -> list[int]:
    """Of this process' children, those that are nurseries and not dead."""
    return [one.pid for one in psutil.Process().children() if is_nursery(one)]


def is_nursery(process: psutil.Process) -> bool:
    try:
        return any("start.py" in word for word in process.cmdline())
    except psutil.Error:  # it has ended
        return False


def alive(pid: int) -> bool:
    usage = read_usage(pid)
    return usage is not None and usage.state not in ("Z", "X")


async def until_gone(*pids: int) -> None:
    with anyio.fail_after(SOON_S):
        while any(alive(pid) for pid in pids):  # noqa: ASYNC110  # not our children
            await anyio.sleep(0.001)


# --- forks ---


async def test_children_come_from_one_nursery_that_is_kept(
    program: Program, namespaces: bool
) -> None:
    async with nesting() as nest:
        children = [await nest.fork(program, namespaces=namespaces) for _ in range(3)]
        await nest.heard("up", 3)
        (nursery,) = nursery_pids()
        parents = {psutil.Process(child.pid).ppid() for child in children}
        usage = children[0].usage()
        inside = sorted(nest.lines)

    assert parents == {nursery}
    assert usage is not None
    assert usage.rss_bytes > 0
    assert inside == (
        ["up 1"] * 3 if namespaces else sorted(f"up {child.pid}" for child in children)
    )
    assert [child.over for child in children] == [Exit(signal=9)] * 3


async def test_a_cold_start_has_a_nursery_of_its_own_that_ends_with_it(
    program: Program, namespaces: bool
) -> None:
    async with nesting(keep=False) as nest:
        first = await nest.fork(program, namespaces=namespaces)
        second = await nest.fork(program, namespaces=namespaces)
        await nest.heard("up", 2)
        parents = [psutil.Process(child.pid).ppid() for child in (first, second)]
        first.kill()
        await first.exited()
        await until_gone(parents[0])
        left = nursery_pids()
        second.kill()

    assert parents[0] != parents[1]
    assert left == [parents[1]]


async def test_programs_have_nurseries_of_their_own(
    program: Program, environment: Path, tmp_path: Path
) -> None:
    other = program_of(environment, tmp_path / "other", PATCH)
    async with nesting() as nest:
        children = [
            await nest.fork(program, namespaces=False),
            await nest.fork(other, namespaces=False),
        ]
        parents = {psutil.Process(child.pid).ppid() for child in children}

    assert len(parents) == 2


@pytest.mark.parametrize(
    ("word", "exit"),
    [
        (b"exit0", Exit(code=0)),
        (b"exit7", Exit(code=7)),
        (b"exit255", Exit(code=255)),
        (b"signal15", Exit(signal=15)),
        (b"signal11", Exit(signal=11)),
    ],
)
async def test_how_a_child_ended_is_told_as_it_was(
    program: Program, word: bytes, exit: Exit
) -> None:
    async with nesting() as nest:
        child = await nest.fork(program, namespaces=False, word=word)

        assert await child.exited() == exit
        assert child.usage() is None


async def test_a_child_has_no_pipe_of_its_siblings_and_no_way_to_its_nursery(
    program: Program,
) -> None:
    async with nesting() as nest:
        await nest.fork(program, namespaces=False)
        await nest.heard("up")
        child = await nest.fork(program, namespaces=False, word=b"fds")
        await child.exited()

    has = {
        int(number): target
        for line in nest.lines
        if line.startswith("fd ")
        for number, target in [line.split()[1:3]]
    }
    assert has[0] == has[3] == "/dev/null"
    assert {fd for fd, target in has.items() if target.startswith("pipe:")} == {1, 2, 4}
    assert len({has[1], has[2], has[4]}) == 3
    assert not [target for target in has.values() if target.startswith("socket:")]


async def test_a_child_that_cannot_read_its_plan_says_so(environment: Path) -> None:
    async with nesting() as nest:
        child = await nest.fork(program_of(environment), namespaces=False, word=b"no plan")

        assert await child.exited() == Exit(code=EXIT_PLAN)
        assert "the confinement plan could not be read" in child.tail[-1]


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "cold"])
@pytest.mark.parametrize("tier", [NONE, FULL])
async def test_both_ways_carry_out_the_same_plan(
    environment: Path, tmp_path: Path, tier: str, keep: bool
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    plan, release = plan_of(
        tier, environment=environment, plugin_folder=environment, scratch=scratch, probe=True
    )
    try:
        async with nesting(keep=keep) as nest:
            answer = await run_probe(nest.nurseries, program_of(environment), plan)
    finally:
        release()

    assert (answer.step, answer.words) == ("", "")
    assert answer.layers == plan.layers


# --- ends ---


async def test_a_killed_nursery_takes_its_children_along_and_the_next_fork_starts_another(
    program: Program, namespaces: bool
) -> None:
    async with nesting() as nest:
        children = [await nest.fork(program, namespaces=namespaces) for _ in range(3)]
        await nest.heard("up", 3)
        (nursery,) = nursery_pids()
        pids = [child.pid for child in children]

        os.kill(nursery, signal.SIGKILL)
        with anyio.fail_after(SOON_S):
            exits = [await child.exited() for child in children]
        await until_gone(*pids)
        following = await nest.fork(program, namespaces=namespaces)
        await nest.heard("up", 4)
        (another,) = nursery_pids()
        parent = psutil.Process(following.pid).ppid()

    assert exits == [Exit(signal=9)] * 3
    assert another != nursery
    assert parent == another


async def test_a_fork_that_was_asked_of_a_nursery_that_dies_fails_at_once(
    environment: Path, tmp_path: Path
) -> None:
    program = program_of(environment, tmp_path / "program", DEAF)
    async with nesting() as nest:
        errors: list[OSError] = []

        async def ask() -> None:
            with pytest.raises(NurseryGone) as caught:
                await nest.fork(program, namespaces=False)
            errors.append(caught.value)

        async with anyio.create_task_group() as asking:
            asking.start_soon(ask)
            asking.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            (nursery,) = nursery_pids()
            os.kill(nursery, signal.SIGKILL)

    assert len(errors) == 2
    assert "the nursery has ended" in str(errors[0])


async def test_a_nursery_that_cannot_begin_is_explained_by_its_last_words(
    environment: Path, tmp_path: Path
) -> None:
    program = program_of(environment, tmp_path / "program", "raise SystemExit('no way')")
    async with nesting() as nest:
        with pytest.raises(NurseryGone, match="no way"):
            await nest.fork(program, namespaces=False)


REFUSING = """
from stockade_worker.confine import syscalls

def refuse(walls):
    raise OSError(28, "as on a machine that is full")

syscalls.fork_into = refuse
"""


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "cold"])
async def test_a_fork_that_the_kernel_refuses_is_told_with_its_errno(
    environment: Path, tmp_path: Path, keep: bool
) -> None:
    program = program_of(environment, tmp_path / "program", REFUSING)
    async with nesting(keep=keep) as nest:
        for _ in range(2):
            with pytest.raises(OSError, match="No space left") as caught:
                await nest.fork(program, namespaces=False)
            assert caught.value.errno == 28
        if keep:
            assert len(nursery_pids()) == 1  # it lives on, and may be asked again
        else:
            await until_gone(*nursery_pids())


async def test_a_cold_start_that_is_given_up_leaves_no_nursery(
    environment: Path, tmp_path: Path
) -> None:
    program = program_of(environment, tmp_path / "program", SLOW)
    async with nesting(keep=False) as nest:
        with anyio.move_on_after(0.2) as scope:
            await nest.fork(program, namespaces=False)
        await until_gone(*nursery_pids())

    assert scope.cancelled_caught


async def test_a_fork_that_is_given_up_meanwhile_leaves_no_child(
    environment: Path, tmp_path: Path, namespaces: bool
) -> None:
    program = program_of(environment, tmp_path / "program", SLOW)
    async with nesting() as nest:
        kept = await nest.fork(program, namespaces=namespaces)
        (nursery,) = nursery_pids()
        with anyio.move_on_after(0.1) as scope:
            await nest.fork(program, namespaces=namespaces)
        following = await nest.fork(program, namespaces=namespaces)  # after the one given up
        await nest.heard("up", 2)
        with anyio.fail_after(SOON_S):
            while len(psutil.Process(nursery).children()) > 2:  # noqa: ASYNC110
                await anyio.sleep(0.001)
        left = {one.pid for one in psutil.Process(nursery).children()}

    assert scope.cancelled_caught
    assert left == {kept.pid, following.pid}


async def test_a_fork_that_is_cancelled_with_everything_else_leaves_nothing(
    environment: Path, tmp_path: Path
) -> None:
    program = program_of(environment, tmp_path / "program", SLOW)
    with anyio.CancelScope() as scope:
        async with nesting() as nest:
            nest.tasks.start_soon(lambda: nest.fork(program, namespaces=True))
            with anyio.fail_after(PATIENCE_S):
                while not nursery_pids():  # noqa: ASYNC110
                    await anyio.sleep(0.001)
            scope.cancel()
            await anyio.sleep_forever()

    assert scope.cancelled_caught
    assert nursery_pids() == []


@pytest.mark.parametrize("word", [b"fork20", b"chain20"])
async def test_a_childs_own_children_end_with_it_also_those_with_sessions_of_their_own(
    program: Program, namespaces: bool, word: bytes
) -> None:
    async with nesting() as nest:
        child = await nest.fork(program, namespaces=namespaces, word=word)
        await nest.heard("forked")
        tree = [one.pid for one in psutil.Process(child.pid).children(recursive=True)]

        child.kill()
        await child.exited()
        await until_gone(*tree)

    assert len(tree) == 20


async def test_a_child_is_made_in_advance_and_its_death_costs_no_fork(program: Program) -> None:
    async with nesting() as nest:
        first = await nest.fork(program, namespaces=True)
        (nursery,) = nursery_pids()
        spare = await in_advance(nursery, first.pid)
        second = await nest.fork(program, namespaces=True)
        another = await in_advance(nursery, first.pid, second.pid)

        os.kill(another, signal.SIGKILL)
        await until_gone(another)
        third = await nest.fork(program, namespaces=True)
        await nest.heard("up", times=3)

    assert second.pid == spare
    assert third.pid not in (first.pid, second.pid, another)


async def in_advance(nursery: int, *known: int) -> int:
    """Wait for the child that a nursery makes while nobody asks."""
    with anyio.fail_after(PATIENCE_S):
        while True:
            pids = {child.pid for child in psutil.Process(nursery).children()} - set(known)
            if pids:
                return pids.pop()
            await anyio.sleep(0.001)


async def test_thirty_forks_one_after_the_other_hold_nothing(
    program: Program, namespaces: bool
) -> None:
    async with nesting() as nest:
        first = await nest.fork(program, namespaces=namespaces, word=b"exit0")
        await first.exited()
        (nursery,) = nursery_pids()
        before = held(os.getpid()), held(nursery)

        for _ in range(30):
            child = await nest.fork(program, namespaces=namespaces, word=b"exit0")
            await child.exited()

        after = held(os.getpid()), held(nursery)
        zombies = psutil.Process(nursery).children()

    assert after == before
    assert zombies == []


async def test_thirty_forks_at_once_are_told_apart(program: Program) -> None:
    exits: dict[int, Exit] = {}

    async with nesting() as nest:

        async def ask(number: int) -> None:
            child = await nest.fork(program, namespaces=False, word=b"exit%d" % number)
            exits[number] = await child.exited()

        async with anyio.create_task_group() as asking:
            for number in range(30):
                asking.start_soon(ask, number)

    assert exits == {number: Exit(code=number) for number in range(30)}


def held(pid: int) -> int:
    """How many descriptors a process has."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


# --- the host's own end ---

HOST = """
import pathlib, sys
import anyio
from tests.system.forking import program_of
from tests.system.test_nursery import PATCH, nesting, nursery_pids

async def main():
    environment, folder = map(pathlib.Path, sys.argv[1:3])
    async with nesting(keep=sys.argv[3] == "kept") as nest:
        for number, namespaces in enumerate((False, True)):
            program = program_of(environment, folder / str(number), PATCH)
            child = await nest.fork(program, namespaces=namespaces)
            await nest.heard("up", number + 1)
            print(child.pid, flush=True)
        print(*nursery_pids(), flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


@pytest.mark.parametrize("keep", ["kept", "cold"])
async def test_when_the_host_is_killed_nurseries_and_children_are_gone_within_a_second(
    environment: Path, tmp_path: Path, keep: str
) -> None:
    argv = (sys.executable, "-c", HOST, str(environment), str(tmp_path), keep)
    top = Path(__file__).parents[2]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=top) as host:
        assert host.stdout is not None
        pids = [int(word) for _ in range(3) for word in host.stdout.readline().split()]
        pidfds = [os.pidfd_open(pid) for pid in pids]
        try:
            os.kill(host.pid, signal.SIGKILL)

            assert ended_within(SOON_S, pidfds)
        finally:
            host.kill()
            for pidfd in pidfds:
                os.close(pidfd)
    assert len(pids) == 4


def ended_within(seconds: float, pidfds: list[int]) -> bool:
    """Whether all of these processes end in time."""
    for pidfd in pidfds:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if not poll.poll(seconds * 1000):
            return False
    return True
