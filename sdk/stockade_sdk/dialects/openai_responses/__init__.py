"""The OpenAI Responses wire, as spoken by OpenAI, Azure and some others.

Plugins encode requests and decode answers with it; the gateway decodes requests and encodes
answers. What a vendor says beyond the canonical types travels in
``provider_options["openai_responses"]`` and ``provider_metadata["openai_responses"]`` of requests,
messages, parts and answers, and comes out again on the way back (see ``overlay``), so that
``encode_request(decode_request(x))`` is ``x`` but for ``stream: true``, which is what the caller of
``encode_request`` says, and ``encode_response(decode_response(y))`` holds everything ``y`` held. It
may hold more: the fields that clients rely on. In a stream for a client, calls' items have ids of
ours.

An assistant's items that follow each other are one message. Items of built-in tools stand whole in
their place, as an empty text with the item in its metadata, so that a history goes back as it came.
"""

from stockade_sdk.dialects.failures import classify_error, redact

from .errors import encode_error
from .models import decode_models
from .overlay import DIALECT, FAMILY
from .requests import decode_request, encode_request, is_spoken
from .responses import decode_response, encode_response
from .stream import StreamDecoder
from .stream_encode import StreamEncoder
from .usage import decode_usage, encode_usage

__all__ = [
    "DIALECT",
    "FAMILY",
    "StreamDecoder",
    "StreamEncoder",
    "classify_error",
    "decode_models",
    "decode_request",
    "decode_response",
    "decode_usage",
    "encode_error",
    "encode_request",
    "encode_response",
    "encode_usage",
    "is_spoken",
    "redact",
]
