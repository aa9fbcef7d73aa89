"""One block of a streamed answer, from its start to its end."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from stockade_sdk.stream import (
    ChatEvent,
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

from .blocks import AS, redacted_of, thinking_of, whole_block
from .ids import CallIds
from .overlay import Notes, Unreadable, kept

WHOLE: Final = "whole"  # how the id of a text begins that stands for a block carried whole

_compact = msgspec.json.Encoder().encode


class BlockReader:
    """Keeps what is to be known at the end of one block, and says what comes before."""

    def __init__(self, index: int, raw: dict[str, Any], ids: CallIds, notes: Notes) -> None:
        self.id = str(index)
        self._raw = raw
        self._notes = notes
        self._kind = _kind_of(raw)
        self._empty = True  # nothing was said yet
        self._signature = ""
        self._input: list[str] = []
        self._extra: dict[str, Any] = {}
        if self._kind == "tool":
            self.id = ids.of(raw.get("id"))

    def begin(self) -> list[ChatEvent]:
        """The events of ``content_block_start``; raises Unreadable on a call without a name."""
        raw = self._raw
        match self._kind:
            case "text":
                started: list[ChatEvent] = [TextStart(self.id)]
                return self._say(raw["text"], started)
            case "thinking":
                started = [ThinkingStart(self.id)]
                return self._think(raw["thinking"], raw.get("signature"), started)
            case "redacted":
                return [ThinkingStart(self.id)]
            case "tool":
                name = raw.get("name")
                if not isinstance(name, str) or not name:
                    raise Unreadable("a tool call of the stream names no tool")
                if not isinstance(raw.get("input", {}), dict):
                    raise Unreadable("the input of a tool call is no object")
                return [ToolCallStart(self.id, name)]
            case _:
                return []

    def feed(self, delta: dict[str, Any]) -> list[ChatEvent]:
        """The events of one ``content_block_delta``."""
        match delta.get("type"):
            case "text_delta" if self._kind == "text":
                return self._say(delta.get("text"), [])
            case "input_json_delta":
                return self._add_input(delta.get("partial_json"))
            case "thinking_delta" if self._kind == "thinking":
                return self._think(delta.get("thinking"), None, [])
            case "signature_delta" if self._kind == "thinking":
                return self._think(None, delta.get("signature"), [])
            case "citations_delta" if self._kind == "text":
                self._extra.setdefault("citations", []).append(delta.get("citation"))
            case _:
                self._lay_on(delta)
        return []

    def end(self, more: Any = None) -> list[ChatEvent]:
        """The last events; ``more`` is what the end itself says of the block (see
        ``stream_encode``).
        """
        if isinstance(more, dict):
            self._extra.update(more)
        match self._kind:
            case "text":
                return [TextEnd(self.id, self._metadata({AS: "empty"} if self._empty else {}))]
            case "thinking":
                part = thinking_of("", self._signature)
                notes = {} if self._signature else {AS: "unsigned"}
                return [ThinkingEnd(self.id, part.signature, part.provider, self._metadata(notes))]
            case "redacted":
                part = redacted_of(self._raw["data"])
                metadata = self._metadata({AS: "redacted"})
                return [ThinkingEnd(self.id, part.signature, part.provider, metadata)]
            case "tool":
                events: list[ChatEvent] = []
                given = self._raw.get("input")
                if given and self._empty:  # servers that send the call at once
                    events.append(ToolCallDelta(self.id, _compact(given).decode()))
                return [*events, ToolCallEnd(self.id, self._metadata({}))]
            case _:
                return self._end_whole()

    def _say(self, text: Any, events: list[ChatEvent]) -> list[ChatEvent]:
        if isinstance(text, str) and text:
            self._empty = False
            events.append(TextDelta(self.id, text))
        return events

    def _think(self, text: Any, signature: Any, events: list[ChatEvent]) -> list[ChatEvent]:
        if isinstance(text, str) and text:
            events.append(ThinkingDelta(self.id, text))
        if isinstance(signature, str):
            self._signature += signature
        return events

    def _add_input(self, text: Any) -> list[ChatEvent]:
        if not isinstance(text, str) or not text:
            return []
        if self._kind != "tool":
            self._input.append(text)
            return []
        if self._empty and text.strip():
            self._empty = False
            if not text.lstrip().startswith("{"):
                raise Unreadable("the input of a tool call is no object")
        return [ToolCallDelta(self.id, text)]

    def _lay_on(self, delta: dict[str, Any]) -> None:
        """What a delta of a kind that came later says: strings go on, lists grow, the rest is
        replaced.
        """
        target = self._raw if self._kind == "whole" else self._extra
        for key, value in delta.items():
            if key == "type" or value is None:
                continue
            mine = target.get(key)
            if isinstance(value, str) and isinstance(mine, str):
                target[key] = mine + value
            elif isinstance(value, list) and isinstance(mine, list):
                target[key] = [*mine, *value]
            else:
                target[key] = value

    def _metadata(self, notes: dict[str, Any]) -> dict[str, Any] | None:
        known = _KNOWN[self._kind]
        said = {key: value for key, value in self._raw.items() if key not in known}
        if said.get("citations") == [] and "citations" in self._extra:
            del said["citations"]
        return kept({**notes, **said, **self._extra})

    def _end_whole(self) -> list[ChatEvent]:
        raw = {**self._raw, **self._extra}
        if self._input:
            text = "".join(self._input)
            try:
                raw["input"] = msgspec.json.decode(text)
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                raw["input"] = text
        part = whole_block(raw, self._notes)
        id = f"{WHOLE}{self.id}"
        said: list[ChatEvent] = [TextDelta(id, part.text)] if part.text else []
        return [TextStart(id), *said, TextEnd(id, part.provider_metadata)]


_KNOWN: Final = {
    "text": ("type", "text"),
    "thinking": ("type", "thinking", "signature"),
    "redacted": ("type", "data"),
    "tool": ("type", "id", "name", "input"),
}


def _kind_of(raw: dict[str, Any]) -> str:
    kind = raw.get("type")
    if kind == "text" and isinstance(raw.get("text"), str):
        return "text"
    if kind == "thinking" and isinstance(raw.get("thinking"), str):
        return "thinking"
    if kind == "redacted_thinking" and isinstance(raw.get("data"), str):
        return "redacted"
    return "tool" if kind == "tool_use" else "whole"
