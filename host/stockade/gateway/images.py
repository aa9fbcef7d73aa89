"""`POST /v1/images/generations` and `/v1/images/edits`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from stockade_sdk.capability import RuntimeWarning
from stockade_sdk.dialects import openai_images
from stockade_sdk.image import ImageRequest

from .call import Call, now
from .fields import an_object, choice_in, count_in, flag_in, invalid, text_in
from .lists import with_data
from .multipart import form_of, is_form, texts_of
from .notes import answered, asked
from .serves import Serves
from .sse import send_events
from .wires import Wire

MAX_IMAGES: Final = 10  # OpenAI's own bound
FORMATS: Final = ("url", "b64_json")
WORDS: Final = ("size", "quality", "style", "background", "output_format")
MANY: Final = ("image",)  # OpenAI's documents write both `image` and `image[]`
NOT_INLINE: Final = RuntimeWarning(
    "image_by_url", "b64_json was asked for, and the vendor gave addresses"
)


class Images:
    """Answers prompts with images; ``edits``: prompts and images to start from."""

    def __init__(self, wire: Wire, serves: Serves, *, edits: bool = False) -> None:
        self._wire, self._serves, self._edits = wire, serves, edits

    async def __call__(self, call: Call) -> None:
        timeout_s = call.timeout_s
        said, request = await self._read(call)
        format = choice_in(said, "response_format", FORMATS)
        streamed = flag_in(said, "stream")
        response = await self._serves.run(asked(call, request), timeout=timeout_s)
        by_url = any(image.data is None for image in response.images)
        answered(call, response, (NOT_INLINE,) if by_url and format == "b64_json" else ())
        plain = msgspec.structs.replace(response, images=())
        payload = openai_images.encode_response(plain, created=now())
        items = openai_images.encode_images(response, as_url=format == "url", as_bytes=True)
        if streamed:
            kind = "image_edit" if self._edits else "image_generation"
            events = _events(payload, items, len(response.images), kind)
            await send_events(call, self._wire, events, named=True)
            return
        await call.answer(200, await with_data(payload, items))

    async def _read(self, call: Call) -> tuple[dict[str, Any], ImageRequest]:
        """What the client said and what it means. Edits come as forms, or as JSON with URLs."""
        if self._edits and (is_form(call) or not _is_json(call)):
            fields = await form_of(call, MANY)
            said = texts_of(fields)
            _check(said)
            request = openai_images.decode_form(fields)
        else:
            said = an_object(await call.json())
            _check(said)
            request = openai_images.decode_request(said)
        if self._edits and not request.images:
            raise invalid("there is no image to edit")
        return said, request


def _is_json(call: Call) -> bool:
    said = call.headers.get(b"content-type", b"")
    return said.partition(b";")[0].strip().lower() == b"application/json"


def _check(said: dict[str, Any]) -> None:
    count_in(said, "n", 1, MAX_IMAGES)
    for word in WORDS:
        text_in(said, word)


def _events(
    payload: dict[str, Any], items: Iterable[dict[str, Any]], count: int, kind: str
) -> Iterator[dict[str, Any]]:
    """A finished image each, as those see it who asked for a stream: there are no half ones. The
    usage, which is that of all, stands in the last.
    """
    left_out = ("data", "created", "usage")
    shared = {name: value for name, value in payload.items() if name not in left_out}
    for at, item in enumerate(items, 1):
        event = {**shared, **item, "type": f"{kind}.completed"}
        event["created_at"] = payload.get("created", 0)
        if at == count and "usage" in payload:
            event["usage"] = payload["usage"]
        yield event
