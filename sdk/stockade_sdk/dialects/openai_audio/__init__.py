"""The OpenAI audio wire: transcriptions and translations (forms in, JSON, text, subtitles or events
out) and speech (JSON in, sound out).

Plugins encode requests and decode answers with it; the gateway decodes requests and encodes
answers. What a vendor says beyond the canonical types travels in
``provider_options["openai_audio"]`` and ``provider_metadata["openai_audio"]`` and comes out again
on the way back, so that encoding what was decoded gives the same fields (but for ``stream``, which
is what the caller of the encoder says), and answers hold all that they held.

A translation into English is a transcription whose options say ``$as: "translation"``; see
``is_translation``.
"""

from stockade_sdk.dialects.failures import classify_error
from stockade_sdk.dialects.media_usage import decode_usage, encode_usage
from stockade_sdk.dialects.openai_chat.errors import encode_error

from .overlay import DIALECT
from .speech import (
    SpeechDecoder,
    decode_speech,
    decode_speech_request,
    encode_speech,
    encode_speech_events,
    encode_speech_json,
    encode_speech_request,
)
from .transcript_stream import TranscriptDecoder, encode_events
from .transcription_requests import decode_form, encode_form, is_translation, response_format
from .transcription_responses import (
    decode_response,
    decode_text,
    encode_response,
    encode_text,
)

__all__ = [
    "DIALECT",
    "SpeechDecoder",
    "TranscriptDecoder",
    "classify_error",
    "decode_form",
    "decode_response",
    "decode_speech",
    "decode_speech_request",
    "decode_text",
    "decode_usage",
    "encode_error",
    "encode_events",
    "encode_form",
    "encode_response",
    "encode_speech",
    "encode_speech_events",
    "encode_speech_json",
    "encode_speech_request",
    "encode_text",
    "encode_usage",
    "is_translation",
    "response_format",
]
