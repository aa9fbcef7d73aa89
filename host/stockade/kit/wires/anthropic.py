"""Anthropic's Messages. Source: docs.anthropic.com/en/api/messages (and -streaming, errors)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from stockade.kit.answers import Answer, events, whole

from .words import (
    Asking,
    Request,
    Said,
    Says,
    Wanted,
    in_pieces,
    json_in,
    list_in,
    said_to,
    text_of,
)

__all__ = ["error", "read", "write"]

_STOPS: Final = {"length": "max_tokens", "content_filter": "refusal"}
SIGNATURE: Final = "c2lnbmF0dXJlIG9mIHRoZSBraXQ="  # thinking is signed, and sent back with it


def read(request: Request) -> Asking:
    """What is asked."""
    raw = json_in(request)
    messages = list_in(raw, "messages")
    users = [text_of(one.get("content")) for one in messages if one.get("role") == "user"]
    blocks = [block for one in messages for block in list_in(one, "content")]
    choice = raw.get("tool_choice")
    offered = not (isinstance(choice, dict) and choice.get("type") == "none")
    return Asking(
        wire="anthropic",
        what="chat",
        model=str(raw.get("model", "")),
        stream=raw.get("stream") is True,
        prompt=next((text for text in reversed(users) if text), ""),
        tools=tuple(map(_tool, list_in(raw, "tools"))) if offered else (),
        results=_results(messages),
        images=sum(block.get("type") == "image" for block in blocks),
        schema=_schema(raw),
        raw=raw,
    )


def _tool(tool: dict[str, Any]) -> Wanted:
    schema = tool.get("input_schema")
    return Wanted(name=str(tool.get("name", "")), schema=schema if isinstance(schema, dict) else {})


def _results(messages: list[dict[str, Any]]) -> tuple[str, ...]:
    last = list_in(messages[-1], "content") if messages else []
    return tuple(
        text_of(block.get("content")) for block in last if block.get("type") == "tool_result"
    )


def _schema(raw: dict[str, Any]) -> dict[str, Any] | None:
    config = raw.get("output_config")
    wanted = config.get("format") if isinstance(config, dict) else raw.get("output_format")
    match wanted:
        case {"type": "json_schema", "schema": dict(schema)}:
            return schema
    return None


def write(asking: Asking, says: Says) -> Answer:
    """The answer, whole or streamed."""
    said = said_to(asking, says)
    stop = _STOPS.get(says.finish, "tool_use" if said.calls else "end_turn")
    message = {
        "id": "msg_kit",
        "type": "message",
        "role": "assistant",
        "model": asking.model,
        "content": _blocks(said, says),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": says.input_tokens, "output_tokens": says.output_tokens},
    }
    if not asking.stream:
        return whole(message)
    told = [(event["type"], event) for event in _events(message, says)]
    return events(told, between_s=says.between_s)


def _blocks(said: Said, says: Says) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if says.thinking:
        thought = {"type": "thinking", "thinking": says.thinking, "signature": SIGNATURE}
        blocks.append(thought)
    if said.text:
        blocks.append({"type": "text", "text": said.text})
    for call in said.calls:
        use = {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}
        blocks.append(use)
    return blocks


def _events(message: dict[str, Any], says: Says) -> Iterator[dict[str, Any]]:
    begun = {**message, "content": [], "stop_reason": None}
    begun["usage"] = {**message["usage"], "output_tokens": 1}
    yield {"type": "message_start", "message": begun}
    yield {"type": "ping"}
    for at, block in enumerate(message["content"]):
        yield {"type": "content_block_start", "index": at, "content_block": _empty(block)}
        for delta in _deltas(block, says.pieces):
            yield {"type": "content_block_delta", "index": at, "delta": delta}
        yield {"type": "content_block_stop", "index": at}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": message["stop_reason"], "stop_sequence": None},
        "usage": {"output_tokens": says.output_tokens},
    }
    yield {"type": "message_stop"}


def _empty(block: dict[str, Any]) -> dict[str, Any]:
    match block["type"]:
        case "thinking":
            return {**block, "thinking": "", "signature": ""}
        case "text":
            return {**block, "text": ""}
    return {**block, "input": {}}


def _deltas(block: dict[str, Any], count: int) -> Iterator[dict[str, Any]]:
    match block["type"]:
        case "thinking":
            for piece in in_pieces(block["thinking"], count):
                yield {"type": "thinking_delta", "thinking": piece}
            yield {"type": "signature_delta", "signature": block["signature"]}
        case "text":
            for piece in in_pieces(block["text"], count):
                yield {"type": "text_delta", "text": piece}
        case _:
            for piece in in_pieces(json.dumps(block["input"]), 2):
                yield {"type": "input_json_delta", "partial_json": piece}


_KINDS: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def error(status: int, message: str) -> dict[str, Any]:
    """The body of a refusal."""
    kind = _KINDS.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": message}}
