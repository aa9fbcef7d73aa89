"""`POST /v1/audio/transcriptions` and `/v1/audio/translations`."""

from __future__ import annotations

from typing import Final

from stockade_sdk.audio import TranscriptionResponse
from stockade_sdk.dialects import openai_audio

from .call import JSON, Call
from .fields import choice_in, flag_in, invalid
from .lists import written
from .multipart import form_of, texts_of
from .notes import answered, asked
from .serves import Serves
from .sse import DONE, send_events
from .wires import Wire

TEXTS: Final = ("text", "srt", "vtt")
FORMATS: Final = ("json", *TEXTS, "verbose_json", "diarized_json")
TEXT: Final = b"text/plain; charset=utf-8"  # for subtitles too, as OpenAI has it
MANY: Final = ("timestamp_granularities", "include")
SPANS: Final = ("word", "segment")


class Transcriptions:
    """Answers sound with text; ``translation``: with English text."""

    def __init__(self, wire: Wire, serves: Serves, *, translation: bool = False) -> None:
        self._wire, self._serves, self._translation = wire, serves, translation

    async def __call__(self, call: Call) -> None:
        timeout_s = call.timeout_s
        fields = await form_of(call, MANY)
        texts = texts_of(fields)
        format = choice_in(texts, "response_format", FORMATS) or "json"
        streamed = flag_in(texts, "stream") and not self._translation
        request = openai_audio.decode_form(fields, translation=self._translation)
        for span in request.timestamps:
            if span not in SPANS:
                raise invalid(f"timestamp_granularities are word and segment, not {span[:40]!r}")
        request = asked(call, request)
        response = await self._serves.run(request, timeout=timeout_s)
        answered(call, response)
        if streamed:
            events = openai_audio.encode_events(response)
            await send_events(call, self._wire, events, named=False, last=DONE)
            return
        body = _body(response, format, "translate" if self._translation else "transcribe")
        await call.answer(200, body, TEXT if format in TEXTS else JSON)


def _body(response: TranscriptionResponse, format: str, task: str) -> bytes:
    if format in TEXTS:
        return openai_audio.encode_text(response, format).encode()
    payload = openai_audio.encode_response(response)
    if format != "json":
        payload = {"task": task, **payload}
    return written(payload)
