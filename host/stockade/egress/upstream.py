"""An answer under way: its head, and its body in decoded, redacted, bounded pieces."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

import anyio

from stockade_sdk.errors import ErrorKind, ProviderError, TimeoutPhase

from .body import PIECE_BYTES, BodyRefused, decoder_for
from .headers import HeadersRefused, Pairs, response_headers
from .redact import Redactor
from .targets import Target

if TYPE_CHECKING:
    from .client import Answer

__all__ = ["Upstream", "Waits"]

SWITCHING_PROTOCOLS: Final = 101


class Waits(NamedTuple):
    """How long to wait for what, in seconds."""

    connect_s: float
    first_byte_s: float
    idle_s: float


class Upstream:
    """An answer's `status` and `headers`; its body by `chunks`, once."""

    __slots__ = (
        "_answer",
        "_deadline",
        "_decoder",
        "_ended",
        "_max_bytes",
        "_pieces",
        "_raw_bytes",
        "_redaction",
        "_redactor",
        "_target",
        "_timeout_s",
        "_translate",
        "_waits",
        "bytes_in",
        "headers",
        "status",
    )

    def __init__(
        self,
        answer: Answer,
        target: Target,
        redactor: Redactor,
        waits: Waits,
        translate: Callable[[Exception], ProviderError | None],
        *,
        deadline: float,
        timeout_s: float,
        max_bytes: int,
    ) -> None:
        """Raises ProviderError(malformed_response) for a head that cannot be passed on.

        `translate` says what an HTTP client's error means; `deadline` is on the loop's clock.
        """
        self._answer, self._target, self._redactor = answer, target, redactor
        self._waits, self._deadline, self._timeout_s = waits, deadline, timeout_s
        self._translate, self._max_bytes = translate, max_bytes
        self._redaction = redactor.stream()
        self._pieces: Iterator[bytes] = iter(())
        self._ended = False
        self._raw_bytes = self.bytes_in = 0
        self.status: int = answer.status
        if self.status == SWITCHING_PROTOCOLS:
            raise self._malformed("switched protocols without being asked to")
        try:
            raw = [
                (redactor.whole(name), redactor.whole(said)) for name, said in answer.raw_headers
            ]
            headers, coding = response_headers(raw, keep_length=answer.method == "HEAD")
            self._decoder = None if answer.method == "HEAD" else decoder_for(coding)
        except (HeadersRefused, BodyRefused) as refused:
            raise self._malformed(str(refused)) from refused
        self.headers: Pairs = headers

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, each chunk 1 byte to 256 KiB.

        Raises ProviderError: timeout (idle, total), network (broken off), malformed_response (not
        in its coding, or larger than the outlet allows).
        """
        return self

    def __aiter__(self) -> Upstream:
        return self

    async def __anext__(self) -> bytes:
        while True:
            piece = self._next_piece()
            if piece:
                self.bytes_in += len(piece)
                if self.bytes_in > self._max_bytes:
                    raise self._too_large()
                said = self._redaction.feed(piece)
                if said:
                    return said
                continue
            if self._ended:
                raise StopAsyncIteration
            raw = await self._read()
            if raw:
                self._pieces = iter((raw,)) if self._decoder is None else self._decoder.feed(raw)
                continue
            self._ended = True
            self._check_end()
            rest = self._redaction.end()
            if rest:
                return rest

    def close(self) -> None:
        """End the exchange: a body that was not read to its end costs the connection."""
        self._answer.close()

    def _next_piece(self) -> bytes | None:
        try:
            return next(self._pieces, None)
        except BodyRefused as refused:
            raise self._malformed(str(refused)) from refused

    def _check_end(self) -> None:
        try:
            if self._decoder is not None:
                self._decoder.end()
        except BodyRefused as refused:
            raise ProviderError(
                ErrorKind.NETWORK, f"the answer of {self._target.endpoint} {refused}", self.status
            ) from refused

    async def _read(self) -> bytes:
        """The next raw bytes, b"" at the end."""
        left = self._deadline - anyio.current_time()
        if left <= 0:
            raise self._late(TimeoutPhase.TOTAL)
        content = self._answer.content
        raw: bytes | None
        try:
            raw = content.read_nowait(PIECE_BYTES)
            if not raw and not content.at_eof():
                raw = None
                with anyio.move_on_after(min(left, self._waits.idle_s)):
                    raw = await content.read(PIECE_BYTES)
        except Exception as error:
            said = self._translate(error)
            if said is None:
                raise
            said.status = self.status
            raise said from error
        if raw is None:
            total = left <= self._waits.idle_s
            raise self._late(TimeoutPhase.TOTAL if total else TimeoutPhase.IDLE)
        self._raw_bytes += len(raw)
        if self._raw_bytes > self._max_bytes:
            raise self._too_large()
        return raw

    def _late(self, phase: TimeoutPhase) -> ProviderError:
        limit = self._timeout_s if phase is TimeoutPhase.TOTAL else self._waits.idle_s
        done = f"after {self.bytes_in} bytes of its answer"
        told = (
            f"{self._target.endpoint} was not done within {limit:g} s, {done}"
            if phase is TimeoutPhase.TOTAL
            else f"{self._target.endpoint} sent nothing for {limit:g} s, {done}"
        )
        return ProviderError(ErrorKind.TIMEOUT, told, self.status, phase=phase)

    def _too_large(self) -> ProviderError:
        return self._malformed(f"is larger than {self._max_bytes} bytes")

    def _malformed(self, what: str) -> ProviderError:
        return ProviderError(
            ErrorKind.MALFORMED_RESPONSE,
            self._redactor.text(f"the answer of {self._target.endpoint} {what}"),
            self.status,
        )
