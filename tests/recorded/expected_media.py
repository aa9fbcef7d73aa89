"""What recorded images, transcripts, sound, rankings and model lists say, read from raw JSON by
other means than the product's: straight reads of the wire's fields, no types of the product.
"""

import base64
from typing import Any

from tests.recorded.interactions import Interaction, chunks_of


def pictures(answer: dict[str, Any]) -> list[bytes | str]:
    """Each image's bytes, or its URL."""
    return [
        base64.b64decode(item["b64_json"]) if item.get("b64_json") else item["url"]
        for item in answer["data"]
    ]


def prompts(answer: dict[str, Any]) -> list[str | None]:
    """The prompts as the vendor rewrote them; empty where it rewrote none."""
    found = [item.get("revised_prompt") for item in answer["data"]]
    return found if any(found) else []


def tokens(answer: dict[str, Any]) -> dict[str, int]:
    """Token counts under the canonical names, where the answer counts tokens."""
    usage = answer.get("usage") or {}
    heard = usage.get("input_token_details") or usage.get("prompt_tokens_details") or {}
    found = {
        "input_tokens": usage.get("input_tokens", usage.get("prompt_tokens")),
        "output_tokens": usage.get("output_tokens", usage.get("completion_tokens")),
        "total_tokens": usage.get("total_tokens"),
        "audio_input_tokens": heard.get("audio_tokens"),
    }
    return {name: count for name, count in found.items() if count is not None}


def content_of(interaction: Interaction) -> tuple[bytes, str | None]:
    """Body and content type. One source recorded a plain-text answer as JSON of its own with
    ``status``, ``headers`` and ``body``.
    """
    answer = interaction.json
    if isinstance(answer, dict) and set(answer) == {"status", "headers", "body"}:
        return answer["body"].encode(), answer["headers"]["content-type"]
    headers = {name.lower(): value for name, value in interaction.headers}
    usual = {"json": "application/json", "sse": "text/event-stream"}.get(interaction.body_kind)
    return interaction.body, headers.get("content-type", usual)


def transcript(interaction: Interaction) -> dict[str, Any]:
    """What was heard, as the fields of a JSON answer; those of a stream gathered."""
    if not interaction.streamed:
        body, kind = content_of(interaction)
        return {"text": body.decode()} if (kind or "").startswith("text/") else interaction.json
    gathered: dict[str, Any] = {"text": "", "segments": []}
    for sent in chunks_of(interaction.text):
        match sent["type"].rpartition(".")[2]:
            case "segment":
                gathered["segments"].append(sent)
            case "delta":
                gathered["text"] += sent.get("delta", sent.get("text"))
            case "done":
                gathered.update({key: value for key, value in sent.items() if key != "type"})
    return gathered


def spans(items: list[dict[str, Any]] | None) -> list[tuple[Any, ...]]:
    """Text, start, end and speaker of each segment or word."""
    return [
        (
            item.get("word", item.get("text")),
            item.get("start"),
            item.get("end"),
            item.get("speaker", item.get("speaker_id")),
        )
        for item in items or []
    ]


def sound(interaction: Interaction) -> bytes:
    """The bytes that are to be heard."""
    if interaction.json is not None:
        return base64.b64decode(interaction.json["audio_data"])
    return interaction.head


def ranking(answer: dict[str, Any]) -> list[tuple[int, float, str | None]]:
    """Index, score and text of each result."""
    results = (answer.get("output") or answer)["results"]
    return [
        (item["index"], item["relevance_score"], (item.get("document") or {}).get("text"))
        for item in results
    ]


def task(answer: dict[str, Any]) -> tuple[str, str]:
    """Id and state of a task."""
    return answer["output"]["task_id"], answer["output"]["task_status"]


def results(answer: Any) -> list[dict[str, Any]]:
    """What a finished task made, image by image; empty while it is running."""
    found: list[dict[str, Any]] = ((answer or {}).get("output") or {}).get("results") or []
    return found


def models(answer: dict[str, Any]) -> list[tuple[str, int | None]]:
    """Id and context window of each model, in order."""
    items = answer.get("data") or answer.get("models") or []
    windows = ("context_length", "max_context_length", "max_input_tokens", "inputTokenLimit")
    return [
        (
            item.get("id") or item["name"].removeprefix("models/"),
            next((item[name] for name in windows if item.get(name)), None),
        )
        for item in items
    ]


def error_kind(status: int, error: dict[str, Any]) -> str:
    """The kind that a failure should have; a model that is not there is told by words alone."""
    inner = error.get("error") or error
    words = str(inner.get("message")).lower()
    if "model" in words and ("not exist" in words or "not found" in words):
        return "model_unavailable"
    known = {401: "auth", 402: "quota", 404: "model_unavailable", 429: "rate_limited"}
    return known.get(status, "server_error" if status >= 500 else "invalid_request")
