"""What a recorded answer of the Responses wire says, read by other means than the product's."""

import contextlib
import json
from typing import Any

from tests.recorded.expected import Said, error_kind, parsed
from tests.recorded.interactions import RESPONSES, Interaction

PIECES = {"output_text": "text", "refusal": "refusal"}
THOUGHTS = ("summary_text", "reasoning_text")
CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}
KINDS = {"model_not_found": "model_unavailable", "incorrect api key": "auth"}  # with status 400
RENEWED = ("id", "encrypted_content")  # the same reasoning is encrypted again for the last event


def answers(one: Interaction) -> bool:
    """An answer of this wire that is whole as JSON."""
    return one.wire == RESPONSES and not (one.refused or of_chat(one) or broken(one))


def of_chat(one: Interaction) -> bool:
    """Azure answers for some models with a chat completion."""
    return one.wire == RESPONSES and isinstance(one.json, dict) and "choices" in one.json


def broken(one: Interaction) -> bool:
    """A stream with an event that is no JSON."""
    return one.wire == RESPONSES and one.streamed and None in map(value_of, datas(one.text))


def without_gaps(one: Interaction) -> bool:
    """Whether all of a stream was recorded."""
    return not any("middle events dropped" in cut for cut in one.cut)


def datas(body: str) -> list[str]:
    """The data of every event but the closing word."""
    blocks = body.replace("\r\n", "\n").split("\n\n")
    found = (
        "\n".join(line[5:].removeprefix(" ") for line in block.split("\n") if line[:5] == "data:")
        for block in blocks
    )
    return [data for data in found if data and data != "[DONE]"]


def value_of(data: str) -> Any:
    with contextlib.suppress(ValueError):
        return json.loads(data)
    return None


def ending(one: Interaction) -> dict[str, Any]:
    """The response that a stream ends with, its items as they were streamed.

    Some vendors leave them out there, and some renew ids and encrypted reasoning.
    """
    events = [value_of(data) for data in datas(one.text)]
    at = next(n for n, event in enumerate(events) if event["type"] == "response.completed")
    done = {
        event["output_index"]: event["item"]
        for event in events[:at]
        if event["type"] == "response.output_item.done"
    }
    output = events[at]["response"]["output"]
    if not output:
        output = [item for _, item in sorted(done.items())]
    items = [
        done[n] if n in done and lasting(done[n]) == lasting(item) else item
        for n, item in enumerate(output)
    ]
    return {**events[at]["response"], "output": items}


def with_ids_of_ours(response: dict[str, Any]) -> dict[str, Any]:
    """The response without the ids of its calls' items, which are not the vendor's in a stream."""
    items = [
        {key: value for key, value in item.items() if key != "id" or item["type"] not in CALLS}
        for item in response["output"]
    ]
    return {**response, "output": items}


def lasting(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in RENEWED}


def said_by(response: dict[str, Any]) -> Said:
    """The meaning of a whole response."""
    total = Said()
    for item in response["output"]:
        if item["type"] in CALLS:
            arguments = parsed(item[CALLS[item["type"]]])
            total.calls.append((item["call_id"], item["name"], arguments))
        for piece in [*(item.get("summary") or []), *(item.get("content") or [])]:
            if piece["type"] in THOUGHTS:
                total.thinking += piece["text"]
            elif piece["type"] in PIECES:
                total.text += piece[PIECES[piece["type"]]]
    details = response.get("incomplete_details") or {}
    total.finish = details.get("reason") or response["status"]
    total.usage = counts(response["usage"])
    return total


def reason_of(said: Said) -> str:
    """The canonical reason of what was said."""
    if said.finish == "completed":
        return "tool_calls" if said.calls else "stop"
    return REASONS.get(said.finish or "", "other")


def failure_kind(status: int, error: Any) -> str:
    """The kind that an error should have; this wire has words for what others have a status for."""
    words = json.dumps(error).lower()
    found = (kind for word, kind in KINDS.items() if word in words)
    return next(found, error_kind(status, error))


def counts(usage: dict[str, Any]) -> dict[str, int]:
    """Token counts under the names of the canonical usage."""
    inside, outside = usage.get("input_tokens_details"), usage.get("output_tokens_details")
    found = {
        "input_tokens": usage.get("input_tokens"),
        "output_tokens": usage.get("output_tokens"),
        "total_tokens": usage.get("total_tokens"),
        "cached_input_tokens": (inside or {}).get("cached_tokens"),
        "reasoning_tokens": (outside or {}).get("reasoning_tokens"),
    }
    return {name: count for name, count in found.items() if count is not None}


def streamed_text(one: Interaction) -> str:
    """The text deltas of a stream, up to its end, strung together."""
    text = ""
    for event in map(value_of, datas(one.text)):
        if event["type"] == "response.completed":
            break
        if event["type"] in ("response.output_text.delta", "response.refusal.delta"):
            text += event["delta"]
    return text
