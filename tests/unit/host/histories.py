"""Histories, well-formed and broken, and what makes one well-formed: judged without the product."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from stockade_sdk.chat import (
    Audio,
    ChatRequest,
    ContentPart,
    Image,
    Message,
    MessageRole,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)

IMAGE = Image(data=b"\x89PNG", media_type="image/png")
IDS = ("c1", "c2", "call_AbC123", "toolu_01XyZ", "functions.read:0", "a b", "x" * 70, "")
NAMES = ("read", " read ", "exec", " ")
PLUGINS = ("openai", "anthropic", "mistral", "openrouter", "gemini", "deepseek", "bolt")
DETAILS = {"openai_chat": {"$fields": ["reasoning_content"]}}

ids = st.sampled_from(IDS)
texts = st.sampled_from(("", "a", "steps"))
thinkings = st.builds(
    Thinking,
    texts,
    signature=st.sampled_from((None, "sig")),
    provider=st.sampled_from((None, "anthropic", "openai", "azure-openai", "bolt")),
    provider_metadata=st.sampled_from((None, DETAILS)),
)
calls = st.builds(ToolCall, ids, st.sampled_from(NAMES), st.sampled_from(({}, {"q": 1}, None)))
results = st.builds(
    ToolResult, ids, st.sampled_from(("ok", {"a": 1}, (Text("t"), IMAGE))), is_error=st.booleans()
)
parts = st.one_of(
    st.builds(Text, texts),
    calls,
    results,
    thinkings,
    st.sampled_from((IMAGE, Audio(id="audio_1", transcript="said"))),
)
options = st.sampled_from(
    (None, None, {"stockade": {"finish_reason": "error"}}, {"openai_chat": {"name": "bob"}})
)
messages = st.builds(
    Message,
    st.sampled_from(tuple(MessageRole)),
    st.lists(parts, max_size=4).map(tuple),
    options,
)
requests = st.lists(messages, max_size=8).map(lambda found: ChatRequest(messages=tuple(found)))


def said(role: str, *content: ContentPart | str, **options: Any) -> Message:
    """A message; plain strings are texts, ``options`` the host's own of the message."""
    found = tuple(Text(part) if isinstance(part, str) else part for part in content)
    return Message(MessageRole(role), found, {"stockade": options} if options else None)


def faults(history: tuple[Message, ...]) -> list[str]:
    """What every vendor that checks would find wrong with the calls of a history."""
    found: list[str] = []
    waiting: list[str] = []
    seen: set[str] = set()
    for at, message in enumerate(history):
        assistant = message.role is MessageRole.ASSISTANT
        if waiting and (assistant or not any_result(message)):
            found.append(f"messages[{at}] comes before the results of {waiting}")
            waiting = []
        for part in message.content:
            if isinstance(part, ToolCall):
                if not assistant or part.id in seen or not part.id or part.name.strip() == "":
                    found.append(f"messages[{at}] has the call {part!r}")
                seen.add(part.id)
                waiting.append(part.id)
            elif isinstance(part, ToolResult):
                if assistant or part.tool_call_id not in waiting:
                    found.append(f"messages[{at}] has the result {part!r}")
                else:
                    waiting.remove(part.tool_call_id)
        if waiting and not assistant and not only_results(message):
            found.append(f"messages[{at}] speaks before the results of {waiting}")
    return [*found, f"no results of {waiting}"] if waiting else found


def any_result(message: Message) -> bool:
    return any(isinstance(part, ToolResult) for part in message.content)


def only_results(message: Message) -> bool:
    return all(isinstance(part, ToolResult) for part in message.content)
