"""What a plugin tried that its plan does not allow, told so that an operator can learn from it.

An audit hook (PEP 578) sees an act before the kernel refuses it. It guards nothing: it sees what
goes through Python, and neither ctypes, nor native code, nor system calls made by hand, and a
plugin can hide from it or make things up. It is a note for people, the walls are elsewhere.

Standard library only. The plan's paths are compared as text first; only where that says no is a
path resolved, so that an ordinary `open` pays a string comparison.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from .plan import WRITE, Path

__all__ = ["MAX_ACTS", "MAX_WHAT", "Blame", "Notes", "install", "interpreter_folders"]

MAX_ACTS = 100  # different ones; later ones are not told
MAX_WHAT = 1024  # characters; longer ones are cut

# Kinds of acts; the host knows them by these words.
READING, WRITING, PROCESS, NETWORK, SOCKET = "read", "write", "process", "network", "socket"

_CHANGES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_INTERNET = (socket.AF_INET, socket.AF_INET6)
_LOOPBACK = ("127.0.0.1", "::1", "localhost", "")
# Every worker has them, and no manifest names them.
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_NO_FOLDER = -1  # an audit event's dir_fd where there is none

Report = Callable[[str, str], None]  # kind, what; called in any thread
Judge = Callable[[tuple[Any, ...]], None]


class Notes:
    """A `report` that keeps notes until the worker's loop sends them.

    A deque takes and gives in any thread without a lock. Nobody is woken: the loop looks when it
    sends something anyway.
    """

    def __init__(self) -> None:
        self._kept: deque[tuple[str, str]] = deque(maxlen=MAX_ACTS)

    def __call__(self, kind: str, what: str) -> None:
        self._kept.append((kind, what))

    def __bool__(self) -> bool:
        return bool(self._kept)

    def drain(self) -> list[tuple[str, str]]:
        """The notes so far, oldest first; they are not given again."""
        drained = []
        while self._kept:
            drained.append(self._kept.popleft())
        return drained


def install(paths: Sequence[Path], *, subprocess: bool, tunnel: bool, report: Report) -> None:
    """From now on, report each act that `paths`, `subprocess` and `tunnel` do not allow, once.

    For ever: a hook cannot be taken out (sys.addaudithook), and a fork has it too.
    """
    blame = Blame(paths, quiet=interpreter_folders(), report=report)
    judges = blame.judges(subprocess=subprocess, tunnel=tunnel)
    busy = threading.local()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        judge = judges.get(event)
        if judge is None or blame.full or getattr(busy, "judging", False):
            return
        busy.judging = True
        try:
            judge(arguments)
        except Exception:  # noqa: BLE001, S110 - what a hook raises, the plugin's call would raise
            pass
        finally:
            busy.judging = False

    sys.addaudithook(hook)


def interpreter_folders() -> tuple[str, ...]:
    """Where Python looks for modules of its own accord: nobody asked for these reads."""
    folders = {*sys.path, os.path.dirname(os.__file__)}
    return tuple(folder for folder in folders if folder.startswith("/") and folder != "/")


class Blame:
    """Judges audited acts and reports those that are not allowed, each once.

    `quiet` are folders whose reads are never reported. Reports at most `MAX_ACTS`.
    """

    def __init__(self, paths: Sequence[Path], *, quiet: Sequence[str], report: Report) -> None:
        self.full = False
        self._readable = _below([*(path.path for path in paths), *quiet, *_DEVICES])
        written = [path.path for path in paths if path.access == WRITE]
        self._writable = _below([*written, *_DEVICES])
        below_written = [path.path for path in paths if f"{path.path}/".startswith(_below(written))]
        self._kept = _below([path for path in below_written if path not in written])
        self._report = report
        self._seen: set[tuple[str, str]] = set()

    def judges(self, *, subprocess: bool, tunnel: bool) -> dict[str, Judge]:
        """What looks at each event of the interpreter's; see its "Audit events table"."""
        judges: dict[str, Judge] = {
            "open": self._open,
            "os.listdir": lambda given: self._path(READING, given[0]),
            "os.scandir": lambda given: self._path(READING, given[0]),
            "os.mkdir": lambda given: self._path(WRITING, given[0], given[2]),
            "os.remove": lambda given: self._path(WRITING, given[0], given[1]),
            "os.rmdir": lambda given: self._path(WRITING, given[0], given[1]),
            "os.truncate": lambda given: self._path(WRITING, given[0]),
            "os.chmod": lambda given: self._path(WRITING, given[0], given[2]),
            "os.symlink": lambda given: self._path(WRITING, given[1], given[2]),
            "os.rename": self._rename,
            "os.link": self._rename,
        }
        if not subprocess:
            judges |= {
                "subprocess.Popen": lambda given: self._note(PROCESS, given[0]),
                "os.system": lambda given: self._note(PROCESS, given[0]),
                "os.exec": lambda given: self._note(PROCESS, given[0]),
                "os.posix_spawn": lambda given: self._note(PROCESS, given[0]),
                "os.fork": lambda given: self._note(PROCESS, "fork"),
                "os.forkpty": lambda given: self._note(PROCESS, "fork"),
            }
        if not tunnel:
            judges["socket.__new__"] = self._socket
        judges["socket.connect"] = judges["socket.sendto"] = lambda given: self._address(
            given[1], tunnel=tunnel
        )
        judges["socket.getaddrinfo"] = lambda given: self._host(given[0], given[1], tunnel=tunnel)
        judges["socket.gethostbyname"] = lambda given: self._host(given[0], 0, tunnel=tunnel)
        return judges

    def _open(self, given: tuple[Any, ...]) -> None:
        path, mode, flags = given
        # os.open() gives no mode, and does not tell the folder that a relative path starts at.
        folder = _NO_FOLDER if mode is not None else None
        changes = isinstance(flags, int) and flags & _CHANGES
        self._path(WRITING if changes else READING, path, folder)

    def _rename(self, given: tuple[Any, ...]) -> None:
        self._path(WRITING, given[0], given[2])
        self._path(WRITING, given[1], given[3])

    def _path(self, kind: str, path: object, folder: object = _NO_FOLDER) -> None:
        text = _text(path)
        if text is None:
            if path is not None:  # a descriptor: what it is open for was judged when it was opened
                return
            text = "."  # os.listdir() of nothing
        if not text.startswith("/"):
            if folder != _NO_FOLDER:
                return  # below a folder that is not known
            text = f"{os.getcwd()}/{text}"
        allowed = self._writable if kind == WRITING else self._readable
        plain = os.path.normpath(text)
        if (kind, _cut(plain)) in self._seen:
            return
        if kind == WRITING and f"{plain}/".startswith(self._kept):  # readable, below a writable one
            self._note(kind, plain)
            return
        if f"{plain}/".startswith(allowed):
            return
        if not f"{os.path.realpath(plain)}/".startswith(allowed):  # /lib may be a link to /usr/lib
            self._note(kind, plain)

    def _socket(self, given: tuple[Any, ...]) -> None:
        if given[1] in _INTERNET:
            self._note(SOCKET, "AF_INET6" if given[1] == socket.AF_INET6 else "AF_INET")

    def _address(self, address: object, *, tunnel: bool) -> None:
        if isinstance(address, tuple) and len(address) >= 2:  # of AF_INET and AF_INET6
            self._host(address[0], address[1], tunnel=tunnel)

    def _host(self, host: object, port: object, *, tunnel: bool) -> None:
        name = _text(host)
        if name is None or (tunnel and name in _LOOPBACK):  # where the tunnel's end listens
            return
        number = port if isinstance(port, int | str) and str(port).isdecimal() else 0
        where = f"[{name}]" if ":" in name else name
        self._note(NETWORK, f"{where}:{number}" if number else where)

    def _note(self, kind: str, what: object) -> None:
        act = (kind, _cut(_text(what) or "?"))
        if act in self._seen or self.full:
            return
        self._seen.add(act)
        self.full = len(self._seen) >= MAX_ACTS
        self._report(*act)


def _below(folders: Sequence[str]) -> tuple[str, ...]:
    # A folder held by a descriptor is planned as /proc/self/fd/N/. and used without the dot.
    return tuple(f"{os.path.normpath(folder).rstrip('/')}/" for folder in folders)


def _text(value: object) -> str | None:
    """A path or a name; None for what is neither. A plugin's own types are not called."""
    if type(value) is str:
        return value
    if type(value) is bytes:
        return os.fsdecode(value)
    return str.__str__(value) if isinstance(value, str) else None


def _cut(text: str) -> str:
    """As the wire takes it: encodable, and not longer than it may be."""
    return text.encode("utf-8", "backslashreplace").decode()[:MAX_WHAT]
