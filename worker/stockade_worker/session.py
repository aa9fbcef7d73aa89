"""The worker's side of the protocol, without sockets: which calls are open, what each may send,
answered once.

    call ──▶ open ──▶ answered           a unary call, or one that failed
               └────▶ items … last       a stream, held back while its credit is used up

A call id is answered exactly once: :meth:`Session.answer` and the last :meth:`Session.items` close
it, and what comes for a closed id afterwards is dropped here, so that a task that outlives its call
cannot speak for it.
"""

from __future__ import annotations

from stockade_sdk import wire
from stockade_sdk.errors import ErrorInfo

ITEM_OVERHEAD_BYTES = (
    64  # what the host keeps beside an item's own bytes, so that empty items are not free
)


class Session:
    """What is open between this worker and its host."""

    def __init__(self) -> None:
        self._credit: dict[
            int, int
        ] = {}  # open calls → bytes a stream may still send; unary calls have 0

    def __len__(self) -> int:
        return len(self._credit)

    def open(self, call: wire.Call) -> bool:
        """Take a call; False where its id is open already, which a correct host never does."""
        if call.id in self._credit:
            return False
        self._credit[call.id] = call.window
        return True

    def answer(self, call: int, body: object) -> bytes | None:
        """The frame that answers a unary call; ``None`` where it is no longer open.

        Raises ValueError where the answer is larger than a frame may be, TypeError where it cannot
        be encoded; the call stays open then, to be failed.
        """
        if call not in self._credit:
            return None
        data = wire.encode(wire.Result(call, wire.embed(body)))
        if len(data) > wire.MAX_FRAME_BYTES:
            raise ValueError(
                f"the answer has {len(data)} bytes, a frame holds {wire.MAX_FRAME_BYTES}"
            )
        del self._credit[call]
        return data

    def fail(self, call: int, error: ErrorInfo) -> bytes | None:
        """The frame that fails a call; ``None`` where it is no longer open."""
        if call not in self._credit:
            return None
        data = wire.encode(wire.Failed(call, error))
        del self._credit[call]
        return data

    def items(self, call: int, events: list[object], *, last: bool) -> bytes | None:
        """The frame that carries stream events and uses up credit; ``None`` where the call is no
        longer open.

        Raises ValueError and TypeError as :meth:`answer` does.
        """
        if call not in self._credit:
            return None
        data = wire.encode(wire.Items(call, wire.embed(events), last))
        if len(data) > wire.MAX_ITEMS_BYTES:
            raise ValueError(
                f"stream events of {len(data)} bytes are more than {wire.MAX_ITEMS_BYTES}"
            )
        if last:
            del self._credit[call]
        else:
            self._credit[call] -= len(data) + ITEM_OVERHEAD_BYTES
        return data

    def may_send(self, call: int) -> bool:
        """Whether stream ``call`` has credit left; a closed one may go on, to find out."""
        return self._credit.get(call, 1) > 0

    def credit(self, frame: wire.Credit) -> None:
        """The reader took something."""
        if frame.id in self._credit:
            self._credit[frame.id] += frame.size
