"""The OpenAI images wire: generations and edits, as JSON and as forms, and OpenRouter's variant.

Plugins encode requests and decode answers with it; the gateway decodes requests and encodes
answers. What a vendor says beyond the canonical types travels in
``provider_options["openai_images"]`` and ``provider_metadata["openai_images"]`` and comes out again
on the way back, so that ``encode_request(decode_request(x))`` is ``x`` (but for ``stream``: images
are whole here), and ``encode_response(decode_response(y))`` holds all of ``y``.

An image that the vendor keeps is ``Image(url="file-id:ID")``: no other vendor can take it, and a
request that goes to another fails there instead of losing an image.
"""

from stockade_sdk.dialects.failures import classify_error
from stockade_sdk.dialects.media_usage import decode_usage, encode_usage
from stockade_sdk.dialects.openai_chat.errors import encode_error

from .forms import decode_form, encode_form
from .overlay import DIALECT
from .requests import decode_request, encode_request, is_edit
from .responses import decode_response, encode_images, encode_response

__all__ = [
    "DIALECT",
    "classify_error",
    "decode_form",
    "decode_request",
    "decode_response",
    "decode_usage",
    "encode_error",
    "encode_form",
    "encode_images",
    "encode_request",
    "encode_response",
    "encode_usage",
    "is_edit",
]
