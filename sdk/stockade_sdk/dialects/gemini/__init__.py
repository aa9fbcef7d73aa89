"""Google's Gemini wire: ``:generateContent``, ``:streamGenerateContent`` and ``:embedContent``, as
the Gemini API and Vertex AI speak it.

Plugins encode requests and decode answers with it; the gateway decodes requests and encodes
answers. Model and streaming stand in the URL (``generate_path``), so ``decode_request`` is told the
model. What the wire says beyond the canonical types travels in ``provider_options["gemini"]`` and
``provider_metadata["gemini"]`` and comes out again on the way back, spelled as it came, so that
``encode_request(decode_request(x))`` is ``x`` but for the few keys beginning with ``$`` that the
overlay needs for itself.

``encode_response(decode_response(y))`` holds everything ``y`` held; it may hold more: defaults that
``y`` left out.
"""

from stockade_sdk.dialects.failures import classify_error, redact
from stockade_sdk.dialects.json_text import parse_json

from .embeddings import (
    decode_embedding_request,
    decode_embedding_response,
    embedding_path,
    encode_embedding_request,
    encode_embedding_response,
)
from .errors import encode_error
from .models import decode_models, next_page
from .overlay import DIALECT
from .requests import decode_request, encode_request, generate_path, model_path
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
    "embedding_path",
    "encode_embedding_request",
    "encode_embedding_response",
    "encode_error",
    "encode_request",
    "encode_response",
    "encode_usage",
    "generate_path",
    "model_path",
    "next_page",
    "parse_json",
    "redact",
]
