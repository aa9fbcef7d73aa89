"""One choice of a streamed answer: its deltas in, events out.

Block ids say what a block is, so that it can go out to a client as it came in: ``text``,
``refusal``, ``reasoning_content`` and ``reasoning``; content that comes as a list of parts counts
its blocks, ``part0`` and up.
"""

from __future__ import annotations

from typing import Any, Final

from stockade_sdk.chat import ChatResponse
from stockade_sdk.stream import (
    ChatEvent,
    Finish,
    Folding,
    TextDelta,
    TextEnd,
    TextStart,
    ThinkingDelta,
    ThinkingEnd,
    ThinkingStart,
)

from .messages import FIELDS, THINKING_FIELDS, details_text
from .overlay import Notes, kept
from .parts import AS
from .responses import finish_reason
from .stream_calls import LEGACY, CallReader

_CHOICE_KNOWN: Final = frozenset(
    {"index", "delta", "finish_reason", "logprobs", "usage", "text", "message"}
)


class ChoiceReader:
    """Reads the deltas of one choice; ``word`` is its finish reason once it came."""

    def __init__(self, response_id: str | None) -> None:
        self.word: str | None = None
        self.refused = False
        self.notes = Notes()
        self._text_open = False
        self._thinking: str | None = None  # the field that reasoning comes in
        self._fields: set[str] = set()
        self._details: list[Any] = []
        self._part: tuple[str, str] | None = None  # kind and id of the open part
        self._parts = 0
        self._calls = CallReader(response_id, self.notes)
        self._choice: dict[str, Any] = {}
        self._message: dict[str, Any] = {}
        self._kept: list[ChatEvent] = []

    def feed(self, raw: dict[str, Any]) -> list[ChatEvent]:
        """The events of one chunk's part for this choice."""
        events: list[ChatEvent] = []
        delta = raw.get("delta")
        if not isinstance(delta, dict):
            message = raw.get("message")  # some servers send the last chunk as a whole message
            delta = message if isinstance(message, dict) else {}
        for key, value in delta.items():
            if value is None or key == "role":
                continue
            self._take(key, value, delta, events)
        for key, value in raw.items():
            if value is not None and key not in _CHOICE_KNOWN and value != {}:
                self._choice[key] = value
        if raw.get("logprobs"):
            self._logprobs(raw["logprobs"])
        word = raw.get("finish_reason")
        if isinstance(word, str) and word and word != "null":
            self.word = word
        return events

    def keep(self, events: list[ChatEvent]) -> None:
        """Hold back events of a choice that is not the first."""
        self._kept.extend(events)

    def response(self) -> ChatResponse:
        """The whole choice, of the events that were kept."""
        folding = Folding()
        for event in (*self._kept, *self.close()):
            folding.add(event)
        folding.add(Finish(finish_reason(self.word, Notes()), None, self.word))
        return folding.response()

    def close(self) -> list[ChatEvent]:
        """The ends of the blocks that are open."""
        events: list[ChatEvent] = []
        if self._details and self._thinking is None:
            self._thinking = "reasoning_details"
            events.append(ThinkingStart(self._thinking))
            text = details_text(self._details)
            if text:
                events.append(ThinkingDelta(self._thinking, text))
        if self._thinking is not None:
            events.append(ThinkingEnd(self._thinking, None, None, kept(self._thinking_overlay())))
        if self._text_open:
            events.append(TextEnd("text"))
        self._end_part(events)
        if self.refused:
            events.append(TextEnd("refusal", kept({AS: "refusal"})))
        self._calls.close(events)
        return events

    def overlay(self) -> dict[str, Any]:
        """What the choice said beyond its events, as in a unary answer."""
        return {**self._choice, "message": self._message} if self._message else self._choice

    def _take(self, key: str, value: Any, delta: dict[str, Any], events: list[ChatEvent]) -> None:
        if key == "content":
            self._content(value, events)
        elif key in THINKING_FIELDS:
            self._reason(key, value, delta, events)
        elif key == "tool_calls":
            for raw in value if isinstance(value, list) else ():
                self._calls.feed(raw, events)
        elif key == "function_call":
            self._calls.feed({"index": LEGACY, "id": "", "function": value}, events)
        elif key == "refusal":
            self._refuse(value, events)
        elif key == "reasoning_details":
            self._details_of(value)
        elif key == "audio" and isinstance(value, dict):
            self._audio(value)
        elif isinstance(value, list):
            self._more(self._message, key, value)
        else:
            self._message[key] = value

    def _content(self, value: Any, events: list[ChatEvent]) -> None:
        if isinstance(value, str):
            if not value:
                return
            if self._part is not None:
                self._piece("text", value, events)
                return
            if not self._text_open:
                self._text_open = True
                events.append(TextStart("text"))
            events.append(TextDelta("text", value))
        elif isinstance(value, list):
            for item in value:
                self._content_part(item, events)

    def _content_part(self, item: Any, events: list[ChatEvent]) -> None:
        match item:
            case {"type": "text", "text": str(text)}:
                self._piece("text", text, events)
            case {"type": "thinking", "thinking": list(pieces)}:
                texts = (piece.get("text") for piece in pieces if isinstance(piece, dict))
                self._piece("thinking", "".join(t for t in texts if isinstance(t, str)), events)
            case {"type": "thinking", "thinking": str(text)}:
                self._piece("thinking", text, events)
            case _:
                self._more(self._message, "content_parts", [item])

    def _piece(self, kind: str, text: str, events: list[ChatEvent]) -> None:
        if not text:
            return
        if self._part is None or self._part[0] != kind:
            self._end_part(events)
            id = f"part{self._parts}"
            self._parts += 1
            self._part = (kind, id)
            events.append(TextStart(id) if kind == "text" else ThinkingStart(id))
        id = self._part[1]
        events.append(TextDelta(id, text) if kind == "text" else ThinkingDelta(id, text))

    def _end_part(self, events: list[ChatEvent]) -> None:
        if self._part is None:
            return
        kind, id = self._part
        self._part = None
        end = TextEnd(id) if kind == "text" else ThinkingEnd(id, None, None, kept({AS: "part"}))
        events.append(end)

    def _reason(self, key: str, value: Any, delta: dict[str, Any], events: list[ChatEvent]) -> None:
        if not isinstance(value, str) or not value:
            return
        if self._thinking is None:
            self._thinking = key
            events.append(ThinkingStart(key))
        self._fields.add(key)
        twice = key != self._thinking and delta.get(self._thinking)
        if not twice:  # the same reasoning in both fields of one delta
            events.append(ThinkingDelta(self._thinking, value))

    def _details_of(self, value: Any) -> None:
        """Pieces of one detail share index and type; its texts are strung together."""
        for item in value if isinstance(value, list) else ():
            last = self._details[-1] if self._details else None
            if not isinstance(item, dict) or not isinstance(last, dict) or _differs(item, last):
                self._details.append(dict(item) if isinstance(item, dict) else item)
                continue
            for name, piece in item.items():
                if name in ("text", "summary", "data") and isinstance(piece, str):
                    last[name] = _longer(last.get(name), piece)
                elif piece is not None:
                    last[name] = piece

    def _refuse(self, value: Any, events: list[ChatEvent]) -> None:
        if isinstance(value, str) and value:
            if not self.refused:
                self.refused = True
                events.append(TextStart("refusal"))
            events.append(TextDelta("refusal", value))

    def _audio(self, value: dict[str, Any]) -> None:
        audio = self._message.setdefault("audio", {})
        for key, piece in value.items():
            if key in ("data", "transcript") and isinstance(piece, str):
                audio[key] = _longer(audio.get(key), piece)
            elif piece is not None:
                audio[key] = piece

    def _logprobs(self, value: Any) -> None:
        if not isinstance(value, dict):
            return
        logprobs = self._choice.setdefault("logprobs", {})
        for key, piece in value.items():
            if isinstance(piece, list):
                self._more(logprobs, key, piece)
            else:
                logprobs.setdefault(key, piece)

    @staticmethod
    def _more(kept: dict[str, Any], key: str, items: list[Any]) -> None:
        """Lengthen a list of ours; the first one is copied, so that no chunk's list is changed."""
        mine = kept.get(key)
        if isinstance(mine, list):
            mine.extend(items)
        else:
            kept[key] = list(items)

    def _thinking_overlay(self) -> dict[str, Any]:
        overlay: dict[str, Any] = {
            FIELDS: [name for name in THINKING_FIELDS if name in self._fields]
        }
        if self._details:
            overlay["reasoning_details"] = self._details
        return overlay


def _longer(text: Any, piece: str) -> str:
    """The text so far and more of it; what came before and was no text gives way."""
    return text + piece if isinstance(text, str) else piece


def _differs(item: dict[str, Any], last: dict[str, Any]) -> bool:
    return any(item.get(name) != last.get(name) for name in ("index", "type"))
