"""Attempts on processes, and on what this process itself may be."""

# ruff: noqa: PTH123 -- attempts are system calls, as plain as they can be had

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from .acts import act, call, tried

libc = ctypes.CDLL(None, use_errno=True)


@act
def kill(ctx: Any, pid: int, number: int) -> str:
    """Send a signal."""
    return tried(lambda: os.kill(pid, number))


@act
def open_process(ctx: Any, pid: int) -> str:
    """A descriptor of a process."""
    return tried(lambda: os.close(os.pidfd_open(pid)))


@act
def trace(ctx: Any, number: int, pid: int) -> str:
    """ptrace(PTRACE_ATTACH)."""
    return tried(lambda: call(number, 16, pid, 0, 0))


@act
def seize(ctx: Any, number: int, pid: int) -> str:
    """ptrace(PTRACE_SEIZE)."""
    return tried(lambda: call(number, 0x4206, pid, 0, 0))


@act
def invite_tracer(ctx: Any, number: int) -> str:
    """prctl(PR_SET_PTRACER, any)."""
    return tried(lambda: call(number, 0x59616D61, -1, 0, 0, 0))


@act
def read_memory(ctx: Any, number: int, pid: int) -> str:
    """process_vm_readv(2) of a word."""
    word = ctypes.create_string_buffer(8)
    local = (ctypes.c_ulong * 2)(ctypes.addressof(word), 8)
    remote = (ctypes.c_ulong * 2)(0x400000, 8)
    return tried(lambda: call(number, pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0))


@act
def call_by_number(ctx: Any, number: int, arguments: list[int] | None = None) -> str:
    """Any system call that takes numbers."""
    return tried(lambda: call(number, *(arguments or [])))


@act
def call_all(ctx: Any, numbers: list[int]) -> dict[str, str]:
    """Every one of these, all arguments 0."""
    return {str(number): tried(lambda: call(number, 0, 0, 0, 0, 0, 0)) for number in numbers}  # noqa: B023


@act
def fork(ctx: Any) -> str:
    """A child that ends at once."""

    def go() -> None:
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)

    return tried(go)


@act
def fork_and_stay(ctx: Any) -> str:
    """A child that does not end by itself."""

    def go() -> None:
        if os.fork() == 0:
            os.closerange(0, 256)
            while True:
                time.sleep(3600)

    return tried(go)


@act
def thread(ctx: Any) -> str:
    """A thread that ends at once."""

    def go() -> None:
        one = threading.Thread(target=lambda: None)
        one.start()
        one.join()

    return tried(go)


@act
def run(ctx: Any, argv: list[str]) -> dict[str, Any]:
    """A program, and what it said."""
    said: list[Any] = []

    def go() -> None:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=10, check=False, stdin=subprocess.DEVNULL
        )
        said.append((done.returncode, done.stdout, done.stderr))

    outcome = tried(go)
    code, out, err = said[0] if said else (None, "", "")
    return {"outcome": outcome, "code": code, "out": out, "err": err}


@act
def become_root(ctx: Any) -> dict[str, str]:
    """Every way to be more than one is."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    everything = (ctypes.c_uint32 * 6)(*([0xFFFFFFFF] * 6))

    def capset() -> None:
        if libc.capset(ctypes.byref(header), ctypes.byref(everything)) < 0:
            raise OSError(ctypes.get_errno(), "capset")

    return {
        "capset": tried(capset),
        "setuid": tried(lambda: os.setuid(0)),
        "setgid": tried(lambda: os.setgid(0)),
        "setgroups": tried(lambda: os.setgroups([0])),
    }


@act
def leave_children(ctx: Any, count: int) -> str:
    """Children of children in sessions of their own, deaf to polite signals, that do not end."""

    def go() -> None:
        for _ in range(count):
            read, write = os.pipe()
            first = os.fork()
            if first == 0:
                os.setsid()
                if os.fork() == 0:
                    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                        signal.signal(number, signal.SIG_IGN)
                    os.write(write, b"x")
                    os.closerange(0, 256)
                    while True:
                        time.sleep(3600)
                os._exit(0)
            os.waitpid(first, 0)
            os.close(write)
            os.read(read, 1)  # nothing, where it was ended before it could write
            os.close(read)

    return tried(go)


@act
def plant_startup(ctx: Any, folder: str, marker: str) -> dict[str, str]:
    """Leave what a Python that starts might run: modules it imports by itself, and a .pth."""
    code = f"open({marker!r}, 'w').write('ran')\n"
    files = {
        "sitecustomize.py": code,
        "usercustomize.py": code,
        "startup.py": code,
        "hostile.pth": f"import os; open({marker!r}, 'w').write('ran')\n",
        "json.py": code,
    }
    made = {}
    for name, text in files.items():

        def go(name: str = name, text: str = text) -> None:
            with open(f"{folder}/{name}", "w") as file:
                file.write(text)

        made[name] = tried(go)
    return made


@act
def fork_bomb(ctx: Any) -> dict[str, Any]:
    """Fork until that fails; the children wait to be counted and killed."""
    count, why = 0, "done"
    while why == "done" and count < 5000:

        def go() -> None:
            if os.fork() == 0:
                os.closerange(0, 256)
                while True:
                    time.sleep(3600)

        why = tried(go)
        count += why == "done"
    return {"count": count, "outcome": why}


@act
def executable(ctx: Any) -> str:
    """What it was started with."""
    return sys.executable
