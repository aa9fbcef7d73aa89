"""What a recorded answer says, read from its raw JSON by other means than the product's.

Deliberately simple: straight sums over the wire's fields, no types of the product.
"""

import base64
import json
import struct
from dataclasses import dataclass, field
from typing import Any

from tests.recorded.interactions import Interaction

FINISH = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "model_length": "length",
    "error": "error",
}


@dataclass
class Said:
    """One answer: ``error`` is the error object of a failed one."""

    text: str = ""
    thinking: str = ""
    calls: list[tuple[str | None, str, Any]] = field(default_factory=list)
    finish: str | None = None
    usage: dict[str, int] = field(default_factory=dict)
    choices: int = 1
    error: Any = None


def said(interaction: Interaction) -> Said:
    """What the recorded answer of a chat says."""
    if interaction.failed:
        return Said(error=interaction.json if interaction.json is not None else interaction.text)
    if interaction.streamed:
        return said_in_stream(interaction.text)
    return said_at_once(interaction.json)


def said_at_once(answer: dict[str, Any]) -> Said:
    if answer.get("error"):
        return Said(error=answer)
    choice = answer["choices"][0]
    message = choice.get("message") or {}
    calls = [
        (call.get("id"), call["function"]["name"], parsed(call["function"].get("arguments")))
        for call in message.get("tool_calls") or []
    ]
    old = message.get("function_call")
    if old and not calls:
        calls.append((None, old["name"], parsed(old.get("arguments"))))
    return Said(
        text=text_of(message.get("content")) + (message.get("refusal") or ""),
        thinking=thinking_of(message),
        calls=calls,
        finish=choice.get("finish_reason"),
        usage=counts(answer.get("usage")),
        choices=len(answer["choices"]),
    )


def said_in_stream(body: str) -> Said:
    total = Said()
    building: dict[int, list[Any]] = {}
    seen: set[int] = set()
    for chunk in chunks(body):
        if chunk.get("error"):
            return Said(error=chunk)
        groq = chunk.get("x_groq") or {}
        total.usage.update(counts(chunk.get("usage") or groq.get("usage")))
        for choice in chunk.get("choices") or []:
            seen.add(choice.get("index", 0))
            if choice.get("index", 0) != 0:
                continue
            delta = choice.get("delta") or {}
            total.text += text_of(delta.get("content")) + (delta.get("refusal") or "")
            total.thinking += thinking_of(delta)
            total.finish = choice.get("finish_reason") or total.finish
            total.usage.update(counts(choice.get("usage")))
            for call in delta.get("tool_calls") or []:
                slot = building.setdefault(call.get("index", len(building)), ["", "", ""])
                function = call.get("function") or {}
                slot[0] = slot[0] or call.get("id") or ""
                slot[1] = slot[1] or function.get("name") or ""
                slot[2] += function.get("arguments") or ""
    total.calls = [(id or None, name, parsed(text)) for id, name, text in building.values()]
    total.choices = max(1, len(seen))
    return total


def chunks(body: str) -> list[Any]:
    """The JSON of every ``data`` line."""
    lines = (line[5:].strip() for line in body.splitlines() if line.startswith("data:"))
    return [json.loads(line) for line in lines if line and line != "[DONE]"]


def vectors(answer: dict[str, Any]) -> list[list[float]]:
    """The embeddings, in the order of their indexes."""
    items = sorted(answer["data"], key=lambda item: item["index"])
    return [numbers(item["embedding"]) for item in items]


def numbers(embedding: str | list[float]) -> list[float]:
    if isinstance(embedding, str):
        packed = base64.b64decode(embedding)
        return list(struct.unpack(f"<{len(packed) // 4}f", packed))
    return [float(number) for number in embedding]


def counts(usage: Any) -> dict[str, int]:
    """Token counts under the names of the canonical usage."""
    if not isinstance(usage, dict):
        return {}
    details = usage.get("prompt_tokens_details") or {}
    cached = details.get("cached_tokens")
    for name in ("prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens"):
        cached = usage.get(name) if cached is None else cached
    found = {
        "input_tokens": usage.get("prompt_tokens"),
        "output_tokens": usage.get("completion_tokens"),
        "total_tokens": usage.get("total_tokens"),
        "cached_input_tokens": cached,
        "reasoning_tokens": (usage.get("completion_tokens_details") or {}).get("reasoning_tokens"),
    }
    known = {name: count for name, count in found.items() if count is not None}
    beside = known.get("reasoning_tokens", 0)  # where xAI counts it: not within the completion
    if known.get("total_tokens") == sum(
        known.get(name, 0) for name in ("input_tokens", "output_tokens", "reasoning_tokens")
    ):
        known["output_tokens"] = known.get("output_tokens", 0) + beside
    return known


def error_kind(status: int, error: Any) -> str:
    """The kind that an error should have, by status and a few words."""
    words = json.dumps(error).lower()
    for word, kind in (
        ("insufficient_quota", "quota"),
        ("balance", "quota"),
        ("context length", "context_length"),
        ("context_length", "context_length"),
        ("content_filter", "content_filter"),
        ("not supported with this model", "unsupported"),
    ):
        if word in words:
            return kind
    by_status = {
        401: "auth",
        402: "quota",
        403: "auth",
        404: "model_unavailable",
        408: "timeout",
        429: "rate_limited",
        503: "overloaded",
        504: "timeout",
        529: "overloaded",
    }
    if status in by_status:
        return by_status[status]
    return "server_error" if status >= 500 else "invalid_request"


def status_of(interaction: Interaction, error: Any) -> int:
    """The status of a failure, also of one inside an answer whose status was 200."""
    if interaction.failed:
        return interaction.status
    inner = error["error"]
    for name in ("status_code", "code"):
        if str(inner.get(name)).isdigit():
            return int(inner[name])
    return 500


def text_of(content: Any) -> str:
    if isinstance(content, list):
        return "".join(part.get("text") or "" for part in content if part.get("type") == "text")
    return content or ""


def thinking_of(message: dict[str, Any]) -> str:
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    inside = [
        piece["text"]
        for part in parts
        if part.get("type") == "thinking"
        for piece in part["thinking"]
    ]
    return message.get("reasoning_content") or message.get("reasoning") or "".join(inside)


def parsed(arguments: Any) -> Any:
    """Arguments as JSON where they are; the text where not."""
    if arguments is None or not arguments.strip():
        return {}
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments
