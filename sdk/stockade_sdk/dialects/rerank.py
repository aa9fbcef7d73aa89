"""The reranking wire that Cohere began and OpenRouter, Jina, Voyage and others speak, both ways.

What a vendor says beyond the canonical types travels in ``provider_options["rerank"]`` and
``provider_metadata["rerank"]``.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from stockade_sdk.capability import RuntimeWarning
from stockade_sdk.dialects.failures import classify_error
from stockade_sdk.dialects.json_text import finite
from stockade_sdk.dialects.media_usage import decode_cost, decode_usage, full_usage, usage_overlay
from stockade_sdk.dialects.openai_chat.errors import encode_error, error_inside
from stockade_sdk.dialects.overlay import (
    Notes,
    Unreadable,
    difference,
    entry_of,
    entry_with,
    merged,
)
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.rerank import RerankRequest, RerankResponse, RerankResult

__all__ = [
    "DIALECT",
    "classify_error",
    "decode_request",
    "decode_response",
    "decode_results",
    "encode_error",
    "encode_request",
    "encode_response",
    "encode_results",
]

DIALECT: Final = "rerank"

_own = partial(entry_of, DIALECT)
_kept = partial(entry_with, DIALECT)
_SET_BY_US: Final = frozenset({"model", "query", "documents"})
_OBJECTS: Final = "$item"  # [position, raw] of the documents that came as objects with ``text``


def encode_request(
    request: RerankRequest, *, model: str | None = None
) -> tuple[dict[str, Any], tuple[RuntimeWarning, ...]]:
    """The JSON body, and warnings. ``model`` replaces the request's."""
    notes = Notes()
    overlay = _own(request.provider_options)
    payload: dict[str, Any] = {}
    chosen = model if model is not None else request.model
    if chosen is not None:
        payload["model"] = chosen
    payload["query"] = request.query
    payload["documents"] = _encode_documents(request, overlay.get(_OBJECTS))
    if request.top_n is not None:
        payload["top_n"] = request.top_n
    for name in sorted(overlay.keys() & _SET_BY_US):
        notes.add("provider_option_ignored", f"{name} is set by the request, not by its options")
    extra = {key: value for key, value in overlay.items() if key not in _SET_BY_US}
    return merged(payload, extra), tuple(notes.warnings)


def decode_request(payload: Any) -> RerankRequest:
    """A canonical request from any client's JSON; raises ProviderError(invalid_request)."""
    query, given = (
        (payload.get("query"), payload.get("documents"))
        if isinstance(payload, dict)
        else (None,) * 2
    )
    if not isinstance(query, str) or not isinstance(given, list):
        raise ProviderError(ErrorKind.INVALID_REQUEST, "query is no text, or documents no list")
    documents = tuple(_text(item, at) for at, item in enumerate(given))
    top_n, model = payload.get("top_n"), payload.get("model")
    top_n = top_n if type(top_n) is int and top_n >= 0 else None
    plain = {} if top_n is None else {"top_n": top_n}
    overlay = difference(plain, payload, skip=_SET_BY_US)
    objects = [[at, item] for at, item in enumerate(given) if isinstance(item, dict)]
    if objects:
        overlay[_OBJECTS] = objects
    return RerankRequest(
        query=query,
        documents=documents,
        model=model if isinstance(model, str) else None,
        top_n=top_n,
        provider_options=_kept(overlay),
    )


def decode_response(payload: Any, *, documents: int | None = None) -> RerankResponse:
    """The results, best first; ``documents`` is how many there were to order.

    Raises the error that stands inside a 200 answer, ProviderError(malformed_response) where
    results are missing, twice there, or point to no document.
    """
    raised = error_inside(payload)
    if raised is not None:
        raise raised
    try:
        if not isinstance(payload, dict):
            raise Unreadable("the answer is no JSON object")
        results, extras = decode_results(payload.get("results"), documents)
    except Unreadable as error:
        raise ProviderError(ErrorKind.MALFORMED_RESPONSE, str(error)) from None
    raw_usage, model, id = payload.get("usage"), payload.get("model"), payload.get("id")
    usage = decode_usage(raw_usage)
    overlay = difference({}, payload, drops=False, skip=("results", "usage", "model", "id"))
    extra = usage_overlay(usage, raw_usage)
    if extra:
        overlay["usage"] = extra
    if extras:
        overlay["results"] = extras
    return RerankResponse(
        results=results,
        model=model if isinstance(model, str) else None,
        id=id if isinstance(id, str) else None,
        usage=usage,
        cost=decode_cost(raw_usage),
        provider_metadata=_kept(overlay),
    )


def encode_response(response: RerankResponse, *, model: str | None = None) -> dict[str, Any]:
    """The JSON of a reranking."""
    overlay = _own(response.provider_metadata)
    payload: dict[str, Any] = {}
    if response.id is not None:
        payload["id"] = response.id
    if model or response.model:
        payload["model"] = model or response.model
    payload["results"] = encode_results(response.results, overlay.get("results"))
    usage = full_usage(response.usage, overlay.get("usage"))
    if usage is not None:
        payload["usage"] = usage
    return merged(
        payload, {key: value for key, value in overlay.items() if key not in ("results", "usage")}
    )


def decode_results(
    raw: Any, documents: int | None
) -> tuple[tuple[RerankResult, ...], list[dict[str, Any]]]:
    """The results, best first, and what they do not say of each; the list is empty where that is
    nothing. Raises Unreadable.
    """
    if not isinstance(raw, list):
        raise Unreadable("the answer has no list of results")
    found = [(_result(item, at), item) for at, item in enumerate(raw)]
    found.sort(key=lambda pair: -pair[0].score)  # stable: vendors send them so
    places = [result.index for result, _ in found]
    if len(set(places)) != len(places):
        raise Unreadable("two results point to the same document")
    if documents is not None and any(place >= documents for place in places):
        raise Unreadable(f"a result points beyond the {documents} documents")
    extras = [difference(_encode_result(result), item, drops=False) for result, item in found]
    return tuple(result for result, _ in found), extras if any(extras) else []


def encode_results(results: tuple[RerankResult, ...], extras: Any) -> list[dict[str, Any]]:
    """The items of ``results``."""
    encoded = [_encode_result(result) for result in results]
    if not isinstance(extras, list | tuple) or len(extras) != len(encoded):
        return encoded
    return [
        merged(item, extra) if isinstance(extra, dict) else item
        for item, extra in zip(encoded, extras, strict=True)
    ]


def _result(raw: Any, at: int) -> RerankResult:
    raw = raw if isinstance(raw, dict) else {}
    index, score = raw.get("index"), raw.get("relevance_score", raw.get("score"))
    if type(index) is not int or index < 0:
        raise Unreadable(f"results[{at}] has no index")
    number = finite(score)
    if number is None:
        raise Unreadable(f"results[{at}] has no score")
    document = raw.get("document")
    text = document.get("text") if isinstance(document, dict) else document
    return RerankResult(index=index, score=number, document=text if isinstance(text, str) else None)


def _encode_result(result: RerankResult) -> dict[str, Any]:
    item: dict[str, Any] = {"index": result.index, "relevance_score": result.score}
    if result.document is not None:
        item["document"] = {"text": result.document}
    return item


def _text(item: Any, at: int) -> str:
    text = item.get("text") if isinstance(item, dict) else item
    if not isinstance(text, str):
        raise ProviderError(ErrorKind.INVALID_REQUEST, f"documents[{at}] is no text")
    return text


def _encode_documents(request: RerankRequest, objects: Any) -> list[Any]:
    """The documents, those that came as objects as such where their text is still the same."""
    documents: list[Any] = list(request.documents)
    for note in objects if isinstance(objects, list | tuple) else ():
        match note:
            case [int(at), {"text": str(text)} as raw] if at < len(documents):
                if documents[at] == text:
                    documents[at] = raw
    return documents
