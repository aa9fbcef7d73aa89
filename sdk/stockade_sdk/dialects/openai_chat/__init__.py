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

from stockade_sdk.dialects.failures import classify_error, redact
from stockade_sdk.dialects.json_text import parse_json

from .embeddings import (
    decode_embedding_request,
    decode_embedding_response,
    encode_embedding_request,
    encode_embedding_response,
)
from .errors import encode_error
from .models import decode_models
from .overlay import DIALECT
from .requests import decode_request, encode_request
from .responses import decode_response, encode_response
from .stream import DONE, StreamDecoder
from .stream_encode import StreamEncoder
from .usage import decode_usage, encode_usage

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
    "encode_embedding_request",
    "encode_embedding_response",
    "encode_error",
    "encode_request",
    "encode_response",
    "encode_usage",
    "parse_json",
    "redact",
]
