"""Copies of messages that share what did not change."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from stockade_sdk.chat import ContentPart, Message


def with_content(message: Message, parts: Sequence[ContentPart]) -> Message:
    """``message`` with these parts; itself where they are its own."""
    own = message.content
    if len(parts) == len(own) and all(a is b for a, b in zip(parts, own, strict=True)):
        return message
    return msgspec.structs.replace(message, content=tuple(parts))
