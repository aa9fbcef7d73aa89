"""Chat requests, both ways."""

from __future__ import annotations

from typing import Any, Final

from stockade_sdk.capability import RuntimeWarning
from stockade_sdk.chat import ChatRequest
from stockade_sdk.dialects.foreign import check_foreign
from stockade_sdk.errors import ErrorKind, ProviderError

from .messages import decode_messages, decode_system, encode_messages
from .overlay import DIALECT, Notes, Unreadable, difference, kept, merged, own
from .pairing import check_pairs
from .reasoning import Thinks, put_reasoning, says_reasoning, thinks
from .settings import check_settings, decode_settings, encode_settings
from .tools import TOOLS, check_choice, decode_tools, encode_tools

DEFAULT_MAX_TOKENS: Final = 1024  # the wire requires a number, and a request may leave it open
BETAS: Final = "betas"  # of the options: what goes into the header anthropic-beta

_SET_BY_US: Final = ("model", "messages", "system", "stream", "tools", BETAS)


def encode_request(
    request: ChatRequest,
    *,
    model: str | None = None,
    stream: bool = False,
    default_max_tokens: int = DEFAULT_MAX_TOKENS,
    max_temperature: float | None = 1.0,
    thinking: Thinks | None = None,
) -> tuple[dict[str, Any], tuple[RuntimeWarning, ...]]:
    """The JSON body of a request, and a warning for everything that could not be put into it.

    ``model`` replaces the request's. ``default_max_tokens`` is for requests without a bound.
    ``max_temperature`` is the most that the vendor takes, ``None`` where it knows itself.
    ``thinking`` says how the model takes a reasoning effort, ``None`` goes by its name. Raises
    ProviderError(invalid_request) on what the vendor refuses for certain.
    """
    notes = Notes()
    overlay = own(request.provider_options)
    if not overlay:
        check_foreign(request, DIALECT, notes)
    payload: dict[str, Any] = {}
    chosen = model if model is not None else request.model
    if chosen is not None:
        payload["model"] = chosen
    system, payload["messages"] = encode_messages(request.messages, notes)
    check_pairs(payload["messages"])
    _check_prefill(request, payload["messages"])
    if system is not None:
        payload["system"] = system
    tools = encode_tools(request, overlay)
    check_choice(request, tools)
    check_settings(request, max_temperature, notes)
    if tools:
        payload["tools"] = tools
    payload.update(encode_settings(request, has_tools=bool(tools)))
    if request.max_output_tokens is None and "max_tokens" not in overlay:
        payload["max_tokens"] = default_max_tokens
    if request.reasoning_effort is not None and not says_reasoning(overlay):
        put_reasoning(payload, request, thinking or thinks(chosen), default_max_tokens, notes)
    if request.max_output_tokens is None and "max_tokens" not in overlay:
        limit = payload["max_tokens"]
        told = f"the answer ends at {limit} tokens: the request sets no bound, which the wire needs"
        notes.add("default_max_tokens_applied", told)
    if overlay:
        payload = _with_options(payload, overlay, notes)
    if stream or overlay.get("stream") is False:
        payload["stream"] = stream
    return payload, tuple(notes.warnings)


def decode_request(payload: Any) -> ChatRequest:
    """A canonical request from any client's JSON; raises ProviderError(invalid_request) saying what
    is wrong where.
    """
    try:
        return _decode(payload)
    except Unreadable as error:
        raise ProviderError(ErrorKind.INVALID_REQUEST, str(error)) from None


def betas_of(request: ChatRequest) -> tuple[str, ...]:
    """The vendor's betas that the request asks for, for the header ``anthropic-beta``."""
    match own(request.provider_options).get(BETAS):
        case str(one):
            return tuple(filter(None, (name.strip() for name in one.split(","))))
        case list(several) | tuple(several):
            return tuple(name for name in several if isinstance(name, str) and name)
        case _:
            return ()


def _decode(payload: Any) -> ChatRequest:
    if not isinstance(payload, dict):
        raise Unreadable("the request is no JSON object")
    given = payload.get("messages")
    if not isinstance(given, list):
        raise Unreadable("messages is no list")
    messages = decode_messages(given)
    system = decode_system(payload.get("system"))
    if system is not None:
        messages.insert(0, system)
    tools, others = decode_tools(payload.get("tools"))
    model = payload.get("model")
    settings = decode_settings(payload)
    has_tools = bool(tools or others)
    plain = encode_settings(ChatRequest(messages=(), **settings), has_tools=has_tools)
    overlay = difference(plain, payload, skip=_SET_BY_US)
    if payload.get("stream") is False:
        overlay["stream"] = False
    if system is None and "system" in payload:
        overlay["system"] = payload["system"]
    if others:
        overlay[TOOLS] = others
    elif not tools and "tools" in payload:
        overlay["tools"] = payload["tools"]
    return ChatRequest(
        messages=tuple(messages),
        model=model if isinstance(model, str) else None,
        tools=tools,
        provider_options=kept(overlay),
        **settings,
    )


def _with_options(payload: dict[str, Any], overlay: dict[str, Any], notes: Notes) -> dict[str, Any]:
    options = {key: overlay[key] for key in overlay if key not in _SET_BY_US}
    for name in ("model", "messages", "system"):
        if name not in overlay:
            continue
        if name == "system" and name not in payload:
            options[name] = overlay[name]
        else:
            notes.add(
                "provider_option_ignored", f"{name} is set by the request, not by its options"
            )
    together = merged(payload, options)
    if "tools" in overlay and "tools" not in together:
        together["tools"] = overlay["tools"]
    return together


def _check_prefill(request: ChatRequest, turns: list[dict[str, Any]]) -> None:
    """A begun answer and a format for it contradict each other, and the vendor refuses both."""
    format = request.response_format
    if format is None or format.type == "text" or not turns or turns[-1]["role"] != "assistant":
        return
    raise ProviderError(
        ErrorKind.INVALID_REQUEST, "an answer that is to be JSON cannot be begun by the request"
    )
