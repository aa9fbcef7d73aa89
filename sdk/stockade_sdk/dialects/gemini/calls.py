"""Tool calls and their results, which Google matches by name and order where there is no id."""

from __future__ import annotations

from typing import Any

import msgspec

from stockade_sdk.capability import RuntimeWarning
from stockade_sdk.chat import (
    Audio,
    ContentPart,
    File,
    Image,
    Text,
    ToolCall,
    ToolResult,
    parse_arguments,
)
from stockade_sdk.errors import ErrorKind, ProviderError

from . import spelling
from .media import Media, decode_file, decode_inline, encode_media, note_dropped
from .overlay import (
    CONTENT,
    DIALECT,
    FIELDS,
    PART,
    Notes,
    Unreadable,
    difference,
    kept,
    merged,
    own,
    without_foreign,
)


class _Call:
    """One call: our id, the id on the wire (``None`` without one), and whether it was answered."""

    __slots__ = ("answered", "id", "name", "wire_id")

    def __init__(self, id: str, name: str, wire_id: str | None) -> None:
        self.id, self.name, self.wire_id, self.answered = id, name, wire_id, False


class Ledger:
    """The calls of one conversation, or of one answer, in their order.

    ``prefix`` keeps ids that are given here apart from those of other answers.
    """

    __slots__ = ("_calls", "_prefix")

    def __init__(self, prefix: str | None = None) -> None:
        self._calls: dict[str, _Call] = {}
        self._prefix = f"call_{prefix}_" if prefix else "call_"

    def open(self, name: str, wire_id: str | None, notes: Notes) -> str:
        """Our id of a new call: the wire's where it is there and new."""
        position = len(self._calls)
        id = wire_id or f"{self._prefix}{position}"
        if not wire_id:
            notes.add("tool_call_id_missing", "a tool call came without an id and was given one")
        elif id in self._calls:
            notes.add(
                "tool_call_id_repeated", "two tool calls came under one id and were told apart"
            )
        while id in self._calls:
            id = f"{id}_{position}"
        self._calls[id] = _Call(id, name, wire_id or None)
        return id

    def sent(self, call: ToolCall, raw: Any) -> None:
        """Note under which id ``call`` stands on the wire."""
        given = raw.get("id") if isinstance(raw, dict) else None
        wire_id = given if isinstance(given, str) and given else None
        known = self._calls.get(call.id)
        if known is None:
            self._calls[call.id] = _Call(call.id, call.name, wire_id)
        else:
            known.wire_id = wire_id

    def answered(self, name: str, wire_id: str | None) -> str:
        """Our id of the call that a result answers; empty where none is known."""
        fitting = [
            call
            for call in self._calls.values()
            if (call.wire_id == wire_id if wire_id else call.name == name)
        ]
        if not fitting:
            return wire_id or ""
        call = next((call for call in fitting if not call.answered), fitting[-1])
        call.answered = True
        return call.id

    def find(self, id: str) -> _Call | None:
        """The call with our id ``id``."""
        return self._calls.get(id)


def encode_call(call: ToolCall, ledger: Ledger, notes: Notes) -> dict[str, Any]:
    """A ``functionCall`` part; its ``args`` are always an object."""
    arguments = call.arguments
    if arguments is None:
        arguments = {}
    elif not isinstance(arguments, dict):
        notes.add(
            "tool_arguments_invalid_json",
            "tool arguments were no JSON object and were put into one",
        )
        arguments = {"arguments": arguments}
    encoded = {"name": call.name, "args": arguments, "id": call.id}
    ledger.sent(call, encoded)
    return {"functionCall": encoded}


def decode_call(raw: dict[str, Any], where: str, ledger: Ledger, notes: Notes) -> ToolCall:
    """The call of a ``functionCall`` part; raises Unreadable where it names no function."""
    name, given, arguments = raw.get("name"), raw.get("id"), raw.get("args")
    if not isinstance(name, str) or not name:
        raise Unreadable(f"{where}.functionCall names no function")
    warning: RuntimeWarning | None = None
    if isinstance(arguments, str):
        arguments, warning = parse_arguments(arguments)
    if warning is not None:
        notes.warnings.append(warning)  # one a call, as the fold of a stream has it
    id = ledger.open(name, given if isinstance(given, str) else None, notes)
    return ToolCall(id, name, {} if arguments is None else arguments)


def encode_result(result: ToolResult, ledger: Ledger, notes: Notes) -> dict[str, Any]:
    """A ``functionResponse`` part; raises ProviderError(invalid_request) where the function is not
    named and the call it answers is not there.
    """
    call = ledger.find(result.tool_call_id)
    name = result.name or (call.name if call is not None else None)
    if name is None:
        raise ProviderError(
            ErrorKind.INVALID_REQUEST,
            f"the tool result for {result.tool_call_id[:100]!r} answers no call before it",
        )
    encoded: dict[str, Any] = {"name": name}
    wire_id = result.tool_call_id if call is None else call.wire_id
    if wire_id:
        encoded["id"] = wire_id
    key = "error" if result.is_error else "output"
    match result.content:
        case str(text):
            encoded["response"] = {key: text}
        case dict(value):
            encoded["response"] = {key: value} if result.is_error else value
        case parts:
            _put_parts(encoded, parts, key, own(result.provider_metadata).get(CONTENT), notes)
    return {"functionResponse": encoded}


def decode_result(raw: dict[str, Any], where: str, ledger: Ledger) -> ToolResult:
    """The result of a ``functionResponse`` part."""
    name, given = raw.get("name"), raw.get("id")
    if not isinstance(name, str) or not name:
        raise Unreadable(f"{where}.functionResponse names no function")
    id = ledger.answered(name, given if isinstance(given, str) and given else None)
    parts, label = raw.get("parts"), None
    content: str | dict[str, Any] | tuple[Text | Media, ...]
    is_error = False
    match raw.get("response"):
        case {"output": str(text), **rest} if not rest:
            content = text
        case {"error": str() | dict() as failure, **rest} if not rest:
            content, is_error = failure, True
        case dict(value):
            content = value
        case _:
            content = ""
    if isinstance(parts, list) and parts:
        content, label = _with_parts(content, parts)
    metadata = kept({CONTENT: label}) if label is not None else None
    return ToolResult(id, content, is_error, name, metadata)


def _put_parts(
    encoded: dict[str, Any],
    parts: tuple[ContentPart, ...],
    key: str,
    label: object,
    notes: Notes,
) -> None:
    """Texts together in the response, media in ``parts`` beside it (Gemini 3 and later)."""
    said = without_foreign(parts, DIALECT, notes)
    text = "".join(part.text for part in said if isinstance(part, Text))
    value: Any = {key: text}
    if label == "json":
        value = parse_arguments(text)[0]
    encoded["response"] = value if isinstance(value, dict) else {key: text}
    media: list[dict[str, Any]] = []
    for part in said:
        overlay = own(part.provider_metadata)
        if PART in overlay:
            media.append(overlay[PART])
        elif isinstance(part, Image | Audio | File):
            note_dropped(part, notes)
            item = encode_media(part, notes)
            if item is not None:
                item = merged(item, overlay)
                media.append(spelling.as_it_came(item, overlay.get(FIELDS), spelling.PARTS))
    if media:
        encoded["parts"] = media


def _with_parts(
    content: str | dict[str, Any], raw: list[Any]
) -> tuple[tuple[Text | Media, ...], str | None]:
    """Text and media of a result; a response that is more than text becomes JSON text."""
    label = None
    if isinstance(content, dict):
        label, content = "json", msgspec.json.encode(content).decode()
    first = (Text(content),) if content else ()
    return (*first, *map(_medium, raw)), label


def _medium(raw: Any) -> Media | Text:
    """The medium of a result's part; one that cannot be read is carried as it is."""
    if not isinstance(raw, dict):
        return Text("", kept({PART: raw}))
    given, changed = spelling.in_camel_case(raw, spelling.PARTS, inner=True)
    part: Media | None = None
    match given:
        case {"inlineData": dict(blob)}:
            part = decode_inline(blob)
        case {"fileData": dict(file)}:
            part = decode_file(file)
    if part is None:
        return Text("", kept({PART: raw}))
    overlay = own(part.provider_metadata) | difference(encode_media(part, Notes()) or {}, given)
    if changed:
        overlay[FIELDS] = changed
    return msgspec.structs.replace(part, provider_metadata=kept(overlay)) if overlay else part
