"""Streamed answers for clients: canonical events in, chunks of the wire out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stockade_sdk.chat import (
    AssistantOutput,
    ChatResponse,
    ContentPart,
    Text,
    Thinking,
    ToolCall,
    parse_arguments,
)
from stockade_sdk.stream import (
    ChatEvent,
    Finish,
    TextDelta,
    TextEnd,
    TextStart,
    ThinkingDelta,
    ThinkingEnd,
    ThinkingStart,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)

from .finish import finish_word
from .overlay import AT, merged, own
from .responses import CANDIDATE, OTHERS, USAGE, encode_full_usage, encode_parts, top_of
from .stream_candidate import WHOLE


class StreamEncoder:
    """Turns events into ``GenerateContentResponse`` objects; the caller frames them. Nothing comes
    after the last.

    Text and thoughts go out as they come. Calls, and blocks that were one part on this wire, go out
    when they are complete. The wire has no field for ``created``.
    """

    def __init__(self, *, id: str, model: str, created: int = 0) -> None:
        self._head = {"modelVersion": model, "responseId": id}
        self._pieces: dict[tuple[str, str], list[str]] = {}  # of what is held, by kind and id
        self._names: dict[str, str] = {}

    def feed(self, event: ChatEvent) -> list[dict[str, Any]]:
        """The chunks of one event; none for events that this wire does not show."""
        match event:
            case TextDelta(id=id, text=text) | ThinkingDelta(id=id, text=text):
                thought = isinstance(event, ThinkingDelta)
                held = self._pieces.get(("thinking" if thought else "text", id))
                if held is not None:
                    held.append(text)
                    return []
                part: dict[str, Any] = (
                    {"text": text, "thought": True} if thought else {"text": text}
                )
                return [self._chunk([part])]
            case TextStart(id=id) | ThinkingStart(id=id):
                if id.startswith(WHOLE):
                    self._pieces["text" if isinstance(event, TextStart) else "thinking", id] = []
                return []
            case ToolCallStart(id=id, name=name):
                self._pieces["call", id], self._names[id] = [], name
                return []
            case ToolCallDelta(id=id, arguments=text):
                self._pieces["call", id].append(text)
                return []
            case TextEnd() | ThinkingEnd() | ToolCallEnd():
                return self._end(event)
            case Finish():
                return [self._finish(event)]

    def feed_all(self, events: Iterable[ChatEvent]) -> list[dict[str, Any]]:
        """The chunks of several events."""
        return [chunk for event in events for chunk in self.feed(event)]

    def _end(self, event: TextEnd | ThinkingEnd | ToolCallEnd) -> list[dict[str, Any]]:
        kind = {TextEnd: "text", ThinkingEnd: "thinking"}.get(type(event), "call")
        held = self._pieces.pop((kind, event.id), None)
        metadata = event.provider_metadata
        part: ContentPart
        match event:
            case ToolCallEnd(id=id):
                arguments = parse_arguments("".join(held or ()))[0]
                part = ToolCall(id, self._names[id], arguments, metadata)
            case ThinkingEnd(signature=signature, provider=provider):
                if held is None and not (signature or own(metadata)):
                    return []
                part = Thinking("".join(held or ()), signature, provider, metadata)
            case TextEnd():
                if held is None and not own(metadata):
                    return []
                part = Text("".join(held or ()), metadata)
        parts = encode_parts((part,))
        if held is None and parts and set(parts[0]) <= {"text", "thought"}:
            return []  # the text went out before, and there is nothing more to say
        return [self._chunk(parts)] if parts else []

    def _finish(self, event: Finish) -> dict[str, Any]:
        overlay = own(event.provider_metadata)
        laid_over = overlay.get(CANDIDATE)
        candidate: dict[str, Any] = {
            "content": {"role": "model", "parts": []},
            "finishReason": finish_word(event.reason, event.raw),
            "index": 0,
        }
        if isinstance(laid_over, dict):
            candidate = merged(candidate, {k: v for k, v in laid_over.items() if k != AT})
        others = overlay.get(OTHERS)
        chunk: dict[str, Any] = {
            "candidates": [candidate, *(others if isinstance(others, list | tuple) else ())]
        }
        bare = ChatResponse(
            output=AssistantOutput(), usage=event.usage, provider_metadata=event.provider_metadata
        )
        usage = encode_full_usage(bare)
        if usage is not None:
            chunk[USAGE] = usage
        return merged({**chunk, **self._head}, top_of(overlay))

    def _chunk(self, parts: list[dict[str, Any]]) -> dict[str, Any]:
        content = {"role": "model", "parts": parts}
        return {"candidates": [{"content": content, "index": 0}], **self._head}
