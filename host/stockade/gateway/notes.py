"""What is known of a request that is no chat: for the record, and for its answer's headers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from stockade_sdk.audio import SpeechRequest, TranscriptionRequest
from stockade_sdk.capability import ResponseFields, RuntimeWarning
from stockade_sdk.embedding import EmbeddingRequest
from stockade_sdk.image import ImageRequest
from stockade_sdk.provider import capability_of
from stockade_sdk.rerank import RerankRequest

from .call import Call
from .chat import WARNINGS, cut, note
from .failures import shown_warnings

Asked = TypeVar(
    "Asked", EmbeddingRequest, ImageRequest, TranscriptionRequest, SpeechRequest, RerankRequest
)


def asked(call: Call, request: Asked) -> Asked:
    """Put into the record what a request is about, before it is known how it ends. The request
    comes back without a model where it names none, which is `auto`.
    """
    call.exchange.capability = capability_of(request).value
    call.exchange.model = cut(request.model)
    if request.model is not None and not request.model.strip():
        return msgspec.structs.replace(request, model=None)
    return request


def answered(call: Call, response: ResponseFields, more: Sequence[RuntimeWarning] = ()) -> None:
    """Put attempts and warnings on an answer, and what it took into the record. ``more`` are the
    gateway's own warnings.
    """
    note(call, response.attempts, response.usage, response.cost)
    warnings = (*response.warnings, *more)
    if warnings:
        call.common.append((WARNINGS, shown_warnings(warnings).encode()))
