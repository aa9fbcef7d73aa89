"""How a connection is left: not before the client could read what it was told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Outlet:
    """A connection's transport, as uvicorn's protocol uses it.

    Closing a socket while the client still sends resets it, and the client may never see the
    answer (RFC 9112, 9.6). So where something is still to come (``owing``), ``close`` shuts the
    way out alone; who holds the connection drops what comes in, and calls `abort` after a while.
    """

    __slots__ = (
        "_lingers", "_owing", "_transport", "abort", "get_extra_info", "leaving", "pause_reading",
        "resume_reading", "write",
    )  # fmt: skip

    def __init__(
        self, transport: Any, owing: Callable[[], bool], lingers: Callable[[], None]
    ) -> None:
        self._transport, self._owing, self._lingers = transport, owing, lingers
        self.leaving = False
        self.abort: Callable[[], None] = transport.abort
        self.get_extra_info: Callable[..., Any] = transport.get_extra_info
        self.pause_reading: Callable[[], None] = transport.pause_reading
        self.resume_reading: Callable[[], None] = transport.resume_reading
        self.write: Callable[[bytes], None] = transport.write

    def is_closing(self) -> bool:
        return self.leaving or self._transport.is_closing()

    def close(self) -> None:
        if self._owing() and not self.is_closing():
            self.linger()
        elif not self.leaving:
            self._transport.close()

    def linger(self) -> None:
        """Send what is written and then the end, and let the client finish what it says."""
        self.leaving = True
        if self._transport.can_write_eof():  # not so with TLS: the client must see to the end
            self._transport.write_eof()
        self._lingers()
