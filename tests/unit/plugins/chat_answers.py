"""Answers on OpenAI's chat wire, of our own making, for the plugins that speak it."""

from typing import Any

from stockade_sdk import ChatRequest, Message, MessageRole, Thinking, ToolCall, ToolResult
from stockade_sdk.testing import ProviderRun, provider_under_test
from tests.unit.plugins.loading import defaults_of, provider_class

CHAT = {
    "id": "c-1",
    "object": "chat.completion",
    "model": "m-1",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
}
CHUNKS: tuple[dict[str, Any], ...] = (
    {"id": "c-1", "model": "m-1", "choices": [{"index": 0, "delta": {"content": "hel"}}]},
    {"choices": [{"index": 0, "delta": {"content": "lo"}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
)


def chat(**changes: Any) -> dict[str, Any]:
    """``CHAT`` with other fields."""
    return {**CHAT, **changes}


def message(**fields: Any) -> dict[str, Any]:
    """``CHAT`` with another message."""
    choice = {"index": 0, "message": {"role": "assistant", **fields}, "finish_reason": "stop"}
    return {**CHAT, "choices": [choice]}


def running(plugin: str, *answers: Any, **config: Any) -> Any:
    """The plugin's provider with its manifest's settings, ``config`` over them."""
    settings = {**defaults_of(plugin), **config}
    return provider_under_test(provider_class(plugin), config=settings, respond=answers)


def sent(run: ProviderRun) -> dict[str, Any]:
    """The body of the last request."""
    found: dict[str, Any] = run.requests[-1].json
    return found


def after_a_tool(*thoughts: Thinking, model: str | None = None) -> ChatRequest:
    """A history whose assistant called a tool, and the tool's answer."""
    call = ToolCall("call_1", "clock", {})
    return ChatRequest(
        model=model,
        messages=(
            Message.of_text("user", "what time is it?"),
            Message(MessageRole.ASSISTANT, (*thoughts, call)),
            Message(MessageRole.TOOL, (ToolResult("call_1", "noon"),)),
        ),
    )


def codes(response: Any) -> list[str]:
    """The codes of a response's warnings."""
    return [warning.code for warning in response.warnings]
