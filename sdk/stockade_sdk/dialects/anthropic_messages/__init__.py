"""The Anthropic Messages wire, as spoken by Anthropic and by everyone compatible with it.

Plugins encode requests and decode answers with it; the gateway decodes requests and encodes
answers. What a vendor says beyond the canonical types travels in
``provider_options["anthropic_messages"]`` and ``provider_metadata["anthropic_messages"]`` and comes
out again on the way back (see ``overlay``), so that ``encode_request(decode_request(x))`` is ``x``
but for ``stream: true``, which is what the caller of ``encode_request`` says, and for a missing
``max_tokens``, which the wire requires.

``encode_response(decode_response(y))`` holds everything ``y`` held, except that two calls under one
id get different ones; it may hold more: what ``y`` left out.
"""

from stockade_sdk.dialects.failures import redact
from stockade_sdk.dialects.json_text import parse_json

from .errors import classify_error, encode_error
from .models import decode_models, next_page
from .overlay import DIALECT
from .requests import BETAS, DEFAULT_MAX_TOKENS, betas_of, decode_request, encode_request
from .responses import decode_response, encode_response
from .stream import StreamDecoder
from .stream_encode import StreamEncoder
from .usage import decode_usage, encode_usage

__all__ = [
    "BETAS",
    "DEFAULT_MAX_TOKENS",
    "DIALECT",
    "StreamDecoder",
    "StreamEncoder",
    "betas_of",
    "classify_error",
    "decode_models",
    "decode_request",
    "decode_response",
    "decode_usage",
    "encode_error",
    "encode_request",
    "encode_response",
    "encode_usage",
    "next_page",
    "parse_json",
    "redact",
]
