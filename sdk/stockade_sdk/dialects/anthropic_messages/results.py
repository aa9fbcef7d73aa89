"""Tool results: what the user's turn says of the calls before it.

The content of a result may be a string, a list of blocks, or left out; ``$content`` keeps the
spelling where it is not the one we would choose.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from stockade_sdk.chat import Audio, File, Image, Text, ToolResult

from .blocks import PART, decode_block, encode_block
from .overlay import DIALECT, Notes, Unreadable, difference, kept, merged, own, without_foreign

CONTENT: Final = "$content"

_sorted = msgspec.json.Encoder(order="sorted").encode


def encode_result(result: ToolResult, notes: Notes) -> dict[str, Any]:
    """A ``tool_result`` block."""
    overlay = own(result.provider_metadata)
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": result.tool_call_id}
    _put_content(block, result, overlay.get(CONTENT), notes)
    if result.is_error:
        block["is_error"] = True
    return merged(block, overlay) if overlay else block


def decode_result(raw: dict[str, Any], where: str) -> ToolResult:
    """The result of a ``tool_result`` block; raises Unreadable where it is none."""
    id = raw.get("tool_use_id")
    if not isinstance(id, str):
        raise Unreadable(f"{where}.tool_use_id is no string")
    content, label = _decode_content(raw, where)
    plain = ToolResult(id, content, raw.get("is_error") is True)
    block = encode_result(plain, Notes())
    overlay = difference(block, raw, skip=("content",))
    if label != _default_label(content):
        overlay[CONTENT] = label
    if not overlay:
        return plain
    return ToolResult(id, content, plain.is_error, None, kept(overlay))


def _put_content(block: dict[str, Any], result: ToolResult, label: Any, notes: Notes) -> None:
    match result.content:
        case "":
            if label in ("empty", "none", "null"):
                block["content"] = {"empty": "", "none": [], "null": None}[label]
        case str(text) if label == "text":
            block["content"] = text
        case str(text):
            block["content"] = [{"type": "text", "text": text}]
        case dict(value):
            notes.add("tool_result_coerced", "a tool result that is JSON was sent as its text")
            block["content"] = [{"type": "text", "text": _sorted(value).decode()}]
        case parts:
            said = without_foreign(parts, DIALECT, notes)
            encoded = (encode_block(part, notes) for part in said)
            block["content"] = [item for item in encoded if item is not None]


def _decode_content(
    raw: dict[str, Any], where: str
) -> tuple[str | tuple[Text | Image | Audio | File, ...], str]:
    """The content, and how it was spelled."""
    if "content" not in raw:
        return "", "absent"
    match raw["content"]:
        case None:
            return "", "null"
        case "":
            return "", "empty"
        case []:
            return "", "none"
        case str(text):
            return text, "text"
        case [{"type": "text", "text": str(text), **rest}] if text and not rest:
            return text, "parts"
        case list(items):
            return tuple(_part(item, f"{where}.content[{at}]") for at, item in enumerate(items)), (
                "parts"
            )
        case _:
            raise Unreadable(f"{where}.content is neither a string nor a list")


def _part(raw: Any, where: str) -> Text | Image | Audio | File:
    part = decode_block(raw, where)
    if isinstance(part, Text | Image | File):
        return part
    return Text("", kept({PART: raw}))  # reasoning and calls are no results


def _default_label(content: object) -> str:
    return "parts" if content else "absent"
