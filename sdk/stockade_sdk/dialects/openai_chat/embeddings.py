"""Embeddings, both ways; vectors as number lists or as base64 of little-endian 32-bit floats."""

from __future__ import annotations

import array
import base64
import math
import sys
from typing import Any, Final

from stockade_sdk.capability import RuntimeWarning
from stockade_sdk.dialects.media import from_base64
from stockade_sdk.embedding import EmbeddingRequest, EmbeddingResponse
from stockade_sdk.errors import ErrorKind, ProviderError

from .errors import error_inside
from .overlay import Notes, Unreadable, difference, kept, merged, own
from .usage import decode_cost, decode_usage, encode_usage

MAX_DIMENSIONS: Final = 2**31
MAX_TOKEN: Final = 2**32  # no vocabulary is as large
_SET_BY_US: Final = frozenset({"model", "input"})


def encode_embedding_request(
    request: EmbeddingRequest, *, model: str | None = None
) -> tuple[dict[str, Any], tuple[RuntimeWarning, ...]]:
    """The JSON body of an embeddings request, and warnings. ``model`` replaces the request's."""
    notes = Notes()
    overlay = own(request.provider_options)
    payload: dict[str, Any] = {}
    chosen = model if model is not None else request.model
    if chosen is not None:
        payload["model"] = chosen
    single = overlay.get("$content") == "single" and len(request.input) == 1
    inputs = [item if isinstance(item, str) else list(item) for item in request.input]
    payload["input"] = inputs[0] if single else inputs
    if request.dimensions is not None:
        payload["dimensions"] = request.dimensions
    for name in _SET_BY_US & overlay.keys():
        notes.add("provider_option_ignored", f"{name} is set by the request, not by its options")
    extra = {key: value for key, value in overlay.items() if key not in _SET_BY_US}
    return merged(payload, extra), tuple(notes.warnings)


def decode_embedding_request(payload: Any) -> EmbeddingRequest:
    """A canonical request from any client's JSON; raises ProviderError(invalid_request)."""
    if not isinstance(payload, dict):
        raise ProviderError(ErrorKind.INVALID_REQUEST, "the request is no JSON object")
    inputs, single = _decode_input(payload.get("input"))
    dimensions, model = payload.get("dimensions"), payload.get("model")
    if type(dimensions) is not int or not 0 < dimensions < MAX_DIMENSIONS:
        dimensions = None
    plain = {} if dimensions is None else {"dimensions": dimensions}
    overlay = difference(plain, payload, skip=_SET_BY_US)
    if single:
        overlay["$content"] = "single"
    return EmbeddingRequest(
        input=inputs,
        model=model if isinstance(model, str) else None,
        dimensions=dimensions,
        provider_options=kept(overlay),
    )


def decode_embedding_response(payload: Any, *, expected: int | None = None) -> EmbeddingResponse:
    """The vectors in the order of their inputs.

    Raises ProviderError(malformed_response) where one is missing, has no numbers, or their count is
    not ``expected``.
    """
    raised = error_inside({"choices": None, **payload} if isinstance(payload, dict) else payload)
    if raised is not None:
        raise raised
    try:
        return _decode(payload, expected)
    except (Unreadable, ValueError, OverflowError) as error:  # a number that is not finite
        raise ProviderError(ErrorKind.MALFORMED_RESPONSE, str(error)) from None


def encode_embedding_response(
    response: EmbeddingResponse, *, as_base64: bool = False, model: str | None = None
) -> dict[str, Any]:
    """The JSON of an embedding list; ``as_base64`` as the client's ``encoding_format`` says it."""
    overlay = own(response.provider_metadata)
    data = [
        encode_embedding(vector, at, as_base64=as_base64)
        for at, vector in enumerate(response.embeddings)
    ]
    payload: dict[str, Any] = {"object": "list", "model": model or response.model or ""}
    if response.id is not None:
        payload["id"] = response.id
    usage = encode_usage(response.usage) if response.usage is not None else {}
    extra = overlay.get("usage")
    usage = merged(usage, extra) if isinstance(extra, dict) else usage
    payload = merged(payload, {key: value for key, value in overlay.items() if key != "usage"})
    payload["data"] = data
    if usage:
        payload["usage"] = usage
    return payload


def encode_embedding(
    vector: tuple[float, ...], at: int, *, as_base64: bool = False
) -> dict[str, Any]:
    """One item of such a list."""
    numbers = _packed(vector) if as_base64 else list(vector)
    return {"object": "embedding", "index": at, "embedding": numbers}


def _decode(payload: Any, expected: int | None) -> EmbeddingResponse:
    data = payload.get("data") if isinstance(payload, dict) else None
    if not isinstance(data, list):
        raise Unreadable("the answer has no list of embeddings")
    count = len(data) if expected is None else expected
    if len(data) != count:
        raise Unreadable(f"{len(data)} embeddings came for {count} inputs")
    vectors: dict[int, tuple[float, ...]] = {}
    for at, item in enumerate(data):
        if not isinstance(item, dict):
            raise Unreadable(f"data[{at}] is no object")
        index = item.get("index")
        vectors[index if type(index) is int else at] = _vector(item.get("embedding"), at)
    if sorted(vectors) != list(range(count)):
        raise Unreadable(f"the indexes of {count} embeddings do not fit")
    raw_usage, model, id = payload.get("usage"), payload.get("model"), payload.get("id")
    usage = decode_usage(raw_usage)
    plain: dict[str, Any] = {"object": "list", "model": model, "id": id}
    overlay = difference(plain, payload, drops=False, skip=("data", "usage"))
    if isinstance(raw_usage, dict):
        counted = encode_usage(usage) if usage is not None else {}
        extra = difference(counted, raw_usage, drops=False)
        if extra:
            overlay["usage"] = extra
    return EmbeddingResponse(
        embeddings=tuple(vectors[at] for at in range(count)),
        model=model if isinstance(model, str) else None,
        id=id if isinstance(id, str) else None,
        usage=usage,
        cost=decode_cost(raw_usage),
        provider_metadata=kept(overlay),
    )


def _decode_input(raw: Any) -> tuple[tuple[str | tuple[int, ...], ...], bool]:
    if isinstance(raw, str):
        return (raw,), True
    if isinstance(raw, list) and raw:
        if all(map(_is_token, raw)):
            return (tuple(raw),), True
        if all(isinstance(item, str) for item in raw):
            return tuple(raw), False
        if all(isinstance(item, list) and item and all(map(_is_token, item)) for item in raw):
            return tuple(tuple(item) for item in raw), False
    raise ProviderError(
        ErrorKind.INVALID_REQUEST, "input must be a string, a list of strings, or token arrays"
    )


def _is_token(raw: object) -> bool:
    return type(raw) is int and 0 <= raw < MAX_TOKEN


def _vector(raw: Any, at: int) -> tuple[float, ...]:
    if isinstance(raw, str):
        packed = from_base64(raw)
        if packed is None or len(packed) % 4:
            raise Unreadable(f"data[{at}].embedding is no base64 of 32-bit floats")
        numbers = array.array("f", packed)
        if sys.byteorder == "big":
            numbers.byteswap()
        return tuple(numbers)
    if not isinstance(raw, list) or not all(type(number) in (float, int) for number in raw):
        raise Unreadable(f"data[{at}].embedding is no list of numbers")
    return tuple(map(float, raw))


def _packed(vector: tuple[float, ...]) -> str:
    if not all(map(math.isfinite, vector)):
        raise ValueError("an embedding holds a number that is not finite")
    numbers = array.array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode()
