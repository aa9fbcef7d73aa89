"""A message's content, and the tool results, which are little else.

The same content can be spelled in several ways, and vendors differ in which they take, so
``$content`` keeps the spelling where it is not the one we would choose: ``absent``, ``null``,
``empty`` (the empty string), ``none`` (the empty list), ``text`` (a string), ``parts`` (a list).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from stockade_sdk.chat import Audio, ContentPart, File, Image, Text, ToolResult

from .overlay import DIALECT, Notes, Unreadable, difference, kept, merged, own, without_foreign
from .parts import decode_part, encode_part

CONTENT: Final = "$content"


def encode_result(result: ToolResult, notes: Notes) -> dict[str, Any]:
    """The tool message of one result."""
    overlay = own(result.provider_metadata)
    encoded: dict[str, Any] = {"role": "tool", "tool_call_id": result.tool_call_id}
    if result.name is not None:
        encoded["name"] = result.name
    if result.is_error:
        notes.add("tool_error_flag_dropped", "this dialect cannot mark a tool result as an error")
    match result.content:
        case str(text):
            put_content(
                encoded, (Text(text),) if text else (), overlay.get(CONTENT), "empty", notes
            )
        case dict(value):
            encoded["content"] = msgspec.json.encode(value).decode()
        case parts:
            put_content(encoded, parts, overlay.get(CONTENT), "empty", notes)
    return merged(encoded, overlay) if overlay else encoded


def decode_result(raw: dict[str, Any], where: str) -> ToolResult:
    """The result that a tool message (or an old function message) holds."""
    content, label = decode_content(raw, where)
    name = raw.get("name")
    call = raw.get("tool_call_id")
    body: str | tuple[Text | Image | Audio | File, ...]
    if label == "parts":
        body = tuple(part for part in content if isinstance(part, Text | Image | Audio | File))
    else:
        body = "".join(part.text for part in content if isinstance(part, Text))
    result = ToolResult(
        call if isinstance(call, str) else name if isinstance(name, str) else "",
        body,
        name=name if isinstance(name, str) else None,
    )
    encoded = encode_result(result, Notes())
    overlay = difference(encoded, raw, skip=("content",))
    if label != default_label(content, "empty"):
        overlay[CONTENT] = label
    return msgspec.structs.replace(result, provider_metadata=kept(overlay))


def decode_content(raw: dict[str, Any], where: str) -> tuple[tuple[ContentPart, ...], str]:
    """The parts of a message's content, and how it was spelled."""
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
            found = (decode_part(item, f"{where}.content[{at}]") for at, item in enumerate(items))
            return tuple(found), "parts"
        case _:
            raise Unreadable(f"{where}.content is neither a string nor a list")


def default_label(content: Sequence[ContentPart], without: str) -> str:
    """The spelling we would choose; ``without`` where there is no content."""
    if not content:
        return without
    return "text" if len(content) == 1 and _is_plain(content[0]) else "parts"


def _is_plain(part: ContentPart) -> bool:
    return isinstance(part, Text) and not own(part.provider_metadata)


def put_content(
    encoded: dict[str, Any],
    content: Sequence[ContentPart],
    label: object,
    without: str,
    notes: Notes,
    *,
    joined: bool = False,
) -> None:
    """Put ``content`` into ``encoded`` in the spelling of ``label``, or in ours."""
    content = without_foreign(content, DIALECT, notes)
    if content:
        if label != "parts":
            if len(content) == 1 and _is_plain(content[0]):
                encoded["content"] = content[0].text  # type: ignore[union-attr]
                return
            if joined and all(_is_plain(part) for part in content):
                # An assistant's turn as a list of texts is refused by many; as one string by none.
                encoded["content"] = "".join(
                    part.text for part in content if isinstance(part, Text)
                )
                return
        items = (encode_part(part, notes) for part in content)
        encoded["content"] = [item for item in items if item is not None]
        return
    match label if label in ("absent", "null", "empty", "none") else without:
        case "null":
            encoded["content"] = None
        case "empty":
            encoded["content"] = ""
        case "none":
            encoded["content"] = []
