"""The worker's session: each call id is answered exactly once, within its credit."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from stockade_sdk import wire
from stockade_sdk.errors import ErrorInfo, ErrorKind
from stockade_worker.session import Session

IDS = st.integers(1, 6)
WINDOWS = st.sampled_from([0, 1, 200, wire.STREAM_WINDOW_BYTES])
GONE = ErrorInfo(kind=ErrorKind.CANCELLED)


def call(id: int, window: int = 0) -> wire.Call:
    return wire.Call(id, "chat", 1000, wire.embed(None), window)


def ids_of(frames: list[bytes]) -> list[tuple[int, bool]]:
    """Each frame's call, and whether it is that call's last word."""
    said = []
    for data in frames:
        match wire.decode_to_host(data):
            case wire.Items(id=id, last=last):
                said.append((id, last))
            case wire.Result(id=id) | wire.Failed(id=id):
                said.append((id, True))
    return said


class Sessions(RuleBasedStateMachine):
    """Any order of opens, answers, failures, items and credits, late and double ones included."""

    def __init__(self) -> None:
        super().__init__()
        self.session = Session()
        self.open: set[int] = set()
        self.opened: list[int] = []
        self.sent: list[bytes] = []

    def keep(self, id: int, data: bytes | None, *, last: bool) -> None:
        assert (data is not None) == (id in self.open)
        if data is not None:
            self.sent.append(data)
            if last:
                self.open.discard(id)

    @rule(id=IDS, window=WINDOWS)
    def begin(self, id: int, window: int) -> None:
        assert self.session.open(call(id, window)) == (id not in self.open)
        if id not in self.open:
            self.open.add(id)
            self.opened.append(id)

    @rule(id=IDS)
    def answer(self, id: int) -> None:
        self.keep(id, self.session.answer(id, "text"), last=True)

    @rule(id=IDS)
    def fail(self, id: int) -> None:
        self.keep(id, self.session.fail(id, GONE), last=True)

    @rule(id=IDS, last=st.booleans(), size=st.integers(0, 300))
    def say(self, id: int, last: bool, size: int) -> None:
        self.keep(id, self.session.items(id, ["x" * size], last=last), last=last)

    @rule(id=IDS)
    @precondition(lambda self: self.open)
    def try_what_cannot_be_sent(self, id: int) -> None:
        if id not in self.open:
            return
        with pytest.raises((TypeError, ValueError, OverflowError)):
            self.session.answer(id, object())
        with pytest.raises(ValueError, match="a frame holds"):
            self.session.answer(id, b"x" * (wire.MAX_FRAME_BYTES + 1))

    @rule(id=IDS, size=st.integers(0, 1 << 20))
    def credit(self, id: int, size: int) -> None:
        self.session.credit(wire.Credit(id, size))

    @invariant()
    def each_call_is_answered_exactly_once(self) -> None:
        last_words = [id for id, last in ids_of(self.sent) if last]
        for id in set(self.opened):
            assert last_words.count(id) == self.opened.count(id) - (id in self.open)
        assert len(self.session) == len(self.open)


Sessions.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestSession = Sessions.TestCase


def test_credit_holds_a_stream_back_and_lets_it_go_on() -> None:
    session = Session()
    session.open(call(1, window=100))
    assert session.may_send(1)

    session.items(1, ["x" * 200], last=False)

    assert not session.may_send(1)
    session.credit(wire.Credit(1, 1000))
    assert session.may_send(1)


def test_empty_items_are_not_free() -> None:
    session = Session()
    session.open(call(1, window=100))

    for _ in range(2):
        session.items(1, [], last=False)

    assert not session.may_send(1)


def test_items_larger_than_their_cap_are_refused_and_the_call_stays_open() -> None:
    session = Session()
    session.open(call(1, window=100))

    with pytest.raises(ValueError, match="more than 1048576"):
        session.items(1, ["x" * (2 << 20)], last=True)

    assert session.fail(1, GONE) is not None


def test_a_failure_that_cannot_be_sent_leaves_the_call_open() -> None:
    session = Session()
    session.open(call(1))

    with pytest.raises(UnicodeEncodeError):
        session.fail(1, ErrorInfo(kind=ErrorKind.UNKNOWN, message="\ud800"))

    assert session.fail(1, GONE) is not None
