"""Control groups of the kernel this runs on: limits that hold, counters, the kill, what is left."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

import pytest

from stockade.process import read_usage
from stockade.sandbox.cgroups import Cgroups, Group, sweep_groups
from stockade_sdk.limits import Limits

MIB = 1024 * 1024
PATIENCE_S = 20.0
LOOK_S = 0.01
ROOT = Path("/sys/fs/cgroup")


def a_name() -> str:
    return f"host-{token_hex(8)}"


@pytest.fixture
def cgroups() -> Iterator[Cgroups]:
    with Cgroups.open(a_name()) as cgroups:
        yield cgroups


def need(cgroups: Cgroups, *controllers: str) -> None:
    lacking = {name: cgroups.reasons[name] for name in controllers if name in cgroups.reasons}
    if lacking:
        pytest.skip(f"no control groups here: {lacking}")


@contextmanager
def child(group: Group, source: str) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-I", "-S", "-c", "input()\n" + textwrap.dedent(source)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            group.add(process.pid)
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
            yield process
        finally:
            group.kill()
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(LOOK_S)


def gone(pid: int) -> bool:
    usage = read_usage(pid)
    return usage is None or usage.state in ("Z", "X")


def folders_of(name: str) -> list[str]:
    return [path for path, _, _ in os.walk(ROOT) if name in path]


ALLOCATE = """
    pieces = []
    for number in range({mib}):
        pieces.append(bytearray(b"x") * (1024 * 1024))
    print("done", flush=True)
"""


def test_more_memory_than_the_limit_is_an_oom_kill_and_is_counted(cgroups: Cgroups) -> None:
    need(cgroups, "memory")
    group = cgroups.create(Limits(memory_bytes=64 * MIB))

    with child(group, ALLOCATE.format(mib=200)) as process:
        out, _ = process.communicate(timeout=PATIENCE_S)
        counts = group.counts()
    group.remove()

    assert process.returncode == -signal.SIGKILL
    assert out == ""
    assert counts.oom_kills >= 1
    assert counts.peak_bytes is not None
    assert 32 * MIB < counts.peak_bytes <= 64 * MIB


def test_less_memory_than_the_limit_is_given(cgroups: Cgroups) -> None:
    need(cgroups, "memory")
    group = cgroups.create(Limits(memory_bytes=64 * MIB))

    with child(group, ALLOCATE.format(mib=30)) as process:
        out, _ = process.communicate(timeout=PATIENCE_S)
        counts = group.counts()
    group.remove()

    assert (process.returncode, out) == (0, "done\n")
    assert counts.oom_kills == 0


def test_files_in_memory_count_as_memory(cgroups: Cgroups) -> None:
    need(cgroups, "memory")
    source = """
        import os
        fd = os.memfd_create("hidden")
        for number in range(200):
            os.write(fd, b"x" * (1024 * 1024))
    """
    group = cgroups.create(Limits(memory_bytes=64 * MIB))

    with child(group, source) as process:
        process.communicate(timeout=PATIENCE_S)
        counts = group.counts()
    group.remove()

    assert process.returncode == -signal.SIGKILL
    assert counts.oom_kills >= 1


THREADS = """
    import threading
    started, stop = 0, threading.Event()
    try:
        for _ in range({wanted}):
            threading.Thread(target=stop.wait, daemon=True).start()
            started += 1
    except RuntimeError as error:
        print(error, flush=True)
    print(started, flush=True)
"""


def test_threads_beyond_the_limit_are_refused_and_counted(cgroups: Cgroups) -> None:
    need(cgroups, "pids")
    group = cgroups.create(Limits(processes=8))

    with child(group, THREADS.format(wanted=20)) as process:
        said, started = line(process), line(process)
        counts = group.counts()
    group.remove()

    assert said == "can't start new thread"
    assert int(started) == 7  # and the first thread itself
    assert counts.pids_refused >= 1


def test_threads_within_the_limit_are_started(cgroups: Cgroups) -> None:
    need(cgroups, "pids")
    group = cgroups.create(Limits(processes=8))

    with child(group, THREADS.format(wanted=7)) as process:
        started = line(process)
        counts = group.counts()
    group.remove()

    assert int(started) == 7
    assert counts.pids_refused == 0


SPIN = """
    import time
    end = time.monotonic() + {seconds}
    while time.monotonic() < end:
        pass
    print(time.process_time(), flush=True)
"""


def test_a_fifth_of_a_core_is_what_a_spinning_child_gets(cgroups: Cgroups) -> None:
    need(cgroups, "cpu")
    group = cgroups.create(Limits(cpu_cores=0.2))

    with child(group, SPIN.format(seconds=2.0)) as process:
        used = float(line(process))
        counts = group.counts()
    group.remove()

    assert used <= 2.0 * 0.2 + 0.15  # a turn of 20 ms more or less, and the start
    assert used >= 0.02
    assert counts.throttled_s > 0.2
    assert counts.cpu_s is None or abs(counts.cpu_s - used) < 0.2


def test_a_child_that_needs_less_than_its_share_is_never_held_back(cgroups: Cgroups) -> None:
    need(cgroups, "cpu")
    group = cgroups.create(Limits(cpu_cores=4.0))

    with child(group, SPIN.format(seconds=0.5)) as process:
        line(process)
        counts = group.counts()
    group.remove()

    assert counts.throttled_s == 0.0


def test_the_kernel_shows_the_child_in_its_group_and_no_other_in_it(cgroups: Cgroups) -> None:
    need(cgroups, "kill")
    group, other = cgroups.create(Limits()), cgroups.create(Limits())

    with child(group, "print('here', flush=True); input()") as process:
        line(process)
        assert group.holds(process.pid)
        assert not other.holds(process.pid)
        assert not group.holds(os.getpid())
        assert group.members() == (process.pid,)
        shown = Path(f"/proc/{process.pid}/cgroup").read_text()
    group.remove()
    other.remove()

    assert all(f":{path}\n" in shown for path in group.paths.values())


def test_limits_in_force_are_what_the_kernel_says(cgroups: Cgroups) -> None:
    need(cgroups, "memory", "pids", "cpu")
    group = cgroups.create(Limits(memory_bytes=96 * MIB, processes=17, cpu_cores=0.5))
    found = group.limits_in_force()
    group.remove()

    assert found["pids.max"] == "17"
    assert str(96 * MIB) in found.values()
    assert "10000" in found.values() or found.get("cpu.max") == "10000 20000"


TREE = """
    import os, sys
    for _ in range(40):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.setsid()
            print("up", flush=True)
            while True:
                os.read(0, 1) or __import__("signal").pause()
    print("up", flush=True)
    __import__("signal").pause()
"""


def test_a_tree_of_sessions_of_their_own_is_killed_at_once(cgroups: Cgroups) -> None:
    need(cgroups, "kill")
    group = cgroups.create(Limits(processes=200))

    with child(group, TREE) as process:
        until(lambda: len(group.members()) == 81)
        pids = group.members()
        group.kill()
        process.wait(timeout=PATIENCE_S)
        until(lambda: all(gone(pid) for pid in pids))
    group.remove()

    assert process.pid in pids
    assert group.members() == ()


def test_without_a_kill_handle_the_tree_is_killed_one_by_one(cgroups: Cgroups) -> None:
    need(cgroups, "pids")
    if cgroups.controllers["pids"] != 1:
        pytest.skip("no version 1 here")
    group = cgroups.create(Limits(processes=200))
    handle = group._parts.pop("kill", None)

    with child(group, TREE) as process:
        until(lambda: len(group.members()) == 81)
        pids = group.members()
        group.remove()
        process.wait(timeout=PATIENCE_S)

    assert all(gone(pid) for pid in pids)
    if handle is not None:
        handle.path.rmdir()


def test_a_fork_bomb_ends_with_its_group(cgroups: Cgroups) -> None:
    need(cgroups, "pids")
    source = """
        import os
        print("up", flush=True)
        while True:
            try:
                os.fork()
            except OSError:
                pass
    """
    group = cgroups.create(Limits(processes=24))

    with child(group, source) as process:
        line(process)
        until(lambda: group.counts().pids_refused > 0)
        assert len(group.members()) <= 24
        group.remove()
        process.wait(timeout=PATIENCE_S)

    assert group.members() == ()


def test_a_process_that_is_gone_cannot_be_added(cgroups: Cgroups) -> None:
    need(cgroups, "kill")
    group = cgroups.create(Limits())
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()

    with pytest.raises(Exception, match=r"control group \w+: .*cgroup\.procs refused: ESRCH"):
        group.add(process.pid)
    group.remove()


def test_waking_the_kernel_leaves_us_where_we_are(cgroups: Cgroups) -> None:
    need(cgroups, "kill")
    before = Path("/proc/self/cgroup").read_text()

    cgroups.wake()

    assert Path("/proc/self/cgroup").read_text() == before


def test_the_end_of_the_host_leaves_no_group_and_no_process() -> None:
    cgroups = Cgroups.open(a_name())
    if "kill" in cgroups.reasons:
        pytest.skip(f"no control groups here: {cgroups.reasons}")
    with child(cgroups.create(Limits()), "print('up', flush=True); input()") as process:
        line(process)
        assert folders_of(cgroups.name)

        cgroups.close()
        process.wait(timeout=PATIENCE_S)

        assert folders_of(cgroups.name) == []
    cgroups.close()


OWNER = """
import os, subprocess, sys
from stockade.sandbox.cgroups import Cgroups
from stockade_sdk.limits import Limits
cgroups = Cgroups.open(sys.argv[1])
group = cgroups.create(Limits())
sleeper = subprocess.Popen(["sleep", "600"], start_new_session=True)
group.add(sleeper.pid)
print(sleeper.pid, flush=True)
input()
"""


def test_groups_of_a_host_that_was_killed_are_swept_with_all_in_them(cgroups: Cgroups) -> None:
    need(cgroups, "kill")
    name = a_name()
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        sleeper = int(line(owner))
        owner.kill()
        owner.wait()
    assert not gone(sleeper)
    assert sweep_groups(lambda found: True) == []
    assert folders_of(name)
    assert not gone(sleeper)

    swept = sweep_groups(lambda found: found != name)

    assert swept == [name]
    until(lambda: gone(sleeper))
    assert folders_of(name) == []
    assert sweep_groups(lambda found: found != name) == []
    assert folders_of(cgroups.name)  # the living keep theirs
