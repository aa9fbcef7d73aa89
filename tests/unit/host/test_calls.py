"""The book of calls: who gets an answer, and what a worker may not say."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from stockade.channel.calls import Breach, Calls
from stockade_sdk import wire
from stockade_sdk.errors import ErrorInfo, ErrorKind

GONE = ErrorInfo(kind=ErrorKind.UNKNOWN)
WINDOW = 1000


def result(id: int) -> wire.Result:
    return wire.Result(id, wire.embed(None))


def items(id: int, *, last: bool = False) -> wire.Items:
    return wire.Items(id, wire.embed([]), last)


def test_each_answer_goes_to_the_one_who_asked() -> None:
    calls: Calls[str] = Calls()
    first, second = calls.open("first"), calls.open("second")

    assert calls.result(result(second)) == "second"
    assert calls.failed(wire.Failed(first, GONE)) == "first"
    assert len(calls) == 0


BREACHES: dict[str, tuple[Callable[[Calls[str], int, int], object], str]] = {
    "result twice": (lambda c, u, s: (c.result(result(u)), c.result(result(u))), "a second time"),
    "result then failure": (
        lambda c, u, s: (c.result(result(u)), c.failed(wire.Failed(u, GONE))),
        "a second time",
    ),
    "result of none": (lambda c, u, s: c.result(result(99)), "never made"),
    "result of 0": (lambda c, u, s: c.result(result(0)), "never made"),
    "result below 0": (lambda c, u, s: c.result(result(-1)), "never made"),
    "failure of none": (lambda c, u, s: c.failed(wire.Failed(99, GONE)), "never made"),
    "items of none": (lambda c, u, s: c.items(items(99), 1), "never made"),
    "result to a stream": (lambda c, u, s: c.result(result(s)), "a single answer to stream"),
    "items to a unary call": (lambda c, u, s: c.items(items(u), 1), "wants one answer"),
    "items after the last": (
        lambda c, u, s: (c.items(items(s, last=True), 1), c.items(items(s), 1)),
        "a second time",
    ),
    "items beyond credit": (
        lambda c, u, s: (c.items(items(s), WINDOW), c.items(items(s), 1)),
        "more of stream 2 than it had credit for",
    ),
    "empty items without end": (
        lambda c, u, s: [c.items(items(s), 1) for _ in range(100)],
        "credit",
    ),
    "items too large": (
        lambda c, u, s: c.items(items(s), wire.MAX_ITEMS_BYTES + 1),
        "of stream items at once",
    ),
    "an abandoned stream answered like a unary call": (
        lambda c, u, s: (c.abandon(s), c.result(result(s))),
        "in the wrong way",
    ),
    "an abandoned unary call streamed to": (
        lambda c, u, s: (c.abandon(u), c.items(items(u, last=True), 1)),
        "in the wrong way",
    ),
    "an abandoned call answered twice": (
        lambda c, u, s: (c.abandon(u), c.result(result(u)), c.result(result(u))),
        "a second time",
    ),
}


@pytest.mark.parametrize("name", BREACHES)
def test_a_breach_is_told(name: str) -> None:
    say, reason = BREACHES[name]
    calls: Calls[str] = Calls()
    unary, stream = calls.open("unary"), calls.open("stream", WINDOW)

    with pytest.raises(Breach, match=reason):
        say(calls, unary, stream)


def test_an_abandoned_calls_answer_is_owed_once_and_dropped() -> None:
    calls: Calls[str] = Calls()
    unary, stream = calls.open("unary"), calls.open("stream", WINDOW)
    assert calls.abandon(unary)
    assert calls.abandon(stream)
    assert not calls.abandon(unary)
    assert (len(calls), calls.abandoned) == (2, 2)

    assert calls.result(result(unary)) is None
    assert calls.items(items(stream), WINDOW) is None  # sent before the cancellation arrived
    assert calls.items(items(stream, last=True), 1) is None
    assert len(calls) == 0


def test_credit_comes_in_pieces_and_lets_the_stream_go_on() -> None:
    calls: Calls[str] = Calls()
    stream = calls.open("stream", WINDOW)
    calls.items(items(stream), WINDOW)

    credit = calls.took(stream, WINDOW)

    assert credit is not None
    assert credit.size >= WINDOW
    assert calls.items(items(stream), 1) == "stream"


class Books(RuleBasedStateMachine):
    """A correct worker is never accused, however calls are given up."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Calls[int] = Calls()
        self.owed: dict[int, bool] = {}
        self.waiting: set[int] = set()
        self.got: list[int] = []

    @rule(streaming=st.booleans())
    def call(self, streaming: bool) -> None:
        id = self.calls.open(len(self.got), WINDOW if streaming else 0)
        self.owed[id] = streaming
        self.waiting.add(id)

    @rule(data=st.data())
    def abandon(self, data: st.DataObject) -> None:
        if self.waiting:
            id = data.draw(st.sampled_from(sorted(self.waiting)))
            assert self.calls.abandon(id)
            self.waiting.discard(id)

    @rule(data=st.data(), fails=st.booleans())
    def answer(self, data: st.DataObject, fails: bool) -> None:
        if not self.owed:
            return
        id = data.draw(st.sampled_from(sorted(self.owed)))
        if fails:
            sink = self.calls.failed(wire.Failed(id, GONE))
        elif self.owed[id]:
            sink = self.calls.items(items(id, last=True), 10)
        else:
            sink = self.calls.result(result(id))
        assert (sink is not None) == (id in self.waiting)
        del self.owed[id]
        self.waiting.discard(id)

    @invariant()
    def the_book_holds_what_is_owed(self) -> None:
        assert len(self.calls) == len(self.owed)
        assert self.calls.abandoned == len(self.owed) - len(self.waiting)


Books.TestCase.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
TestBooks = Books.TestCase
