"""A request's settings: everything beside its messages, its model, its tools and its reasoning."""

from __future__ import annotations

import math
from typing import Any, Final

from stockade_sdk.chat import ChatRequest, ResponseFormat, ToolChoice
from stockade_sdk.dialects.json_text import finite
from stockade_sdk.errors import ErrorKind, ProviderError

from .overlay import Notes
from .reasoning import decode_effort

ANY_OBJECT: Final = {"type": "object", "additionalProperties": True}  # what json_object asks for

_NUMBERS: Final = ("temperature", "top_p")
_UNKNOWN: Final = ("seed", "presence_penalty", "frequency_penalty")  # to this vendor
_MAX_INTEGER: Final = 2**63  # beyond it neither msgpack nor most servers follow
_CHOICES: Final = {"auto": "auto", "none": "none", "required": "any", "specific": "tool"}
_MODES: Final = {"auto": "auto", "none": "none", "any": "required"}


def encode_settings(request: ChatRequest, *, has_tools: bool) -> dict[str, Any]:
    """Every canonical setting that has a name on the wire; ``check_settings`` is for the others."""
    settings: dict[str, Any] = {}
    if request.max_output_tokens is not None:
        settings["max_tokens"] = request.max_output_tokens
    for name in _NUMBERS:
        value = getattr(request, name)
        if value is not None:
            settings[name] = value
    if request.top_k is not None:
        settings["top_k"] = request.top_k
    if request.stop:
        settings["stop_sequences"] = list(request.stop)
    if request.metadata is not None and "user_id" in request.metadata:
        settings["metadata"] = {"user_id": request.metadata["user_id"]}
    if has_tools:
        choice = _encode_choice(request.tool_choice, request.parallel_tool_calls)
        if choice is not None:
            settings["tool_choice"] = choice
    format = request.response_format
    if format is not None and format.type != "text":
        schema = format.schema if format.type == "json_schema" else None
        asked = {"type": "json_schema", "schema": ANY_OBJECT if schema is None else schema}
        settings["output_config"] = {"format": asked}
    return settings


def check_settings(request: ChatRequest, max_temperature: float | None, notes: Notes) -> None:
    """Warn of what cannot be said; raise ProviderError(invalid_request) on what is refused."""
    for name in _NUMBERS:
        value = getattr(request, name)
        if value is not None and not math.isfinite(value):
            _refuse(f"{name} is {value}, which JSON cannot say")
    heat = request.temperature
    if heat is not None and max_temperature is not None and not 0 <= heat <= max_temperature:
        _refuse(f"temperature is {heat}; the vendor takes 0 to {max_temperature:g}")
    if heat is not None and request.top_p is not None:
        notes.add(
            "both_temperature_and_top_p_set", "the vendor advises against setting both of them"
        )
    for name in _UNKNOWN:
        if getattr(request, name) is not None:
            notes.add("setting_dropped", f"this dialect has no {name}")
    if request.metadata is not None and any(key != "user_id" for key in request.metadata):
        notes.add("dropped_unsupported_metadata_keys", "the vendor takes user_id alone")
    format = request.response_format
    if format is not None and format.type != "text" and (format.description is not None):
        notes.add("setting_dropped", "a response format has no description in this dialect")


def decode_settings(payload: dict[str, Any]) -> dict[str, Any]:
    """The fields of a ChatRequest that the payload sets; what is of another type is left alone."""
    settings: dict[str, Any] = {}
    for name in _NUMBERS:
        value = payload.get(name)
        if finite(value) is not None:
            settings[name] = value
    for name, field in (("max_tokens", "max_output_tokens"), ("top_k", "top_k")):
        value = payload.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_INTEGER:
            settings[field] = value
    match payload.get("stop_sequences"):
        case list(several) if several and all(isinstance(item, str) for item in several):
            settings["stop"] = tuple(several)
    match payload.get("metadata"):
        case {"user_id": str(id)}:
            settings["metadata"] = {"user_id": id}
    settings.update(_decode_choice(payload.get("tool_choice")))
    format, effort = _decode_format(payload), decode_effort(payload)
    if format is not None:
        settings["response_format"] = format
    if effort is not None:
        settings["reasoning_effort"] = effort
    return settings


def _encode_choice(choice: ToolChoice | None, parallel: bool | None) -> dict[str, Any] | None:
    if choice is None:
        if parallel is None:
            return None
        choice = ToolChoice("auto")
    encoded: dict[str, Any] = {"type": _CHOICES[choice.mode]}
    if choice.mode == "none":
        return encoded
    if choice.mode == "specific":
        encoded["name"] = choice.name
        parallel = parallel or False  # one call of the one tool is what was asked for
    if parallel is not None:
        encoded["disable_parallel_tool_use"] = not parallel
    return encoded


def _decode_choice(raw: Any) -> dict[str, Any]:
    if not isinstance(raw, dict):
        return {}
    kind, name, off = raw.get("type"), raw.get("name"), raw.get("disable_parallel_tool_use")
    found: dict[str, Any] = {}
    if kind == "tool" and isinstance(name, str):
        found["tool_choice"] = ToolChoice("specific", name)
        off = None if off is True else off
    elif isinstance(kind, str) and kind in _MODES:
        found["tool_choice"] = ToolChoice(_MODES[kind])  # type: ignore[arg-type]
    if isinstance(off, bool):
        found["parallel_tool_calls"] = not off
    return found


def _decode_format(payload: dict[str, Any]) -> ResponseFormat | None:
    config = payload.get("output_config")
    asked = config.get("format") if isinstance(config, dict) else None
    # output_format is what it was called while it was a beta.
    match asked if asked is not None else payload.get("output_format"):
        case {"type": "json_schema", "schema": dict(schema)}:
            if schema == ANY_OBJECT:
                return ResponseFormat(type="json_object")
            return ResponseFormat(type="json_schema", schema=schema)
        case _:
            return None


def _refuse(why: str) -> None:
    raise ProviderError(ErrorKind.INVALID_REQUEST, why)
