"""This host process's own folder under `run/`: held by a lock, so that leftovers can be told apart.

A folder whose lock can be taken belongs to a host that is gone, whatever its pid is now. Sockets
are named through the folder's descriptor, since a UNIX socket's path holds 107 bytes (unix(7)) and
a home may lie deeper.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from .trees import OPEN_FOLDER, remove_tree

_NAME: Final = re.compile(r"host-[0-9a-f]{16}")


class RunFolder:
    """A held folder of mode 0700; `close` (or the end of a `with`) removes it with all in it."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd = fd
        self._count = 0

    @classmethod
    def create(cls, run: Path, token: Callable[[int], str] = secrets.token_hex) -> Self:
        """Make and lock a new folder in `run`, which is made too. Raises OSError."""
        run.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            path = run / f"host-{token(8)}"
            path.mkdir(mode=0o700)
            try:
                fd = os.open(path, OPEN_FOLDER)
            except FileNotFoundError:  # another host's sweep took it before we could lock it
                continue
            if _lock(fd) and _is_still(path, fd):
                return cls(path, fd)
            os.close(fd)

    def listen(self) -> Listener:
        """A listening socket under a new short name."""
        self._count += 1
        return Listener.open(f"{self.reach}/{self._count}")

    def subfolder(self) -> Path:
        """A new private folder for one worker."""
        self._count += 1
        path = self.path / str(self._count)
        path.mkdir(mode=0o700)
        return path

    @property
    def reach(self) -> str:
        """The folder's short name, good in this process while it is held."""
        return f"/proc/self/fd/{self._fd}"

    def close(self) -> None:
        """Remove the folder and let go of it; twice is once."""
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        try:
            remove_tree(self.path)
        finally:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Listener:
    """A listening UNIX socket: `fd` to hand down, `path` to connect to."""

    def __init__(self, socket_: socket.socket, path: str) -> None:
        self.path = path
        self._socket = socket_

    @classmethod
    def open(cls, path: str) -> Self:
        """Bind and listen at `path`. Raises OSError and leaves nothing open."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.bind(path)
            # It listens before anyone is started: whoever connects early waits in the backlog, and
            # is told at once when the child ends without accepting.
            listening.listen(1)
        except OSError:
            listening.close()
            raise
        return cls(listening, path)

    @property
    def fd(self) -> int:
        """The descriptor; -1 once let go."""
        return self._socket.fileno()

    def let_go(self) -> None:
        """Close our copy; the child has its own."""
        self._socket.close()

    def close(self) -> None:
        """Close our copy and remove the name."""
        self.let_go()
        try:
            os.unlink(self.path)  # noqa: PTH108  # a Path would be made for this alone
        except FileNotFoundError:
            return


def is_held(path: Path) -> bool:
    """Whether the host that a run folder belongs to is still there. Raises OSError."""
    fd = os.open(path, OPEN_FOLDER)
    try:
        return not _lock(fd)
    finally:
        os.close(fd)


def sweep_stale(run: Path, before: Callable[[str], None] = lambda name: None) -> list[str]:
    """Remove the folders of hosts that are gone; their names. Called once, before `create`.

    `before` is told each name first: a crash in between leaves the folder, and so the name.
    """
    try:
        names = sorted(entry.name for entry in run.iterdir() if _NAME.fullmatch(entry.name))
    except OSError:  # no folder yet
        return []
    return [name for name in names if _sweep_one(run / name, before)]


def _sweep_one(path: Path, before: Callable[[str], None]) -> bool:
    try:
        fd = os.open(path, OPEN_FOLDER)
    except OSError:  # gone meanwhile, or a link or file of that name, which is not ours
        return False
    try:
        if not _lock(fd):
            return False
        before(path.name)
        remove_tree(path)
        return not path.exists()
    finally:
        os.close(fd)


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(path: Path, fd: int) -> bool:
    try:
        found = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    held = os.fstat(fd)
    return (found.st_ino, found.st_dev) == (held.st_ino, held.st_dev)
