"""OpenAI's Responses. Source: platform.openai.com/docs/api-reference/responses (and -streaming)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from stockade.kit.answers import Answer, events, whole

from .openai_chat import error
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

_TEXTS = ("input_text", "output_text", "text")


def read(request: Request) -> Asking:
    """What is asked."""
    raw = json_in(request)
    given = raw.get("input")
    items = list_in(raw, "input")
    users = [one for one in items if one.get("role") == "user"]
    parts = [part for one in items for part in list_in(one, "content")]
    prompt = text_of(users[-1].get("content"), _TEXTS) if users else ""
    tools = [one for one in list_in(raw, "tools") if one.get("type") == "function"]
    return Asking(
        wire="openai_responses",
        what="chat",
        model=str(raw.get("model", "")),
        stream=raw.get("stream") is True,
        prompt=given if isinstance(given, str) else prompt,
        tools=() if raw.get("tool_choice") == "none" else tuple(map(_tool, tools)),
        results=_results(items),
        images=sum(part.get("type") == "input_image" for part in parts),
        schema=_schema(raw.get("text")),
        raw=raw,
    )


def _tool(tool: dict[str, Any]) -> Wanted:
    schema = tool.get("parameters")
    return Wanted(name=str(tool.get("name", "")), schema=schema if isinstance(schema, dict) else {})


def _results(items: list[dict[str, Any]]) -> tuple[str, ...]:
    found: list[str] = []
    for item in reversed(items):
        if item.get("type") != "function_call_output":
            break
        found.insert(0, text_of(item.get("output"), _TEXTS))
    return tuple(found)


def _schema(wanted: Any) -> dict[str, Any] | None:
    match wanted:
        case {"format": {"type": "json_schema", "schema": dict(schema)}}:
            return schema
        case {"format": {"type": "json_object" | "json_schema"}}:
            return {}
    return None


def write(asking: Asking, says: Says) -> Answer:
    """The answer, whole or streamed."""
    said = said_to(asking, says)
    items = [*_reasoning(says), *_message(said.text), *map(_call, said.calls)]
    done = _response(asking, says, items)
    if not asking.stream:
        return whole(done)
    told = [
        {**event, "sequence_number": number}
        for number, event in enumerate(_events(asking, says, items, done))
    ]
    return events([(event["type"], event) for event in told], between_s=says.between_s)


def _response(asking: Asking, says: Says, items: list[dict[str, Any]]) -> dict[str, Any]:
    reason = {"length": "max_output_tokens"}.get(says.finish, says.finish)
    return {
        "id": "resp_kit",
        "object": "response",
        "created_at": 1_700_000_000,
        "model": asking.model,
        "status": "incomplete" if says.finish else "completed",
        "incomplete_details": {"reason": reason} if says.finish else None,
        "error": None,
        "output": items,
        "usage": {
            "input_tokens": says.input_tokens,
            "output_tokens": says.output_tokens,
            "total_tokens": says.input_tokens + says.output_tokens,
        },
    }


def _reasoning(says: Says) -> list[dict[str, Any]]:
    if not says.thinking:
        return []
    summary = [{"type": "summary_text", "text": says.thinking}]
    return [{"type": "reasoning", "id": "rs_kit", "summary": summary}]


def _message(text: str) -> list[dict[str, Any]]:
    if not text:
        return []
    content = [{"type": "output_text", "text": text, "annotations": []}]
    message = {"type": "message", "id": "msg_kit", "role": "assistant", "status": "completed"}
    return [{**message, "content": content}]


def _call(call: Call) -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": f"fc_{call.id}",
        "call_id": call.id,
        "name": call.name,
        "arguments": json.dumps(call.arguments),
        "status": "completed",
    }


def _events(
    asking: Asking, says: Says, items: list[dict[str, Any]], done: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    begun = {**done, "status": "in_progress", "output": [], "usage": None}
    begun["incomplete_details"] = None
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for at, item in enumerate(items):
        empty: dict[str, dict[str, Any]] = {
            "message": {"content": []},
            "function_call": {"arguments": ""},
        }
        fresh = {**item, **empty.get(item["type"], {"summary": []})}
        if "status" in item:
            fresh["status"] = "in_progress"
        yield {"type": "response.output_item.added", "output_index": at, "item": fresh}
        yield from _pieces(item, {"item_id": item["id"], "output_index": at}, says.pieces)
        yield {"type": "response.output_item.done", "output_index": at, "item": item}
    yield {"type": f"response.{done['status']}", "response": done}


def _pieces(item: dict[str, Any], place: dict[str, Any], count: int) -> Iterator[dict[str, Any]]:
    match item:
        case {"type": "message", "content": [part]}:
            head, inside = "response.output_text", {**place, "content_index": 0}
            text, part_of = part["text"], "response.content_part"
        case {"type": "reasoning", "summary": [part]}:
            head, inside = "response.reasoning_summary_text", {**place, "summary_index": 0}
            text, part_of = part["text"], "response.reasoning_summary_part"
        case _:
            head = "response.function_call_arguments"
            for piece in in_pieces(item["arguments"], 2):
                yield {"type": f"{head}.delta", **place, "delta": piece}
            yield {"type": f"{head}.done", **place, "arguments": item["arguments"]}
            return
    yield {"type": f"{part_of}.added", **inside, "part": {**part, "text": ""}}
    for piece in in_pieces(text, count):
        yield {"type": f"{head}.delta", **inside, "delta": piece}
    yield {"type": f"{head}.done", **inside, "text": text}
    yield {"type": f"{part_of}.done", **inside, "part": part}
