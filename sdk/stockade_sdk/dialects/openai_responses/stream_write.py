"""One output item of a stream for a client: what was said in, typed events out.

The item at the end is the one that a whole answer would have: it is written by the same means.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from stockade_sdk.chat import ContentPart, Text, Thinking, ToolCall, parse_arguments

from .blocks import BARE, REASONING, REFUSAL, SUMMARY, TEXT, place_of
from .calls import encode_call
from .overlay import ARGUMENTS, AS, DIALECT, Notes, kept, own
from .parts import encode_part
from .said import SaidWriter

Sent = list[dict[str, Any]]
MAX_ID: Final = 64  # characters; OpenAI refuses longer ids when they come back

_EVENTS: Final = {  # the events of a piece, the field that numbers it, and the piece's own
    TEXT: ("content_part", "output_text", "content_index", "output_text", "text"),
    REFUSAL: ("content_part", "refusal", "content_index", "refusal", "refusal"),
    SUMMARY: (
        "reasoning_summary_part",
        "reasoning_summary_text",
        "summary_index",
        "summary_text",
        "text",
    ),
    REASONING: ("content_part", "reasoning_text", "content_index", "reasoning_text", "text"),
}


class Writer(Protocol):
    """An item of the stream, whatever its type."""

    def item(self) -> dict[str, Any]:
        """The item as far as it came."""
        ...

    def close(self, sent: Sent) -> None:
        """End the item where it has not ended."""
        ...


class _Piece:
    __slots__ = ("kind", "number", "part", "pieces")

    def __init__(self, kind: str, number: int) -> None:
        self.kind, self.number = kind, number
        self.pieces: list[str] = []
        self.part: ContentPart | None = None  # once it has ended

    def place(self) -> tuple[bool, int]:
        """Where it stands in its item: the summary is before the reasoning itself."""
        return self.kind == REASONING, self.number


class PiecesWriter:
    """A message or a reasoning item, whose pieces are blocks of the stream."""

    def __init__(self, at: int, id: str, type: str) -> None:
        self.id = id
        self._at, self._type = at, type
        self._pieces: dict[str, _Piece] = {}  # by the block's id, in the order of their beginning
        self._done: dict[str, Any] | None = None

    @classmethod
    def of(cls, kind: str, id: str, at: int, response_id: str) -> PiecesWriter:
        """The item that block ``id`` belongs to; a block of another dialect has one of its own."""
        type, prefix = ("message", "msg") if kind == "text" else ("reasoning", "rs")
        place = place_of(id)
        return cls(at, f"{prefix}_{response_id}_{at}" if place is None else place.item, type)

    def begin(self, sent: Sent) -> None:
        """Announce the item."""
        item: dict[str, Any] = {"id": self.id, "type": self._type}
        if self._type == "message":
            item |= {"status": "in_progress", "role": "assistant", "content": []}
        else:
            item["summary"] = []
        sent.append({"type": "response.output_item.added", "output_index": self._at, "item": item})

    def open(self, kind: str, id: str, sent: Sent, *, silent: bool = False) -> None:
        """Begin a piece; ``silent`` for reasoning that says nothing, which is no piece."""
        place = place_of(id)
        if place is not None:
            what, number = place.kind, place.number
        elif kind == "thinking":
            what, number = BARE if silent else SUMMARY, 0
        else:
            what, number = REFUSAL if id == "refusal" else TEXT, 0
        piece = self._pieces[id] = _Piece(what, number)
        if what in _EVENTS:
            event, _, _, type, field = _EVENTS[what]
            part: dict[str, Any] = {"type": type, field: ""}
            if what == TEXT:
                part |= {"annotations": [], "logprobs": []}
            sent.append({"type": f"response.{event}.added", **self._where(piece), "part": part})

    def delta(self, id: str, text: str, sent: Sent) -> None:
        """More of a piece."""
        piece = self._pieces[id]
        piece.pieces.append(text)
        if piece.kind not in _EVENTS:
            return
        one = {"type": f"response.{_EVENTS[piece.kind][1]}.delta", **self._where(piece)}
        one["delta"] = text
        if piece.kind == TEXT:
            one["logprobs"] = []
        sent.append(one)

    def end_text(self, id: str, metadata: dict[str, Any] | None, sent: Sent) -> None:
        """A text or a refusal is complete."""
        piece = self._pieces[id]
        if piece.kind == REFUSAL:
            metadata = {**(metadata or {}), DIALECT: {**own(metadata), AS: "refusal"}}
        piece.part = Text("".join(piece.pieces), metadata)
        whole = encode_part(piece.part, Notes(), said=True, answer=True) or {}
        annotations = whole.get("annotations")
        for at, annotation in enumerate(annotations if isinstance(annotations, list) else ()):
            sent.append(
                {
                    "type": "response.output_text.annotation.added",
                    **self._where(piece),
                    "annotation_index": at,
                    "annotation": annotation,
                }
            )
        self._end_piece(piece, whole, sent)

    def end_thinking(
        self,
        id: str,
        signature: str | None,
        provider: str | None,
        metadata: dict[str, Any] | None,
        sent: Sent,
    ) -> None:
        """A piece of reasoning is complete."""
        piece = self._pieces[id]
        text = "".join(piece.pieces)
        piece.part = Thinking(text, signature, provider, metadata)
        kind = "reasoning_text" if piece.kind == REASONING else "summary_text"
        self._end_piece(piece, {"type": kind, "text": text}, sent)

    def _end_piece(self, piece: _Piece, whole: dict[str, Any], sent: Sent) -> None:
        if piece.kind in _EVENTS:
            event, name, _, _, field = _EVENTS[piece.kind]
            text = "".join(piece.pieces)
            one = {"type": f"response.{name}.done", **self._where(piece), field: text}
            if piece.kind == TEXT:
                one["logprobs"] = whole.get("logprobs") or []
            sent.append(one)
            sent.append({"type": f"response.{event}.done", **self._where(piece), "part": whole})
        if all(one.part is not None for one in self._pieces.values()):
            self._done = self.item()
            sent.append(_done(self._at, self._done))

    def close(self, sent: Sent) -> None:
        """End what is still open, and the item with it."""
        for id, piece in self._pieces.items():
            if piece.part is None:
                if self._type == "message":
                    self.end_text(id, None, sent)
                else:
                    self.end_thinking(id, None, None, None, sent)

    def item(self) -> dict[str, Any]:
        """The item with the pieces that have ended."""
        if self._done is not None:
            return self._done
        ordered = sorted(self._pieces.values(), key=_Piece.place)
        parts = [piece.part for piece in ordered if piece.part is not None]
        items = SaidWriter(Notes(), answer=True).write(parts)
        if not items:
            return {"id": self.id, "type": self._type}
        return {"id": self.id, **items[0]}

    def _where(self, piece: _Piece) -> dict[str, Any]:
        return {
            "item_id": self.id,
            "output_index": self._at,
            _EVENTS[piece.kind][2]: piece.number,
        }


class CallWriter:
    """A tool call. Its item has an id of ours: a vendor's own comes with the end of the call alone,
    and OpenAI's SDK refuses an item that ends under another id than it began with.
    """

    def __init__(self, at: int, call_id: str, name: str, custom: bool) -> None:
        self._at, self._call_id, self._name, self._custom = at, call_id, name, custom
        self._id = f"{'ctc' if custom else 'fc'}_{call_id}"[:MAX_ID]
        self._pieces: list[str] = []
        self._done: dict[str, Any] | None = None

    def begin(self, sent: Sent) -> None:
        """Announce the call."""
        item = {**self.item(), "status": "in_progress"}
        sent.append({"type": "response.output_item.added", "output_index": self._at, "item": item})

    def delta(self, text: str, sent: Sent) -> None:
        """More of its arguments."""
        self._pieces.append(text)
        sent.append({"type": f"response.{self._event}.delta", **self._where(), "delta": text})

    def end(self, metadata: dict[str, Any] | None, sent: Sent) -> None:
        """The call is complete; clients parse the arguments of each, so none are an object."""
        text = "".join(self._pieces)
        if not (self._custom or text.strip() or ARGUMENTS in own(metadata)):
            text = "{}"
            self.delta(text, sent)
        sent.append({"type": f"response.{self._event}.done", **self._where(), self._field: text})
        self._done = self._written(metadata)
        sent.append(_done(self._at, self._done))

    def close(self, sent: Sent) -> None:
        """End the call where it has not ended."""
        if self._done is None:
            self.end(None, sent)

    def item(self) -> dict[str, Any]:
        """The call with the arguments so far."""
        return self._done if self._done is not None else self._written(None)

    def _written(self, metadata: dict[str, Any] | None) -> dict[str, Any]:
        text = "".join(self._pieces)
        said = {key: value for key, value in own(metadata).items() if key != AS}
        entry = {**said, AS: "custom"} if self._custom else said
        call = ToolCall(self._call_id, self._name, parse_arguments(text)[0], kept(entry))
        item = encode_call(call, answer=True)
        # As it was sent, letter for letter, under the id that it was announced with.
        return {**item, self._field: text, "id": self._id}

    @property
    def _field(self) -> str:
        return "input" if self._custom else "arguments"

    @property
    def _event(self) -> str:
        return "custom_tool_call_input" if self._custom else "function_call_arguments"

    def _where(self) -> dict[str, Any]:
        return {"item_id": self._id, "output_index": self._at}


def _done(at: int, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": at, "item": item}
