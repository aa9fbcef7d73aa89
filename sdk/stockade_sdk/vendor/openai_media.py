"""A provider's methods for images, sound and reranking, one mix-in a capability.

As those of ``vendor.openai``: what a vendor does differently is data in class attributes, or a
method replaced beside the reason. ``ctx.config`` may hold ``image_model``, ``transcription_model``,
``speech_model``, ``rerank_model`` and ``voice``, for requests that name none.
"""

from __future__ import annotations

from typing import ClassVar, Final

import msgspec

from stockade_sdk.audio import (
    SpeechRequest,
    SpeechResponse,
    TranscriptionRequest,
    TranscriptionResponse,
)
from stockade_sdk.context import Context
from stockade_sdk.dialects import openai_audio, openai_images, rerank
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.http import HttpResponse
from stockade_sdk.image import ImageRequest, ImageResponse
from stockade_sdk.multipart import FormField, encode_form
from stockade_sdk.rerank import RerankRequest, RerankResponse

from .exchange import fetch, parsed, with_warnings
from .openai import OpenAIWire, Payload, Warnings

NO_JSON: Final = ("text", "srt", "vtt")  # forms of a transcript that are not JSON


class OpenAIImages(OpenAIWire):
    """``generate_image``, from words alone or from images.

    ``images_field`` is the name for the images to start from, where it is not OpenAI's;
    ``edits_as_form`` is for a vendor that takes edits as forms alone.
    """

    images_path: ClassVar[str] = "images/generations"
    edits_path: ClassVar[str] = "images/edits"
    images_field: ClassVar[str | None] = None
    edits_as_form: ClassVar[bool] = False

    def encode_images(self, request: ImageRequest, ctx: Context) -> tuple[Payload, Warnings]:
        """The JSON body of a request."""
        return openai_images.encode_request(request, images_field=self.images_field)

    async def generate_image(self, request: ImageRequest, ctx: Context) -> ImageResponse:
        """All images at once; how many were asked for is checked."""
        model = self.model_of(request.model, ctx, "image_model")
        request = msgspec.structs.replace(request, model=model)
        edit = openai_images.is_edit(request)
        url = self.url(ctx, self.edits_path if edit else self.images_path, model)
        if edit and self.edits_as_form:
            fields, warnings = openai_images.encode_form(request)
            answer = await post_form(self, ctx, url, fields)
        else:
            payload, warnings = self.encode_images(request, ctx)
            # Several large images are more than ``exchange`` takes for JSON.
            answer = await fetch(
                ctx, "POST", url, json=payload, headers=self.headers(ctx), classify=self.classify
            )
        found = parsed(answer.body, answer.status)
        response = openai_images.decode_response(found, expected=request.n)
        return with_warnings(response, warnings)


class OpenAITranscription(OpenAIWire):
    """``transcribe``, and translations into English (``openai_audio.is_translation``).

    ``transcript_formats`` is false for a vendor without ``response_format``, ``sound_by_reference``
    true for one that fetches sound by URL or by an id of its own.
    """

    transcript_formats: ClassVar[bool] = True
    sound_by_reference: ClassVar[bool] = False

    def encode_transcription(
        self, request: TranscriptionRequest, ctx: Context
    ) -> tuple[tuple[FormField, ...], Warnings]:
        """The fields of the form."""
        return openai_audio.encode_form(
            request, formats=self.transcript_formats, by_reference=self.sound_by_reference
        )

    async def transcribe(
        self, request: TranscriptionRequest, ctx: Context
    ) -> TranscriptionResponse:
        """The transcript in the form that was asked for; never asks for a stream."""
        model = self.model_of(request.model, ctx, "transcription_model")
        request = msgspec.structs.replace(request, model=model)
        fields, warnings = self.encode_transcription(request, ctx)
        path = "translations" if openai_audio.is_translation(request) else "transcriptions"
        answer = await post_form(self, ctx, self.url(ctx, f"audio/{path}", model), fields)
        form = openai_audio.response_format(request, formats=self.transcript_formats)
        return with_warnings(transcript_in(answer, form), warnings)


class OpenAISpeech(OpenAIWire):
    """``speak``. ``default_voice`` is for vendors that refuse a request without one."""

    default_voice: ClassVar[str | None] = None

    def encode_speech(self, request: SpeechRequest, ctx: Context) -> tuple[Payload, Warnings]:
        """The body of a speech request."""
        return openai_audio.encode_speech_request(request)

    async def speak(self, request: SpeechRequest, ctx: Context) -> SpeechResponse:
        """The sound, whole, at most ``stockade_sdk.http.MAX_BODY_BYTES``."""
        model = self.model_of(request.model, ctx, "speech_model")
        voice = request.voice or ctx.config.get("voice") or self.default_voice
        request = msgspec.structs.replace(request, model=model, voice=voice)
        payload, warnings = self.encode_speech(request, ctx)
        url = self.url(ctx, "audio/speech", model)
        answer = await fetch(
            ctx, "POST", url, json=payload, headers=self.headers(ctx), classify=self.classify
        )
        kind = answer.headers.get("content-type")
        response = openai_audio.decode_speech(answer.body, kind, format=request.format)
        return with_warnings(response, warnings)


class Reranking(OpenAIWire):
    """``rerank``, on the wire of ``dialects.rerank``."""

    rerank_path: ClassVar[str] = "rerank"

    def encode_rerank(self, request: RerankRequest, ctx: Context) -> tuple[Payload, Warnings]:
        """The body of a rerank request."""
        return rerank.encode_request(request)

    async def rerank(self, request: RerankRequest, ctx: Context) -> RerankResponse:
        """The documents, best first; no answer may point beyond them."""
        model = self.model_of(request.model, ctx, "rerank_model")
        request = msgspec.structs.replace(request, model=model)
        payload, warnings = self.encode_rerank(request, ctx)
        url = self.url(ctx, self.rerank_path, model)
        answer = await self.exchange(ctx, "POST", url, json=payload)
        response = rerank.decode_response(answer, documents=len(request.documents))
        return with_warnings(response, warnings)


async def post_form(
    vendor: OpenAIWire, ctx: Context, url: str, fields: tuple[FormField, ...]
) -> HttpResponse:
    """The answer to a form; raises the error that it means."""
    try:
        body, content_type = encode_form(fields)
    except ValueError as error:
        raise ProviderError(ErrorKind.INVALID_REQUEST, str(error)) from error
    headers = {**vendor.headers(ctx), "content-type": content_type}
    return await fetch(ctx, "POST", url, content=body, headers=headers, classify=vendor.classify)


def transcript_in(answer: HttpResponse, form: str) -> TranscriptionResponse:
    """The transcript of an answer that was asked for as ``form``, by what came."""
    kind = (answer.headers.get("content-type") or "").partition(";")[0].strip().lower()
    if kind == "text/event-stream":
        from stockade_sdk.sse import events_in

        decoder = openai_audio.TranscriptDecoder()
        for sent in events_in(answer.body):
            decoder.feed(sent.data, sent.event)
        return decoder.finish()
    if form in NO_JSON and not kind.endswith("json"):
        return openai_audio.decode_text(answer.text, form)
    return openai_audio.decode_response(parsed(answer.body, answer.status))
