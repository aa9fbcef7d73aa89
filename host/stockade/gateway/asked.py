"""Checks of what a chat's client says that the gateway itself goes by, in any dialect. Pure.

All raise ProviderError(invalid_request) that names the field and what it may be. What only the
vendor goes by is left to the vendor.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from stockade_sdk.chat import ChatRequest, Image, Text
from stockade_sdk.dialects.media import from_base64, from_data_url
from stockade_sdk.errors import ProviderError

from .fields import an_object, invalid

PART: Final = "$part"  # in an overlay: a part of a message that no canonical one fits
MAX_SHOWN_CHARS: Final = 40
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

    What is said in base64 can be read: a dialect leaves alone what it cannot, and a vendor of
    another one would never see it.
    """
    for at, message in enumerate(request.messages):
        for part in message.content:
            match part:
                case Image(url=str(url)) if url[:5].lower() == "data:":
                    raise _no_base64("image", at)
                case Text(text="", provider_metadata=dict(said)):
                    for overlay in said.values():
                        _check_media(overlay.get(PART) if isinstance(overlay, dict) else None, at)
    if request.model is not None and not request.model.strip():
        return msgspec.structs.replace(request, model=None)
    return request


def _check_media(raw: Any, at: int) -> None:
    """``raw`` is a part that its dialect could not read."""
    match raw:
        case {"type": "input_audio", "input_audio": {"data": str(data)}}:
            what = "sound"
        case {"type": "file", "file": {"file_data": str(data)}}:
            what = "file"
        case {"type": "input_file", "file_data": str(data)}:
            what = "file"
        case {"type": str(what), "source": {"type": "base64", "data": str(data)}}:
            pass
        case _:
            return
    if data[:5].lower() == "data:":
        readable = from_data_url(data) is not None
    else:
        readable = data.startswith(("http://", "https://")) or from_base64(data) is not None
    if not readable:
        raise _no_base64(what[:MAX_SHOWN_CHARS], at)


def _no_base64(what: str, at: int) -> ProviderError:
    return invalid(
        f"the {what} in message {at + 1} is no base64, nor a data URL with base64 in it "
        "(data:image/png;base64,...)"
    )
