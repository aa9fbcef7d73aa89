"""What a recorded answer of Google's wire says, read from its raw JSON by other means than the
product's: straight sums over the wire's fields, no types of the product.
"""

import base64
import json
import re
from dataclasses import dataclass, field
from typing import Any

from tests.recorded.interactions import Interaction, chunks_of

FINISH = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "BLOCKLIST": "content_filter",
    "SPII": "content_filter",
    "MALFORMED_FUNCTION_CALL": "error",
}
KINDS = {400: "invalid_request", 401: "auth", 403: "auth", 404: "model_unavailable"}
SPOKEN = ("text", "functionCall", "inlineData")  # other parts are carried whole


@dataclass
class Answer:
    """One answer: what its first candidate says when all chunks have come."""

    text: str = ""
    thoughts: str = ""
    calls: list[tuple[str | None, str, Any]] = field(default_factory=list)
    media: list[bytes] = field(default_factory=list)
    carried: list[dict[str, Any]] = field(default_factory=list)
    signatures: list[str] = field(default_factory=list)
    finish: Any = None
    counts: dict[str, int] = field(default_factory=dict)
    candidates: int = 0
    id: str | None = None
    model: str | None = None


def chunks(interaction: Interaction) -> list[dict[str, Any]]:
    """The response objects of an answer: one, or those of its stream in either form."""
    if interaction.streamed:
        return chunks_of(interaction.text)
    return interaction.json if isinstance(interaction.json, list) else [interaction.json]


def answer(interaction: Interaction) -> Answer:
    """What the recorded answer says."""
    total, seen = Answer(), set()
    usage: dict[str, Any] = {}
    for chunk in chunks(interaction):
        total.id = total.id or chunk.get("responseId")
        total.model = total.model or chunk.get("modelVersion")
        usage.update(chunk.get("usageMetadata") or {})
        total.finish = (chunk.get("promptFeedback") or {}).get("blockReason", total.finish)
        for candidate in chunk.get("candidates") or []:
            seen.add(candidate.get("index", 0))
            if candidate.get("index", 0) == 0:
                total.finish = candidate.get("finishReason", total.finish)
                for part in (candidate.get("content") or {}).get("parts") or []:
                    hear(total, part)
    total.finish = "STOP" if total.finish == 1 else total.finish  # asked for as a number
    total.calls = [(id, name, assembled(args)) for id, name, args in total.calls]
    total.counts, total.candidates = counted(usage), len(seen)
    return total


def hear(total: Answer, part: dict[str, Any]) -> None:
    if "thoughtSignature" in part:
        total.signatures.append(part["thoughtSignature"])
    if "text" in part and part.get("thought"):
        total.thoughts += part["text"]
    elif "text" in part:
        total.text += part["text"]
    elif "functionCall" in part:
        call = part["functionCall"]
        if call.get("name"):
            total.calls.append((call.get("id"), call["name"], call.get("args", {})))
        for piece in call.get("partialArgs") or []:
            id, name, args = total.calls[-1]
            pieces = args if isinstance(args, list) else []
            total.calls[-1] = (id, name, [*pieces, (piece["jsonPath"], piece["stringValue"])])
    elif "inlineData" in part:
        total.media.append(base64.b64decode(part["inlineData"]["data"]))
    else:
        total.carried.append(part)


def assembled(arguments: Any) -> Any:
    """Arguments that came as paths and pieces of texts, put together."""
    if not isinstance(arguments, list):
        return arguments
    texts: dict[str, str] = {}
    for path, piece in arguments:
        texts[path] = texts.get(path, "") + piece
    tree: dict[Any, Any] = {}
    for path, text in texts.items():
        *way, last = re.findall(r"\w+", path)
        node = tree
        for step in way:
            node = node.setdefault(step, {})
        node[last] = text
    return listed(tree)


def listed(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(key.isdigit() for key in node):
        return [listed(node[key]) for key in sorted(node, key=int)]
    return {key: listed(value) for key, value in node.items()}


def counted(usage: dict[str, Any]) -> dict[str, int]:
    """Token counts under the names of the canonical usage."""
    said = [usage.get(name) for name in ("candidatesTokenCount", "thoughtsTokenCount")]
    found = {
        "input_tokens": usage.get("promptTokenCount"),
        "output_tokens": sum(count or 0 for count in said) if said != [None, None] else None,
        "total_tokens": usage.get("totalTokenCount"),
        "cached_input_tokens": usage.get("cachedContentTokenCount"),
        "reasoning_tokens": usage.get("thoughtsTokenCount"),
        "audio_input_tokens": of_sound(usage.get("promptTokensDetails")),
        "audio_output_tokens": of_sound(usage.get("candidatesTokensDetails")),
    }
    return {name: count for name, count in found.items() if count is not None}


def of_sound(details: Any) -> int | None:
    found = [one["tokenCount"] for one in details or [] if one["modality"] == "AUDIO"]
    return sum(found) if found else None


def error_kind(status: int, error: Any) -> str:
    """The kind that an error should have, by status and a few words."""
    words = json.dumps(error)
    if "API_KEY_INVALID" in words:
        return "auth"
    if "exceeds the maximum number of tokens" in words:
        return "context_length"
    if status == 429:
        return "quota" if "PerDay" in words else "rate_limited"
    return KINDS[status]


def wait_of(error: Any) -> float | None:
    """Seconds to wait, as the error's details say."""
    found = re.search(r'"retryDelay": "([\d.]+)s"', json.dumps(error))
    return float(found[1]) if found else None
