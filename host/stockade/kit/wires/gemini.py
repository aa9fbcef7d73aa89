"""Google's generateContent, which also draws and speaks, and its embeddings.

Source: ai.google.dev/api/generate-content, /embeddings, /models.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any, Final

from stockade.kit.answers import Answer, events, whole

from .samples import PCM, PIXEL
from .words import (
    Asking,
    Call,
    Request,
    Said,
    Says,
    Wanted,
    in_pieces,
    json_in,
    list_in,
    said_to,
    vector_of,
)

__all__ = ["error", "read", "write"]

_PATH: Final = re.compile(r"/models/([^:/?]+):([A-Za-z]+)")
_WHAT: Final = {"embedContent": "embedding", "batchEmbedContents": "embedding"}
_FINISH: Final = {"length": "MAX_TOKENS", "content_filter": "SAFETY", "": "STOP"}


def read(request: Request) -> Asking:
    """What is asked; the model and the method stand in the path."""
    raw, found = json_in(request), _PATH.search(request.path)
    model, method = (found[1], found[2]) if found else ("", "")
    if method in _WHAT:
        return _embedding(raw, model)
    contents = list_in(raw, "contents")
    users = [_text(one) for one in contents if one.get("role", "user") == "user"]
    config = raw.get("generationConfig")
    config = config if isinstance(config, dict) else {}
    modes = config.get("responseModalities") or ()
    what = "image" if "IMAGE" in modes else "speech" if "AUDIO" in modes else "chat"
    parts = [part for one in contents for part in list_in(one, "parts")]
    return Asking(
        wire="gemini",
        what=what,
        model=model,
        stream=method == "streamGenerateContent",
        prompt=next((text for text in reversed(users) if text), ""),
        tools=tuple(_tools(raw)),
        results=_results(contents),
        images=sum("inlineData" in part or "fileData" in part for part in parts),
        schema=_schema(config),
        raw=raw,
    )


def _embedding(raw: dict[str, Any], model: str) -> Asking:
    items = list_in(raw, "requests") or [raw]
    texts = tuple(_text(one.get("content", {})) for one in items)
    wanted = items[0].get("outputDimensionality")
    return Asking(
        wire="gemini",
        what="embedding",
        model=model,
        inputs=texts,
        dimensions=wanted if isinstance(wanted, int) else None,
        raw=raw,
    )


def _text(content: Any) -> str:
    return "".join(str(part["text"]) for part in list_in(content, "parts") if "text" in part)


def _tools(raw: dict[str, Any]) -> Iterator[Wanted]:
    match raw.get("toolConfig"):
        case {"functionCallingConfig": {"mode": "NONE"}}:
            return
    for tool in list_in(raw, "tools"):
        for one in list_in(tool, "functionDeclarations"):
            schema = one.get("parametersJsonSchema") or one.get("parameters")
            named = str(one.get("name", ""))
            yield Wanted(name=named, schema=schema if isinstance(schema, dict) else {})


def _results(contents: list[dict[str, Any]]) -> tuple[str, ...]:
    found = []
    for part in list_in(contents[-1], "parts") if contents else ():
        match part:
            case {"functionResponse": {"response": dict(response)}}:
                # Google wants an object; libraries put a plain text under one of these names.
                found.append(str(next(iter(response.values()), "")))
    return tuple(found)


def _schema(config: dict[str, Any]) -> dict[str, Any] | None:
    if config.get("responseMimeType") != "application/json":
        return None
    schema = config.get("responseJsonSchema") or config.get("responseSchema")
    return schema if isinstance(schema, dict) else {}


def write(asking: Asking, says: Says) -> Answer:
    """The answer, whole or streamed."""
    match asking.what:
        case "embedding":
            return whole(_vectors(asking, says))
        case "image":
            return whole(_answer(asking, says, [_inline("image/png", PIXEL)], _FINISH[""]))
        case "speech":
            kind = "audio/L16;codec=pcm;rate=24000"
            return whole(_answer(asking, says, [_inline(kind, PCM)], _FINISH[""]))
    said, finish = said_to(asking, says), _FINISH.get(says.finish, says.finish)
    if not asking.stream:
        return whole(_answer(asking, says, _parts(said, says), finish))
    return events([*_events(asking, said, says, finish)], between_s=says.between_s)


def _parts(said: Said, says: Says) -> list[dict[str, Any]]:
    thought = [{"text": says.thinking, "thought": True}] if says.thinking else []
    text = [{"text": said.text}] if said.text else []
    return [*thought, *text, *map(_call, said.calls)]


def _call(call: Call) -> dict[str, Any]:
    return {"functionCall": {"id": call.id, "name": call.name, "args": call.arguments}}


def _inline(kind: str, data: bytes) -> dict[str, Any]:
    return {"inlineData": {"mimeType": kind, "data": base64.b64encode(data).decode()}}


def _events(asking: Asking, said: Said, says: Says, finish: str) -> Iterator[tuple[str, Any]]:
    for piece in in_pieces(says.thinking, says.pieces):
        yield "", _answer(asking, says, [{"text": piece, "thought": True}])
    for piece in in_pieces(said.text, says.pieces):
        yield "", _answer(asking, says, [{"text": piece}])
    for call in said.calls:
        yield "", _answer(asking, says, [_call(call)])
    yield "", _answer(asking, says, [{"text": ""}], finish)


def _answer(
    asking: Asking, says: Says, parts: list[dict[str, Any]], finish: str | None = None
) -> dict[str, Any]:
    candidate: dict[str, Any] = {"index": 0, "content": {"role": "model", "parts": parts}}
    if finish is not None:
        candidate["finishReason"] = finish
    usage = {
        "promptTokenCount": says.input_tokens,
        "candidatesTokenCount": says.output_tokens,
        "totalTokenCount": says.input_tokens + says.output_tokens,
    }
    return {
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": asking.model,
        "responseId": "kit",
    }


def _vectors(asking: Asking, says: Says) -> dict[str, Any]:
    size = asking.dimensions or says.dimensions
    vectors = [{"values": vector_of(text, size)} for text in asking.inputs]
    batch = isinstance(asking.raw, dict) and "requests" in asking.raw
    return {"embeddings": vectors} if batch else {"embedding": vectors[0]}


_STATUS: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def error(status: int, message: str) -> dict[str, Any]:
    """The body of a refusal."""
    word = _STATUS.get(status, "UNKNOWN")
    return {"error": {"code": status, "message": message, "status": word}}
