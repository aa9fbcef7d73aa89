"""A request whose target changes vendor: mended for the new one, as it came for the old one."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from stockade.handoff import Options
from stockade.router import Dispatcher
from stockade_sdk.chat import ChatRequest, ChatResponse, Text, Thinking, ToolCall, ToolResult
from stockade_sdk.provider import Method, ProviderResponse
from stockade_sdk.stream import Finish, TextDelta, TextEnd, TextStart, fold
from tests.unit.host.histories import faults, said
from tests.unit.host.router_scripted import Beat, Clock, Scripted, failure, plan

ANSWER = ChatResponse.of_text("hi")
HI: list[Beat] = [[TextStart("0"), TextDelta("0", "hi"), TextEnd("0"), Finish()]]
HISTORY = ChatRequest(
    messages=(
        said("user", "what is in it?"),
        said(
            "assistant",
            Thinking("steps", "sig", "anthropic"),
            ToolCall("toolu_1", "read", {"path": "x"}),
            ToolCall("toolu_2", "read", {"path": "y"}),
        ),
        said("user", ToolResult("toolu_1", "one"), "the other one failed"),
    )
)


@dataclass
class Listening(Scripted):
    """Keeps the requests that each target got."""

    got: list[ChatRequest] = field(default_factory=list)

    async def call(
        self, plugin: str, method: Method, request: object, *, timeout_s: float
    ) -> ProviderResponse:
        self._keep(request)
        return await super().call(plugin, method, request, timeout_s=timeout_s)

    @asynccontextmanager
    async def stream(self, plugin: str, request: ChatRequest, *, timeout_s: float):
        self._keep(request)
        async with super().stream(plugin, request, timeout_s=timeout_s) as events:
            yield events

    def _keep(self, request: object) -> None:
        assert isinstance(request, ChatRequest)
        self.got.append(request)


def routed(workers: Listening, options: Options | None = None) -> Dispatcher:
    return Dispatcher(
        workers,
        workers.clock,
        lambda: 1.0,
        handoff=options or Options(),
        sleep=workers.clock.sleep,
    )


def assert_mended(sent: ChatRequest) -> None:
    turn = sent.messages[1]
    calls = [part for part in turn.content if isinstance(part, ToolCall)]
    results = [p for m in sent.messages for p in m.content if isinstance(p, ToolResult)]
    assert faults(sent.messages) == []
    assert turn.content[0] == Text("<thinking>steps</thinking>")
    assert all(call.id.startswith("call_") for call in calls)
    assert [(one.tool_call_id, one.is_error) for one in results] == [
        (calls[0].id, False),
        (calls[1].id, True),
    ]


async def test_a_fallback_of_another_vendor_gets_the_history_mended() -> None:
    workers = Listening(Clock(), {"anthropic/c": [failure("overloaded")], "openai/g": [ANSWER]})

    response = await routed(workers).run(HISTORY, plan("anthropic/c", "openai/g"), timeout_s=60.0)

    first, second = workers.got
    assert first.messages is HISTORY.messages
    assert_mended(second)
    assert [warning.code for warning in response.warnings] == [
        "tool_result_supplied",
        "tool_call_ids_rewritten",
        "thinking_tagged",
    ]


async def test_a_stream_falls_back_the_same_way() -> None:
    workers = Listening(
        Clock(), streams={"anthropic/c": [[failure("overloaded")]], "openai/g": [HI]}
    )

    async with routed(workers).stream(
        HISTORY, plan("anthropic/c", "openai/g"), timeout_s=60.0
    ) as answer:
        response = fold([event async for event in answer])

    assert workers.got[0].messages is HISTORY.messages
    assert_mended(workers.got[1])
    assert "thinking_tagged" in {warning.code for warning in response.warnings}


async def test_back_at_its_own_vendor_a_history_is_as_it_came() -> None:
    workers = Listening(Clock(), {"openai/g": [failure("overloaded")], "anthropic/c": [ANSWER]})

    response = await routed(workers).run(HISTORY, plan("openai/g", "anthropic/c"), timeout_s=60.0)

    assert_mended(workers.got[0])
    assert workers.got[1].messages is HISTORY.messages
    assert response.warnings == ()


async def test_a_target_tried_again_gets_the_same_object() -> None:
    workers = Listening(Clock(), {"openai/g": [failure("network"), ANSWER]})

    await routed(workers).run(HISTORY, plan("openai/g"), timeout_s=60.0)

    assert workers.got[0] is workers.got[1]


async def test_the_operator_may_have_reasoning_dropped() -> None:
    workers = Listening(Clock(), {"openai/g": [ANSWER]})
    options = Options(thinking="dropped")

    response = await routed(workers, options).run(HISTORY, plan("openai/g"), timeout_s=60.0)

    assert "steps" not in repr(workers.got[0])
    assert "thinking_dropped" in {warning.code for warning in response.warnings}
