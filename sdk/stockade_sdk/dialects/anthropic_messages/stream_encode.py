"""Streamed answers for clients: canonical events in, events of the wire out.

A block begins on the wire with its first delta, or with its end: only the end says that a text
stands for a block carried whole, or that reasoning is redacted. What else is known at the end alone
goes into ``content_block`` of ``content_block_stop``, which the vendor's clients look past.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stockade_sdk.chat import parse_arguments
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

from .blocks import AS, PART, as_object
from .overlay import FAMILY, NOTES, own
from .responses import encode_full_usage, finish_word
from .stream_blocks import WHOLE

_Block = tuple[str, str]  # kind and id


class StreamEncoder:
    """Turns events into the payloads of server-sent events; ``payload["type"]`` is the name of
    each.

    The first one begins the message; its counts are the 0 of what is not counted yet.
    """

    def __init__(self, *, id: str, model: str, created: int = 0) -> None:
        self._id, self._model = id, model
        self._begun = False
        self._next = 0
        self._indexes: dict[_Block, int] = {}  # of the open blocks
        self._waiting: dict[_Block, list[str]] = {}  # begun, not on the wire yet; what they said
        self._held: dict[str, list[str]] = {}  # of the calls whose arguments are no object so far

    def feed(self, event: ChatEvent) -> list[dict[str, Any]]:
        """The payloads of one event."""
        payloads: list[dict[str, Any]] = [] if self._begun else [self._start()]
        match event:
            case TextDelta(text="") | ThinkingDelta(text=""):
                pass  # says nothing, and must not begin a block
            case TextDelta(id=id, text=text):
                self._say(("text", id), {"type": "text_delta", "text": text}, payloads)
            case ThinkingDelta(id=id, text=text):
                delta = {"type": "thinking_delta", "thinking": text}
                self._say(("thinking", id), delta, payloads)
            case ToolCallDelta(id=id, arguments=text):
                payloads += self._argue(id, text)
            case TextStart(id=id):
                self._wait(("text", id), payloads)
            case ThinkingStart(id=id):
                self._wait(("thinking", id), payloads)
            case ToolCallStart(id=id, name=name):
                self._flush(payloads)
                call = {"type": "tool_use", "id": id, "name": name, "input": {}}
                self._open(("tool", id), call, payloads)
                self._held[id] = []
            case TextEnd(id=id, provider_metadata=metadata):
                self._end_text(("text", id), own(metadata), payloads)
            case ThinkingEnd():
                self._end_thinking(event, payloads)
            case ToolCallEnd(id=id, provider_metadata=metadata):
                self._end_held(id, payloads)
                self._close(("tool", id), _said(own(metadata)), payloads)
            case Finish():
                self._flush(payloads)
                self._finish(event, payloads)
        return payloads

    def feed_all(self, events: Iterable[ChatEvent]) -> list[dict[str, Any]]:
        """The payloads of several events."""
        return [payload for event in events for payload in self.feed(event)]

    def _start(self) -> dict[str, Any]:
        self._begun = True
        message: dict[str, Any] = {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }
        return {"type": "message_start", "message": message}

    def _wait(self, block: _Block, payloads: list[dict[str, Any]]) -> None:
        self._flush(payloads)
        self._waiting[block] = []

    def _flush(self, payloads: list[dict[str, Any]]) -> None:
        """Begin what waits: blocks stand in the order in which they began."""
        for block, said in list(self._waiting.items()):
            self._begin(block, payloads)
            if said:
                delta = {"type": "text_delta", "text": "".join(said)}
                payloads.append(self._delta(block, delta))

    def _begin(self, block: _Block, payloads: list[dict[str, Any]]) -> None:
        self._waiting.pop(block, None)
        empty: dict[str, Any] = {"type": "text", "text": ""}
        if block[0] == "thinking":
            empty = {"type": "thinking", "thinking": "", "signature": ""}
        self._open(block, empty, payloads)

    def _say(self, block: _Block, delta: dict[str, Any], payloads: list[dict[str, Any]]) -> None:
        waiting = self._waiting.get(block)
        if waiting is not None:
            if block[0] == "text" and block[1].startswith(WHOLE):
                waiting.append(delta["text"])
                return
            self._begin(block, payloads)
        payloads.append(self._delta(block, delta))

    def _argue(self, id: str, text: str) -> list[dict[str, Any]]:
        """More of a call's arguments; those that begin as no object wait until they are whole, when
        they can go into one.
        """
        held = self._held.get(id)
        if held is not None and (held or text.strip()):
            if held or not text.lstrip().startswith("{"):
                held.append(text)
                return []
            del self._held[id]
        return [self._arguments(id, text)]

    def _end_held(self, id: str, payloads: list[dict[str, Any]]) -> None:
        held = self._held.pop(id, None)
        if held:
            from msgspec.json import encode

            arguments = as_object(parse_arguments("".join(held))[0])
            payloads.append(self._arguments(id, encode(arguments).decode()))

    def _arguments(self, id: str, text: str) -> dict[str, Any]:
        return self._delta(("tool", id), {"type": "input_json_delta", "partial_json": text})

    def _end_text(
        self, block: _Block, overlay: dict[str, Any], payloads: list[dict[str, Any]]
    ) -> None:
        said = self._waiting.get(block)
        whole = overlay.get(PART)
        if said is not None and isinstance(whole, dict):
            del self._waiting[block]
            self._carry(block, whole, payloads)
            return
        if said is not None:
            if not said and overlay.get(AS) != "empty":
                del self._waiting[block]  # a text of no characters, which this wire has not
                return
            self._flush(payloads)
        extra = _said(overlay)
        payloads += [
            self._delta(block, {"type": "citations_delta", "citation": citation})
            for citation in extra.pop("citations", None) or ()
        ]
        self._close(block, extra, payloads)

    def _carry(self, block: _Block, whole: dict[str, Any], payloads: list[dict[str, Any]]) -> None:
        given = whole.get("input")
        kind = whole.get("type")
        if not (isinstance(kind, str) and kind.endswith("_tool_use") and given):
            self._open(block, whole, payloads)
            self._close(block, {}, payloads)
            return
        from msgspec.json import encode

        self._open(block, {**whole, "input": {}}, payloads)
        delta = {"type": "input_json_delta", "partial_json": encode(given).decode()}
        payloads.append(self._delta(block, delta))
        self._close(block, {}, payloads)

    def _end_thinking(self, event: ThinkingEnd, payloads: list[dict[str, Any]]) -> None:
        block, overlay = ("thinking", event.id), own(event.provider_metadata)
        if overlay.get(AS) == "redacted" and self._waiting.pop(block, None) is not None:
            redacted = {"type": "redacted_thinking", "data": event.signature or ""}
            self._open(block, redacted, payloads)
        elif block in self._waiting:
            self._begin(block, payloads)
        if event.signature and event.provider == FAMILY and overlay.get(AS) != "redacted":
            delta = {"type": "signature_delta", "signature": event.signature}
            payloads.append(self._delta(block, delta))
        self._close(block, _said(overlay), payloads)

    def _finish(self, event: Finish, payloads: list[dict[str, Any]]) -> None:
        overlay = own(event.provider_metadata)
        extra = {key: value for key, value in _said(overlay).items() if key != "usage"}
        delta = {
            "stop_reason": finish_word(event.reason, event.raw),
            "stop_sequence": None,
            **extra,
        }
        usage = encode_full_usage(event.usage, overlay.get("usage"))
        payloads.append({"type": "message_delta", "delta": delta, "usage": usage})
        payloads.append({"type": "message_stop"})

    def _open(self, block: _Block, raw: dict[str, Any], payloads: list[dict[str, Any]]) -> None:
        index = self._indexes[block] = self._next
        self._next += 1
        payloads.append({"type": "content_block_start", "index": index, "content_block": raw})

    def _delta(self, block: _Block, delta: dict[str, Any]) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": self._indexes[block], "delta": delta}

    def _close(self, block: _Block, extra: dict[str, Any], payloads: list[dict[str, Any]]) -> None:
        payload = {"type": "content_block_stop", "index": self._indexes.pop(block)}
        payloads.append({**payload, "content_block": extra} if extra else payload)


def _said(overlay: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in overlay.items() if key not in NOTES}
