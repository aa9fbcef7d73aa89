"""Events of a streamed chat answer, and the fold that turns them into exactly the unary response.

A block starts, gets deltas and ends, under an ``id`` of its own, so blocks may interleave; one
``Finish`` comes last.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from .capability import CostBreakdown, RuntimeWarning, Usage
from .chat import (
    AssistantOutput,
    ChatResponse,
    ContentPart,
    FinishReason,
    ResponseFormat,
    Text,
    Thinking,
    ToolCall,
    parse_arguments,
    parse_structured,
)


class TextStart(msgspec.Struct, frozen=True, array_like=True, tag="text_start", gc=False):
    """A text block begins.

    ``answer_id``, here and in the other starts: the vendor's id of the whole answer, which the
    first event may have where the wire says it that early; `Finish` has it in any case.
    """

    id: str
    answer_id: str | None = None


class TextDelta(msgspec.Struct, frozen=True, array_like=True, tag="text", gc=False):
    """More text of block ``id``."""

    id: str
    text: str


class TextEnd(msgspec.Struct, frozen=True, array_like=True, tag="text_end"):
    """Block ``id`` is complete."""

    id: str
    provider_metadata: dict[str, Any] | None = None


class ThinkingStart(msgspec.Struct, frozen=True, array_like=True, tag="thinking_start", gc=False):
    """A reasoning block begins."""

    id: str
    answer_id: str | None = None


class ThinkingDelta(msgspec.Struct, frozen=True, array_like=True, tag="thinking", gc=False):
    """More reasoning of block ``id``."""

    id: str
    text: str


class ThinkingEnd(msgspec.Struct, frozen=True, array_like=True, tag="thinking_end"):
    """Block ``id`` is complete; ``signature`` and ``provider`` as in :class:`Thinking`."""

    id: str
    signature: str | None = None
    provider: str | None = None
    provider_metadata: dict[str, Any] | None = None


class ToolCallStart(msgspec.Struct, frozen=True, array_like=True, tag="tool_start", gc=False):
    """A tool call begins; ``id`` is the call's id."""

    id: str
    name: str
    answer_id: str | None = None


class ToolCallDelta(msgspec.Struct, frozen=True, array_like=True, tag="tool", gc=False):
    """More of the call's arguments, as JSON text."""

    id: str
    arguments: str


class ToolCallEnd(msgspec.Struct, frozen=True, array_like=True, tag="tool_end"):
    """The call is complete."""

    id: str
    provider_metadata: dict[str, Any] | None = None


class Finish(msgspec.Struct, frozen=True, array_like=True, tag="finish"):
    """The one last event: why it ended, and what else the unary response would say."""

    reason: FinishReason = FinishReason.STOP
    usage: Usage | None = None
    raw: str | None = None
    model: str | None = None
    id: str | None = None
    warnings: tuple[RuntimeWarning, ...] = ()
    provider_metadata: dict[str, Any] | None = None
    cost: CostBreakdown | None = None


ChatEvent = (
    TextStart
    | TextDelta
    | TextEnd
    | ThinkingStart
    | ThinkingDelta
    | ThinkingEnd
    | ToolCallStart
    | ToolCallDelta
    | ToolCallEnd
    | Finish
)


def fold(
    events: Iterable[ChatEvent], *, response_format: ResponseFormat | None = None
) -> ChatResponse:
    """The unary response that a stream's events amount to.

    Blocks stand in the order in which they began. Raises ValueError where the events are no stream:
    a delta of a block that never began, a block begun twice, anything after ``Finish``, or no
    ``Finish`` at all.
    """
    folding = Folding()
    for event in events:
        folding.add(event)
    return folding.response(response_format=response_format)


class Folding:
    """The fold, one event at a time; see :func:`fold`."""

    def __init__(self) -> None:
        self._blocks: dict[
            tuple[str, str], tuple[list[str], str]
        ] = {}  # (kind, id) → pieces, tool name
        self._ends: dict[tuple[str, str], ChatEvent] = {}
        self.finish: Finish | None = None

    def add(self, event: ChatEvent) -> None:
        """Take one event; raises ValueError where it cannot follow those before it."""
        if self.finish is not None:
            raise ValueError("an event came after finish")
        match event:
            case TextDelta(id=id, text=text):
                self._piece(("text", id), text)
            case ThinkingDelta(id=id, text=text):
                self._piece(("thinking", id), text)
            case ToolCallDelta(id=id, arguments=text):
                self._piece(("tool", id), text)
            case TextStart(id=id):
                self._begin(("text", id))
            case ThinkingStart(id=id):
                self._begin(("thinking", id))
            case ToolCallStart(id=id, name=name):
                self._begin(("tool", id), name)
            case TextEnd(id=id):
                self._end(("text", id), event)
            case ThinkingEnd(id=id):
                self._end(("thinking", id), event)
            case ToolCallEnd(id=id):
                self._end(("tool", id), event)
            case Finish():
                self.finish = event

    def response(self, *, response_format: ResponseFormat | None = None) -> ChatResponse:
        """The folded response; raises ValueError where no ``Finish`` came."""
        if self.finish is None:
            raise ValueError("the stream ended without finish")
        finish, extra = self.finish, []
        content: list[ContentPart] = []
        for key, (pieces, name) in self._blocks.items():
            part, warning = self._part(key, "".join(pieces), name)
            content.append(part)
            if warning is not None:
                extra.append(warning)
        text = "".join(part.text for part in content if isinstance(part, Text))
        structured, warning = parse_structured(text, response_format)
        if warning is not None:
            extra.append(warning)
        return ChatResponse(
            output=AssistantOutput(tuple(content), structured),
            finish_reason=finish.reason,
            raw_finish_reason=finish.raw,
            usage=finish.usage,
            cost=finish.cost,
            model=finish.model,
            id=finish.id,
            warnings=(*finish.warnings, *extra),
            provider_metadata=finish.provider_metadata,
        )

    def _part(
        self, key: tuple[str, str], text: str, name: str
    ) -> tuple[ContentPart, RuntimeWarning | None]:
        end = self._ends.get(key)
        metadata = (
            None
            if end is None or isinstance(end, Finish)
            else getattr(end, "provider_metadata", None)
        )
        match key[0]:
            case "text":
                return Text(text, metadata), None
            case "thinking":
                signature = end.signature if isinstance(end, ThinkingEnd) else None
                provider = end.provider if isinstance(end, ThinkingEnd) else None
                return Thinking(text, signature, provider, metadata), None
            case _:
                arguments, warning = parse_arguments(text)
                return ToolCall(key[1], name, arguments, metadata), warning

    def _begin(self, key: tuple[str, str], name: str = "") -> None:
        if key in self._blocks:
            raise ValueError(f"{key[0]} block {key[1]!r} began twice")
        self._blocks[key] = ([], name)

    def _piece(self, key: tuple[str, str], text: str) -> None:
        block = self._blocks.get(key)
        if block is None or key in self._ends:
            raise ValueError(f"a delta came for {key[0]} block {key[1]!r}, which is not open")
        block[0].append(text)

    def _end(self, key: tuple[str, str], event: ChatEvent) -> None:
        if key not in self._blocks or key in self._ends:
            raise ValueError(f"{key[0]} block {key[1]!r} ended without being open")
        self._ends[key] = event


class Order:
    """Says whether events may follow each other as they do; keeps no text. See :func:`fold`."""

    __slots__ = ("_began", "_open")

    def __init__(self) -> None:
        self._began: set[tuple[type, str | None]] = set()
        self._open: set[tuple[type, str | None]] = set()

    def check(self, event: ChatEvent) -> None:
        """Take one event before ``Finish``; raises ValueError where it cannot follow."""
        kind = type(event)
        if kind in _DELTA_OF:
            if (_DELTA_OF[kind], event.id) not in self._open:
                raise ValueError(f"{kind.__name__} came for a block that is not open")
        elif kind in _END_OF:
            block = (_END_OF[kind], event.id)
            if block not in self._open:
                raise ValueError(f"{kind.__name__} came for a block that is not open")
            self._open.discard(block)
        elif kind is not Finish:
            block = (kind, event.id)
            if block in self._began:
                raise ValueError(f"{kind.__name__} came twice for one block")
            self._began.add(block)
            self._open.add(block)


_DELTA_OF: dict[type, type] = {
    TextDelta: TextStart,
    ThinkingDelta: ThinkingStart,
    ToolCallDelta: ToolCallStart,
}
_END_OF: dict[type, type] = {
    TextEnd: TextStart,
    ThinkingEnd: ThinkingStart,
    ToolCallEnd: ToolCallStart,
}


UNSTREAMED = RuntimeWarning("part_dropped", "a part of the answer has no place in a stream")


def unfold(response: ChatResponse) -> list[ChatEvent]:
    """The shortest stream whose fold is ``response``: a block a part, then ``Finish``.

    Images, audio, files and tool results have no events: no chat stream carries them, and they are
    left out with a warning.
    """
    events: list[ChatEvent] = []
    lost: tuple[RuntimeWarning, ...] = ()
    recomputed: list[RuntimeWarning] = []
    for index, part in enumerate(response.output.content):
        id = f"{index}"
        match part:
            case Text(text=text, provider_metadata=metadata):
                events += [TextStart(id), TextDelta(id, text), TextEnd(id, metadata)]
            case Thinking(
                text=text, signature=signature, provider=provider, provider_metadata=metadata
            ):
                events += [
                    ThinkingStart(id),
                    ThinkingDelta(id, text),
                    ThinkingEnd(id, signature, provider, metadata),
                ]
            case ToolCall(id=call, name=name, arguments=arguments, provider_metadata=metadata):
                text = (
                    arguments
                    if isinstance(arguments, str)
                    else msgspec.json.encode(arguments).decode()
                )
                warning = parse_arguments(text)[1]
                if warning is not None:
                    recomputed.append(warning)
                events += [
                    ToolCallStart(call, name),
                    ToolCallDelta(call, text),
                    ToolCallEnd(call, metadata),
                ]
            case _:
                lost = (UNSTREAMED,)
    kept = list(response.warnings)
    for warning in recomputed:  # the fold finds these again by itself
        if warning in kept:
            kept.remove(warning)
    events.append(
        Finish(
            response.finish_reason,
            response.usage,
            response.raw_finish_reason,
            response.model,
            response.id,
            (*kept, *lost),
            response.provider_metadata,
            response.cost,
        )
    )
    return events
