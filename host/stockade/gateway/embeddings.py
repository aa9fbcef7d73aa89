"""`POST /v1/embeddings`."""

from __future__ import annotations

from typing import Final

import msgspec

from stockade_sdk.dialects import openai_chat
from stockade_sdk.embedding import EmbeddingRequest, EmbeddingResponse
from stockade_sdk.errors import ErrorKind, ProviderError

from .call import Call
from .fields import an_object, choice_in, count_in
from .lists import with_data
from .notes import answered, asked
from .serves import Serves

FORMATS: Final = ("float", "base64")
MAX_DIMENSIONS: Final = 1_000_000  # beyond all models; the vendor knows its own bound


class Embeddings:
    """Answers requests for vectors."""

    def __init__(self, serves: Serves) -> None:
        self._serves = serves

    async def __call__(self, call: Call) -> None:
        timeout_s = call.timeout_s
        payload = an_object(await call.json())
        as_base64 = choice_in(payload, "encoding_format", FORMATS) == "base64"
        count_in(payload, "dimensions", 1, MAX_DIMENSIONS)
        request = asked(call, openai_chat.decode_embedding_request(payload))
        response = await self._serves.run(request, timeout=timeout_s)
        answered(call, response)
        _check(request, response)
        await call.answer(200, await body_of(response, as_base64))


def _check(request: EmbeddingRequest, response: EmbeddingResponse) -> None:
    """Raises ProviderError(malformed_response): clients match vectors with texts by their place."""
    found, wanted = len(response.embeddings), len(request.input)
    if found != wanted:
        text = f"{found} embeddings came for {wanted} inputs"
        raise ProviderError(ErrorKind.MALFORMED_RESPONSE, text)


async def body_of(response: EmbeddingResponse, as_base64: bool) -> bytes:
    """The answer's JSON."""
    plain = msgspec.structs.replace(response, embeddings=())
    payload = openai_chat.encode_embedding_response(plain)
    items = (
        openai_chat.encode_embedding(vector, at, as_base64=as_base64)
        for at, vector in enumerate(response.embeddings)
    )
    return await with_data(payload, items)
