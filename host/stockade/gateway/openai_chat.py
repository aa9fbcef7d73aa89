"""`POST /v1/chat/completions`."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from stockade_sdk.chat import ChatResponse
from stockade_sdk.dialects import openai_chat
from stockade_sdk.errors import ProviderError

from .asked import check_shape, checked
from .chat import Asked, ChatWire, Encoder
from .fields import count_in, flag_in
from .lists import written

MAX_CHOICES: Final = 128  # https://platform.openai.com/docs/api-reference/chat/create, n


class OpenAIChat(ChatWire):
    prefix = "chatcmpl-"
    last = b"data: [DONE]\n\n"

    def __init__(self) -> None:
        super().__init__(openai_chat.encode_error)

    def read(self, payload: Any, headers: dict[bytes, bytes]) -> Asked:
        check_shape(payload, "messages")
        count_in(payload, "n", 1, MAX_CHOICES)
        stream = flag_in(payload, "stream")
        if not stream:
            return Asked(checked(openai_chat.decode_request(payload)), None)
        options = payload.get("stream_options")
        usage = isinstance(options, dict) and options.get("include_usage") is True
        if options is None or isinstance(options, dict):
            # Counted in any case, for budgets and costs; told only to clients that asked.
            payload = {**payload, "stream_options": {**(options or {}), "include_usage": True}}
        request = checked(openai_chat.decode_request(payload))
        return Asked(request, partial(_encoder, usage))

    def write(self, response: ChatResponse, id: str | None, created: int) -> dict[str, Any]:
        payload = openai_chat.encode_response(response, id=id)
        payload["created"] = payload["created"] or created  # the vendor's own, where it says
        return payload

    def frame(self, payload: dict[str, Any]) -> bytes:
        return b"data: %b\n\n" % written(payload)

    def failed(self, encoder: Encoder, error: ProviderError, status: int) -> bytes:
        """No [DONE] follows: OpenAI's clients raise at the error, and others that look for the
        terminator alone know by its absence that the answer is cut.
        """
        return self.frame(self.encode_error(error, status))


def _encoder(usage: bool, id: str, model: str, created: int) -> Encoder:
    return openai_chat.StreamEncoder(id=id, model=model, created=created, include_usage=usage)
