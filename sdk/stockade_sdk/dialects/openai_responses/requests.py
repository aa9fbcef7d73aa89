"""Requests, both ways."""

from __future__ import annotations

from typing import Any, Final

from stockade_sdk.capability import RuntimeWarning
from stockade_sdk.chat import ChatRequest, Message, Text
from stockade_sdk.dialects.foreign import check_foreign
from stockade_sdk.errors import ErrorKind, ProviderError

from .conversation import InputWriter, decode_input
from .overlay import CONTENT, DIALECT, TOOLS, Notes, Unreadable, difference, merged, own
from .settings import decode_settings, encode_settings
from .tools import decode_tools, encode_tools

_SET_BY_US: Final = frozenset(
    {"model", "input", "instructions", "stream", "stream_options", "tools"}
)
_AT_THE_VENDOR: Final = ("previous_response_id", "conversation", "prompt")  # where history may be


def encode_request(
    request: ChatRequest, *, model: str | None = None, stream: bool = False
) -> tuple[dict[str, Any], tuple[RuntimeWarning, ...]]:
    """The JSON body of a request, and a warning for everything that could not be put into it.

    ``model`` replaces the request's. Raises ProviderError(invalid_request, unsupported) for what
    the vendor would refuse: no input, a result without its call, a forced tool that is not there,
    a JSON object without the word JSON, stop sequences. What a client of this wire said itself is
    the vendor's to judge.
    """
    notes = Notes()
    overlay, spoken = own(request.provider_options), is_spoken(request)
    if not spoken:
        check_foreign(request, DIALECT, notes)
    payload: dict[str, Any] = {}
    chosen = model if model is not None else request.model
    if chosen is not None:
        payload["model"] = chosen
    elsewhere = any(overlay.get(name) is not None for name in _AT_THE_VENDOR)
    writer = InputWriter(notes, exact=spoken, calls_elsewhere=elsewhere)
    for message in request.messages:
        writer.write(message)
    if writer.instructions is not None:
        payload["instructions"] = writer.instructions
    _put_input(payload, writer.items, overlay, elsewhere)
    tools = encode_tools(request, overlay, notes)
    if tools:
        payload["tools"] = tools
    payload.update(encode_settings(request, notes, overlay, spoken=spoken))
    if not spoken:
        _require_json(request)
    if overlay:
        payload = _with_options(payload, overlay, notes)
    _put_stream(payload, overlay, stream)
    return payload, tuple(notes.warnings)


def decode_request(payload: Any) -> ChatRequest:
    """A canonical request from any client's JSON; raises ProviderError(invalid_request) saying what
    is wrong where.
    """
    try:
        return _decode(payload)
    except Unreadable as error:
        raise ProviderError(ErrorKind.INVALID_REQUEST, str(error)) from None


def _decode(payload: Any) -> ChatRequest:
    if not isinstance(payload, dict):
        raise Unreadable("the request is no JSON object")
    messages = decode_input(payload.get("input"), payload.get("instructions"))
    tools, others = decode_tools(payload.get("tools"))
    model = payload.get("model")
    settings = decode_settings(payload)
    plain = encode_settings(ChatRequest(messages=(), **settings), Notes(), {}, spoken=True)
    overlay = difference(plain, payload, skip=_SET_BY_US)
    if isinstance(payload.get("input"), str):
        overlay[CONTENT] = "text"
    if "instructions" in payload and not isinstance(payload["instructions"], str):
        overlay["instructions"] = payload["instructions"]
    if payload.get("stream") is False:
        overlay["stream"] = False
    if "stream_options" in payload:
        overlay["stream_options"] = payload["stream_options"]
    if others:
        overlay[TOOLS] = others
    elif not tools and "tools" in payload:
        overlay["tools"] = payload["tools"]
    return ChatRequest(
        messages=messages,
        model=model if isinstance(model, str) else None,
        tools=tools,
        provider_options={DIALECT: overlay},  # an empty one too: it says who spoke
        **settings,
    )


def is_spoken(request: ChatRequest) -> bool:
    """Whether a client of this wire sent the request."""
    return request.provider_options is not None and DIALECT in request.provider_options


def _put_input(
    payload: dict[str, Any], items: list[dict[str, Any]], overlay: dict[str, Any], elsewhere: bool
) -> None:
    if not items:
        if not elsewhere:
            raise ProviderError(ErrorKind.INVALID_REQUEST, "the request has no input")
        return
    payload["input"] = items
    if overlay.get(CONTENT) == "text" and len(items) == 1:
        match items[0]:
            case {"role": "user", "content": [{"type": "input_text", "text": str(text)}]}:
                payload["input"] = text


def _require_json(request: ChatRequest) -> None:
    """OpenAI answers 400 where a JSON object is wanted and no message says JSON."""
    if request.response_format is None or request.response_format.type != "json_object":
        return
    if not any("json" in text.lower() for text in map(_text, request.messages)):
        raise ProviderError(
            ErrorKind.INVALID_REQUEST, "for a JSON object, the word JSON must be in a message"
        )


def _text(message: Message) -> str:
    return "".join(part.text for part in message.content if isinstance(part, Text))


def _with_options(payload: dict[str, Any], overlay: dict[str, Any], notes: Notes) -> dict[str, Any]:
    for name in ("model", "input"):
        if name in overlay:
            notes.add(
                "provider_option_ignored", f"{name} is set by the request, not by its options"
            )
    together = merged(payload, {key: overlay[key] for key in overlay if key not in _SET_BY_US})
    for name in ("tools", "instructions"):
        if name in overlay and name not in together:
            together[name] = overlay[name]
    return together


def _put_stream(payload: dict[str, Any], overlay: dict[str, Any], stream: bool) -> None:
    if stream:
        payload["stream"] = True
        if "stream_options" in overlay:
            payload["stream_options"] = overlay["stream_options"]
    elif overlay.get("stream") is False:
        payload["stream"] = False
