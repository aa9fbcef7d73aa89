"""A child process that confines itself as told and then runs some code, judged by its parent."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

PRELUDE = """
import ctypes, errno, json, os, platform, signal, socket, subprocess, sys, threading
from stockade_worker.confine import landlock, seccomp, syscalls
from stockade_worker.confine.numbers import for_machine
from stockade_worker.plan import Path

MACHINE = platform.machine()
NUMBERS = for_machine(MACHINE).numbers

def base(*, subprocess=False, tunnel=False, own_pid=None):
    syscalls.no_new_privileges()
    program = seccomp.base_program(MACHINE, subprocess=subprocess, tunnel=tunnel, own_pid=own_pid)
    seccomp.install(program)

def lockdown(*, tunnel=False):
    seccomp.install(seccomp.lockdown_program(MACHINE, tunnel=tunnel))

def outcome(act):
    "What became of it: done, or the name of the errno."
    try:
        act()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"

def call(name, *arguments):
    "A system call by its name."
    return outcome(lambda: syscalls.syscall(NUMBERS[name], *arguments))

def tell(**what):
    print(json.dumps(what), flush=True)
"""


def started(code: str, *arguments: object, fds: Collection[int] = ()) -> subprocess.Popen[str]:
    """A child that runs ``code`` after the prelude, with ``arguments`` in sys.argv[1:]."""
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=fds,
        text=True,
    )


def run(code: str, *arguments: object, fds: Collection[int] = ()) -> tuple[int, str]:
    """The exit code of such a child and what it wrote."""
    with started(code, *arguments, fds=fds) as child:
        out, err = child.communicate(timeout=50)
    return child.returncode, out + err


def told(code: str, *arguments: object, fds: Collection[int] = ()) -> str:
    """What a child wrote that came to its end."""
    returned, output = run(code, *arguments, fds=fds)
    assert returned == 0, output
    return output.strip()


def status(pid: int) -> dict[str, str]:
    """What the kernel says of a process, by name."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
