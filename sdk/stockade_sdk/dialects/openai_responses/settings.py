"""A request's settings: everything beside its input, its model and its tools."""

from __future__ import annotations

from typing import Any, Final

from stockade_sdk.chat import ChatRequest, ResponseFormat, ToolChoice
from stockade_sdk.errors import ErrorKind, ProviderError

from .overlay import DROP, Notes
from .strict import is_strict

_NUMBERS: Final = (("temperature", 2.0), ("top_p", 1.0))  # and the highest that the vendor takes
_UNSAYABLE: Final = ("top_k", "seed", "presence_penalty", "frequency_penalty")
_MAX_INTEGER: Final = 2**63  # beyond it neither msgpack nor most servers follow
MAX_METADATA: Final = 16  # pairs; keys of 64 characters, values of 512, by OpenAI's reference
MAX_METADATA_KEY: Final = 64
MAX_METADATA_VALUE: Final = 512


def encode_settings(
    request: ChatRequest, notes: Notes, overlay: dict[str, Any], *, spoken: bool
) -> dict[str, Any]:
    """Every canonical setting beside input, model and tools, under its name on the wire.

    ``spoken`` says that a client of this wire sent the request; nothing is stored at the vendor
    unless one says so. Raises ProviderError(unsupported) for stop sequences, without which an
    answer would run on, and ProviderError(invalid_request) for what the vendor would refuse.
    """
    if request.stop:
        raise ProviderError(ErrorKind.UNSUPPORTED, "this wire has no stop sequences")
    settings: dict[str, Any] = {"store": False, "text": {"format": {"type": "text"}}}
    if request.response_format is not None:
        settings["text"] = {"format": _encode_format(request.response_format, notes, overlay)}
    settings["tool_choice"] = _encode_choice(request.tool_choice)
    for name, highest in _NUMBERS:
        value = getattr(request, name)
        if value is not None:
            settings[name] = _checked(name, value, highest)
    if request.max_output_tokens is not None:
        settings["max_output_tokens"] = request.max_output_tokens
    if request.parallel_tool_calls is not None:
        settings["parallel_tool_calls"] = request.parallel_tool_calls
    if request.reasoning_effort is not None:
        settings["reasoning"] = {"effort": request.reasoning_effort}
    if request.metadata is not None:
        settings["metadata"] = _checked_metadata(request.metadata)
    _warn(request, notes, spoken)
    return settings


def decode_settings(payload: dict[str, Any]) -> dict[str, Any]:
    """The fields of a ChatRequest that the payload sets; what is of another type is left alone.

    What stands for the default (``auto``, plain text) sets nothing: other dialects refuse a choice
    where there are no tools.
    """
    settings: dict[str, Any] = {}
    for name, highest in _NUMBERS:
        value = payload.get(name)
        if isinstance(value, int | float) and type(value) is not bool and 0 <= value <= highest:
            settings[name] = value
    count = payload.get("max_output_tokens")
    if type(count) is int and 0 <= count < _MAX_INTEGER:
        settings["max_output_tokens"] = count
    if isinstance(payload.get("parallel_tool_calls"), bool):
        settings["parallel_tool_calls"] = payload["parallel_tool_calls"]
    match payload.get("reasoning"):
        case {"effort": str(effort)}:
            settings["reasoning_effort"] = effort
    match payload.get("metadata"):
        case dict(pairs) if _is_metadata(pairs):
            settings["metadata"] = pairs
    choice, format = _decode_choice(payload.get("tool_choice")), _decode_format(payload.get("text"))
    if choice is not None:
        settings["tool_choice"] = choice
    if format is not None:
        settings["response_format"] = format
    return settings


def _warn(request: ChatRequest, notes: Notes, spoken: bool) -> None:
    for name in _UNSAYABLE:
        if getattr(request, name) is not None:
            notes.add("setting_dropped", f"{name} was dropped: this wire does not have it")
    if request.temperature is not None and request.top_p is not None and not spoken:
        notes.add(
            "both_temperature_and_top_p_set", "one of temperature and top_p should be left alone"
        )


def _checked(name: str, value: float, highest: float) -> float:
    if not 0 <= value <= highest:  # nor is NaN
        raise ProviderError(
            ErrorKind.INVALID_REQUEST, f"{name} is {value}; it must be from 0 to {highest:g}"
        )
    return value


def _checked_metadata(pairs: dict[str, str]) -> dict[str, str]:
    if not _is_metadata(pairs):
        raise ProviderError(
            ErrorKind.INVALID_REQUEST,
            f"metadata has at most {MAX_METADATA} pairs, keys of {MAX_METADATA_KEY} characters "
            f"and values of {MAX_METADATA_VALUE}",
        )
    return pairs


def _is_metadata(pairs: dict[str, Any]) -> bool:
    return len(pairs) <= MAX_METADATA and all(
        isinstance(value, str) and len(key) <= MAX_METADATA_KEY and len(value) <= MAX_METADATA_VALUE
        for key, value in pairs.items()
    )


def _encode_choice(choice: ToolChoice | None) -> str | dict[str, Any]:
    if choice is None:
        return "auto"
    if choice.mode == "specific":
        return {"type": "function", "name": choice.name}
    return choice.mode


def _decode_choice(raw: Any) -> ToolChoice | None:
    match raw:
        case "none" | "required":
            return ToolChoice(raw)
        case {"type": "function", "name": str(name)}:
            return ToolChoice("specific", name)
        case _:
            return None


def _encode_format(format: ResponseFormat, notes: Notes, overlay: dict[str, Any]) -> dict[str, Any]:
    if format.type != "json_schema":
        return {"type": format.type}
    encoded: dict[str, Any] = {"type": "json_schema", "name": format.name or "answer"}
    if format.description is not None:
        encoded["description"] = format.description
    if format.schema is not None:
        encoded["schema"] = format.schema
    encoded["strict"] = format.strict
    if format.strict is None:
        encoded["strict"] = is_strict(format.schema)
        if not encoded["strict"] and not _says_strict(overlay):
            notes.add(
                "response_schema_not_strict_compatible_strict_disabled",
                "the schema allows for more than strict mode does: strict is off",
            )
    return encoded


def _says_strict(overlay: dict[str, Any]) -> bool:
    match overlay:
        case {"text": {"format": dict(format)}}:
            return "strict" in format or "strict" in format.get(DROP, ())
        case _:
            return False


def _decode_format(raw: Any) -> ResponseFormat | None:
    match raw:
        case {"format": {"type": "json_object"}}:
            return ResponseFormat(type="json_object")
        case {"format": {"type": "json_schema"} as body}:
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
