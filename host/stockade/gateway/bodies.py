"""Bodies of requests, read with a bound on each, on all together, and on the time they take."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import anyio

from stockade.settings import GatewaySettings

from .failures import Rejected, busy

CLOSE: Final = ((b"connection", b"close"),)  # what of the body is still to come is not read
MAX_DIGITS: Final = 18  # of a length; more of them are too many bytes in any case

Receive = Callable[[], Awaitable[dict[str, Any]]]


class ClientGone(Exception):
    """The client left before its request was whole: there is nobody to answer."""


class Bodies:
    """Reads bodies; ``held`` counts the bytes of all of them, until each is released."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self.held = 0

    async def read(self, receive: Receive, headers: Mapping[bytes, bytes]) -> bytes:
        """The body, to be given back with ``release`` when its request is over.

        Nothing is asked of the client (`100 Continue`) where its length says that it is too much.
        Raises Rejected: 413 too large, 408 too slow, 503 too many at once; and ClientGone.
        """
        most = self._settings.max_body_bytes
        length = headers.get(b"content-length", b"")
        if length.isdigit():
            if len(length.lstrip(b"0")) > MAX_DIGITS or int(length) > most:
                raise _too_large(most)
            self._refuse_above(self.held + int(length))
        body = None
        with anyio.move_on_after(self._settings.body_timeout_s):
            body = await self._whole(receive, most)
        if body is None:
            raise Rejected(408, "the body did not come in time", headers=CLOSE)
        return body

    def take(self, body: bytes) -> bytes:
        """A body that came whole with its head, as most do: it is counted, and not waited for.

        Raises as ``read``, and it is given back in the same way.
        """
        if len(body) > self._settings.max_body_bytes:
            raise _too_large(self._settings.max_body_bytes)
        self._refuse_above(self.held + len(body))
        self.held += len(body)
        return body

    def release(self, size: int) -> None:
        """The request whose body had this size is over."""
        self.held -= size

    async def _whole(self, receive: Receive, most: int) -> bytes:
        pieces: list[bytes] = []
        size, more = 0, True
        try:
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    raise ClientGone
                piece, more = message.get("body", b""), message.get("more_body", False)
                pieces.append(piece)
                size += len(piece)
                self.held += len(piece)
                if size > most:
                    raise _too_large(most)
                self._refuse_above(self.held)
        except BaseException:
            self.held -= size
            raise
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _refuse_above(self, held: int) -> None:
        if held > self._settings.max_bodies_bytes:
            raise busy("too many large requests at once")


def _too_large(most: int) -> Rejected:
    text = f"the body is larger than {most // 1024} KiB; see max_body under [gateway]"
    return Rejected(413, text, headers=CLOSE)
