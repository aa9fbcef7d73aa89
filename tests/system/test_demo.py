"""`stockade demo`: every step happens, it says so, and nothing is left."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from stockade.cli.demo.memory import holds

STEPS = [
    "Three plugins installed, each shown with what it may do",
    "The walls that this machine gives a worker",
    "A chat request along the route [primary, fallback]",
    "The key reached the upstream and not the plugin",
    "A streamed answer",
    "The upstream answers 503, the fallback answers instead",
    "The worker is killed in the middle of a request, the fallback answers",
    "The plugin runs again in a new worker",
    "A host that was not granted is refused",
    "A plugin that breaks the rules by itself is held",
    "Cleaned up",
]
MOST_S = 15.0
COMMAND = [sys.executable, "-m", "stockade", "demo"]


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A home that the demo must leave alone, and a folder for temporary files that it must tidy."""
    (tmp_path / "tmp").mkdir()
    return {
        "STOCKADE_HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
        "PATH": os.environ.get("PATH", ""),
    }


@contextmanager
def nothing_left(env: dict[str, str]) -> Iterator[None]:
    before = workers()
    yield
    assert not any(Path(env["TMPDIR"]).iterdir())
    assert not Path(env["STOCKADE_HOME"]).exists()
    deadline = time.monotonic() + 2.0  # a killed worker may take a moment to be gone
    while (left := workers() - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left


def workers() -> set[int]:
    found = set()
    for process in psutil.process_iter():
        try:
            if any("stockade_worker" in word for word in process.cmdline()):
                found.add(process.pid)
        except psutil.Error:
            continue
    return found


def test_every_step_happens_and_nothing_is_left(env: dict[str, str]) -> None:
    with nothing_left(env):
        done = subprocess.run(
            [*COMMAND, "--json"], capture_output=True, env=env, check=False, timeout=50
        )

    found = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout
    assert found["ok"] is True
    assert [step["name"] for step in found["steps"]] == STEPS
    assert all(step["ok"] for step in found["steps"])
    assert found["seconds"] < MOST_S


def test_it_tells_people_what_it_shows_and_what_it_does_not(env: dict[str, str]) -> None:
    done = subprocess.run(COMMAND, capture_output=True, env=env, check=True, timeout=50)

    told = done.stdout.decode()
    words = " ".join(told.split())
    assert done.stderr == b""
    tier = re.search(r"tier (full|restricted), in \d+ steps", words)
    assert tier is not None or "tier none: limits and a process of its own" in words
    assert tier is None or "tried to start a program: " in words
    assert "1  openai-compatible/demo-stall  failed   worker_died" in told
    assert "2  echo/echo-1                   ok" in told
    assert 'network = ["127.0.0.1:' in words
    assert "Nothing of it is left." in words


IN_THE_BACKGROUND = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")  # SIGINT is ignored there


@pytest.mark.parametrize(
    ("before", "number"),
    [((), signal.SIGTERM), ((), signal.SIGINT), (IN_THE_BACKGROUND, signal.SIGTERM)],
)
def test_ended_half_way_it_leaves_nothing(
    env: dict[str, str], before: tuple[str, ...], number: signal.Signals
) -> None:
    with nothing_left(env):
        with subprocess.Popen(
            [*before, *COMMAND], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:  # until a worker runs
                if b"A chat request" in line:
                    break
            process.send_signal(number)
            process.stdout.read()
        assert process.returncode == 130


def test_a_key_is_found_in_the_memory_of_a_process_that_has_it() -> None:
    needle = os.urandom(24).hex()
    code = "import sys; key = bytes.fromhex(sys.stdin.readline()).hex(); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{needle}\n".encode())
        process.stdin.flush()
        process.stdout.readline()

        found = holds(process.pid, (needle.encode(), os.urandom(24).hex().encode()))

        process.stdin.write(b"\n")
        process.stdin.close()

    assert found == (True, False)
