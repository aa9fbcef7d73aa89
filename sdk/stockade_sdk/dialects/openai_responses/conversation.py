"""A request's input: items in, messages out, and back."""

from __future__ import annotations

from typing import Any, Final

from stockade_sdk.chat import (
    ContentPart,
    Message,
    MessageRole,
    Text,
    ToolCall,
    ToolResult,
)
from stockade_sdk.errors import ErrorKind, ProviderError

from .calls import OUTPUTS, decode_result, encode_result
from .overlay import (
    AS,
    CONTENT,
    DIALECT,
    RAW,
    Notes,
    Unreadable,
    difference,
    kept,
    merged,
    own,
    without_foreign,
)
from .parts import decode_part, encode_parts
from .said import SaidWriter, decode_said, is_said

_ROLES: Final = {
    "system": MessageRole.SYSTEM,
    "developer": MessageRole.SYSTEM,
    "user": MessageRole.USER,
    "assistant": MessageRole.ASSISTANT,
}


class InputWriter:
    """Writes messages into input items; ``instructions`` holds those that came as such.

    ``exact`` says that a client of this wire sent the request. A result must follow its call,
    unless ``calls_elsewhere``: the vendor keeps the history, or an item stands for a part of it.
    """

    def __init__(self, notes: Notes, *, exact: bool, calls_elsewhere: bool) -> None:
        self.items: list[dict[str, Any]] = []
        self.instructions: str | None = None
        self._notes, self._exact, self._elsewhere = notes, exact, calls_elsewhere
        self._calls: dict[str, bool] = {}  # id → whether it was of a custom tool

    def write(self, message: Message) -> None:
        """One message's items; raises ProviderError(invalid_request) where they cannot be, and
        ``unsupported`` where nothing of a user's message can be sent.
        """
        role = message.role
        if role is MessageRole.ASSISTANT:
            self._write_said(message.content)
            return
        overlay = own(message.provider_options)
        if overlay.get(AS) == "instructions" and self.instructions is None:
            self.instructions = message.text
            return
        content = without_foreign(message.content, DIALECT, self._notes)
        parts = [part for part in content if self._is_content(part)]
        if role is MessageRole.USER and message.content and not content:
            raise ProviderError(
                ErrorKind.UNSUPPORTED,
                "nothing of a message of the user's can be sent to this vendor",
            )
        if parts and role is MessageRole.TOOL:
            _refuse("a tool's message holds tool results and nothing else")
        if parts or CONTENT in overlay:
            self._write_message(role, parts, overlay)

    def _is_content(self, part: ContentPart) -> bool:
        """Whether a part is of a message; one that is an item of its own is written."""
        kind = type(part)
        if kind is ToolResult:
            self.items.append(self._result(part))  # type: ignore[arg-type]
            return False
        if kind is ToolCall:
            _refuse("a tool call belongs to the assistant")
        if kind is not Text or part.provider_metadata is None:
            return True
        whole = own(part.provider_metadata).get(RAW)
        if isinstance(whole, dict):
            self.items.append(whole)
        return not isinstance(whole, dict)

    def _write_message(
        self, role: MessageRole, parts: list[ContentPart], overlay: dict[str, Any]
    ) -> None:
        content: Any = encode_parts(parts, self._notes)
        item = {"type": "message", "role": role.value, "content": content}
        if not overlay:
            self.items.append(item)
            return
        match overlay.get(CONTENT), content:
            case "text", [{"type": "input_text", "text": str(text)}]:
                item["content"] = text
            case "text", []:
                item["content"] = ""
        self.items.append(merged(item, overlay))

    def _write_said(self, parts: tuple[ContentPart, ...]) -> None:
        for part in parts:
            if isinstance(part, ToolCall):
                self._calls[part.id] = own(part.provider_metadata).get(AS) == "custom"
            elif isinstance(part, Text) and RAW in own(part.provider_metadata):
                self._elsewhere = True  # an item_reference or a compaction may hold the call
        self.items += SaidWriter(self._notes, exact=self._exact).write(parts)

    def _result(self, part: ToolResult) -> dict[str, Any]:
        if part.tool_call_id not in self._calls and not self._elsewhere:
            _refuse(f"the tool result {part.tool_call_id!r} follows no call")
        return encode_result(part, self._notes, custom=self._calls.get(part.tool_call_id, False))


def decode_input(given: Any, instructions: Any) -> tuple[Message, ...]:
    """The messages of a request; raises Unreadable where its input is none."""
    messages: list[Message] = []
    if isinstance(instructions, str):
        spoken = (Text(instructions),)
        messages.append(Message(MessageRole.SYSTEM, spoken, kept({AS: "instructions"})))
    match given:
        case None:
            pass
        case str(text):
            messages.append(Message(MessageRole.USER, (Text(text),)))
        case list(items):
            messages += _decode_items(items)
        case _:
            raise Unreadable("input is neither a string nor a list")
    return tuple(messages)


def _decode_items(items: list[Any]) -> list[Message]:
    """Items that an assistant said one after the other are one turn."""
    messages: list[Message] = []
    said: list[ContentPart] = []
    notes = Notes()  # a history's calls are as they were; nobody is warned of them again
    for at, raw in enumerate(items):
        where = f"input[{at}]"
        if not isinstance(raw, dict):
            raise Unreadable(f"{where} is no object")
        if is_said(raw):
            after_text = bool(said) and isinstance(said[-1], Text)
            said += decode_said(raw, where, notes, after_text=after_text)
            continue
        if said:
            messages.append(Message(MessageRole.ASSISTANT, tuple(said)))
            said = []
        messages.append(_decode_other(raw, where))
    if said:
        messages.append(Message(MessageRole.ASSISTANT, tuple(said)))
    return messages


def _decode_other(raw: dict[str, Any], where: str) -> Message:
    kind = raw.get("type", "message")
    if kind in OUTPUTS:
        return Message(MessageRole.TOOL, (decode_result(raw, where),))
    role = _ROLES.get(raw["role"]) if isinstance(raw.get("role"), str) else MessageRole.USER
    if role is None or (kind == "message" and "role" not in raw):
        raise Unreadable(f"{where}.role is none of {', '.join(_ROLES)}")
    if kind != "message":
        return Message(role, (Text("", kept({RAW: raw})),))
    content = raw.get("content")
    parts: tuple[ContentPart, ...]
    match content:
        case str(text):
            parts = (Text(text),) if text else ()
        case list(items):
            parts = tuple(
                decode_part(one, f"{where}.content[{at}]") for at, one in enumerate(items)
            )
        case _:
            raise Unreadable(f"{where}.content is neither a string nor a list")
    plain = {"type": "message", "role": role.value}
    overlay = difference(plain, raw, skip=("content",))
    if isinstance(content, str):
        overlay[CONTENT] = "text"
    elif not parts:
        overlay[CONTENT] = "none"
    return Message(role, parts, kept(overlay))


def _refuse(why: str) -> None:
    raise ProviderError(ErrorKind.INVALID_REQUEST, why)
