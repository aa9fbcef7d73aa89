"""Whether a canonical answer says what was recorded."""

import msgspec

from stockade_sdk import ChatResponse, Thinking
from tests.recorded.expected import FINISH, Said


def assert_says(response: ChatResponse, recorded: Said) -> None:
    """Text, reasoning, tool calls with parsed arguments, reason, usage, number of choices."""
    assert response.text == recorded.text
    thoughts = [part.text for part in response.output.content if isinstance(part, Thinking)]
    if recorded.thinking:
        assert "".join(thoughts) == recorded.thinking
    assert [(call.name, call.arguments) for call in response.tool_calls] == [
        (name, arguments) for _, name, arguments in recorded.calls
    ]
    for call, (id, _, _) in zip(response.tool_calls, recorded.calls, strict=True):
        assert call.id == id or (not id and call.id)
    assert response.raw_finish_reason == recorded.finish
    assert response.finish_reason == FINISH.get(recorded.finish or "", "other")
    usage = msgspec.to_builtins(response.usage) if response.usage is not None else {}
    assert {name: usage.get(name) for name in recorded.usage} == recorded.usage
    metadata = (response.provider_metadata or {}).get("openai_chat", {})
    assert 1 + len(metadata.get("choices", [])) == recorded.choices
