"""What Groq does differently; the wire itself is ``stockade_sdk.vendor``.

Sources: console.groq.com, "OpenAI Compatibility", "API Reference" and "Local Tool Calling".
"""

from __future__ import annotations

from stockade_sdk import Context, SpeechRequest
from stockade_sdk.vendor.openai import OpenAIChat, OpenAIModels, Payload, Warnings, Wire
from stockade_sdk.vendor.openai_media import OpenAISpeech, OpenAITranscription


class Groq(OpenAIChat, OpenAITranscription, OpenAISpeech, OpenAIModels):
    """Keeps nothing between calls; the host puts the key on."""

    plugin = "groq"
    # It refuses fields that it does not know, reasoning_content among them.
    wire = Wire(thinking_field="reasoning", refused=("top_k",))

    def encode_speech(self, request: SpeechRequest, ctx: Context) -> tuple[Payload, Warnings]:
        """The body, for sound as Groq makes it."""
        payload, warnings = super().encode_speech(request, ctx)
        payload.setdefault("response_format", "wav")  # its voices make no other, its default does
        return payload, warnings
