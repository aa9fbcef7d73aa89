"""What a recorded answer of Anthropic's wire says, read from its raw JSON by other means than the
product's: straight sums over the wire's fields, no types of the product.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.recorded.interactions import Interaction, chunks_of

FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
WORDS = ("text", "thinking", "redacted_thinking", "tool_use")  # the others are carried whole
KINDS = {  # an error's type, or its status where it has one
    "authentication_error": "auth",
    "permission_error": "auth",
    "rate_limit_error": "rate_limited",
    "overloaded_error": "overloaded",
    "invalid_request_error": "invalid_request",
    "api_error": "server_error",
    "timeout_error": "timeout",
    "billing_error": "quota",
    "request_too_large": "invalid_request",
}


@dataclass
class Message:
    """One answer: its blocks as they are when all deltas have come."""

    blocks: list[dict[str, Any]] = field(default_factory=list)
    top: dict[str, Any] = field(default_factory=dict)
    usage: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return "".join(block["text"] for block in self.blocks if block["type"] == "text")

    @property
    def thinking(self) -> list[tuple[str, str]]:
        """Text and signature of each; what is redacted has its data for a signature."""
        return [
            (block.get("thinking", ""), block.get("signature", block.get("data", "")))
            for block in self.blocks
            if block["type"] in ("thinking", "redacted_thinking")
        ]

    @property
    def calls(self) -> list[tuple[str, str, Any]]:
        return [
            (block["id"], block["name"], block["input"])
            for block in self.blocks
            if block["type"] == "tool_use"
        ]

    @property
    def carried(self) -> list[dict[str, Any]]:
        return [block for block in self.blocks if block["type"] not in WORDS]

    @property
    def finish(self) -> str | None:
        return self.top.get("stop_reason")

    @property
    def counts(self) -> dict[str, int]:
        """Under the names of the canonical usage, whose input includes what is cached."""
        usage = self.usage
        found = {
            "output_tokens": usage.get("output_tokens"),
            "cached_input_tokens": usage.get("cache_read_input_tokens"),
            "cache_write_tokens": usage.get("cache_creation_input_tokens"),
            "reasoning_tokens": (usage.get("output_tokens_details") or {}).get("thinking_tokens"),
        }
        if usage.get("input_tokens") is not None:
            cached = (found["cached_input_tokens"] or 0) + (found["cache_write_tokens"] or 0)
            found["input_tokens"] = usage["input_tokens"] + cached
        return {name: count for name, count in found.items() if count is not None}


def message(interaction: Interaction) -> Message:
    """What the recorded answer says."""
    if not interaction.streamed:
        whole = dict(interaction.json)
        return Message(whole.pop("content"), whole, whole.pop("usage", None) or {})
    total = Message()
    for chunk in chunks_of(interaction.text):
        match chunk["type"]:
            case "message_start":
                start = {**chunk["message"]}
                start.pop("content")
                total.usage.update(start.pop("usage"))
                total.top.update(start)
            case "content_block_start":
                total.blocks.append({**chunk["content_block"]})
            case "content_block_delta":
                grow(total.blocks[chunk["index"]], chunk["delta"])
            case "message_delta":
                total.top.update(chunk["delta"])
                total.usage.update(chunk.get("usage") or {})
    for block in total.blocks:
        if "json" in block:
            text = block.pop("json")
            block["input"] = json.loads(text) if text else block["input"]
    return total


def grow(block: dict[str, Any], delta: dict[str, Any]) -> None:
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            block["signature"] = delta["signature"]
        case "input_json_delta":
            block["json"] = block.get("json", "") + delta["partial_json"]
        case "citations_delta":
            block["citations"] = [*(block.get("citations") or []), delta["citation"]]


def error_kind(status: int, error: dict[str, Any]) -> str:
    """The kind that a recorded error should have."""
    words = str(error.get("message")).lower()
    if "prompt is too long" in words or "exceed context limit" in words:
        return "context_length"
    if "credit balance" in words:
        return "quota"
    if status == 404 and "model:" in words:
        return "model_unavailable"
    return KINDS.get(str(error.get("type")), "invalid_request" if status < 500 else "server_error")
