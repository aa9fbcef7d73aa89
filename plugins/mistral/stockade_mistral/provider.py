"""What Mistral does differently; the wire itself is ``stockade_sdk.vendor``.

Source: docs.mistral.ai/api, "Chat Completion" and "Embeddings".
"""

from __future__ import annotations

from typing import Any

import msgspec

from stockade_sdk import (
    ChatRequest,
    Context,
    EmbeddingRequest,
    SpeechRequest,
    TranscriptionRequest,
)
from stockade_sdk.multipart import FormField
from stockade_sdk.vendor.openai import (
    OpenAIChat,
    OpenAIEmbeddings,
    OpenAIModels,
    Payload,
    Warnings,
    Wire,
)
from stockade_sdk.vendor.openai_fit import dropped, without
from stockade_sdk.vendor.openai_media import OpenAISpeech, OpenAITranscription


class Mistral(OpenAIChat, OpenAIEmbeddings, OpenAITranscription, OpenAISpeech, OpenAIModels):
    """Keeps nothing between calls; the host puts the key on."""

    plugin = "mistral"
    transcript_formats = False
    sound_by_reference = True
    # It answers 422 to every field that it does not know.
    wire = Wire(
        max_tokens_field="max_tokens",
        include_usage=False,
        developer_role=False,
        refused=("top_k",),
        renamed=(("seed", "random_seed"),),
    )

    def encode_chat(
        self, request: ChatRequest, ctx: Context, *, stream: bool
    ) -> tuple[Payload, Warnings]:
        """The body, with documents as Mistral has them."""
        payload, warnings = super().encode_chat(request, ctx, stream=stream)
        payload.pop("stream_options", None)  # its streams always end with their counts
        payload["messages"] = [with_documents(message) for message in payload["messages"]]
        return payload, warnings

    def encode_embeddings(
        self, request: EmbeddingRequest, ctx: Context
    ) -> tuple[Payload, Warnings]:
        """The body, with the name that Mistral has for the dimensions."""
        payload, warnings = super().encode_embeddings(request, ctx)
        if "dimensions" in payload:
            payload.setdefault("output_dimension", payload.pop("dimensions"))
        return payload, warnings

    def encode_transcription(
        self, request: TranscriptionRequest, ctx: Context
    ) -> tuple[tuple[FormField, ...], Warnings]:
        """The form, without a prompt, for which Mistral has a list of words (``context_bias``)."""
        fields, warnings = super().encode_transcription(
            msgspec.structs.replace(request, prompt=None), ctx
        )
        if request.prompt is None:
            return fields, warnings
        return fields, (*warnings, dropped("prompt", "it takes context_bias, a list of words"))

    def encode_speech(self, request: SpeechRequest, ctx: Context) -> tuple[Payload, Warnings]:
        """The body, without what Mistral's voices cannot be told."""
        payload, warnings = super().encode_speech(request, ctx)
        for name in ("speed", "instructions"):
            if name in payload:
                warnings = without(payload, name, warnings, "this vendor does not take it")
        return payload, warnings


def with_documents(message: dict[str, Any]) -> dict[str, Any]:
    """The message with its files as ``document_url``, whose URL may hold the bytes."""
    content = message.get("content")
    if not isinstance(content, list):
        return message
    return {**message, "content": [_document(part) for part in content]}


def _document(part: dict[str, Any]) -> dict[str, Any]:
    match part:
        case {"type": "file", "file": {"file_data": str(url)} as file}:
            document = {"type": "document_url", "document_url": url}
            if isinstance(file.get("filename"), str):
                document["document_name"] = file["filename"]
            return document
        case {"type": "file", "file": {"file_id": str(id)}}:
            return {"type": "file", "file_id": id}
        case _:
            return part
