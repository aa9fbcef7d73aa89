"""A stand-in for a running host: answers on the control socket with what a test lays down."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

Answers = dict[str, Any]  # by "METHOD /path": JSON, bytes as they are, or a function of the body


class Refusal:
    """An answer that is none: a status and a body."""

    def __init__(self, status: int, body: Any) -> None:
        self.status, self.body = status, body


class RunningHost:
    """What was asked of it, in order: method and path, and the body."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.asked: list[tuple[str, Any]] = []

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = False
    block_on_close = True


def _answering(host: RunningHost) -> type[BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            asked = f"{self.command} {self.path}"
            host.asked.append((asked, body))
            found = host.answers.get(asked, Refusal(404, {"error": {"kind": "x", "message": "?"}}))
            if callable(found):
                found = found(body)
            status, said = (
                (found.status, found.body) if isinstance(found, Refusal) else (200, found)
            )
            if said is None:
                self.send_response(204)
                self.end_headers()
                return
            raw = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

    for method in ("GET", "POST", "PUT", "DELETE"):
        setattr(Answering, f"do_{method}", Answering.answer)
    return Answering


@contextmanager
def serving_on(listener: socket.socket, answers: Answers) -> Iterator[RunningHost]:
    """Answer on a listening socket while the block runs."""
    host = RunningHost(answers)
    server = _Server("", _answering(host), bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serving_at(path: Path, answers: Answers) -> Iterator[RunningHost]:
    """The same on a socket made here, by no code of stockade's."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(16)
        try:
            with serving_on(listener, answers) as host:
                yield host
        finally:
            path.unlink()
