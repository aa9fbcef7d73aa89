"""`POST /v1/messages`."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from stockade_sdk.chat import ChatRequest, ChatResponse
from stockade_sdk.dialects import anthropic_messages
from stockade_sdk.errors import ProviderError

from .asked import check_shape, checked
from .chat import Asked, ChatWire, Encoder
from .failures import OVERLOADED_AT_ANTHROPIC, Rejected
from .fields import flag_in
from .lists import written

MAX_BETAS: Final = 64


class AnthropicMessages(ChatWire):
    prefix = "msg_"

    def __init__(self) -> None:
        super().__init__(anthropic_messages.encode_error, OVERLOADED_AT_ANTHROPIC)

    def read(self, payload: Any, headers: dict[bytes, bytes]) -> Asked:
        check_shape(payload, "messages")
        stream = flag_in(payload, "stream")
        request = checked(anthropic_messages.decode_request(payload))
        request = _with_betas(request, headers.get(b"anthropic-beta"))
        return Asked(request, _encoder if stream else None)

    def write(self, response: ChatResponse, id: str | None, created: int) -> dict[str, Any]:
        return anthropic_messages.encode_response(response, id=id)

    def frame(self, payload: dict[str, Any]) -> bytes:
        name = payload["type"].encode()
        return b"event: %b\ndata: %b\n\n" % (name, written(payload))

    def failed(self, encoder: Encoder, error: ProviderError, status: int) -> bytes:
        return self.frame(self.encode_error(error, status))


def _encoder(id: str, model: str, created: int) -> Encoder:
    return anthropic_messages.StreamEncoder(id=id, model=model)


def _with_betas(request: ChatRequest, header: bytes | None) -> ChatRequest:
    """The betas of the header, with those that the body names: vendors of this dialect get them."""
    if header is None:
        return request
    named = (name.strip() for name in header.decode("latin-1").split(","))
    betas = [name for name in named if name]
    if len(betas) > MAX_BETAS:
        raise Rejected(400, f"anthropic-beta names more than {MAX_BETAS} betas")
    if not betas:
        return request
    options = dict(request.provider_options or {})
    mine = dict(options.get(anthropic_messages.DIALECT) or {})
    mine[anthropic_messages.BETAS] = list(
        dict.fromkeys((*anthropic_messages.betas_of(request), *betas))
    )
    options[anthropic_messages.DIALECT] = mine
    return msgspec.structs.replace(request, provider_options=options)
