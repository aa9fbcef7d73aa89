"""The conversation, both ways: our messages on one side, turns and ``system`` on the other.

A turn of the user holds the results of calls, first, and what else the user says; ours are a tool
message for each result and a user's message for the rest. Messages of one speaker in a row become
one turn, unless they came as several: ``$order`` keeps a message apart, as it is. ``$content``
keeps the spelling of a content that is no list: ``text``, ``empty`` (the empty string), ``none``
(the empty list), ``null``, ``absent``.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from stockade_sdk.chat import ContentPart, Message, MessageRole, Text, ToolCall, ToolResult
from stockade_sdk.errors import ErrorKind, ProviderError

from .blocks import decode_block, encode_block
from .overlay import Notes, Unreadable, difference, kept, merged, own
from .results import CONTENT, decode_result, encode_result

ORDER: Final = "$order"
KEPT: Final = "kept"

_SYSTEM: Final = MessageRole.SYSTEM
_USER: Final = MessageRole.USER
_TOOL: Final = MessageRole.TOOL
_ROLE: Final = {
    MessageRole.SYSTEM: "system",
    MessageRole.USER: "user",
    MessageRole.ASSISTANT: "assistant",
    MessageRole.TOOL: "user",
}
_EMPTY: Final[dict[Any, Any]] = {"empty": "", "none": [], "null": None}
_SPELLED_EMPTY: Final = (*_EMPTY, "absent")


def encode_messages(
    messages: tuple[Message, ...], notes: Notes
) -> tuple[list[dict[str, Any]] | str | None, list[dict[str, Any]]]:
    """``system`` and ``messages``.

    Raises ProviderError: invalid_request on arguments that are no object, unsupported where all
    that a user's message says had to be left out, for the answer would be to something else.
    """
    system: list[list[dict[str, Any]] | str] = []
    turns: list[dict[str, Any]] = []
    fixed: set[int] = set()  # turns that keep the order of their blocks
    for message in messages:
        overlay = own(message.provider_options)
        apart = overlay.get(ORDER) == KEPT
        content = _content(message, overlay, notes)
        if message.role is _SYSTEM and not apart:
            if turns:
                notes.add("system_message_moved", "a system message goes before the conversation")
            if content is not None:
                system.append(content)
            continue
        if content is None and overlay.get(CONTENT) not in _SPELLED_EMPTY:
            continue
        role = _ROLE[message.role]
        if apart:
            fixed.add(len(turns))
        elif turns and turns[-1]["role"] == role:
            _extend(turns[-1], content, overlay)
            continue
        turns.append(_turn(role, content, overlay))
    for at, turn in enumerate(turns):
        if turn["role"] == "user" and at not in fixed:
            _results_first(turn.get("content"))
    if len(system) > 1:
        return [block for content in system for block in _as_blocks(content)], turns
    return system[0] if system else None, turns


def decode_messages(given: list[Any]) -> list[Message]:
    """Our messages for the wire's turns; raises Unreadable saying where one is wrong."""
    messages: list[Message] = []
    before = None
    for at, raw in enumerate(given):
        where = f"messages[{at}]"
        if not isinstance(raw, dict):
            raise Unreadable(f"{where} is no object")
        role = raw.get("role")
        if role not in ("user", "assistant", "system"):
            raise Unreadable(f"{where}.role is {role!r:.40}; it must be user or assistant")
        overlay = difference({"role": role}, raw, skip=("content",))
        content, label = decode_content(raw, where)
        if label != "parts":
            overlay[CONTENT] = label
        if role == before or role == "system":
            overlay[ORDER] = KEPT
        before = role
        if role == "user":
            messages += _user_messages(content, overlay)
        else:
            messages.append(Message(MessageRole(role), content, kept(overlay)))
    return messages


def decode_system(raw: Any) -> Message | None:
    """The system message; ``None`` where there is none, or what stands there is not to be read."""
    match raw:
        case str(text) if text:
            return Message(MessageRole.SYSTEM, (Text(text),), kept({CONTENT: "text"}))
        case list(items) if items:
            blocks = (decode_block(item, f"system[{at}]") for at, item in enumerate(items))
            return Message(MessageRole.SYSTEM, tuple(blocks))
        case _:
            return None


def decode_content(raw: dict[str, Any], where: str) -> tuple[tuple[ContentPart, ...], str]:
    """The parts of a turn's content, and how it was spelled."""
    if "content" not in raw:
        return (), "absent"
    match raw["content"]:
        case None:
            return (), "null"
        case "":
            return (), "empty"
        case []:
            return (), "none"
        case str(text):
            return (Text(text),), "text"
        case list(items):
            found = (_part(item, f"{where}.content[{at}]") for at, item in enumerate(items))
            return tuple(found), "parts"
        case _:
            raise Unreadable(f"{where}.content is neither a string nor a list")


def _part(raw: Any, where: str) -> ContentPart:
    if isinstance(raw, dict) and raw.get("type") == "tool_result":
        return decode_result(raw, where)
    return decode_block(raw, where)


def _user_messages(content: tuple[ContentPart, ...], overlay: dict[str, Any]) -> list[Message]:
    """A tool message for each result and a user's for the rest, if results stand first."""
    results = 0
    while results < len(content) and isinstance(content[results], ToolResult):
        results += 1
    rest = content[results:]
    if any(isinstance(part, ToolResult) for part in rest):
        return [Message(MessageRole.USER, content, kept({**overlay, ORDER: KEPT}))]
    messages = [Message(MessageRole.TOOL, (part,)) for part in content[:results]]
    if rest or not messages:
        messages.append(Message(MessageRole.USER, rest))
    if not overlay:
        return messages
    apart = overlay.pop(ORDER, None)
    if overlay:
        messages[-1] = _with_overlay(messages[-1], overlay)
    if apart is not None:
        messages[0] = _with_overlay(messages[0], {ORDER: apart})
    return messages


def _with_overlay(message: Message, overlay: dict[str, Any]) -> Message:
    together = {**own(message.provider_options), **overlay}
    return msgspec.structs.replace(message, provider_options=kept(together))


def _content(
    message: Message, overlay: dict[str, Any], notes: Notes
) -> list[dict[str, Any]] | str | None:
    """The blocks of a message, or its text where it came as one; ``None`` where nothing is left."""
    parts = message.content
    if overlay.get(CONTENT) == "text" and len(parts) == 1:
        only = parts[0]
        if type(only) is Text and only.text and only.provider_metadata is None:
            return only.text
    blocks: list[dict[str, Any]] = []
    tool = message.role is _TOOL
    for part in parts:
        if type(part) is Text and part.text and part.provider_metadata is None and not tool:
            blocks.append({"type": "text", "text": part.text})  # what most parts are
            continue
        block = _block(part, message.role, notes)
        if block is not None:
            blocks.append(block)
    if not blocks and message.role is _USER and any(map(_says, parts)):
        raise ProviderError(
            ErrorKind.UNSUPPORTED, "nothing of a message of the user's can be sent to this vendor"
        )
    return blocks or None


def _says(part: ContentPart) -> bool:
    return not isinstance(part, Text) or part.provider_metadata is not None


def _block(part: ContentPart, role: MessageRole, notes: Notes) -> dict[str, Any] | None:
    match part:
        case ToolResult():
            if role in (_TOOL, _USER):
                return encode_result(part, notes)
            notes.add("part_dropped", f"a tool result has no place in a message of the {role}")
            return None
        case ToolCall(arguments=arguments):
            if role is not MessageRole.ASSISTANT:
                notes.add("part_dropped", f"a tool call has no place in a message of the {role}")
                return None
            if arguments is not None and not isinstance(arguments, dict):
                raise ProviderError(
                    ErrorKind.INVALID_REQUEST,
                    f"the arguments of the tool call {part.id!r:.80} are no JSON object",
                )
        case Text(text="", provider_metadata=dict()) if not own(part.provider_metadata):
            notes.add("part_dropped", "a part that only another vendor's wire can say was left out")
            return None
        case _ if role is _TOOL:
            notes.add("part_dropped", "a tool message holds tool results and nothing else")
            return None
    return encode_block(part, notes)


def _turn(
    role: str, content: list[dict[str, Any]] | str | None, overlay: dict[str, Any]
) -> dict[str, Any]:
    turn: dict[str, Any] = {"role": role}
    if overlay:
        turn = merged(turn, overlay)
    if content is not None:
        turn["content"] = content
    elif overlay[CONTENT] != "absent":
        turn["content"] = _EMPTY[overlay[CONTENT]]
    return turn


def _extend(turn: dict[str, Any], content: Any, overlay: dict[str, Any]) -> None:
    """More of the same speaker; the turn is ours, and so is its content, unless it is empty."""
    if overlay:
        turn.update({**merged(turn, overlay), "content": turn.get("content")})
    said = turn.get("content")
    if not (isinstance(said, list) and said):
        said = turn["content"] = _as_blocks(said)
    said.extend(_as_blocks(content))


def _as_blocks(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content if isinstance(content, list) and content else []


def _results_first(content: Any) -> None:
    """The vendor refuses a turn with anything before its results; the order is kept otherwise."""
    if isinstance(content, list) and len(content) > 1:
        content.sort(key=lambda block: block.get("type") != "tool_result")
