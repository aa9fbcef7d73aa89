"""Tool calls and their results: each call is followed by its results before anything else is said.

The rules are those of OpenClaw's repair of transcripts, which every vendor's checks led to.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec

from stockade_sdk.chat import ContentPart, Message, MessageRole, Text, ToolCall, ToolResult
from stockade_sdk.dialects.overlay import Notes

from .edits import with_content

OURS: Final = "stockade"  # the host's own entry among a message's options
FAILED: Final = frozenset({"error", "aborted", "cancelled"})
NO_RESULT: Final = "This call was never answered: its result is not in the history."
CUT_SHORT: Final = "(This turn failed before its tool calls were answered.)"

Place = tuple[int, int]  # of a part: its message, and where in it


def with_pairs(
    messages: tuple[Message, ...], notes: Notes, allowed: Collection[str] | None = None
) -> tuple[Message, ...]:
    """``messages`` with results right behind their calls, each call with one result, and no result
    without a call; the same tuple where that is so.

    Calls without an id or a name are dropped, those of a failed turn too, and those of tools not in
    ``allowed``. A missing result is supplied, marked as an error.
    """
    if _are_paired(messages, allowed):
        return messages
    return _Repair(messages, notes, allowed).messages()


def sound(call: ToolCall, allowed: Collection[str] | None) -> bool:
    """Whether a call can stay in a history."""
    name = call.name.strip()
    return bool(call.id.strip() and name) and (allowed is None or name in allowed)


def failed(message: Message) -> bool:
    """Whether the turn ended in an error or was broken off."""
    if message.provider_options is None:
        return False
    entry = message.provider_options.get(OURS)
    return isinstance(entry, dict) and entry.get("finish_reason") in FAILED


def _are_paired(messages: tuple[Message, ...], allowed: Collection[str] | None) -> bool:
    waiting: set[str] = set()
    for message in messages:
        if message.role is MessageRole.ASSISTANT:
            called = _called(message, allowed)
            if waiting or called is None:
                return False
            waiting = called
        elif not _answers(message, waiting):
            return False
    return not waiting


def _called(message: Message, allowed: Collection[str] | None) -> set[str] | None:
    """The ids of a turn's calls; ``None`` where the turn cannot stay as it is."""
    ids: set[str] = set()
    for part in message.content:
        if isinstance(part, ToolResult):
            return None
        if isinstance(part, ToolCall):
            if part.id in ids or part.name != part.name.strip():
                return None
            if not sound(part, allowed) or failed(message):
                return None
            ids.add(part.id)
    return ids


def _answers(message: Message, waiting: set[str]) -> bool:
    """Take what ``message`` answers out of ``waiting``; false where it cannot stand here."""
    others = answered = 0
    for part in message.content:
        if isinstance(part, ToolResult):
            if part.tool_call_id not in waiting:
                return False
            waiting.discard(part.tool_call_id)
            answered += 1
        elif isinstance(part, ToolCall):
            return False
        else:
            others += 1
    return not waiting or (answered > 0 and not others)


class _Repair:
    """One repair: finds what answers what, then writes the history anew."""

    def __init__(
        self, messages: tuple[Message, ...], notes: Notes, allowed: Collection[str] | None
    ) -> None:
        self._old = messages
        self._notes = notes
        self._allowed = allowed
        self._talk = [0]  # how many messages up to here hold something beside results
        for message in messages:
            only = all(isinstance(part, ToolResult) for part in message.content)
            self._talk.append(self._talk[-1] + (not only))
        self._answers: dict[Place, Place | None] = {}

    def messages(self) -> tuple[Message, ...]:
        self._match()
        result: list[Message] = []
        for at, message in enumerate(self._old):
            if message.role is MessageRole.ASSISTANT:
                self._write_turn(at, message, result)
                continue
            parts = [
                part for part in message.content if not isinstance(part, ToolCall | ToolResult)
            ]
            if parts or not message.content:
                result.append(with_content(message, parts))
        return tuple(result)

    def _match(self) -> None:
        """Give every call that stays its result: the first one that comes after it."""
        waiting: dict[str, list[Place]] = {}
        called: set[str] = set()
        for at, message in enumerate(self._old):
            for position, part in enumerate(message.content):
                place = (at, position)
                if isinstance(part, ToolResult):
                    self._match_result(place, part, waiting, called)
                elif isinstance(part, ToolCall):
                    called.add(part.id)
                    if message.role is not MessageRole.ASSISTANT or failed(message):
                        self._drop(part, "a turn that failed or was no assistant's")
                    elif not sound(part, self._allowed):
                        self._drop(part, "it has no id or no name, or its tool is not declared")
                    else:
                        places = waiting.setdefault(part.id, [])
                        if places and places[0][0] != at:
                            places.clear()  # the id is used again: what comes now is for this turn
                        places.append(place)
                        self._answers[place] = None

    def _match_result(
        self, place: Place, part: ToolResult, waiting: dict[str, list[Place]], called: set[str]
    ) -> None:
        places = waiting.get(part.tool_call_id)
        if places:
            call = places.pop(0)
            self._answers[call] = place
            if place[0] == call[0] or self._talk[place[0]] > self._talk[call[0] + 1]:
                self._notes.add("tool_result_moved", "tool results were moved behind their calls")
        elif part.tool_call_id in called:
            self._notes.add(
                "tool_result_dropped", "a second result of a call, or one of a dropped call"
            )
        else:
            self._notes.add("tool_result_dropped", "a tool result whose call is not in the history")

    def _drop(self, call: ToolCall, why: str) -> None:
        self._notes.add(
            "tool_call_dropped", f"a call of {call.name.strip()!r:.80} was left out: {why}"
        )

    def _write_turn(self, at: int, message: Message, result: list[Message]) -> None:
        """The assistant's message, and behind it the results of its calls in their order."""
        parts: list[ContentPart] = []
        results: list[Message] = []
        for position, part in enumerate(message.content):
            if isinstance(part, ToolResult):
                continue
            if isinstance(part, ToolCall):
                place = (at, position)
                if place not in self._answers:
                    continue
                part = self._trimmed(part)
                results.append(self._result(part, self._answers[place]))
            parts.append(part)
        if not parts and message.content and failed(message):
            parts = [Text(CUT_SHORT)]  # so that the two turns around it do not become one
        if parts or not message.content:
            result.append(with_content(message, parts))
        result.extend(results)

    def _trimmed(self, call: ToolCall) -> ToolCall:
        name = call.name.strip()
        if name == call.name:
            return call
        self._notes.add("tool_name_trimmed", "blanks around the name of a tool were dropped")
        return msgspec.structs.replace(call, name=name)

    def _result(self, call: ToolCall, found: Place | None) -> Message:
        if found is None:
            self._notes.add("tool_result_supplied", "a tool call had no result and was given one")
            return Message(
                MessageRole.TOOL, (ToolResult(call.id, NO_RESULT, is_error=True, name=call.name),)
            )
        message = self._old[found[0]]
        part = message.content[found[1]]
        name = part.name if isinstance(part, ToolResult) else None
        if name is not None and name != name.strip():
            part = msgspec.structs.replace(part, name=name.strip())
        if message.role is MessageRole.TOOL and len(message.content) == 1:
            return with_content(message, (part,))
        return Message(MessageRole.TOOL, (part,))
