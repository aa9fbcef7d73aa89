"""What is not chat: embeddings, images, sound, ranks, lists of models.

Sources: platform.openai.com/docs/api-reference, docs.mistral.ai/api, openrouter.ai/docs,
docs.cohere.com (rerank), docs.anthropic.com (models), ai.google.dev/api/models.
"""

from __future__ import annotations

import base64
from typing import Any, Final, NamedTuple

from stockade.kit.answers import Answer, plain, whole

from .openai_chat import error
from .samples import PIXEL, WAVE
from .words import Asking, Request, Says, json_in, list_in, vector_of

__all__ = ["error", "ranked", "read", "write"]

MISTRAL: Final = "api.mistral.ai"  # its speech comes in JSON


class _Sound(NamedTuple):
    """What a form with a recording says."""

    model: str
    size: int
    format: str


def read(request: Request, what: str) -> Asking:
    """What is asked, of a kind that the path said."""
    raw = json_in(request)
    if what == "transcription":
        sound = _form(request)
        inputs = (f"{sound.size}", sound.format)
        return Asking(wire="media", what=what, model=sound.model, inputs=inputs)
    given = raw.get("input", raw.get("documents", ()))
    dimensions = raw.get("dimensions", raw.get("output_dimension"))
    return Asking(
        wire="media",
        what=what,
        model=str(raw.get("model", "")),
        prompt=str(raw.get("prompt", raw.get("query", given if what == "speech" else ""))),
        images=len(list_in(raw, "images") or list_in(raw, "input_references")),
        inputs=_texts(given),
        dimensions=dimensions if isinstance(dimensions, int) else None,
        count=raw["n"] if isinstance(raw.get("n"), int) else 1,
        raw=raw,
    )


def _texts(given: Any) -> tuple[str, ...]:
    """Texts, or lists of tokens as if they were."""
    if isinstance(given, str):
        return (given,)
    if not isinstance(given, list):
        return ()
    return tuple(str(one.get("text", one)) if isinstance(one, dict) else str(one) for one in given)


def _form(request: Request) -> _Sound:
    from email import message_from_bytes

    kind = next((value for name, value in request.headers if name == "content-type"), "")
    if not kind.startswith("multipart/form-data"):
        raw = json_in(request)
        return _Sound(str(raw.get("model", "")), len(str(raw.get("input_audio", ""))), "json")
    form = message_from_bytes(b"content-type: " + kind.encode() + b"\r\n\r\n" + request.body)
    said: dict[str, bytes] = {}
    parts = form.get_payload()
    for part in parts if isinstance(parts, list) else ():
        name = getattr(part, "get_param")("name", header="content-disposition")  # noqa: B009
        payload = getattr(part, "get_payload")(decode=True)  # noqa: B009
        said[str(name)] = payload if isinstance(payload, bytes) else b""
    text = {name: value.decode("utf-8", "replace") for name, value in said.items()}
    format = text.get("response_format", "json")
    return _Sound(text.get("model", ""), len(said.get("file", b"")), format)


def write(asking: Asking, says: Says) -> Answer:
    """The answer to any of them."""
    match asking.what:
        case "embedding":
            return whole(_vectors(asking, says))
        case "image":
            picture = {"b64_json": base64.b64encode(PIXEL).decode()}
            return whole({"created": 1_700_000_000, "data": [picture] * min(asking.count, 10)})
        case "speech":
            if asking.host.partition(":")[0] == MISTRAL:
                return whole({"audio_data": base64.b64encode(WAVE).decode()})
            return plain(WAVE, "audio/wav")
        case "transcription":
            return _heard(asking, says)
        case "rerank":
            return whole(_ranks(asking, says))
        case "key":
            return whole({"data": {"label": "kit", "usage": 0, "limit": None}})
    return whole(_models(asking, says))


def _vectors(asking: Asking, says: Says) -> dict[str, Any]:
    size = asking.dimensions or says.dimensions
    data = [
        {"object": "embedding", "index": at, "embedding": _vector(asking, text, size)}
        for at, text in enumerate(asking.inputs)
    ]
    usage = {"prompt_tokens": says.input_tokens, "total_tokens": says.input_tokens}
    return {"object": "list", "model": asking.model, "data": data, "usage": usage}


def _vector(asking: Asking, text: str, size: int) -> list[float] | str:
    """Numbers, or as a client asked for them: 32-bit floats in base64."""
    vector = vector_of(text, size)
    if isinstance(asking.raw, dict) and asking.raw.get("encoding_format") == "base64":
        import struct

        return base64.b64encode(struct.pack(f"<{size}f", *vector)).decode()
    return vector


def _heard(asking: Asking, says: Says) -> Answer:
    size, format = asking.inputs
    text = says.text if says.text is not None else f"heard {size} bytes"
    match format:
        case "text":
            return plain(text.encode(), "text/plain; charset=utf-8")
        case "srt":
            return plain(f"1\n00:00:00,000 --> 00:00:01,000\n{text}\n".encode(), "text/plain")
        case "vtt":
            cue = f"WEBVTT\n\n00:00.000 --> 00:01.000\n{text}\n"
            return plain(cue.encode(), "text/vtt")
        case "verbose_json":
            segment = {"id": 0, "start": 0.0, "end": 1.0, "text": text}
            told = {"text": text, "language": "english", "duration": 1.0, "segments": [segment]}
            return whole(told)
    return whole({"text": text})


def ranked(asking: Asking) -> list[dict[str, Any]]:
    """Documents by how many of the query's words they have, best first; at most `top_n`."""
    words = asking.prompt.lower().split()
    scores = [
        (sum(word in text.lower() for word in words) / max(1, len(words)), at)
        for at, text in enumerate(asking.inputs)
    ]
    scores.sort(key=lambda pair: (-pair[0], pair[1]))
    raw = asking.raw if isinstance(asking.raw, dict) else {}
    parameters = raw.get("parameters")
    wanted = raw.get("top_n", parameters.get("top_n") if isinstance(parameters, dict) else None)
    count = wanted if isinstance(wanted, int) else len(scores)
    return [
        {"index": at, "relevance_score": round(0.05 + 0.9 * score, 4)}
        for score, at in scores[:count]
    ]


def _ranks(asking: Asking, says: Says) -> dict[str, Any]:
    usage = {"total_tokens": says.input_tokens}
    return {"id": "rank-kit", "model": asking.model, "results": ranked(asking), "usage": usage}


def _models(asking: Asking, says: Says) -> dict[str, Any]:
    """The list in the form of the vendor that the request's headers are for."""
    if asking.prompt == "gemini":
        methods = ["generateContent", "countTokens"]
        rows = [
            {"name": f"models/{id}", "supportedGenerationMethods": methods, "inputTokenLimit": 8192}
            for id in says.models
        ]
        return {"models": rows}
    if asking.prompt == "anthropic":
        at = "2025-01-01T00:00:00Z"
        entries = [
            {"type": "model", "id": id, "display_name": id, "created_at": at} for id in says.models
        ]
        ends = {"first_id": says.models[0], "last_id": says.models[-1]} if says.models else {}
        return {"data": entries, "has_more": False, **ends}
    listed = [
        {"id": id, "object": "model", "created": 1_700_000_000, "owned_by": "kit"}
        for id in says.models
    ]
    return {"object": "list", "data": listed}
