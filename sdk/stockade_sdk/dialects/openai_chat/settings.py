"""A request's settings: everything beside its messages, its model and its tools."""

from __future__ import annotations

import math
from typing import Any

from stockade_sdk.chat import ChatRequest, ResponseFormat, ToolChoice
from stockade_sdk.dialects.json_text import finite
from stockade_sdk.errors import ErrorKind, ProviderError

MAX_TOKENS_FIELDS = ("max_tokens", "max_completion_tokens")
_NUMBERS = ("temperature", "top_p", "presence_penalty", "frequency_penalty")
_INTEGERS = ("top_k", "seed")
_AS_THEY_ARE = (*_INTEGERS, "parallel_tool_calls", "reasoning_effort", "metadata")
_MAX_INTEGER = 2**63  # beyond it neither msgpack nor most servers follow


def encode_settings(request: ChatRequest, max_tokens_field: object) -> dict[str, Any]:
    """Every canonical setting beside messages, model and tools, under its name on the wire."""
    settings: dict[str, Any] = {}
    for name in _NUMBERS:
        value = getattr(request, name)
        if value is not None:
            if not math.isfinite(value):
                raise ProviderError(
                    ErrorKind.INVALID_REQUEST, f"{name} is {value}, which JSON cannot say"
                )
            settings[name] = value
    if request.max_output_tokens is not None:
        field = max_tokens_field if isinstance(max_tokens_field, str) else MAX_TOKENS_FIELDS[0]
        settings[field] = request.max_output_tokens
    for name in _AS_THEY_ARE:
        value = getattr(request, name)
        if value is not None:
            settings[name] = value
    if request.stop:
        settings["stop"] = list(request.stop)
    if request.tool_choice is not None:
        settings["tool_choice"] = _encode_choice(request.tool_choice)
    if request.response_format is not None:
        settings["response_format"] = _encode_format(request.response_format)
    return settings


def decode_settings(payload: dict[str, Any]) -> dict[str, Any]:
    """The fields of a ChatRequest that the payload sets; what is of another type is left alone."""
    settings: dict[str, Any] = {}
    for name in _NUMBERS:
        value = payload.get(name)
        if finite(value) is not None:
            settings[name] = value
    for name in _INTEGERS:
        value = payload.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MAX_INTEGER:
            settings[name] = value
    match payload.get("stop"):
        case str(one):
            settings["stop"] = (one,)
        case list(several) if several and all(isinstance(item, str) for item in several):
            settings["stop"] = tuple(several)
    match payload.get("metadata"):
        case dict(pairs) if all(isinstance(value, str) for value in pairs.values()):
            settings["metadata"] = pairs
    if isinstance(payload.get("parallel_tool_calls"), bool):
        settings["parallel_tool_calls"] = payload["parallel_tool_calls"]
    if isinstance(payload.get("reasoning_effort"), str):
        settings["reasoning_effort"] = payload["reasoning_effort"]
    choice, format = (
        _decode_choice(payload.get("tool_choice")),
        _decode_format(payload.get("response_format")),
    )
    if choice is not None:
        settings["tool_choice"] = choice
    if format is not None:
        settings["response_format"] = format
    return settings


def is_count(value: object) -> bool:
    """Whether a number of tokens can be this."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_INTEGER


def _encode_choice(choice: ToolChoice) -> str | dict[str, Any]:
    if choice.mode == "specific":
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode


def _decode_choice(raw: Any) -> ToolChoice | None:
    match raw:
        case "auto" | "none" | "required":
            return ToolChoice(raw)
        case "any":  # Mistral's word
            return ToolChoice("required")
        case {"type": "function", "function": {"name": str(name)}}:
            return ToolChoice("specific", name)
        case _:
            return None


def _encode_format(format: ResponseFormat) -> dict[str, Any]:
    if format.type != "json_schema":
        return {"type": format.type}
    schema: dict[str, Any] = {"name": format.name or "answer"}  # the wire wants a name
    for name in ("description", "schema", "strict"):
        value = getattr(format, name)
        if value is not None:
            schema[name] = value
    return {"type": "json_schema", "json_schema": schema}


def _decode_format(raw: Any) -> ResponseFormat | None:
    match raw:
        case {"type": "text" | "json_object" as kind}:
            return ResponseFormat(type=kind)
        case {"type": "json_schema", "json_schema": dict(body)}:
            name, schema, strict = body.get("name"), body.get("schema"), body.get("strict")
            description = body.get("description")
            return ResponseFormat(
                type="json_schema",
                name=name if isinstance(name, str) and name else None,
                schema=schema if isinstance(schema, dict) else None,
                strict=strict if isinstance(strict, bool) else None,
                description=description if isinstance(description, str) else None,
            )
        case _:
            return None
