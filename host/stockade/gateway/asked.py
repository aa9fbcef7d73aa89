"""Checks of what a chat's client says that the gateway itself goes by, in any dialect. Pure.

All raise ProviderError(invalid_request) that names the field and what it may be. What only the
vendor goes by is left to the vendor.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from stockade_sdk.chat import ChatRequest, Image

from .fields import an_object, invalid

MAX_MESSAGES: Final = 100_000  # https://docs.anthropic.com/en/api/messages; OpenAI names none


def check_shape(payload: Any, listed: str) -> None:
    """Before a dialect reads it: what would take long, or would be left alone and then missed.

    ``listed`` is where the dialect has its conversation.
    """
    turns = an_object(payload).get(listed)
    if isinstance(turns, list) and len(turns) > MAX_MESSAGES:
        raise invalid(f"{listed} has {len(turns)} entries; {MAX_MESSAGES} are the most")
    if turns == []:
        raise invalid(f"{listed} is empty: there is nothing to answer")


def checked(request: ChatRequest) -> ChatRequest:
    """``request`` with no model where none is named, which is `auto`.

    Every picture is one: a data URL that the dialect could not read stays a URL, and a vendor would
    be asked to fetch it.
    """
    for at, message in enumerate(request.messages):
        for part in message.content:
            if type(part) is Image and part.url is not None and part.url[:5].lower() == "data:":
                raise invalid(
                    f"an image of message {at + 1} is no data URL with base64 in it: write "
                    "data:image/png;base64,..."
                )
    if request.model is not None and not request.model.strip():
        return msgspec.structs.replace(request, model=None)
    return request
