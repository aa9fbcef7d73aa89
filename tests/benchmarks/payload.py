"""The requests that are sent, and the codec that every side uses."""

from typing import Any

import msgspec

from stockade_sdk import (
    ChatRequest,
    ChatResponse,
    Image,
    Message,
    MessageRole,
    ToolDefinition,
)
from stockade_sdk.stream import ChatEvent

MIB = 1024 * 1024
KIB = 1024

encode = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(ChatRequest).decode
decode_response = msgspec.msgpack.Decoder(ChatResponse).decode
decode_event = msgspec.msgpack.Decoder(ChatEvent).decode
decode_events = msgspec.msgpack.Decoder(list[ChatEvent]).decode

SENTENCE = "The quick brown fox jumps over the lazy dog, and nobody minds. "
QUESTION = "What do you make of that?"


def chat() -> ChatRequest:
    """8 messages and 2 tools: 4.1 KB encoded, as the 4 KB payload of the measures."""
    messages = tuple(
        Message.of_text("user" if number % 2 == 0 else "assistant", SENTENCE * 6 + QUESTION)
        for number in range(8)
    )
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where to look it up"},
            "days": {"type": "integer", "minimum": 1, "maximum": 14},
        },
        "required": ["city"],
        "additionalProperties": False,
    }
    tools = tuple(
        ToolDefinition(name, f"Look up {name} for a city, some days ahead", schema)
        for name in ("weather", "events")
    )
    return ChatRequest(messages=messages, tools=tools, temperature=0.2, max_output_tokens=512)


def image() -> ChatRequest:
    """One message with a 1 MiB image."""
    part = Image(data=bytes(range(256)) * (4 * KIB), media_type="image/png")
    return ChatRequest(messages=(Message(MessageRole.USER, (part,)),))


def stream_of(chunks: int) -> ChatRequest:
    """Asks for so many chunks."""
    return ChatRequest.of_text(str(chunks))
