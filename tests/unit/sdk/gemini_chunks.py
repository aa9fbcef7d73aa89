"""Streams of Google's wire for tests, as lists of their chunks."""

from typing import Any

HEAD = {"modelVersion": "m-1", "responseId": "r-1"}
PNG = {"mimeType": "image/png", "data": "iVBORw=="}


def chunk(*parts, finish=None, index=0, **more) -> dict[str, Any]:
    """One chunk with these parts of one candidate."""
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": index}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [{**candidate, **more.pop("candidate", {})}], **HEAD, **more}


def text(said, **more) -> dict[str, Any]:
    """A chunk of text."""
    return chunk({"text": said}, **more)


END = chunk({"text": ""}, finish="STOP", usageMetadata={"promptTokenCount": 1})

STREAMS: dict[str, list[dict[str, Any]]] = {
    "text": [text("a"), text("b"), END],
    "text and its end at once": [text("ab", finish="STOP")],
    "thoughts and text": [
        chunk({"text": "h", "thought": True}),
        chunk({"text": "m", "thought": True}),
        text("yes"),
        END,
    ],
    "signature at the end": [text("a"), chunk({"text": "", "thoughtSignature": "c2ln"}), END],
    "signature in the middle": [
        text("a"),
        chunk({"text": "b", "thoughtSignature": "c2ln"}),
        text("c"),
        END,
    ],
    "signed thought": [chunk({"text": "hm", "thought": True, "thoughtSignature": "c2ln"}), END],
    "calls": [
        chunk({"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"}),
        chunk({"functionCall": {"name": "f", "args": {}, "id": "given"}}),
        END,
    ],
    "code": [
        chunk({"executableCode": {"code": "1"}, "thoughtSignature": "c2ln"}, {"text": ""}),
        chunk({"codeExecutionResult": {"outcome": "OUTCOME_OK"}}),
        text("1"),
        END,
    ],
    "sources": [
        text("a", candidate={"groundingMetadata": {}}),
        text("b", candidate={"groundingMetadata": {"webSearchQueries": ["q"]}}, finish="STOP"),
    ],
    "a picture": [text("see"), chunk({"inlineData": PNG}), END],
    "several candidates": [
        text("a"),
        text("x", index=1),
        text("y", index=1, finish="MAX_TOKENS"),
        END,
    ],
    "a blocked prompt": [{"promptFeedback": {"blockReason": "SAFETY"}, **HEAD}],
}
