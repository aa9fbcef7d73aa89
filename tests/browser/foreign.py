"""A stranger's site on loopback: it serves pages that would act with an operator's session."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

TYPE: Final = "text/html; charset=utf-8"


class Foreign:
    """The site; `pages` by path, `referers` are those that came with requests."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.pages: dict[str, str] = {}
        self.referers: list[str] = []

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """By its number it is the gateway's own site to a browser, by its name another one."""
        return f"http://{host}:{self.port}{path}"


@contextmanager
def foreign_site() -> Iterator[Foreign]:
    """Serve until the block is left."""

    class Reply(BaseHTTPRequestHandler):
        timeout = 2.0  # browsers open connections that they then do not use

        def do_GET(self) -> None:
            site.referers.append(self.headers.get("referer", ""))
            page = site.pages.get(self.path.partition("?")[0])
            body = (page or "").encode()
            self.send_response(404 if page is None else 200)
            self.send_header("content-type", TYPE)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Reply)
    server.daemon_threads = False
    site = Foreign(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
