"""`POST /v1/rerank`, as Cohere, Jina and their like have it."""

from __future__ import annotations

from typing import Final

import msgspec

from stockade_sdk.dialects import rerank
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.rerank import RerankRequest, RerankResponse, RerankResult

from .call import Call
from .fields import an_object, count_in, flag_in, invalid
from .lists import written
from .notes import answered, asked
from .serves import Serves

MAX_TOP: Final = 1_000_000  # beyond all that a body can hold


class Rerank:
    """Answers requests for an order of documents."""

    def __init__(self, serves: Serves) -> None:
        self._serves = serves

    async def __call__(self, call: Call) -> None:
        timeout_s = call.timeout_s
        payload = an_object(await call.json())
        count_in(payload, "top_n", 1, MAX_TOP)
        with_texts = flag_in(payload, "return_documents")
        request = rerank.decode_request(payload)
        if not request.documents:
            raise invalid("documents is empty: there is nothing to order")
        request = asked(call, request)
        response = await self._serves.run(request, timeout=timeout_s)
        answered(call, response)
        fitted = _fitted(request, response, with_texts)
        await call.answer(200, written(rerank.encode_response(fitted)))


def _fitted(request: RerankRequest, response: RerankResponse, with_texts: bool) -> RerankResponse:
    """No more results than were asked for, with their documents where a client wants them and the
    vendor left them out. Raises ProviderError(malformed_response) for one that points to none.
    """
    documents, results = request.documents, response.results
    if any(not 0 <= result.index < len(documents) for result in results):
        raise ProviderError(ErrorKind.MALFORMED_RESPONSE, "a result points to no document")
    results = results[: request.top_n]
    if with_texts:
        results = tuple(_with_text(result, documents[result.index]) for result in results)
    if results == response.results:
        return response
    return msgspec.structs.replace(response, results=results)


def _with_text(result: RerankResult, text: str) -> RerankResult:
    if result.document is not None:
        return result
    return msgspec.structs.replace(result, document=text)
