"""The requests that checks make. Pure."""

from __future__ import annotations

import struct
import zlib
from typing import Any, Final

from stockade_sdk.audio import SpeechRequest, TranscriptionRequest
from stockade_sdk.capability import Capability
from stockade_sdk.chat import (
    Audio,
    ChatRequest,
    Image,
    Message,
    MessageRole,
    ResponseFormat,
    Text,
    ToolCall,
    ToolDefinition,
    ToolResult,
)
from stockade_sdk.embedding import EmbeddingRequest
from stockade_sdk.image import ImageRequest
from stockade_sdk.provider import ProviderRequest
from stockade_sdk.rerank import RerankRequest

from .desk import mark_of

__all__ = ["DOCUMENTS", "PICTURE", "TOOLS", "basic", "chat", "marked", "results"]

DOCUMENTS: Final = ("a ship on the sea", "a key in a lock", "a loaf of bread")
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}
FORMAT: Final = ResponseFormat(type="json_schema", name="weather", schema=SCHEMA, strict=True)
_ARGUMENTS: Final = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
TOOLS: Final = (
    ToolDefinition("weather_of", "The weather of a city", _ARGUMENTS),
    ToolDefinition("time_of", "The time of day in a city", _ARGUMENTS),
)


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


def _picture() -> bytes:
    """A grey square of 16 pixels (PNG specification, third edition)."""
    head = struct.pack(">IIBBBBB", 16, 16, 8, 0, 0, 0, 0)
    rows = b"".join(b"\0" + b"\x7f" * 16 for _ in range(16))
    chunks = (_chunk(b"IHDR", head), _chunk(b"IDAT", zlib.compress(rows)), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def wave(words: str = "") -> bytes:
    """A fifth of a second of silence, 8 kHz, 16 bit, one channel, with a mark among its samples:
    not every vendor of transcriptions takes a prompt.
    """
    mark = words.encode() + b"\0" * (len(words.encode()) % 2)
    sound = b"\0\0" * 800 + mark + b"\0\0" * 800
    head = struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
    body = b"WAVEfmt " + head + b"data" + struct.pack("<I", len(sound)) + sound
    return b"RIFF" + struct.pack("<I", len(body)) + body


PICTURE: Final = _picture()


def marked(check: str, words: str = "") -> str:
    """A prompt with a check's mark."""
    return f"{mark_of(check)} {words or 'say something short'}"


def chat(prompt: str, model: str | None, **more: Any) -> ChatRequest:
    """One user message, and what else is asked."""
    message = Message.of_text(MessageRole.USER, prompt)
    return ChatRequest(messages=(message,), model=model, **more)


def seeing(prompt: str, model: str | None) -> ChatRequest:
    """A question about a picture."""
    parts = (Text(prompt), Image(data=PICTURE, media_type="image/png"))
    return ChatRequest(messages=(Message(MessageRole.USER, parts),), model=model)


def results(request: ChatRequest, calls: tuple[ToolCall, ...], words: str) -> ChatRequest:
    """The same conversation after its tools answered, each with `words` and its own city."""
    said = Message(MessageRole.ASSISTANT, calls)
    answers = tuple(ToolResult(call.id, f"{words} {call.name}", name=call.name) for call in calls)
    messages = (*request.messages, said, Message(MessageRole.TOOL, answers))
    return ChatRequest(messages=messages, model=request.model, tools=request.tools)


def basic(capability: Capability, model: str | None, prompt: str) -> ProviderRequest:
    """The plainest request for a capability."""
    match capability:
        case Capability.CHAT:
            return chat(prompt, model)
        case Capability.VISION:
            return seeing(prompt, model)
        case Capability.EMBEDDING:
            return EmbeddingRequest.of_texts(prompt, "second", "third", model=model)
        case Capability.RERANK:
            return RerankRequest(query=prompt, documents=DOCUMENTS, model=model)
        case Capability.IMAGE_GEN:
            return ImageRequest(prompt=prompt, model=model)
        case Capability.AUDIO_TTS:
            return SpeechRequest(input=prompt, model=model, voice="alloy")
        case Capability.AUDIO_STT:
            sound = Audio(data=wave(prompt), format="wav")
            return TranscriptionRequest(audio=sound, prompt=prompt, model=model)
