"""`POST /v1/responses`.

Nothing is kept here between requests. What a client says of answers that its vendor keeps
(``previous_response_id``, ``store``) goes to vendors of this dialect as it came; others refuse the
first, for they never saw the conversation, and warn of the second. An answer in the background
could not be fetched afterwards, so it is refused.
"""

from __future__ import annotations

from functools import partial
from typing import Any, cast

from stockade_sdk.chat import ChatResponse
from stockade_sdk.dialects import openai_responses
from stockade_sdk.errors import ErrorKind, ProviderError

from .asked import check_shape, checked
from .chat import Asked, ChatWire, Encoder
from .failures import Rejected
from .fields import flag_in
from .lists import written


class OpenAIResponses(ChatWire):
    prefix = "resp_"

    def __init__(self) -> None:
        super().__init__(openai_responses.encode_error)

    def read(self, payload: Any, headers: dict[bytes, bytes]) -> Asked:
        check_shape(payload, "input")
        stream = flag_in(payload, "stream")
        if flag_in(payload, "background") and not stream:
            raise Rejected(
                400,
                "an answer in the background cannot be fetched here later: leave background out, "
                "or ask for a stream",
                kind=ErrorKind.UNSUPPORTED,
            )
        request = checked(openai_responses.decode_request(payload))
        if not (payload.get("input") or _is_kept_elsewhere(payload)):
            raise Rejected(400, "the request has no input: there is nothing to answer")
        if not stream:
            return Asked(request, None)
        return Asked(request, partial(_encoder, _custom_tools(payload)))

    def write(self, response: ChatResponse, id: str | None, created: int) -> dict[str, Any]:
        payload = openai_responses.encode_response(response, id=id)
        payload["created_at"] = payload["created_at"] or created  # the vendor's own, where it says
        return payload

    def frame(self, payload: dict[str, Any]) -> bytes:
        name = payload["type"].encode()
        return b"event: %b\ndata: %b\n\n" % (name, written(payload))

    def failed(self, encoder: Encoder, error: ProviderError, status: int) -> bytes:
        said = cast("openai_responses.StreamEncoder", encoder).fail(error, status)
        return b"".join(map(self.frame, said))


def _encoder(custom: tuple[str, ...], id: str, model: str, created: int) -> Encoder:
    return openai_responses.StreamEncoder(id=id, model=model, created=created, custom_tools=custom)


def _custom_tools(payload: dict[str, Any]) -> tuple[str, ...]:
    """The names of the tools whose calls hold text instead of JSON."""
    tools = payload.get("tools")
    return tuple(
        tool["name"]
        for tool in (tools if isinstance(tools, list) else ())
        if isinstance(tool, dict)
        and tool.get("type") == "custom"
        and isinstance(tool.get("name"), str)
    )


def _is_kept_elsewhere(payload: dict[str, Any]) -> bool:
    names = ("previous_response_id", "conversation", "prompt")
    return any(payload.get(name) is not None for name in names)
