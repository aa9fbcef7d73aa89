"""Embeddings, both ways: ``:embedContent`` for one text, ``:batchEmbedContents`` for several."""

from __future__ import annotations

from typing import Any, Final

from stockade_sdk.capability import RuntimeWarning
from stockade_sdk.embedding import EmbeddingRequest, EmbeddingResponse
from stockade_sdk.errors import ErrorKind, ProviderError

from . import spelling
from .errors import error_inside
from .overlay import (
    AS,
    FIELDS,
    RAW,
    Notes,
    Unreadable,
    difference,
    kept,
    merged,
    own,
)
from .requests import model_path
from .responses import USAGE, usage_overlay
from .usage import decode_usage, encode_usage

REQUESTS: Final = "requests"
_SET_BY_US: Final = frozenset({"model", "content", REQUESTS})


def embedding_path(model: str, payload: dict[str, Any]) -> str:
    """The path below the version for an encoded embedding request."""
    return f"{model_path(model)}:{'batchEmbedContents' if REQUESTS in payload else 'embedContent'}"


def encode_embedding_request(
    request: EmbeddingRequest, *, model: str | None = None
) -> tuple[dict[str, Any], tuple[RuntimeWarning, ...]]:
    """The JSON body of an embedding request, and warnings; ``model`` replaces the request's.

    Raises ProviderError(unsupported) on token arrays, which Google does not take.
    """
    notes = Notes()
    overlay = own(request.provider_options)
    chosen = model if model is not None else request.model
    for name in overlay.keys() & {"content", REQUESTS}:
        notes.add("provider_option_ignored", f"{name} is set by the request, not by its options")
    extra = {key: value for key, value in overlay.items() if key not in _SET_BY_US}
    plain: dict[str, Any] = {}
    if request.dimensions is not None:
        plain["outputDimensionality"] = request.dimensions
    settings = merged(plain, extra)
    settings = spelling.as_it_came(settings, overlay.get(FIELDS), spelling.EMBEDDING)
    contents = [_content(item, at, overlay) for at, item in enumerate(request.input)]
    if len(contents) == 1 and overlay.get(AS) != REQUESTS:
        payload = {**settings, "content": contents[0]}
        if "model" in overlay:
            payload["model"] = overlay["model"] if chosen is None else model_path(chosen)
        return payload, tuple(notes.warnings)
    named = {} if chosen is None else {"model": model_path(chosen)}
    items = [{**named, **settings, "content": content} for content in contents]
    return {REQUESTS: items}, tuple(notes.warnings)


def decode_embedding_request(payload: Any, *, model: str | None = None) -> EmbeddingRequest:
    """A canonical request from any client's JSON; ``model`` is the one of the URL. The texts of a
    batch must want the same settings. Raises ProviderError(invalid_request, unsupported).
    """
    if not isinstance(payload, dict):
        raise ProviderError(ErrorKind.INVALID_REQUEST, "the request is no JSON object")
    items = payload.get(REQUESTS, [payload])
    if (
        not isinstance(items, list)
        or not all(isinstance(item, dict) for item in items)
        or not items
    ):
        raise ProviderError(ErrorKind.INVALID_REQUEST, "requests is no list of requests")
    settings = [{key: item[key] for key in item if key not in _SET_BY_US} for item in items]
    if any(other != settings[0] for other in settings):
        raise ProviderError(
            ErrorKind.UNSUPPORTED, "the requests of a batch must have the same settings"
        )
    contents = [item.get("content") for item in items]
    texts = tuple(_text(content) for content in contents)
    given, changed = spelling.in_camel_case(settings[0], spelling.EMBEDDING)
    size = given.get("outputDimensionality")
    dimensions = size if type(size) is int else None
    overlay = difference({} if dimensions is None else {"outputDimensionality": size}, given)
    if changed:
        overlay[FIELDS] = changed
    if contents != [_plain(text) for text in texts]:
        overlay[RAW] = contents
    if REQUESTS in payload and len(items) == 1:
        overlay[AS] = REQUESTS
    named = items[0].get("model")
    if isinstance(named, str):
        model = model if model is not None else named
        if REQUESTS not in payload:
            overlay["model"] = named
    return EmbeddingRequest(
        input=texts, model=model, dimensions=dimensions, provider_options=kept(overlay)
    )


def decode_embedding_response(payload: Any, *, expected: int | None = None) -> EmbeddingResponse:
    """The vectors in the order of their inputs.

    Raises ProviderError(malformed_response) where one has no numbers, or their count is not
    ``expected``.
    """
    raised = error_inside(payload)
    if raised is not None:
        raise raised
    try:
        return _decode(payload, expected)
    except (Unreadable, ValueError, OverflowError) as error:  # a number that is not finite
        raise ProviderError(ErrorKind.MALFORMED_RESPONSE, str(error)) from None


def encode_embedding_response(
    response: EmbeddingResponse, *, batch: bool = False
) -> dict[str, Any]:
    """The JSON of one embedding, or of a list of them where a ``batch`` was asked for."""
    overlay = own(response.provider_metadata)
    items = [{"values": list(vector)} for vector in response.embeddings]
    payload: dict[str, Any] = (
        {"embeddings": items} if batch or len(items) != 1 else {"embedding": items[0]}
    )
    usage = encode_usage(response.usage) if response.usage is not None else {}
    extra = overlay.get(USAGE)
    usage = merged(usage, extra) if isinstance(extra, dict) else usage
    if usage:
        payload[USAGE] = usage
    rest = {key: value for key, value in overlay.items() if key != USAGE}
    each = rest.pop("each", None)
    for item, more in zip(items, each if isinstance(each, list | tuple) else (), strict=False):
        if isinstance(more, dict):
            item.update(more)
    return merged(payload, rest)


def _decode(payload: Any, expected: int | None) -> EmbeddingResponse:
    if not isinstance(payload, dict):
        raise Unreadable("the answer is no JSON object")
    items = payload.get("embeddings", [payload.get("embedding")])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Unreadable("the answer has no embeddings")
    if expected is not None and len(items) != expected:
        raise Unreadable(f"{len(items)} embeddings came for {expected} inputs")
    vectors = tuple(_vector(item.get("values"), at) for at, item in enumerate(items))
    each = [{key: item[key] for key in item if key != "values"} for item in items]
    overlay = difference({}, payload, skip=("embedding", "embeddings", USAGE))
    if any(each):
        overlay["each"] = each
    counts = usage_overlay(payload.get(USAGE))
    if counts:
        overlay[USAGE] = counts
    return EmbeddingResponse(
        embeddings=vectors,
        usage=decode_usage(payload.get(USAGE)),
        provider_metadata=kept(overlay),
    )


def _vector(raw: Any, at: int) -> tuple[float, ...]:
    if not isinstance(raw, list) or not raw or not all(type(n) in (float, int) for n in raw):
        raise Unreadable(f"embedding {at} is no list of numbers")
    return tuple(map(float, raw))


def _content(item: str | tuple[int, ...], at: int, overlay: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(item, str):
        raise ProviderError(
            ErrorKind.UNSUPPORTED, "Gemini embeds texts alone; send the text, not its tokens"
        )
    original = overlay.get(RAW)
    if isinstance(original, list | tuple) and at < len(original):
        content = original[at]
        if isinstance(content, dict) and _text(content) == item:
            return content
    return _plain(item)


def _plain(text: str) -> dict[str, Any]:
    return {"parts": [{"text": text}]}


def _text(content: Any) -> str:
    """The text of a content; its parts are embedded as one."""
    parts = content.get("parts") if isinstance(content, dict) else None
    if isinstance(parts, dict):
        parts = [parts]
    if not isinstance(parts, list) or not parts:
        raise ProviderError(ErrorKind.INVALID_REQUEST, "content has no parts")
    texts = [part.get("text") if isinstance(part, dict) else None for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise ProviderError(ErrorKind.UNSUPPORTED, "only text can be embedded")
    return "".join(text for text in texts if isinstance(text, str))
