"""Chat requests, both ways. Model and streaming stand in the URL: see ``generate_path``."""

from __future__ import annotations

from typing import Any, Final

from stockade_sdk.capability import RuntimeWarning
from stockade_sdk.chat import ChatRequest
from stockade_sdk.dialects.foreign import check_foreign
from stockade_sdk.errors import ErrorKind, ProviderError

from . import spelling
from .contents import decode_contents, decode_system, encode_contents
from .overlay import (
    CONTENT,
    DIALECT,
    FIELDS,
    TOOLS,
    Notes,
    Unreadable,
    difference,
    kept,
    merged,
    own,
)
from .settings import (
    decode_choice,
    decode_generation,
    encode_choice,
    encode_generation,
    lay_generation,
    note_dropped,
)
from .thinking import wants_signatures
from .tools import decode_tools, encode_tools

_TOO_DEEP: Final = "the request is nested too deeply"  # a schema, say, of hundreds of levels
_SET_BY_US: Final = frozenset({"contents", "systemInstruction", "model"})
_SHAPES: Final = (
    ("generationConfig", dict, "object"),
    ("toolConfig", dict, "object"),
    ("tools", list, "list"),
)
_APART: Final = frozenset({"generationConfig", "toolConfig", "tools", *_SET_BY_US})


def generate_path(model: str, *, stream: bool = False) -> str:
    """The path below the version for a chat with ``model``, which may name its collection too
    (``tunedModels/x``). Raises ProviderError(invalid_request) where it cannot be part of a path.
    """
    return f"{model_path(model)}:{'streamGenerateContent?alt=sse' if stream else 'generateContent'}"


def model_path(model: str) -> str:
    """``models/...`` or what the model names itself; raises ProviderError(invalid_request)."""
    pieces = model.split("/")
    if not all(piece.strip(".") and _is_plain(piece) for piece in pieces):
        raise ProviderError(ErrorKind.INVALID_REQUEST, f"{model[:80]!r} is no model of Gemini's")
    return model if len(pieces) > 1 else f"models/{model}"


def encode_request(
    request: ChatRequest, *, model: str | None = None, stream: bool = False
) -> tuple[dict[str, Any], tuple[RuntimeWarning, ...]]:
    """The JSON body of a chat request, and a warning for everything that could not be put into it.

    ``model`` replaces the request's; it decides how thinking is asked for and stands in the URL, as
    ``stream`` does, not in the body. Raises ProviderError(invalid_request) on what Google would
    refuse for sure: a number that JSON cannot say, an address it cannot fetch, a result without a
    call.
    """
    try:
        return _encode(request, model if model is not None else request.model)
    except RecursionError:
        raise ProviderError(ErrorKind.INVALID_REQUEST, _TOO_DEEP) from None


def _encode(
    request: ChatRequest, chosen: str | None
) -> tuple[dict[str, Any], tuple[RuntimeWarning, ...]]:
    notes = Notes()
    overlay = own(request.provider_options)
    if not overlay:
        check_foreign(request, DIALECT, notes)
    system, contents = encode_contents(request.messages, notes, signed=wants_signatures(chosen))
    payload: dict[str, Any] = {"contents": contents}
    if system is not None:
        payload["systemInstruction"] = system
    tools = encode_tools(request.tools, overlay.get(TOOLS), notes)
    more = overlay.get("tools")
    if isinstance(more, list | tuple):
        tools = [*tools, *more]
    if tools or isinstance(overlay.get(TOOLS), list | tuple):
        payload["tools"] = tools
    laid_over = overlay.get("generationConfig")
    config = encode_generation(
        request, chosen, laid_over if isinstance(laid_over, dict) else {}, notes
    )
    if config or isinstance(laid_over, dict):
        payload["generationConfig"] = lay_generation(config, laid_over)
    _put_choice(payload, request, overlay)
    note_dropped(request, notes)
    if overlay:
        payload = _with_options(payload, overlay, chosen, notes)
    return payload, tuple(notes.warnings)


def decode_request(payload: Any, *, model: str | None = None) -> ChatRequest:
    """A canonical request from any client's JSON; ``model`` is the one of the URL.

    Raises ProviderError(invalid_request) saying what is wrong where.
    """
    try:
        return _decode(payload, model)
    except Unreadable as error:
        raise ProviderError(ErrorKind.INVALID_REQUEST, str(error)) from None
    except RecursionError:
        raise ProviderError(ErrorKind.INVALID_REQUEST, _TOO_DEEP) from None


def _decode(payload: Any, model: str | None) -> ChatRequest:
    if not isinstance(payload, dict):
        raise Unreadable("the request is no JSON object")
    given, changed = spelling.in_camel_case(payload, spelling.REQUEST)
    notes = Notes()
    messages, label = decode_contents(given.get("contents"), notes)
    if given.get("systemInstruction") is not None:
        messages = [decode_system(given["systemInstruction"], notes), *messages]
    for name, kind, what in _SHAPES:
        if given.get(name) is not None and not isinstance(given[name], kind):
            raise Unreadable(f"{name} is no {what}")
    body_model = given.get("model")
    if model is None and isinstance(body_model, str):
        model = body_model
    settings, generation = decode_generation(given.get("generationConfig"), model)
    choice, calling = decode_choice(given.get("toolConfig"))
    tools, grouping = decode_tools(given.get("tools"))
    overlay = _unsaid(given, {"generationConfig": generation, "toolConfig": calling})
    for note, value in ((TOOLS, grouping), (CONTENT, label), (FIELDS, changed or None)):
        if value is not None:
            overlay[note] = value
    return ChatRequest(
        messages=tuple(messages),
        model=model,
        tools=tools,
        tool_choice=choice,
        provider_options=kept(overlay),
        **settings,
    )


def _unsaid(given: dict[str, Any], laid_over: dict[str, Any]) -> dict[str, Any]:
    """What of a request stands in none of its canonical fields, notes apart."""
    overlay = difference({}, given, skip=_APART)
    for name, value in laid_over.items():
        if value is not None:
            overlay[name] = value
    for name in ("generationConfig", "toolConfig", "tools", "systemInstruction"):
        if name in given and given[name] is None:
            overlay[name] = None
    if "model" in given:
        overlay["model"] = given["model"]
    return overlay


def _put_choice(payload: dict[str, Any], request: ChatRequest, overlay: dict[str, Any]) -> None:
    config = encode_choice(request.tool_choice) if request.tool_choice is not None else {}
    laid_over = overlay.get("toolConfig")
    if isinstance(laid_over, dict):
        config = spelling.as_it_came(
            merged(config, laid_over), laid_over.get(FIELDS), spelling.TOOL_CONFIG
        )
        payload["toolConfig"] = config
    elif config:
        payload["toolConfig"] = config


def _with_options(
    payload: dict[str, Any], overlay: dict[str, Any], model: str | None, notes: Notes
) -> dict[str, Any]:
    extra = {key: value for key, value in overlay.items() if key not in _APART}
    for name in ("generationConfig", "toolConfig", "tools"):
        if name in overlay and name not in payload:
            extra[name] = overlay[name]
    if overlay.get("systemInstruction") is not None or "contents" in overlay:
        notes.add(
            "provider_option_ignored", "turns are set by the request's messages, not by its options"
        )
    elif "systemInstruction" in overlay and "systemInstruction" not in payload:
        extra["systemInstruction"] = None
    if "model" in overlay:
        if model is None or _bare(overlay["model"]) == _bare(model):
            extra["model"] = overlay["model"]
        else:
            notes.add("provider_option_ignored", "the model is the one of the URL")
    result = merged(payload, extra)
    if overlay.get(CONTENT) == "object" and len(result["contents"]) == 1:
        result["contents"] = result["contents"][0]
    return spelling.as_it_came(result, overlay.get(FIELDS), spelling.REQUEST)


def _bare(model: Any) -> Any:
    return model.rpartition("/")[2] if isinstance(model, str) else model


def _is_plain(piece: str) -> bool:
    return piece.isascii() and all(char.isalnum() or char in "-._~@+" for char in piece)
