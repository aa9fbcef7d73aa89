"""Streamed answers for clients: canonical events in, chunks of the wire out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stockade_sdk.capability import CostBreakdown, Usage
from stockade_sdk.chat import AssistantOutput, ChatResponse
from stockade_sdk.stream import (
    ChatEvent,
    Finish,
    TextDelta,
    ThinkingDelta,
    ThinkingEnd,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)

from .calls import ARGUMENTS
from .messages import THINKING_FIELDS
from .overlay import NOTES, merged, own
from .responses import encode_full_usage, finish_word


class StreamEncoder:
    """Turns events into ``chat.completion.chunk`` objects; the caller frames them and sends
    ``[DONE]`` after the last.

    ``created`` is seconds since 1970. ``include_usage`` as the client's ``stream_options`` say it.
    """

    def __init__(
        self, *, id: str, model: str, created: int = 0, include_usage: bool = False
    ) -> None:
        self._head = {
            "id": id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
        }
        self._include_usage = include_usage
        self._indexes: dict[str, int] = {}
        self._argued: set[str] = set()  # calls with arguments; clients parse those of each
        self._begun = False

    def feed(self, event: ChatEvent) -> list[dict[str, Any]]:
        """The chunks of one event; none for events that this wire does not show."""
        match event:
            case TextDelta(id="refusal", text=text):
                return [self._delta({"refusal": text})]
            case TextDelta(text=text):
                return [self._delta({"content": text})]
            case ThinkingDelta(id=id, text=text) if id.startswith("part"):
                item = {"type": "thinking", "thinking": [{"type": "text", "text": text}]}
                return [self._delta({"content": [item]})]
            case ThinkingDelta(id=id, text=text):
                field = id if id in THINKING_FIELDS else "reasoning_content"
                return [] if id == "reasoning_details" else [self._delta({field: text})]
            case ThinkingEnd(provider_metadata=metadata):
                extra = _sent(own(metadata))
                return [self._delta(extra)] if extra else []
            case ToolCallStart(id=id, name=name):
                index = self._indexes.setdefault(id, len(self._indexes))
                function = {"name": name, "arguments": ""}
                return [
                    self._call({"index": index, "id": id, "type": "function", "function": function})
                ]
            case ToolCallDelta(id=id, arguments=text):
                return [self._argue(id, text)]
            case ToolCallEnd(id=id, provider_metadata=metadata):
                silent = id not in self._argued and own(metadata).get(ARGUMENTS) is None
                chunks = [self._argue(id, "{}")] if silent else []
                extra = _sent(own(metadata))
                if extra:
                    chunks.append(self._call({"index": self._indexes[id], **extra}))
                return chunks
            case Finish():
                return self._finish(event)
            case _:
                return []

    def feed_all(self, events: Iterable[ChatEvent]) -> list[dict[str, Any]]:
        """The chunks of several events."""
        return [chunk for event in events for chunk in self.feed(event)]

    def _finish(self, event: Finish) -> list[dict[str, Any]]:
        overlay = own(event.provider_metadata)
        choice = overlay.get("choice")
        choice = choice if isinstance(choice, dict) else {}
        message = choice.get("message")
        chunks: list[dict[str, Any]] = []
        said = _sent(message) if isinstance(message, dict) else {}
        if said or not self._begun:
            chunks.append(self._delta(said or {"content": ""}))
        word = finish_word(event.reason, event.raw, bool(overlay))
        last = {"index": 0, "delta": {}, "finish_reason": word}
        rest = {key: value for key, value in choice.items() if key != "message"}
        top = {
            key: value
            for key, value in overlay.items()
            if key not in ("choice", "choices", "usage", "created")
        }
        chunks.append(merged({**self._head, "choices": [merged(last, rest)]}, top))
        others = overlay.get("choices")
        for other in others if isinstance(others, list | tuple) else ():
            if isinstance(other, dict):
                delta = {key: value for key, value in other.items() if key != "message"}
                chunks.append(
                    {**self._head, "choices": [{**delta, "delta": _indexed(other.get("message"))}]}
                )
        if self._include_usage:
            usage = encode_full_usage(_bare(event.usage, event.cost, event.provider_metadata))
            chunks.append({**self._head, "choices": [], "usage": usage})
        return chunks

    def _delta(self, delta: dict[str, Any]) -> dict[str, Any]:
        if not self._begun:
            self._begun = True
            delta = {"role": "assistant", **delta}
        return {**self._head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}

    def _argue(self, id: str, text: str) -> dict[str, Any]:
        if text.strip():
            self._argued.add(id)
        return self._call({"index": self._indexes[id], "function": {"arguments": text}})

    def _call(self, call: dict[str, Any]) -> dict[str, Any]:
        return self._delta({"tool_calls": [call]})


def _sent(overlay: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in overlay.items() if key not in NOTES and value is not None}


def _indexed(message: Any) -> dict[str, Any]:
    """A whole message as one delta, its tool calls numbered as streams want them."""
    if not isinstance(message, dict):
        return {}
    calls = message.get("tool_calls")
    if not isinstance(calls, list):
        return message
    return {**message, "tool_calls": [{"index": at, **call} for at, call in enumerate(calls)]}


def _bare(
    usage: Usage | None, cost: CostBreakdown | None, metadata: dict[str, Any] | None
) -> ChatResponse:
    return ChatResponse(
        output=AssistantOutput(), usage=usage, cost=cost, provider_metadata=metadata
    )
