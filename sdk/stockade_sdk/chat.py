"""Chat: parts, messages, tools, requests and responses; the events of a streamed answer are in
``stream``.

Vision is chat with an image among the parts. Shapes are vendor-neutral; what only one vendor knows
travels in ``provider_options`` (in) and ``provider_metadata`` (out), by dialect name.
"""

from __future__ import annotations

import enum
from typing import Any, Literal

import msgspec

from .capability import ResponseFields, RuntimeWarning, Usage


class MessageRole(enum.StrEnum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class FinishReason(enum.StrEnum):
    """Why an answer ended; the vendor's own word stands beside it as ``raw_finish_reason``."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    ERROR = "error"
    OTHER = "other"


class Text(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="text"):
    """Plain text."""

    text: str
    provider_metadata: dict[str, Any] | None = None


class Image(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="image"
):
    """An image: its bytes with ``media_type``, or a URL; exactly one of ``data`` and ``url``."""

    data: bytes | None = None
    url: str | None = None
    media_type: str | None = None
    detail: str | None = None
    provider_metadata: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        _exactly_one("image", data=self.data, url=self.url)


class Audio(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="audio"
):
    """Sound: bytes with ``format`` (``wav``, ``mp3``, ...), a URL, or the vendor's ``id`` of an
    earlier answer.
    """

    data: bytes | None = None
    url: str | None = None
    id: str | None = None
    format: str | None = None
    transcript: str | None = None
    provider_metadata: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.data is None and self.url is None and self.id is None:
            raise ValueError("an audio part needs data, url or id")


class File(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="file"
):
    """A document: bytes, a URL, or the vendor's ``file_id``; exactly one of the three."""

    data: bytes | None = None
    url: str | None = None
    file_id: str | None = None
    media_type: str | None = None
    filename: str | None = None
    provider_metadata: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        _exactly_one("file", data=self.data, url=self.url, file_id=self.file_id)


class Thinking(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="thinking"):
    """A model's reasoning; ``signature`` and ``provider`` let its own vendor take it back."""

    text: str
    signature: str | None = None
    provider: str | None = None
    provider_metadata: dict[str, Any] | None = None


class ToolCall(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="tool_call"):
    """The model asks for a tool. ``arguments`` is the parsed JSON, or the text as it came where it
    was no JSON.
    """

    id: str
    name: str
    arguments: Any = None
    provider_metadata: dict[str, Any] | None = None


class ToolResult(
    msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="tool_result"
):
    """A tool's answer to one call: text, a JSON object, or parts."""

    tool_call_id: str
    content: str | dict[str, Any] | tuple[Text | Image | Audio | File, ...] = ""
    is_error: bool = False
    name: str | None = None
    provider_metadata: dict[str, Any] | None = None


ContentPart = Text | Image | Audio | File | Thinking | ToolCall | ToolResult


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One turn. ``provider_options`` holds what only one dialect can say of it."""

    role: MessageRole
    content: tuple[ContentPart, ...] = ()
    provider_options: dict[str, Any] | None = None

    @classmethod
    def of_text(cls, role: MessageRole | str, text: str) -> Message:
        """A message of one text part."""
        return cls(MessageRole(role), (Text(text),))

    @property
    def text(self) -> str:
        """The text parts, joined."""
        return "".join(part.text for part in self.content if isinstance(part, Text))


class ToolDefinition(msgspec.Struct, frozen=True, omit_defaults=True):
    """A function the model may call; ``parameters_schema`` is a JSON Schema object."""

    name: str
    description: str | None = None
    parameters_schema: dict[str, Any] | None = None
    strict: bool | None = None
    provider_options: dict[str, Any] | None = None


class ToolChoice(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether the model may, must or must not call a tool; ``specific`` names the one."""

    mode: Literal["auto", "none", "required", "specific"] = "auto"
    name: str | None = None

    def __post_init__(self) -> None:
        if (self.mode == "specific") != (self.name is not None):
            raise ValueError("a tool choice has a name exactly where its mode is 'specific'")


class ResponseFormat(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What shape the answer's text must have."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None


class ChatRequest(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag="chat",
):
    """A conversation to be continued.

    ``model`` is an alias, a short name, ``plugin/model`` or ``auto`` towards the host, the vendor's
    id towards a plugin. ``None`` leaves the vendor's default. ``provider_options`` is keyed by
    dialect (``openai_chat``) and passed on whole.
    """

    messages: tuple[Message, ...]
    model: str | None = None
    tools: tuple[ToolDefinition, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_output_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    reasoning_effort: str | None = None
    metadata: dict[str, str] | None = None
    provider_options: dict[str, Any] | None = None

    @classmethod
    def of_text(cls, prompt: str, *, model: str | None = None) -> ChatRequest:
        """One user message."""
        return cls(messages=(Message.of_text(MessageRole.USER, prompt),), model=model)

    @property
    def last_text(self) -> str:
        """The text of the last user message; empty where there is none."""
        for message in reversed(self.messages):
            if message.role is MessageRole.USER:
                return message.text
        return ""


class AssistantOutput(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the model said; ``structured_output`` is the parsed JSON where the request asked for
    JSON.
    """

    content: tuple[ContentPart, ...] = ()
    structured_output: Any = None


class ChatResponse(ResponseFields, frozen=True, kw_only=True, omit_defaults=True, tag="chat"):
    """A whole answer."""

    output: AssistantOutput
    finish_reason: FinishReason = FinishReason.STOP
    raw_finish_reason: str | None = None

    @classmethod
    def of_text(cls, text: str, *, usage: Usage | None = None) -> ChatResponse:
        """An answer of one text part that ended by itself."""
        return cls(output=AssistantOutput((Text(text),)), usage=usage)

    @property
    def text(self) -> str:
        """The text parts, joined."""
        return "".join(part.text for part in self.output.content if isinstance(part, Text))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls, in order."""
        return tuple(part for part in self.output.content if isinstance(part, ToolCall))


_sendable = msgspec.msgpack.Encoder().encode


def parse_arguments(text: str) -> tuple[Any, RuntimeWarning | None]:
    """Tool arguments from their JSON text; what is no JSON stays text, with a warning. Empty text
    is ``{}``. A lone JSON string stays as it came too: text is how invalid arguments are known.
    """
    if not text.strip():
        return {}, None
    try:
        arguments = msgspec.json.decode(text)
        _sendable(arguments)
    except (msgspec.DecodeError, RecursionError, UnicodeError, OverflowError):
        arguments = text  # numbers beyond 64 bits too: no frame can carry them
    if not isinstance(arguments, str):
        return arguments, None
    return text, RuntimeWarning(
        "tool_arguments_invalid_json", "tool arguments were no JSON and stay text"
    )


def parse_structured(text: str, wanted: ResponseFormat | None) -> tuple[Any, RuntimeWarning | None]:
    """The JSON a request asked for, or ``None`` with a warning where the text has none.

    Models put words or a fence around their object where nothing holds them to it, so one object
    in other text counts; ``json_object`` is an object and nothing else.
    """
    if wanted is None or wanted.type == "text" or not text:
        return None, None
    for candidate in (text, text[text.find("{") : text.rfind("}") + 1]):
        try:
            value = msgspec.json.decode(candidate)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            continue
        if isinstance(value, dict) or wanted.type != "json_object":
            return value, None
    return None, RuntimeWarning(
        "structured_output_parse_failed", "the answer is not the JSON that was asked for"
    )


def _exactly_one(what: str, **given: object) -> None:
    if sum(value is not None for value in given.values()) != 1:
        raise ValueError(f"{what} parts have exactly one of {', '.join(given)}")
