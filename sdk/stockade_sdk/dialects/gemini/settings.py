"""A request's settings: ``generationConfig`` and ``toolConfig``."""

from __future__ import annotations

import math
from typing import Any, Final

from stockade_sdk.chat import ChatRequest, ResponseFormat, ToolChoice
from stockade_sdk.dialects.json_text import finite
from stockade_sdk.errors import ErrorKind, ProviderError

from . import spelling
from .overlay import AS, FIELDS, RAW, Notes, difference, merged
from .schemas import json_schema_of
from .thinking import decode_thinking, encode_thinking

JSON: Final = "application/json"
_NUMBERS: Final = (
    ("temperature", "temperature"),
    ("top_p", "topP"),
    ("presence_penalty", "presencePenalty"),
    ("frequency_penalty", "frequencyPenalty"),
)
_INTEGERS: Final = (("top_k", "topK"), ("max_output_tokens", "maxOutputTokens"), ("seed", "seed"))
_MAX_INTEGER: Final = 2**63  # beyond it neither msgpack nor Google's servers follow


def encode_generation(
    request: ChatRequest, model: str | None, overlay: dict[str, Any], notes: Notes
) -> dict[str, Any]:
    """The canonical part of ``generationConfig``; ``overlay`` is its own part of the overlay.

    Raises ProviderError(invalid_request) on a number that JSON cannot say.
    """
    config: dict[str, Any] = {}
    for field, name in _NUMBERS:
        value = getattr(request, field)
        if value is not None:
            if not math.isfinite(value):
                raise ProviderError(
                    ErrorKind.INVALID_REQUEST, f"{field} is {value}, which JSON cannot say"
                )
            config[name] = value
    for field, name in _INTEGERS:
        value = getattr(request, field)
        if value is not None:
            config[name] = value
    if request.stop:
        config["stopSequences"] = list(request.stop)
    if request.response_format is not None:
        _put_format(config, request.response_format, overlay, notes)
    inner = overlay.get("thinkingConfig")
    if request.reasoning_effort is not None:
        thinking = encode_thinking(
            request.reasoning_effort, model, inner if isinstance(inner, dict) else {}, notes
        )
        if thinking is not None:
            config["thinkingConfig"] = thinking
    return config


def decode_generation(raw: Any, model: str | None) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The fields of a ChatRequest that ``generationConfig`` sets, and what is to be laid over them
    (``None`` for nothing at all).
    """
    if not isinstance(raw, dict):
        return {}, None
    given, changed = spelling.in_camel_case(raw, spelling.GENERATION, inner=True)
    settings = _numbers(given)
    stop = given.get("stopSequences")
    if isinstance(stop, list) and stop and all(isinstance(item, str) for item in stop):
        settings["stop"] = tuple(stop)
    format, notes = _decode_format(given)
    if format is not None:
        settings["response_format"] = format
    effort, thinking = decode_thinking(given.get("thinkingConfig"))
    if effort is not None:
        settings["reasoning_effort"] = effort
    if thinking:
        notes["thinkingConfig"] = thinking
    plain = encode_generation(ChatRequest(messages=(), **settings), model, notes, Notes())
    overlay = difference(plain, given)
    if thinking:
        unsaid = overlay.get("thinkingConfig", {})
        if "thinkingLevel" in unsaid or "thinkingBudget" in unsaid:
            overlay["thinkingConfig"] = given["thinkingConfig"]  # not as this model wants it
        else:
            overlay["thinkingConfig"] = {**unsaid, **thinking}
    overlay.update({key: value for key, value in notes.items() if key != "thinkingConfig"})
    if changed:
        overlay[FIELDS] = changed
    return settings, overlay if overlay or not given else None


def lay_generation(config: dict[str, Any], overlay: Any) -> dict[str, Any]:
    """``generationConfig`` with its overlay and its spelling."""
    if not isinstance(overlay, dict):
        return config
    inner = overlay.get("thinkingConfig")
    if isinstance(inner, dict) and "thinkingConfig" not in config:
        said = merged({}, inner)  # without the notes, which are for our own
        overlay = {key: value for key, value in overlay.items() if key != "thinkingConfig"}
        if said or not inner:
            overlay["thinkingConfig"] = said
    return spelling.as_it_came(merged(config, overlay), overlay.get(FIELDS), spelling.GENERATION)


def encode_choice(choice: ToolChoice) -> dict[str, Any]:
    """The ``toolConfig`` of a tool choice."""
    mode = {"auto": "AUTO", "none": "NONE"}.get(choice.mode, "ANY")
    calling: dict[str, Any] = {"mode": mode}
    if choice.name is not None:
        calling["allowedFunctionNames"] = [choice.name]
    return {"functionCallingConfig": calling}


def decode_choice(raw: Any) -> tuple[ToolChoice | None, dict[str, Any] | None]:
    """The tool choice of ``toolConfig``, and what is to be laid over it."""
    if not isinstance(raw, dict):
        return None, None
    given, changed = spelling.in_camel_case(raw, spelling.TOOL_CONFIG, inner=True)
    choice: ToolChoice | None = None
    match given.get("functionCallingConfig"):
        case {"mode": "ANY", "allowedFunctionNames": [str(name)]}:
            choice = ToolChoice("specific", name)
        case {"mode": "ANY"}:
            choice = ToolChoice("required")
        case {"mode": "AUTO"}:
            choice = ToolChoice("auto")
        case {"mode": "NONE"}:
            choice = ToolChoice("none")
    overlay = difference({} if choice is None else encode_choice(choice), given)
    if changed:
        overlay[FIELDS] = changed
    return choice, overlay if overlay or not given else None


def note_dropped(request: ChatRequest, notes: Notes) -> None:
    """Warn of the settings that this wire has no field for."""
    if request.parallel_tool_calls is False:
        notes.add(
            "setting_dropped", "parallel_tool_calls was dropped: Gemini cannot be kept to one"
        )
    if request.metadata:
        notes.add("dropped_unsupported_metadata_keys", "Gemini takes no metadata of a request")


def _numbers(given: dict[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for field, name in _NUMBERS:
        value = given.get(name)
        if finite(value) is not None:
            settings[field] = value
    for field, name in _INTEGERS:
        value = given.get(name)
        if type(value) is float and value.is_integer():
            value = int(value)  # some clients have every number as a double
        if type(value) is int and abs(value) < _MAX_INTEGER:
            settings[field] = value
    return settings


def _put_format(
    config: dict[str, Any], format: ResponseFormat, overlay: dict[str, Any], notes: Notes
) -> None:
    """``name`` and ``strict`` of a schema go without saying: Google wants no name and always binds
    the answer to the schema.
    """
    config["responseMimeType"] = "text/plain" if format.type == "text" else JSON
    if format.type != "json_schema":
        return
    if format.description is not None:
        notes.add("setting_dropped", "a response format's description cannot be said to Gemini")
    if format.schema is None:
        return
    original = overlay.get(RAW)
    if original is not None and json_schema_of(original) == format.schema:
        config["responseSchema"] = original
    else:
        config["responseSchema" if overlay.get(AS) else "responseJsonSchema"] = format.schema


def _decode_format(given: dict[str, Any]) -> tuple[ResponseFormat | None, dict[str, Any]]:
    """The format, and the notes that give its schema back as it came."""
    kind = given.get("responseMimeType")
    if kind == "text/plain":
        return ResponseFormat(), {}
    if kind != JSON:
        return None, {}
    schema, own = given.get("responseJsonSchema"), given.get("responseSchema")
    if isinstance(schema, dict) and own is None:
        return ResponseFormat(type="json_schema", schema=schema), {}
    if isinstance(own, dict) and schema is None:
        schema = json_schema_of(own)
        notes: dict[str, Any] = {AS: "responseSchema"} if schema == own else {RAW: own}
        return ResponseFormat(type="json_schema", schema=schema), notes
    return ResponseFormat(type="json_object"), {}
