"""The command line's end of the control socket: a running host's admin API, blocking.

Every call has a deadline for the whole of it, and an answer is at most 8 MiB. What the host says
went wrong is raised as it would be without a host between: the same classes, words and exit codes.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any, Final

from stockade.control.places import SOCKET, folder_of, may_speak, peer_at, short_name
from stockade.errors import HostError, NotInstalled, Refused, StateError, UsageError

if TYPE_CHECKING:
    from stockade.settings import Home

__all__ = ["MAX_ANSWER_BYTES", "Client", "connect"]

CONNECT_S: Final = 1.0  # a host accepts within milliseconds, or does not run
DEADLINE_S: Final = 5.0  # the admin API answers within milliseconds: what takes longer is a job
SILENCE_S: Final = 60.0  # a host says something on a stream every 15 s
MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
MAX_LINE_BYTES: Final = 1024 * 1024  # of a stream
CHUNK: Final = 64 * 1024
WRONG_ANSWER: Final = "what answers there is no stockade of this version"
RESTART: Final = "stop the running host and start it again: stockade serve"


class _Timed(socket.socket):
    """A socket on which nothing waits beyond `until` (monotonic), however slowly it trickles."""

    until = float("inf")

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.settimeout(left)
        return super().recv_into(*args, **kwargs)


class _Connection(HTTPConnection):
    def __init__(self, connected: _Timed) -> None:
        super().__init__("localhost")
        self.sock = connected


class Client:
    """A host that listens; `pid` is its process. Each call is a connection of its own.

    All raise HostError.
    """

    def __init__(self, home: Home, pid: int) -> None:
        self._home = home
        self.pid = pid

    def get(self, path: str) -> Any:
        return self.ask("GET", path)

    def post(self, path: str, given: Any = None, *, deadline_s: float = DEADLINE_S) -> Any:
        return self.ask("POST", path, given, deadline_s=deadline_s)

    def put(self, path: str, given: Any = None) -> Any:
        return self.ask("PUT", path, given)

    def delete(self, path: str, given: Any = None) -> Any:
        return self.ask("DELETE", path, given)

    def ask(
        self, method: str, path: str, given: Any = None, *, deadline_s: float = DEADLINE_S
    ) -> Any:
        """The JSON of the answer; None where it has no body."""
        with self._answer(method, path, given, deadline_s) as (answer, _):
            raw = answer.read(MAX_ANSWER_BYTES + 1)
            if len(raw) > MAX_ANSWER_BYTES:
                raise HostError(
                    f"the running host's answer is larger than {MAX_ANSWER_BYTES} bytes"
                )
            if answer.length:  # a part of a number is a number too
                raise HostError("the running host broke off its answer", remedy=RESTART)
            return _decoded(raw) if raw else None

    def lines(self, path: str) -> Iterator[Any]:
        """The JSON of each event of a stream, until the host ends it. Raises what it says last."""
        with self._answer("GET", path, None, DEADLINE_S) as (answer, connected):
            name, data = "", b""
            while True:
                connected.until = time.monotonic() + SILENCE_S
                line = answer.readline(MAX_LINE_BYTES + 1)
                if len(line) > MAX_LINE_BYTES:
                    raise HostError(f"a line of the running host's is over {MAX_LINE_BYTES} bytes")
                if not line:
                    return
                field, _, value = line.rstrip(b"\r\n").partition(b":")
                if not field and not value:  # the end of an event; a comment has a value
                    if name == "error":
                        raise _error_in(_decoded(data))
                    if data:
                        yield _decoded(data)
                    name, data = "", b""
                elif field == b"event":
                    name = value.strip().decode("utf-8", "replace")
                elif field == b"data":
                    data += value.strip()

    @contextmanager
    def _answer(
        self, method: str, path: str, given: Any, deadline_s: float
    ) -> Iterator[tuple[HTTPResponse, _Timed]]:
        connected = _connected(self._home)
        if connected is None:
            raise HostError("the running host has ended", remedy="start it again: stockade serve")
        connected.until = time.monotonic() + deadline_s
        connected.settimeout(deadline_s)
        connection = _Connection(connected)
        body = None if given is None else json.dumps(given).encode()
        headers = {"Connection": "close"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, body, headers)
            with connection.getresponse() as answer:
                if answer.status >= 300:
                    raise _error_in(_decoded(answer.read(MAX_ANSWER_BYTES)))
                yield answer, connected
        except TimeoutError as error:
            raise HostError(
                f"the running host did not answer within {deadline_s:.0f} s", remedy=RESTART
            ) from error
        except (OSError, HTTPException) as error:
            raise HostError(
                "the running host did not answer", why=str(error)[:200], remedy=RESTART
            ) from error
        finally:
            connection.close()
            connected.close()


def connect(home: Home) -> Client | None:
    """The host that serves this home, None where none listens.

    Raises HostError where one is there and takes no connection within a second, and Refused where
    the socket is neither ours nor root's.
    """
    connected = _connected(home)
    if connected is None:
        return None
    with connected:
        pid, _ = peer_at(connected.fileno())
        return Client(home, pid)


def _connected(home: Home) -> _Timed | None:
    connected = _Timed(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connected.settimeout(CONNECT_S)
        with folder_of(home.run) as folder:
            connected.connect(short_name(folder, SOCKET))
        _, uid = peer_at(connected.fileno())
        _check_owner(home, uid)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        connected.close()
        return None
    except (TimeoutError, BlockingIOError) as error:
        connected.close()
        raise HostError("the running host takes no connection", remedy=RESTART) from error
    except OSError as error:
        connected.close()
        raise HostError(
            f"cannot reach a running host at {home.control_socket}",
            why=error.strerror or str(error),
            remedy="run as the user who runs the host, and see to the rights of that folder",
        ) from error
    except BaseException:
        connected.close()
        raise
    return connected


def _check_owner(home: Home, uid: int) -> None:
    if not may_speak(uid, os.geteuid()):
        raise Refused(
            f"another user's process listens at {home.control_socket}",
            why=f"its user id is {uid}, yours is {os.geteuid()}",
            remedy="run as that user, or set STOCKADE_HOME to a folder of your own",
        )


def _decoded(raw: bytes) -> Any:
    with suppress(ValueError, RecursionError):
        return json.loads(raw)
    raise HostError("the running host's answer is no JSON", why=WRONG_ANSWER, remedy=RESTART)


def _error_in(said: Any) -> HostError:
    """The error that an answer of 400 and above holds."""
    fault = said.get("error") if isinstance(said, Mapping) else None
    if not isinstance(fault, Mapping) or not isinstance(fault.get("message"), str):
        return HostError("the running host refused", why=WRONG_ANSWER, remedy=RESTART)
    told = {key: fault[key] for key in ("why", "remedy") if isinstance(fault.get(key), str)}
    return class_of(fault.get("kind"))(fault["message"], **told)


def class_of(kind: object) -> type[HostError]:
    """The class of an error by the `kind` that the admin API gave it (`admin.failures`)."""
    from stockade.admin import Changed, Missing, Taken

    found: dict[object, type[HostError]] = {
        "not_installed": NotInstalled,
        "no_such_model": UsageError,
        "missing": Missing,
        "taken": Taken,
        "changed": Changed,
        "unusable": UsageError,
        "refused": Refused,
        "state": StateError,
    }
    return found.get(kind, HostError)
