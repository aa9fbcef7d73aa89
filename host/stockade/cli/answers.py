"""An answer in lines for people; --json has the whole of it."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from typing import assert_never

import msgspec

from stockade_sdk.audio import SpeechResponse, TranscriptionResponse
from stockade_sdk.chat import ChatResponse, Image
from stockade_sdk.embedding import EmbeddingResponse
from stockade_sdk.image import ImageResponse
from stockade_sdk.provider import ProviderResponse
from stockade_sdk.rerank import RerankResponse

__all__ = ["answer_lines"]

SHOWN_NUMBERS = 4  # of a vector


def answer_lines(answer: ProviderResponse) -> Iterator[str]:
    """What a person wants to see of an answer."""
    match answer:
        case ChatResponse():
            if answer.text or not answer.tool_calls:
                yield answer.text
            for call in answer.tool_calls:
                arguments = msgspec.json.encode(call.arguments).decode()
                yield f"[calls the tool {call.name} with {arguments}]"
        case EmbeddingResponse(embeddings=vectors):
            for vector in vectors:
                length = sqrt(sum(number * number for number in vector))
                shown = ", ".join(f"{number:.4f}" for number in vector[:SHOWN_NUMBERS])
                more = ", ..." if len(vector) > SHOWN_NUMBERS else ""
                yield f"{len(vector)} numbers of length {length:.4f}: {shown}{more}"
        case ImageResponse(images=images):
            for image in images:
                yield _image(image)
        case TranscriptionResponse(text=text):
            yield text
        case SpeechResponse(audio=audio):
            size = len(audio.data) if audio.data is not None else 0
            yield audio.url or f"audio, {audio.format or 'of an unknown format'}, {size} bytes"
        case RerankResponse(results=results):
            for result in results:
                yield f"{result.score:.4f}  document {result.index}"
        case _:
            assert_never(answer)


def _image(image: Image) -> str:
    if image.url is not None:
        return image.url
    size = len(image.data) if image.data is not None else 0
    return f"{image.media_type or 'image'}, {size} bytes (--json has them)"
