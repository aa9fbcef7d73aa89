"""Chat requests, both ways."""

from __future__ import annotations

from typing import Any, Final

from stockade_sdk.capability import RuntimeWarning
from stockade_sdk.chat import ChatRequest, ToolDefinition
from stockade_sdk.dialects.foreign import check_foreign
from stockade_sdk.errors import ErrorKind, ProviderError

from .messages import decode_message, encode_message
from .overlay import DIALECT, Notes, Unreadable, difference, kept, merged, own
from .settings import MAX_TOKENS_FIELDS, decode_settings, encode_settings, is_count

TOOLS: Final = "$tools"  # [position, tool] of the tools that are no functions
USAGE: Final = "$usage"  # False: the client asked for a stream and not for its usage
MAX_TOKENS: Final = "$max_tokens"  # the field that max_output_tokens came in

_SET_BY_US = frozenset({"model", "messages", "stream", "stream_options", "tools"})


def encode_request(
    request: ChatRequest,
    *,
    model: str | None = None,
    stream: bool = False,
    max_tokens_field: str | None = None,
    thinking_field: str | None = None,
    include_usage: bool | None = None,
) -> tuple[dict[str, Any], tuple[RuntimeWarning, ...]]:
    """The JSON body of a chat request, and a warning for everything that could not be put into it.

    ``model`` replaces the request's. ``max_tokens_field`` names the field for ``max_output_tokens``
    where the vendor takes one alone, ``thinking_field`` the one for reasoning of other dialects.
    ``include_usage`` asks a stream for its token counts: ``None`` means yes, unless a client of
    this dialect streamed without asking. Raises ProviderError(invalid_request) on a number that
    JSON cannot say, and ``unsupported`` where nothing of a user's message can be sent.
    """
    notes = Notes()
    overlay = own(request.provider_options)
    if not overlay:
        check_foreign(request, DIALECT, notes)
    payload: dict[str, Any] = {}
    chosen = model if model is not None else request.model
    if chosen is not None:
        payload["model"] = chosen
    messages: list[dict[str, Any]] = []
    for message in request.messages:
        messages.extend(encode_message(message, notes, thinking_field))
    payload["messages"] = messages
    tools = _encode_tools(request, overlay)
    if tools:
        payload["tools"] = tools
    payload.update(encode_settings(request, max_tokens_field or overlay.get(MAX_TOKENS)))
    if overlay:
        payload = _with_options(payload, overlay, notes)
    _put_stream(payload, overlay, stream, include_usage)
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
    given = payload.get("messages")
    if not isinstance(given, list):
        raise Unreadable("messages is no list")
    messages = tuple(decode_message(raw, f"messages[{at}]") for at, raw in enumerate(given))
    tools, others = _decode_tools(payload.get("tools"))
    model = payload.get("model")
    settings = decode_settings(payload)
    spelled = next(
        (name for name in reversed(MAX_TOKENS_FIELDS) if is_count(payload.get(name))), None
    )
    if spelled is not None:
        settings["max_output_tokens"] = payload[spelled]
    plain = ChatRequest(messages=(), **settings)
    overlay = difference(encode_settings(plain, spelled), payload, skip=_SET_BY_US)
    if spelled == MAX_TOKENS_FIELDS[1]:
        overlay[MAX_TOKENS] = spelled
    _keep_stream(overlay, payload)
    if others:
        overlay[TOOLS] = others
    elif not tools and "tools" in payload:
        overlay["tools"] = payload["tools"]
    return ChatRequest(
        messages=messages,
        model=model if isinstance(model, str) else None,
        tools=tools,
        provider_options={DIALECT: overlay},  # also where it is empty: it says what was spoken
        **settings,
    )


def _encode_tools(request: ChatRequest, overlay: dict[str, Any]) -> list[dict[str, Any]]:
    tools = [_encode_tool(tool) for tool in request.tools]
    for item in overlay.get(TOOLS) or ():
        match item:
            case [int(at), tool]:
                tools.insert(at, tool)
    more = overlay.get("tools")
    return tools + more if isinstance(more, list) else tools


def _encode_tool(tool: ToolDefinition) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters_schema is not None:
        function["parameters"] = tool.parameters_schema
    if tool.strict is not None:
        function["strict"] = tool.strict
    encoded = {"type": "function", "function": function}
    overlay = own(tool.provider_options)
    return merged(encoded, overlay) if overlay else encoded


def _decode_tools(raw: Any) -> tuple[tuple[ToolDefinition, ...], list[list[Any]]]:
    tools: list[ToolDefinition] = []
    others: list[list[Any]] = []
    for at, item in enumerate(raw if isinstance(raw, list) else ()):
        tool = _decode_tool(item)
        if tool is None:
            others.append([at, item])
        else:
            tools.append(tool)
    return tuple(tools), others


def _decode_tool(raw: Any) -> ToolDefinition | None:
    if not isinstance(raw, dict) or raw.get("type", "function") != "function":
        return None
    body = raw.get("function")
    if not isinstance(body, dict) or not isinstance(body.get("name"), str):
        return None
    description, schema, strict = (
        body.get("description"),
        body.get("parameters"),
        body.get("strict"),
    )
    tool = ToolDefinition(
        body["name"],
        description if isinstance(description, str) else None,
        schema if isinstance(schema, dict) else None,
        strict if isinstance(strict, bool) else None,
    )
    overlay = difference(_encode_tool(tool), raw)
    if not overlay:
        return tool
    return ToolDefinition(
        tool.name, tool.description, tool.parameters_schema, tool.strict, kept(overlay)
    )


def _with_options(payload: dict[str, Any], overlay: dict[str, Any], notes: Notes) -> dict[str, Any]:
    for name in ("model", "messages"):
        if name in overlay:
            notes.add(
                "provider_option_ignored", f"{name} is set by the request, not by its options"
            )
    if any(name in overlay for name in _SET_BY_US):
        together = merged(payload, {key: overlay[key] for key in overlay if key not in _SET_BY_US})
        if "tools" in overlay and "tools" not in together:
            together["tools"] = overlay["tools"]
        return together
    return merged(payload, overlay)


def _put_stream(
    payload: dict[str, Any], overlay: dict[str, Any], stream: bool, include_usage: bool | None
) -> None:
    if not stream:
        if overlay.get("stream") is False:
            payload["stream"] = False
        return
    payload["stream"] = True
    options = overlay.get("stream_options")
    if "stream_options" in overlay:
        payload["stream_options"] = options
    wanted = include_usage if include_usage is not None else overlay.get(USAGE) is not False
    if include_usage or (wanted and "stream_options" not in overlay):
        payload["stream_options"] = {
            **(options if isinstance(options, dict) else {}),
            "include_usage": True,
        }


def _keep_stream(overlay: dict[str, Any], payload: dict[str, Any]) -> None:
    if payload.get("stream") is False:
        overlay["stream"] = False
    if "stream_options" in payload:
        overlay["stream_options"] = payload["stream_options"]
    elif payload.get("stream"):
        overlay[USAGE] = False
