"""Real children: what they inherit, what is heard of them, how they end; and run folders."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from stockade.process import Child, Exit, RunFolder, read_usage, remove_tree, sweep_stale

MIB = 1024 * 1024
PATIENCE_S = 20.0


class Heard:
    """What a child printed, and a way to wait for it."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self._more = anyio.Event()

    def __call__(self, stream: str, text: str) -> None:
        self.lines.append((stream, text))
        self._more.set()
        self._more = anyio.Event()

    async def line(self, start: str) -> str:
        with anyio.fail_after(PATIENCE_S):
            while True:
                for _, text in self.lines:
                    if text.startswith(start):
                        return text.removeprefix(start).strip()
                await self._more.wait()


@asynccontextmanager
async def started(
    source: str, heard: Heard, *, env: dict[str, str] | None = None, pass_fds: tuple[int, ...] = ()
) -> AsyncIterator[Child]:
    argv = (sys.executable, "-I", "-S", "-B", "-u", "-c", textwrap.dedent(source))
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            child = Child.start(argv, env=env or {}, pass_fds=pass_fds, on_line=heard, tasks=tasks)
            yield child


async def run(source: str, **options: dict[str, str]) -> tuple[Exit, Heard, Child]:
    heard = Heard()
    async with started(source, heard, env=options.get("env")) as child:
        exit = await child.exited()
    return exit, heard, child


def gone(pid: int) -> bool:
    usage = read_usage(pid)
    return usage is None or usage.state in ("Z", "X")  # dead; who inherited it may be slow to reap


@pytest.mark.parametrize(
    ("source", "exit"),
    [
        ("pass", Exit(code=0)),
        ("import os; os._exit(7)", Exit(code=7)),
        ("import os; os.kill(os.getpid(), 11)", Exit(signal=11)),
        ("import os; os.kill(os.getpid(), 9)", Exit(signal=9)),
    ],
)
async def test_the_exit_is_told_as_it_was(source: str, exit: Exit) -> None:
    assert (await run(source))[0] == exit


async def test_a_child_has_the_given_environment_and_descriptors_alone() -> None:
    heard = Heard()
    source = """
        import os
        print("env", sorted(os.environ))
        print("fds", sorted(int(fd) for fd in os.listdir("/proc/self/fd")))
        print("null", os.readlink("/proc/self/fd/0"))
        print("cwd", os.getcwd())
        print("sid", os.getsid(0) == os.getpgid(0) == os.getpid())
    """
    other, passed = os.pipe()
    os.set_inheritable(other, True)
    try:
        async with started(source, heard, env={"LANG": "C.UTF-8"}, pass_fds=(passed,)) as child:
            await child.exited()
    finally:
        os.close(other)
        os.close(passed)

    said = dict(text.split(" ", 1) for _, text in heard.lines)
    assert said["env"] == "['LANG']"
    assert {0, 1, 2, passed} <= set(eval(said["fds"]))
    assert other not in eval(said["fds"])
    assert len(eval(said["fds"])) == 5  # and the listing itself
    assert said["null"] == "/dev/null"
    assert said["cwd"] == "/"
    assert said["sid"] == "True"


async def test_streams_are_told_apart_and_stderrs_last_lines_kept() -> None:
    source = """
        import sys
        print("out")
        for number in range(30):
            print(f"err {number}", file=sys.stderr)
        sys.stderr.write("no newline")
    """
    _, heard, child = await run(source)

    assert ("stdout", "out") in heard.lines
    assert ("stderr", "err 0") in heard.lines
    assert list(child.tail) == [*(f"err {number}" for number in range(11, 30)), "no newline"]


async def test_a_flood_is_read_dropped_and_told() -> None:
    source = """
        import os
        for _ in range(160):
            os.write(1, (b"x" * 1023 + b"\\n") * 64)
    """
    exit, heard, _ = await run(source)  # 10 MiB

    kept = sum(len(text) + 1 for _, text in heard.lines)
    assert exit == Exit(code=0)
    assert kept < 2 * MIB
    assert heard.lines[-1][1].endswith("bytes dropped")


async def test_an_endless_flood_does_not_hold_the_loop() -> None:
    heard = Heard()
    turns = 0
    async with started("import os\nwhile True: os.write(2, b'y\\n' * 30000)", heard) as child:
        await heard.line("y")
        for _ in range(50):
            await anyio.sleep(0.001)
            turns += 1
        child.kill()
        exit = await child.exited()

    assert turns == 50
    assert exit == Exit(signal=9)


async def test_kill_takes_the_whole_group_and_a_child_of_a_child() -> None:
    heard = Heard()
    source = """
        import os, time
        child = os.fork()
        if child:
            print("grandchild", child)
        time.sleep(1000)
    """
    async with started(source, heard) as child:
        grandchild = int(await heard.line("grandchild"))
        running = not gone(grandchild)
        child.kill()
        exit = await child.exited()
        await until_gone(grandchild)

    assert running
    assert exit == Exit(signal=9)


async def test_a_leaders_own_exit_takes_its_group_along() -> None:
    heard = Heard()
    source = """
        import os, time
        child = os.fork()
        if child:
            print("grandchild", child)
            os._exit(5)
        time.sleep(1000)
    """
    async with started(source, heard) as child:
        exit = await child.exited()
        grandchild = int(await heard.line("grandchild"))
        await until_gone(grandchild)

    assert exit == Exit(code=5)


async def test_a_lost_grandchild_that_holds_the_pipes_delays_the_end_little() -> None:
    heard = Heard()
    source = """
        import os, time
        if os.fork() == 0:
            os.setsid()
            print("lost", os.getpid())
            time.sleep(1000)
        time.sleep(0.2)
    """
    async with started(source, heard) as child:
        lost = int(await heard.line("lost"))
        with anyio.fail_after(5):
            exit = await child.exited()
        held = not gone(lost)
        os.kill(lost, signal.SIGKILL)
        await until_gone(lost)

    assert held
    assert exit == Exit(code=0)


async def test_cancelling_the_tasks_kills_and_reaps() -> None:
    heard = Heard()
    async with anyio.create_task_group() as tasks:
        argv = (
            sys.executable,
            "-I",
            "-S",
            "-u",
            "-c",
            "import time; print('up'); time.sleep(1000)",
        )
        child = Child.start(argv, env={}, pass_fds=(), on_line=heard, tasks=tasks)
        await heard.line("up")
        tasks.cancel_scope.cancel()

    assert child.over == Exit(signal=9)
    assert read_usage(child.pid) is None


async def test_a_program_that_is_not_there_leaves_nothing() -> None:
    async with anyio.create_task_group() as tasks:
        with pytest.raises(FileNotFoundError):
            Child.start(("/nonexistent/python",), env={}, pass_fds=(), on_line=Heard(), tasks=tasks)


async def test_kill_after_the_end_is_nothing() -> None:
    _, _, child = await run("pass")

    child.kill()

    assert child.over == Exit(code=0)
    assert child.usage() is None


async def test_a_stopped_process_is_seen_stopped_and_can_be_killed() -> None:
    heard = Heard()
    async with started("import time; print('up'); time.sleep(1000)", heard) as child:
        await heard.line("up")
        before = child.usage()
        os.kill(child.pid, signal.SIGSTOP)
        with anyio.fail_after(5):
            # the kernel tells nobody but the parent's SIGCHLD handler, so it is asked again
            while not ((usage := child.usage()) and usage.stopped):  # noqa: ASYNC110
                await anyio.sleep(0.001)
        child.kill()
        exit = await child.exited()

    assert before is not None
    assert not before.stopped
    assert before.rss_bytes > MIB
    assert exit == Exit(signal=9)


# --- run folders ---


def test_a_run_folder_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path / "run") as folder:
        path = folder.path
        mode = path.stat().st_mode & 0o777
        (folder.subfolder() / "file").write_text("x")

    assert mode == 0o700
    assert not path.exists()


def test_a_socket_deep_below_is_bound_and_reached_by_a_short_name(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 150) / ("e" * 150)
    with RunFolder.create(deep) as folder:
        listener = folder.listen()
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(listener.path)
        names = [path.name for path in folder.path.iterdir()]
        listener.close()
        after = list(folder.path.iterdir())

    assert names == ["1"]
    assert after == []


def test_the_sweep_takes_dead_hosts_folders_and_no_others(tmp_path: Path) -> None:
    dead = tmp_path / "host-0123456789abcdef"
    (dead / "3").mkdir(parents=True)
    (tmp_path / "control.sock").touch()
    (tmp_path / "host-notours").mkdir()
    target = tmp_path / "precious"
    target.mkdir()
    (tmp_path / "host-00000000000000aa").symlink_to(target)
    with RunFolder.create(tmp_path) as held:
        swept = sweep_stale(tmp_path)
        still = held.path.exists()

    assert swept == ["host-0123456789abcdef"]
    assert still
    assert not dead.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "control.sock",
        "host-00000000000000aa",
        "host-notours",
        "precious",
    ]


def test_a_killed_hosts_folder_is_swept_and_a_living_ones_is_not(tmp_path: Path) -> None:
    source = (
        "import sys, time, pathlib; from stockade.process import RunFolder; "
        "folder = RunFolder.create(pathlib.Path(sys.argv[1])); print(folder.path.name, flush=True);"
        "time.sleep(1000)"
    )
    argv = (sys.executable, "-c", source, str(tmp_path))
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        name = host.stdout.readline().strip()
        while_alive = sweep_stale(tmp_path)
        host.kill()
        host.wait()
    afterwards = sweep_stale(tmp_path)

    assert while_alive == []
    assert afterwards == [name]


def test_no_run_folder_yet_is_nothing_to_sweep(tmp_path: Path) -> None:
    assert sweep_stale(tmp_path / "none") == []


async def until_gone(pid: int) -> None:
    with anyio.fail_after(5):
        while not gone(pid):  # noqa: ASYNC110  # not our child: there is nothing to wait for
            await anyio.sleep(0.001)


# --- removing what a stranger left ---


def test_a_tree_of_any_depth_and_mode_is_removed_and_links_are_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "link").symlink_to(precious)
    (tree / "sub").mkdir()
    (tree / "sub" / "link").symlink_to(precious)
    fd = os.open(tree, os.O_RDONLY)
    for _ in range(3000):  # deeper than a path is long, and than Python recurses
        os.mkdir("d", dir_fd=fd)
        deeper = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=deeper))
        os.close(fd)
        fd = deeper
    os.close(fd)
    (tree / "locked").mkdir()
    (tree / "locked" / "file").touch()
    (tree / "locked").chmod(0)

    remove_tree(tree)

    assert not tree.exists()
    assert (precious / "file").exists()


def test_a_tree_that_is_not_there_is_removed_already(tmp_path: Path) -> None:
    remove_tree(tmp_path / "none")

    assert list(tmp_path.iterdir()) == []
