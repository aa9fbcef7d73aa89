"""What good vendors say on each wire, whole and as a stream, to be spoilt by tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from stockade_sdk import (
    Audio,
    ChatRequest,
    EmbeddingRequest,
    ImageRequest,
    SpeechRequest,
    TranscriptionRequest,
)
from stockade_sdk.provider import ProviderRequest

TEXT = "fine \u00e9 \U0001f600"  # characters of one, two and four bytes


@dataclass(frozen=True)
class Wire:
    """One vendor's wire: who is asked what, and what a good vendor says."""

    name: str
    plugin: str
    request: ProviderRequest
    whole: Any  # the JSON of a good answer, or its bytes
    events: tuple[tuple[str, Any], ...] = ()  # of a good stream: name and JSON, or text
    ends_with: int = 1  # so many of its events are not before its end

    @property
    def body(self) -> bytes:
        """The good answer."""
        return self.whole if isinstance(self.whole, bytes) else json_of(self.whole)

    @property
    def blocks(self) -> tuple[bytes, ...]:
        """The good stream, event by event."""
        return tuple(sse(data, name) for name, data in self.events)


def json_of(value: Any) -> bytes:
    """As vendors write it: no escapes for what UTF-8 can say."""
    return json.dumps(value, ensure_ascii=False).encode()


def sse(data: Any, name: str = "") -> bytes:
    """One server-sent event."""
    text = data.encode() if isinstance(data, str) else json_of(data)
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + text + b"\n\n"


def _chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    head = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return {**head, "choices": [choice], **more}


_COUNTS = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
_CHAT = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}
    ],
    "usage": _COUNTS,
}
_CHAT_EVENTS = (
    ("", _chunk({"role": "assistant", "content": ""})),
    ("", _chunk({"content": TEXT[:3]})),
    ("", _chunk({"content": TEXT[3:]})),
    ("", _chunk({}, "stop", usage=_COUNTS)),
    ("", "[DONE]"),
)
_MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": TEXT, "annotations": []}],
}
_RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "m",
    "status": "completed",
    "output": [_MESSAGE],
    "usage": {"input_tokens": 3, "output_tokens": 1, "total_tokens": 4},
}
_PLACE = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
_BEGUN = {**_RESPONSE, "status": "in_progress", "output": [], "usage": None}


def _told(*events: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((event["type"], event) for event in events)


_RESPONSE_EVENTS = _told(
    {"type": "response.created", "response": _BEGUN},
    {
        "type": "response.output_item.added",
        "output_index": 0,
        "item": {**_MESSAGE, "status": "in_progress", "content": []},
    },
    {
        "type": "response.content_part.added",
        **_PLACE,
        "part": {"type": "output_text", "text": "", "annotations": []},
    },
    {"type": "response.output_text.delta", **_PLACE, "delta": TEXT[:3]},
    {"type": "response.output_text.delta", **_PLACE, "delta": TEXT[3:]},
    {"type": "response.output_text.done", **_PLACE, "text": TEXT},
    {"type": "response.output_item.done", "output_index": 0, "item": _MESSAGE},
    {"type": "response.completed", "response": _RESPONSE},
)
_CLAUDE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": TEXT}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 1},
}
_CLAUDE_EVENTS = _told(
    {"type": "message_start", "message": {**_CLAUDE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": TEXT[:3]},
    },
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": TEXT[3:]},
    },
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 1},
    },
    {"type": "message_stop"},
)


def _content(text: str, **more: Any) -> dict[str, Any]:
    content = {"role": "model", "parts": [{"text": text}]}
    return {
        "candidates": [{"index": 0, "content": content, **more}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4},
        "modelVersion": "m",
    }


_TASK = {
    "output": {
        "task_id": "t-1",
        "task_status": "SUCCEEDED",
        "results": [{"url": "http://127.0.0.1/image.png"}],
    },
    "usage": {"image_count": 1},
}
_EMBEDDINGS = {
    "object": "list",
    "model": "m",
    "data": [{"object": "embedding", "index": at, "embedding": [at, 0.5]} for at in (0, 1)],
    "usage": {"prompt_tokens": 2, "total_tokens": 2},
}
WAVE = b"RIFF\x24\0\0\0WAVEfmt "
_SOUND = Audio(data=WAVE, format="wav")


def _ask(plugin: str, **settings: Any) -> ChatRequest:
    request = ChatRequest.of_text("how are you?", model=f"{plugin}/m")
    return msgspec.structs.replace(request, **settings)


# A seed is what the Responses of OpenAI's plugin cannot say, so it goes to chat completions.
CHAT = Wire("openai chat", "openai", _ask("openai", seed=1), _CHAT, _CHAT_EVENTS, 2)
RESPONSES = Wire("openai responses", "openai", _ask("openai"), _RESPONSE, _RESPONSE_EVENTS)
CLAUDE = Wire("anthropic", "anthropic", _ask("anthropic"), _CLAUDE, _CLAUDE_EVENTS, 2)
GEMINI = Wire(
    "gemini",
    "gemini",
    _ask("gemini"),
    _content(TEXT, finishReason="STOP"),
    (("", _content(TEXT[:3])), ("", _content(TEXT[3:])), ("", _content("", finishReason="STOP"))),
)
AZURE = Wire("azure", "azure-openai", _ask("azure-openai"), _CHAT, _CHAT_EVENTS, 2)
IMAGES = Wire("qwen images", "qwen", ImageRequest(prompt="a cat", model="qwen/m"), _TASK)
EMBEDDINGS = Wire(
    "embeddings", "mistral", EmbeddingRequest(input=("a", "b"), model="mistral/m"), _EMBEDDINGS
)
TRANSCRIPTION = Wire(
    "transcription", "mistral", TranscriptionRequest(audio=_SOUND, model="mistral/m"), {"text": "a"}
)
SPEECH = Wire(
    "speech",
    "mistral",
    SpeechRequest(input="a", model="mistral/m"),
    {"audio_data": "UklGRiQAAABXQVZFZm10IA=="},
)
CHATS = (CHAT, RESPONSES, CLAUDE, GEMINI, AZURE)
OTHERS = (IMAGES, EMBEDDINGS, TRANSCRIPTION, SPEECH)
WIRES = (*CHATS, *OTHERS)


@dataclass(frozen=True)
class Call:
    """A tool call as a vendor makes it; ``id`` is ``None`` where it gives none."""

    id: str | None
    name: str
    arguments: str


def calling(wire: Wire, *calls: Call) -> tuple[Any, tuple[bytes, ...]]:
    """The good answer with tool calls instead of its text: its JSON, and its stream."""
    whole, events = _CALLING[wire.plugin if wire is not RESPONSES else wire.name](calls)
    return whole, tuple(sse(data, name) for name, data in events)


def _named(call: Call, key: str = "id") -> dict[str, Any]:
    return {} if call.id is None else {key: call.id}


def _calling_chat(calls: tuple[Call, ...]) -> tuple[Any, Any]:
    made = [
        {
            **_named(call),
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for call in calls
    ]
    message = {"role": "assistant", "content": None, "tool_calls": made}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    chunks = [_chunk({"tool_calls": [{"index": at, **call}]}) for at, call in enumerate(made)]
    events = [*chunks, _chunk({}, "tool_calls", usage=_COUNTS), "[DONE]"]
    return {**_CHAT, "choices": [choice]}, [("", event) for event in events]


def _calling_responses(calls: tuple[Call, ...]) -> tuple[Any, Any]:
    items = [
        {
            "type": "function_call",
            "id": f"fc_{at}",
            **_named(call, "call_id"),
            "name": call.name,
            "arguments": call.arguments,
            "status": "completed",
        }
        for at, call in enumerate(calls)
    ]
    whole = {**_RESPONSE, "output": items}
    events: list[dict[str, Any]] = [{"type": "response.created", "response": _BEGUN}]
    for at, item in enumerate(items):
        place = {"item_id": item["id"], "output_index": at}
        begun = {**item, "arguments": "", "status": "in_progress"}
        events += [
            {"type": "response.output_item.added", "output_index": at, "item": begun},
            {
                "type": "response.function_call_arguments.delta",
                **place,
                "delta": item["arguments"],
            },
            {"type": "response.output_item.done", "output_index": at, "item": item},
        ]
    return whole, _told(*events, {"type": "response.completed", "response": whole})


def _calling_claude(calls: tuple[Call, ...]) -> tuple[Any, Any]:
    uses = [
        {"type": "tool_use", **_named(call), "name": call.name, "input": _parsed(call)}
        for call in calls
    ]
    events: list[dict[str, Any]] = [_CLAUDE_EVENTS[0][1]]
    for at, (use, call) in enumerate(zip(uses, calls, strict=True)):
        piece = {"type": "input_json_delta", "partial_json": call.arguments}
        events += [
            {"type": "content_block_start", "index": at, "content_block": {**use, "input": {}}},
            {"type": "content_block_delta", "index": at, "delta": piece},
            {"type": "content_block_stop", "index": at},
        ]
    end = {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {}}
    whole = {**_CLAUDE, "content": uses, "stop_reason": "tool_use"}
    return whole, _told(*events, end, {"type": "message_stop"})


def _calling_gemini(calls: tuple[Call, ...]) -> tuple[Any, Any]:
    parts = [
        {"functionCall": {**_named(call), "name": call.name, "args": _parsed(call)}}
        for call in calls
    ]
    whole = _content("", finishReason="STOP")
    whole["candidates"][0]["content"]["parts"] = parts
    return whole, [("", whole)]


def _parsed(call: Call) -> Any:
    """Where arguments are JSON in JSON; what is none can only be text."""
    try:
        return json.loads(call.arguments)
    except ValueError:
        return call.arguments


_CALLING: dict[str, Callable[[tuple[Call, ...]], tuple[Any, Any]]] = {
    "openai": _calling_chat,
    "azure-openai": _calling_chat,
    RESPONSES.name: _calling_responses,
    "anthropic": _calling_claude,
    "gemini": _calling_gemini,
}
