"""A stream's events on their way: none leaves without credit, and none is lost."""

from __future__ import annotations

import asyncio

from stockade_sdk import TextDelta, wire
from stockade_worker.session import Session
from stockade_worker.streaming import Stream

WINDOW = 400
TEXT = "x" * 300  # two of them are more than the window


class Streaming:
    """One stream over a session; ``sent`` is what left it, ``ahead`` what credit was used."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.session = Session()
        call = wire.Call(1, "stream_chat", 1_000, wire.embed(None), WINDOW)
        self.session.open(call)
        loop = asyncio.get_running_loop()
        self.stream = Stream(call, self.session, self.sent.append, loop)

    async def says(self, text: str) -> None:
        """An event of a producer whose next one comes later."""
        self.stream.add(TextDelta("1", text))
        await asyncio.sleep(0)  # the loop comes round

    def credit(self, size: int) -> None:
        self.session.credit(wire.Credit(1, size))
        self.stream.credited()


async def test_an_event_that_has_no_credit_waits_for_it() -> None:
    paced = Streaming()
    for _ in range(4):
        await paced.says(TEXT)
    before = len(paced.sent)

    paced.credit(2 * WINDOW)

    assert before == 2  # the second one overdraws the window
    assert paced.stream.full
    assert len(paced.sent) == 3  # what was kept, together
    assert paced.sent[-1].count(TEXT.encode()) == 2


async def test_who_waits_for_room_goes_on_after_what_was_kept() -> None:
    paced = Streaming()
    for _ in range(3):
        await paced.says(TEXT)
    room = asyncio.ensure_future(paced.stream.room())
    await asyncio.sleep(0)
    waited = not room.done()

    paced.credit(4 * WINDOW)
    await room
    paced.stream.flush(last=True)

    assert waited
    assert [one.count(TEXT.encode()) for one in paced.sent] == [1, 1, 1, 0]
