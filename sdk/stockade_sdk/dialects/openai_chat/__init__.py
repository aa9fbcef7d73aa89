"""The OpenAI chat-completions and embeddings wire, as spoken by OpenAI and by everyone compatible
with it.

Plugins encode requests and decode answers with it; the gateway decodes requests and encodes
answers. What a vendor says beyond the canonical types travels in
``provider_options["openai_chat"]`` and ``provider_metadata["openai_chat"]`` and comes out again on
the way back (see ``overlay``), so that ``encode_request(decode_request(x))`` is ``x`` but for:

- the few keys beginning with ``$`` that the overlay needs for itself are not carried;
- ``stream: true`` is what the caller of ``encode_request`` says, and ``stream_options`` goes with
  streams alone.

``encode_response(decode_response(y))`` holds everything ``y`` held, except that two calls under one
id get different ones; it may hold more: defaults that ``y`` left out, and token counts at their
usual place where a vendor has its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stockade_sdk.dialects.json_text import parse_json

from .errors import encode_error
from .overlay import DIALECT
from .requests import decode_request, encode_request
from .responses import decode_response, encode_response
from .stream import DONE, StreamDecoder
from .usage import decode_usage, encode_usage

if TYPE_CHECKING:
    from stockade_sdk.dialects.failures import classify_error, redact

    from .embeddings import (
        decode_embedding_request,
        decode_embedding_response,
        encode_embedding,
        encode_embedding_request,
        encode_embedding_response,
    )
    from .models import decode_models
    from .stream_encode import StreamEncoder

__all__ = [
    "DIALECT",
    "DONE",
    "StreamDecoder",
    "StreamEncoder",
    "classify_error",
    "decode_embedding_request",
    "decode_embedding_response",
    "decode_models",
    "decode_request",
    "decode_response",
    "decode_usage",
    "encode_embedding",
    "encode_embedding_request",
    "encode_embedding_response",
    "encode_error",
    "encode_request",
    "encode_response",
    "encode_usage",
    "parse_json",
    "redact",
]

_FAILURES = "stockade_sdk.dialects.failures"
_LATER = {  # loaded when asked for: a worker that chats without an error starts the sooner
    "StreamEncoder": ".stream_encode",
    "classify_error": _FAILURES,
    "decode_embedding_request": ".embeddings",
    "decode_embedding_response": ".embeddings",
    "decode_models": ".models",
    "encode_embedding": ".embeddings",
    "encode_embedding_request": ".embeddings",
    "encode_embedding_response": ".embeddings",
    "redact": _FAILURES,
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(_LATER[name], __name__), name)
    return found
