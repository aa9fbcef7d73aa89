"""What is told when a request is over, and how many are not."""

from __future__ import annotations

from contextvars import copy_context
from typing import Any

import anyio
import pytest

from stockade.app.endings import Endings
from stockade.errors import AllAttemptsFailed, UsageError
from stockade.telemetry import NOBODY, Observed, request_id
from stockade_sdk.capability import Attempt, Capability, Usage
from stockade_sdk.chat import AssistantOutput, ChatRequest, ChatResponse, FinishReason
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.stream import Finish

OK = (Attempt(target="echo/one", outcome="ok", ms=3.0),)
FAILED = (Attempt(target="echo/one", outcome="failed", kind="overloaded"),)
ASKED = ChatRequest(messages=(), model="one")


class Heard:
    """A journal and a watcher that remember."""

    def __init__(self) -> None:
        self.journal: list[tuple[Any, ...]] = []
        self.seen: list[Observed] = []

    def attempts(self, *told: Any) -> None:
        self.journal.append(told)

    def request(self, observed: Observed) -> None:
        self.seen.append(observed)

    def egress(self, decision: Any) -> None:
        raise AssertionError("nothing went out")

    def worker(self, event: Any) -> None:
        raise AssertionError("no worker")


def answer(usage: Usage | None = None) -> ChatResponse:
    return ChatResponse(output=AssistantOutput(), usage=usage, attempts=OK)


def endings(heard: Heard, *, watched: bool = True) -> Endings:
    journal: Any = heard
    return Endings(journal, heard if watched else NOBODY)


def test_an_answer_is_told_with_what_it_took() -> None:
    heard = Heard()
    told = endings(heard)
    usage = Usage(input_tokens=2, output_tokens=3)

    def one_request() -> None:
        request_id.set("req_1")
        told.answered(told.began(Capability.CHAT, ASKED), answer(usage))

    copy_context().run(one_request)

    (seen,) = heard.seen
    assert (seen.request_id, seen.model, seen.kind) == ("req_1", "one", None)
    assert (seen.attempts, seen.usage, seen.streamed) == (OK, usage, False)
    assert heard.journal == [(Capability.CHAT, OK, usage, None)]


@pytest.mark.parametrize(
    ("error", "kind", "attempts"),
    [
        (AllAttemptsFailed(FAILED, ProviderError(ErrorKind.OVERLOADED)), "overloaded", FAILED),
        (UsageError("no such timeout"), "invalid_request", ()),
        (anyio.ClosedResourceError(), "cancelled", ()),
    ],
)
def test_a_failure_is_told_by_its_kind(error: BaseException, kind: str, attempts: Any) -> None:
    heard = Heard()
    told = endings(heard)
    told.failed(told.began(Capability.CHAT, ASKED), error)

    assert [(one.kind, one.attempts) for one in heard.seen] == [(kind, attempts)]


@pytest.mark.parametrize(
    ("attempts", "finish", "kind"),
    [
        (OK, Finish(FinishReason.STOP), None),
        (FAILED, None, "overloaded"),
        ((), None, "cancelled"),
    ],
)
def test_a_stream_is_told_once_it_is_over(attempts: Any, finish: Any, kind: str | None) -> None:
    heard = Heard()
    told = endings(heard)
    told.streamed(told.began(Capability.CHAT, ASKED, streamed=True), attempts, finish, 0.25)

    assert [(one.kind, one.first_output_s, one.streamed) for one in heard.seen] == [
        (kind, 0.25, True)
    ]


def test_a_host_that_nobody_watches_keeps_its_log_all_the_same() -> None:
    heard = Heard()
    told = endings(heard, watched=False)
    told.answered(told.began(Capability.CHAT, ASKED), answer())

    assert heard.seen == []
    assert len(heard.journal) == 1


async def test_it_is_idle_when_the_last_request_is_over() -> None:
    heard = Heard()
    told = endings(heard)
    first, second = (told.began(Capability.CHAT, ASKED) for _ in range(2))
    was_idle: list[str] = []

    async def wait(name: str) -> None:
        await told.idle()
        was_idle.append(name)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait, "a")
        tasks.start_soon(wait, "b")
        await anyio.wait_all_tasks_blocked()
        told.failed(first, UsageError("x"))
        await anyio.wait_all_tasks_blocked()
        before = list(was_idle)
        told.failed(second, UsageError("x"))

    assert before == []
    assert sorted(was_idle) == ["a", "b"]
    assert told.in_flight == 0
