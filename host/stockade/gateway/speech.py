"""`POST /v1/audio/speech`."""

from __future__ import annotations

from typing import Final

from stockade_sdk.dialects import openai_audio
from stockade_sdk.dialects.json_text import finite

from .call import Call
from .fields import an_object, choice_in, invalid, text_in
from .notes import answered, asked
from .serves import Serves
from .sse import send_events
from .wires import Wire

STREAM_FORMATS: Final = ("audio", "sse")


class Speech:
    """Answers texts with sound."""

    def __init__(self, wire: Wire, serves: Serves) -> None:
        self._wire, self._serves = wire, serves

    async def __call__(self, call: Call) -> None:
        timeout_s = call.timeout_s
        payload = an_object(await call.json())
        as_events = choice_in(payload, "stream_format", STREAM_FORMATS) == "sse"
        text_in(payload, "response_format")
        speed = payload.get("speed")
        if speed is not None and (finite(speed) or 0) <= 0:
            raise invalid("speed is a number above 0")
        request = openai_audio.decode_speech_request(payload)
        if not request.input:
            raise invalid("input is empty: there is nothing to say")
        request = asked(call, request)
        response = await self._serves.run(request, timeout=timeout_s)
        answered(call, response)
        if as_events:
            events = openai_audio.encode_speech_events(response)
            await send_events(call, self._wire, events, named=False)
            return
        data, content_type = openai_audio.encode_speech(response)
        await call.answer(200, data, content_type.encode())
