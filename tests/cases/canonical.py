"""Between the cases' spelling of the canonical types and the product's own.

The cases wrap calls (``{"tool_call": {..., "arguments_json"}}``), results and choices in tagged
objects of their own; the meaning is the same.
"""

from typing import Any

from stockade_sdk import (
    ChatRequest,
    ContentPart,
    Message,
    MessageRole,
    ResponseFormat,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolDefinition,
    ToolResult,
)


def request_of(given: dict[str, Any]) -> ChatRequest:
    """The request of an encode case."""
    settings = ("temperature", "top_p", "max_output_tokens", "metadata")
    choice, format = given.get("tool_choice"), given.get("response_format")
    return ChatRequest(
        messages=messages_of(given["messages"]),
        model=given["model"]["model_id"],
        tools=tuple(ToolDefinition(**tool) for tool in given.get("tools") or ()),
        tool_choice=ToolChoice(choice["type"], choice.get("name")) if choice else None,
        response_format=ResponseFormat(**format) if format else None,
        stop=tuple(given.get("stop") or ()),
        **{name: given[name] for name in settings if given.get(name) is not None},
    )


def messages_of(given: list[dict[str, Any]]) -> tuple[Message, ...]:
    """A history, as the cases write it."""
    return tuple(
        Message(MessageRole(one["role"]), tuple(part_of(part) for part in one["content"]))
        for one in given
    )


def part_of(given: dict[str, Any]) -> ContentPart:
    """One part, as the cases write it."""
    match given["type"]:
        case "text":
            return Text(given["text"])
        case "thinking":
            return Thinking(given["text"], provider=given.get("provider"))
        case "tool_call":
            call = given["tool_call"]
            return ToolCall(call["id"], call["name"], call["arguments_json"])
        case "tool_result":
            result = given["tool_result"]
            return ToolResult(result["tool_call_id"], result_content(result["content"]))
    raise ValueError(f"no part of the type {given['type']!r}")


def result_content(given: dict[str, Any]) -> Any:
    """A result's content, as the cases write it: text, a JSON value, or parts."""
    match given["type"]:
        case "text":
            return given["text"]
        case "json":
            return given["value"]
        case "parts":
            return tuple(part_of(part) for part in given["parts"])
    raise ValueError(f"no content of the type {given['type']!r}")


def content_of(parts: tuple[ContentPart, ...]) -> list[dict[str, Any]]:
    """An answer's parts in the cases' spelling."""
    written: list[dict[str, Any]] = []
    for part in parts:
        match part:
            case Text(text=text):
                written.append({"type": "text", "text": text})
            case Thinking(text=text, provider=provider):
                written.append({"type": "thinking", "text": text, "provider": provider})
            case ToolCall(id=id, name=name, arguments=arguments):
                call = {"id": id, "name": name, "arguments_json": arguments}
                written.append({"type": "tool_call", "tool_call": call})
            case _:
                raise ValueError(f"the cases have no such part: {part!r}")
    return written
