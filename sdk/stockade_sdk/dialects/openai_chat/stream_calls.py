"""The tool calls of a streamed choice, put together from their deltas."""

from __future__ import annotations

from typing import Any, Final

from stockade_sdk.chat import parse_arguments
from stockade_sdk.stream import ChatEvent, ToolCallDelta, ToolCallEnd, ToolCallStart

from .calls import ARGUMENTS, arguments_note, arguments_text, call_id
from .overlay import Notes, Unreadable, kept, own
from .parts import AS

_CALL_KNOWN: Final = frozenset({"index", "id", "type", "function"})
LEGACY: Final = -1  # where the old function_call stands among the calls


class _Call:
    """A tool call in the making."""

    __slots__ = ("extra", "given_id", "id", "name", "pieces")

    def __init__(self, given_id: str, id: str) -> None:
        self.given_id, self.id, self.name = given_id, id, ""
        self.pieces: list[str] = []
        self.extra: dict[str, Any] = {}


class CallReader:
    """Tells calls apart by index, id and name, whichever of them a vendor sends."""

    def __init__(self, response_id: str | None, notes: Notes) -> None:
        self._response_id, self._notes = response_id, notes
        self._calls: list[_Call] = []
        self._at: dict[int, _Call] = {}

    def feed(self, raw: Any, events: list[ChatEvent]) -> None:
        """One item of a delta's ``tool_calls``."""
        if not isinstance(raw, dict):
            raise Unreadable("a tool call of the stream is no object")
        function = raw.get("function")
        function = function if isinstance(function, dict) else {}
        name, given = function.get("name"), raw.get("id")
        name = name if isinstance(name, str) else ""
        call = self._find(raw.get("index"), given if isinstance(given, str) else "", name)
        for key, value in raw.items():
            if key not in _CALL_KNOWN and value is not None:
                call.extra[key] = value
        text = arguments_text(function.get("arguments"))
        if name and not call.name:
            call.name = name
            events.append(ToolCallStart(call.id, name))
            text = "".join((*call.pieces, text))
            call.pieces.clear()
        if text:
            call.pieces.append(text)
            if call.name:
                events.append(ToolCallDelta(call.id, text))

    def _find(self, index: Any, given: str, name: str) -> _Call:
        """The call that a delta belongs to. Indexes repeat, ids are missing or empty; a new one of
        both is a new call.
        """
        if type(index) is int:
            call = self._at.get(index)
            if call is not None and not (given and name and call.name and given != call.given_id):
                return call
            return self._open(index, given)
        same = next((call for call in self._calls if given and call.given_id == given), None)
        if same is not None:
            return same
        if self._calls and not given and not name:
            return self._calls[-1]
        return self._open(None, given)

    def _open(self, index: int | None, given: str) -> _Call:
        position = len(self._calls)
        id = given or call_id(self._response_id, 0 if index == LEGACY else position)
        if not given and index != LEGACY:
            self._notes.add(
                "tool_call_id_missing", "a tool call came without an id and was given one"
            )
        if any(call.id == id for call in self._calls):
            self._notes.add(
                "tool_call_id_repeated", "two tool calls came under one id and were told apart"
            )
            id = f"{id}_{position}"
        call = _Call(given, id)
        if index == LEGACY:
            call.extra[AS] = "function_call"
        if index is not None:
            self._at[index] = call
        self._calls.append(call)
        return call

    def close(self, events: list[ChatEvent]) -> None:
        """The ends of all calls; raises Unreadable where one never named its function."""
        for call in self._calls:
            if not call.name:
                raise Unreadable("a tool call of the stream never named its function")
            events.append(ToolCallEnd(call.id, _end_note(call)))


def _end_note(call: _Call) -> dict[str, Any] | None:
    text = "".join(call.pieces)
    note = own(arguments_note(text, parse_arguments(text)[0])).get(ARGUMENTS)
    return kept(call.extra if note is None else {ARGUMENTS: note, **call.extra})
