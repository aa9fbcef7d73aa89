"""Reranking, both ways: the query and the documents stand in ``input``, the results in ``output``.

The results themselves are those of ``dialects.rerank``.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from stockade_sdk.capability import RuntimeWarning
from stockade_sdk.dialects.media_usage import decode_usage, full_usage, usage_overlay
from stockade_sdk.dialects.overlay import Unreadable, difference, merged
from stockade_sdk.dialects.rerank import decode_results, encode_results
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.rerank import RerankRequest, RerankResponse

from .errors import error_inside
from .overlay import kept, own
from .tasks import output_of

RERANK_PATH: Final = "services/rerank/text-rerank/text-rerank"


def encode_rerank_request(
    request: RerankRequest, *, model: str | None = None
) -> tuple[dict[str, Any], tuple[RuntimeWarning, ...]]:
    """The JSON body; nothing of a request is ever dropped. ``model`` replaces the request's."""
    payload = _encode(request)
    chosen = model if model is not None else request.model
    if chosen is not None:
        payload = {"model": chosen, **payload}
    return merged(payload, own(request.provider_options)), ()


def decode_rerank_request(payload: Any) -> RerankRequest:
    """A canonical request from this wire's JSON; raises ProviderError(invalid_request)."""
    match payload:
        case {"input": {"query": str(query), "documents": list(documents)}} if all(
            isinstance(document, str) for document in documents
        ):
            pass
        case _:
            raise ProviderError(
                ErrorKind.INVALID_REQUEST, "input.query is no text, or input.documents no texts"
            )
    parameters, model = payload.get("parameters"), payload.get("model")
    top_n = parameters.get("top_n") if isinstance(parameters, dict) else None
    request = RerankRequest(
        query=query,
        documents=tuple(documents),
        model=model if isinstance(model, str) else None,
        top_n=top_n if type(top_n) is int and top_n >= 0 else None,
    )
    overlay = difference(_encode(request), payload, skip=("model",))
    return msgspec.structs.replace(request, provider_options=kept(overlay))


def decode_rerank_response(payload: Any, *, documents: int | None = None) -> RerankResponse:
    """The results, best first; errors as in ``dialects.rerank.decode_response``."""
    raised = error_inside(payload)
    if raised is not None:
        raise raised
    try:
        output = output_of(payload)
        results, extras = decode_results(output.get("results"), documents)
    except Unreadable as error:
        raise ProviderError(ErrorKind.MALFORMED_RESPONSE, str(error)) from None
    raw_usage, id = payload.get("usage"), payload.get("request_id")
    usage = decode_usage(raw_usage)
    overlay = difference({}, payload, drops=False, skip=("output", "usage", "request_id"))
    for name, value in (
        ("output", difference({}, output, drops=False, skip=("results",))),
        ("results", extras),
        ("usage", usage_overlay(usage, raw_usage)),
    ):
        if value:
            overlay[name] = value
    return RerankResponse(
        results=results,
        id=id if isinstance(id, str) else None,
        usage=usage,
        provider_metadata=kept(overlay),
    )


def encode_rerank_response(response: RerankResponse) -> dict[str, Any]:
    """The JSON of a reranking."""
    overlay = own(response.provider_metadata)
    results = encode_results(response.results, overlay.get("results"))
    payload: dict[str, Any] = {"output": {"results": results}}
    usage = full_usage(response.usage, overlay.get("usage"))
    if usage is not None:
        payload["usage"] = usage
    if response.id is not None:
        payload["request_id"] = response.id
    return merged(
        payload, {key: value for key, value in overlay.items() if key not in ("results", "usage")}
    )


def _encode(request: RerankRequest) -> dict[str, Any]:
    parameters = {} if request.top_n is None else {"top_n": request.top_n}
    return {
        "input": {"query": request.query, "documents": list(request.documents)},
        "parameters": parameters,
    }
