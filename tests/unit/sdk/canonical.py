"""Canonical values for property tests: conversations as they happen, in any size and mixture.

A conversation begins with a user's turn, and every tool call is answered in the next message; what
a dialect cannot say of it is for that dialect's own test to allow for.
"""

from typing import Any

from hypothesis import strategies as st

from stockade_sdk import (
    AssistantOutput,
    Audio,
    ChatRequest,
    ChatResponse,
    File,
    FinishReason,
    Image,
    Message,
    MessageRole,
    ResponseFormat,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolDefinition,
    ToolResult,
    Usage,
)

PNG = b"\x89PNG\r\n\x1a\n"

words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
texts = words.filter(bool)
names = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,15}", fullmatch=True)
numbers = st.integers(0, 10**6)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(names, json_values, max_size=3)

images = st.builds(
    Image, data=st.binary(max_size=20).map(PNG.__add__), media_type=st.just("image/png")
) | st.builds(Image, url=names.map("https://images.example/{}".format))
sounds = st.builds(Audio, data=st.binary(min_size=1, max_size=20), format=st.just("wav"))
files = st.builds(
    File,
    data=st.binary(min_size=1, max_size=20),
    media_type=st.just("application/pdf"),
    filename=names.map("{}.pdf".format),
)
user_parts = st.builds(Text, texts) | images | sounds | files

schemas = st.fixed_dictionaries(
    {
        "type": st.just("object"),
        "properties": st.dictionaries(names, st.just({"type": "string"}), max_size=3),
    }
)
tools = st.builds(ToolDefinition, names, description=st.none() | texts, parameters_schema=schemas)
formats = (
    st.just(ResponseFormat())
    | st.just(ResponseFormat(type="json_object"))
    | st.builds(ResponseFormat, type=st.just("json_schema"), name=names, schema=schemas)
)
usages = st.builds(
    Usage, input_tokens=numbers, output_tokens=numbers, cached_input_tokens=st.none() | st.just(0)
)


@st.composite
def turns(draw: st.DrawFn, parts: st.SearchStrategy[Any] = user_parts) -> list[Message]:
    """A user's turn and what follows it: an answer, perhaps calls, their results, an answer."""
    asked = Message(MessageRole.USER, tuple(draw(st.lists(parts, min_size=1, max_size=3))))
    said = [Text(draw(texts))] if draw(st.booleans()) else []
    ids = draw(st.lists(names, unique=True, max_size=2))
    calls = [ToolCall(f"call_{id}", draw(names), draw(objects)) for id in ids]
    if not (said or calls):
        return [asked]
    results = [Message(MessageRole.TOOL, (ToolResult(call.id, draw(texts)),)) for call in calls]
    answer = [Message(MessageRole.ASSISTANT, (Text(draw(texts)),))] if calls else []
    return [asked, Message(MessageRole.ASSISTANT, (*said, *calls)), *results, *answer]


@st.composite
def requests(draw: st.DrawFn, parts: st.SearchStrategy[Any] = user_parts) -> ChatRequest:
    """A whole request, every canonical setting in or out by itself."""
    system = [Message.of_text("system", draw(texts))] if draw(st.booleans()) else []
    # Calls have ids of their own across turns, as a real history has.
    rounds = draw(st.lists(turns(parts), min_size=1, max_size=2))
    history = [_numbered(message, at) for at, turn in enumerate(rounds) for message in turn]
    history.append(Message(MessageRole.USER, tuple(draw(st.lists(parts, min_size=1, max_size=2)))))
    defined = tuple(draw(st.lists(tools, max_size=2, unique_by=lambda tool: tool.name)))
    choices = [ToolChoice("auto"), ToolChoice("none"), ToolChoice("required")]
    choices += [ToolChoice("specific", tool.name) for tool in defined]
    return ChatRequest(
        messages=(*system, *history),
        model=draw(names),
        tools=defined,
        tool_choice=draw(st.none() | st.sampled_from(choices)) if defined else None,
        parallel_tool_calls=draw(st.none() | st.booleans()) if defined else None,
        response_format=draw(st.none() | formats),
        temperature=draw(st.none() | st.sampled_from((0.0, 0.25, 1.0))),
        top_p=draw(st.none() | st.sampled_from((0.1, 0.5))),
        top_k=draw(st.none() | st.integers(1, 100)),
        max_output_tokens=draw(st.none() | st.integers(1, 8192)),
        stop=tuple(draw(st.lists(texts, max_size=2, unique=True))),
        seed=draw(st.none() | st.integers(0, 2**31 - 1)),
        presence_penalty=draw(st.none() | st.sampled_from((0.0, 0.5))),
        frequency_penalty=draw(st.none() | st.sampled_from((0.0, 0.5))),
        reasoning_effort=draw(st.none() | st.sampled_from(("low", "medium", "high"))),
        metadata=draw(st.none() | st.dictionaries(names, words, max_size=2)),
    )


@st.composite
def responses(draw: st.DrawFn) -> ChatResponse:
    """A whole answer: reasoning, text, calls, in the order in which models give them."""
    parts: list[Any] = [Thinking(draw(texts))] if draw(st.booleans()) else []
    if draw(st.booleans()):
        parts.append(Text(draw(texts)))
    ids = draw(st.lists(names, unique=True, max_size=2))
    parts += [ToolCall(f"call_{id}", draw(names), draw(objects)) for id in ids]
    ended = [FinishReason.STOP, FinishReason.LENGTH, FinishReason.CONTENT_FILTER]
    return ChatResponse(
        output=AssistantOutput(tuple(parts)),
        finish_reason=FinishReason.TOOL_CALLS if ids else draw(st.sampled_from(ended)),
        usage=draw(st.none() | usages),
        model=draw(names),
        id=draw(names),
    )


def _numbered(message: Message, turn: int) -> Message:
    def renamed(part: Any) -> Any:
        match part:
            case ToolCall(id=id, name=name, arguments=arguments):
                return ToolCall(f"{id}_{turn}", name, arguments)
            case ToolResult(tool_call_id=id, content=content):
                return ToolResult(f"{id}_{turn}", content)
        return part

    return Message(message.role, tuple(renamed(part) for part in message.content))
