"""OpenAI's chat completions, as its imitators have them too.

Source: platform.openai.com/docs/api-reference/chat; reasoning as api-docs.deepseek.com and
openrouter.ai/docs have it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from stockade.kit.answers import Answer, events, whole

from .words import (
    Asking,
    Call,
    Request,
    Says,
    Wanted,
    in_pieces,
    json_in,
    list_in,
    said_to,
    text_of,
)

__all__ = ["error", "read", "write"]

_THINKING_FIELD: Final = {"openrouter.ai": "reasoning", "api.groq.com": "reasoning"}


def read(request: Request) -> Asking:
    """What is asked."""
    raw = json_in(request)
    messages = list_in(raw, "messages")
    users = [one for one in messages if one.get("role") == "user"]
    parts = [part for one in messages for part in list_in(one, "content")]
    return Asking(
        wire="openai_chat",
        what="chat",
        model=str(raw.get("model", "")),
        stream=raw.get("stream") is True,
        prompt=text_of(users[-1].get("content")) if users else "",
        tools=() if raw.get("tool_choice") == "none" else tuple(_tools(raw)),
        results=_results(messages),
        images=sum(part.get("type") == "image_url" for part in parts),
        schema=_schema(raw.get("response_format")),
        raw=raw,
    )


def _tools(raw: dict[str, Any]) -> Iterator[Wanted]:
    for tool in list_in(raw, "tools"):
        function = tool.get("function")
        if isinstance(function, dict):
            schema = function.get("parameters")
            named = str(function.get("name", ""))
            yield Wanted(name=named, schema=schema if isinstance(schema, dict) else {})


def _results(messages: list[dict[str, Any]]) -> tuple[str, ...]:
    """What tools said after the last answer; none if a user spoke since."""
    found: list[str] = []
    for message in reversed(messages):
        if message.get("role") != "tool":
            break
        found.insert(0, text_of(message.get("content")))
    return tuple(found)


def _schema(wanted: Any) -> dict[str, Any] | None:
    match wanted:
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return schema
        case {"type": "json_object" | "json_schema"}:
            return {}
    return None


def write(asking: Asking, says: Says) -> Answer:
    """The answer, whole or streamed."""
    if asking.stream:
        return events([*_events(asking, says)], between_s=says.between_s)
    said = said_to(asking, says)
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None}
    if says.thinking:
        message[_thinking_field(asking)] = says.thinking
    if said.calls:
        message["tool_calls"] = [_call(call) for call in said.calls]
    finish = _finish(says, bool(said.calls))
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    return whole({**_head(asking, "chat.completion"), "choices": [choice], "usage": _usage(says)})


def _events(asking: Asking, says: Says) -> Iterator[tuple[str, Any]]:
    said = said_to(asking, says)
    yield "", _delta(asking, {"role": "assistant", "content": ""})
    for piece in in_pieces(says.thinking, says.pieces):
        yield "", _delta(asking, {_thinking_field(asking): piece})
    for piece in in_pieces(said.text, says.pieces):
        yield "", _delta(asking, {"content": piece})
    for at, call in enumerate(said.calls):
        begun = {"index": at, **_call(call)}
        begun["function"] = {"name": call.name, "arguments": ""}
        yield "", _delta(asking, {"tool_calls": [begun]})
        for piece in in_pieces(json.dumps(call.arguments), 2):
            more = {"index": at, "function": {"arguments": piece}}
            yield "", _delta(asking, {"tool_calls": [more]})
    last = _delta(asking, {}, _finish(says, bool(said.calls)))
    options = asking.raw.get("stream_options") if isinstance(asking.raw, dict) else None
    if isinstance(options, dict) and options.get("include_usage") is True:
        yield "", last  # the counts come in an event of their own, without choices
        yield "", {**last, "choices": [], "usage": _usage(says)}
    else:
        yield "", {**last, "usage": _usage(says)}
    yield "", "[DONE]"


def _delta(asking: Asking, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return {**_head(asking, "chat.completion.chunk"), "choices": [choice]}


def _head(asking: Asking, kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-kit", "object": kind, "created": 1_700_000_000, "model": asking.model}


def _call(call: Call) -> dict[str, Any]:
    function = {"name": call.name, "arguments": json.dumps(call.arguments)}
    return {"id": call.id, "type": "function", "function": function}


def _thinking_field(asking: Asking) -> str:
    return _THINKING_FIELD.get(asking.host.partition(":")[0], "reasoning_content")


def _finish(says: Says, calls: bool) -> str:
    return says.finish or ("tool_calls" if calls else "stop")


def _usage(says: Says) -> dict[str, int]:
    total = says.input_tokens + says.output_tokens
    return {
        "prompt_tokens": says.input_tokens,
        "completion_tokens": says.output_tokens,
        "total_tokens": total,
    }


_CODES: Final = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("insufficient_permissions", None),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


def error(status: int, message: str) -> dict[str, Any]:
    """The body of a refusal."""
    kind, code = _CODES.get(status, ("server_error", None))
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
