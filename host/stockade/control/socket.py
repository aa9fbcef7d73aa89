"""The serving host's end of the control socket: one host a home, its owner and root alone.

A lock beside the socket says which host has it. The kernel lets go of the lock when that host ends,
however it ends, so a socket found under a free lock is stale.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

from stockade.admin.failures import refusal
from stockade.control.places import LOCK, SOCKET, folder_of, may_speak, peer_at, short_name
from stockade.errors import HostError, Refused
from stockade.settings import Home

__all__ = ["ControlSocket", "OwnersOnly"]

BACKLOG: Final = 64
PRIVATE_FOLDER: Final = 0o700
PRIVATE_FILE: Final = 0o600
OTHERS: Final = 0o077
MAX_PID_BYTES: Final = 16
_OPEN_LOCK: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class ControlSocket:
    """A bound, listening, non-blocking UNIX socket. `close` (or the end of a `with`) removes it."""

    def __init__(self, path: Path, listener: socket.socket, lock: int, made: os.stat_result):
        self.path = path
        self.socket = listener
        self._lock = lock
        self._made = made

    @classmethod
    def open(cls, home: Home) -> Self:
        """Take the lock, replace a stale socket, bind and listen.

        Raises HostError: another host serves this home, or the disk does not take it; Refused where
        the folder is another's.
        """
        home.ensure()
        try:
            with folder_of(home.run) as folder:
                _make_private(home.run, folder)
                lock = _taken(home, folder)
                try:
                    listener = _bound(home, folder)
                except BaseException:
                    os.close(lock)
                    raise
                made = os.stat(SOCKET, dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            raise HostError(
                f"cannot listen at {home.control_socket}",
                why=error.strerror or str(error),
                remedy="see to the disk and the rights of its folder",
            ) from error
        return cls(home.control_socket, listener, lock, made)

    def close(self) -> None:
        """Remove the socket, where the name is still this one's, and let go; twice is once."""
        if self._lock < 0:
            return
        lock, self._lock = self._lock, -1
        try:
            with suppress(OSError):  # the folder went with the home: nothing is left to remove
                found = self.path.stat(follow_symlinks=False)
                if (found.st_dev, found.st_ino) == (self._made.st_dev, self._made.st_ino):
                    self.path.unlink()
            with suppress(OSError):
                os.ftruncate(lock, 0)
        finally:
            self.socket.close()
            os.close(lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class OwnersOnly:
    """An ASGI application for the host's owner and root, behind which no token is asked for.

    `fd_of` gives the descriptor of a request's connection. Who cannot be told is turned away.
    """

    def __init__(
        self,
        app: Callable[[Scope, Receive, Send], Awaitable[None]],
        fd_of: Callable[[Scope], int],
        own_uid: int,
    ) -> None:
        self._app, self._fd_of, self._own_uid = app, fd_of, own_uid

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            _, uid = peer_at(self._fd_of(scope))
            admitted = may_speak(uid, self._own_uid)
        except OSError:  # it has gone already
            admitted = False
        if admitted:
            await self._app(scope, receive, send)
            return
        body = refusal(403, "the control socket is for the user who runs the host, and for root")
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _make_private(path: Path, folder: int) -> None:
    found = os.fstat(folder)
    if found.st_uid != os.geteuid():
        raise Refused(
            f"{path} is not a folder of yours",
            why="who owns it could put a socket of their own in the place of this host's",
            remedy="run as the user who owns it, or set STOCKADE_HOME to another folder",
        )
    if found.st_mode & OTHERS:
        os.fchmod(folder, PRIVATE_FOLDER)


def _taken(home: Home, folder: int) -> int:
    """The lock's descriptor, with our pid in it. Raises HostError, OSError."""
    lock = os.open(LOCK, _OPEN_LOCK, PRIVATE_FILE, dir_fd=folder)
    try:
        if not _lock(lock):
            pid = _pid_in(lock)
            raise HostError(
                f"a host serves {home.root} already" + (f": process {pid}" if pid else ""),
                remedy=f"stop it first{f' (kill {pid})' if pid else ''}, "
                "or set STOCKADE_HOME to another folder",
            )
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%d\n" % os.getpid(), 0)
    except BaseException:
        os.close(lock)
        raise
    return lock


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pid_in(lock: int) -> int | None:
    text = os.pread(lock, MAX_PID_BYTES, 0).strip()
    return int(text) if text.isdigit() else None


def _bound(home: Home, folder: int) -> socket.socket:
    """Listening in place of a stale socket; the lock is ours. Raises HostError, OSError."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.stat(SOCKET, dir_fd=folder, follow_symlinks=False).st_mode):
            raise HostError(
                f"{home.control_socket} is no socket",
                remedy="it is not stockade's: take it away and start again",
            )
        os.unlink(SOCKET, dir_fd=folder)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Linux makes the name with the mode that the socket has before, so there is no moment at
        # which others may connect.
        os.fchmod(listener.fileno(), PRIVATE_FILE)
        listener.bind(short_name(folder, SOCKET))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
