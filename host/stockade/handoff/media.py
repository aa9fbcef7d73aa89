"""Parts that the target cannot take: a note in their place, and a warning."""

from __future__ import annotations

from typing import Final

import msgspec

from stockade_sdk.capability import Capability, ModelInfo
from stockade_sdk.chat import Audio, ContentPart, Image, Message, MessageRole, Text, ToolResult
from stockade_sdk.dialects.overlay import Notes

from .edits import with_content
from .vendors import Vendor

IMAGE_NOTE: Final = "[An image was here; this model takes no images.]"
SOUND_NOTE: Final = "[A spoken answer was here, without a transcript.]"


def with_media(
    messages: tuple[Message, ...], vendor: Vendor, info: ModelInfo | None, notes: Notes
) -> tuple[Message, ...]:
    """``messages`` with notes for images where ``info`` says that the model takes none, and with
    the transcripts of spoken answers, which OpenAI alone finds again by their id.

    The same tuple where nothing has to change. What nobody says of a model is no reason to leave
    anything out.
    """
    blind = (
        info is not None and bool(info.capabilities) and Capability.VISION not in info.capabilities
    )
    deaf = vendor.family != "openai"
    result = tuple(_fitted(message, blind, deaf, notes) for message in messages)
    changed = any(new is not old for new, old in zip(result, messages, strict=True))
    return result if changed else messages


def _fitted(message: Message, blind: bool, deaf: bool, notes: Notes) -> Message:
    kinds = set(map(type, message.content))
    if kinds.isdisjoint((Image, Audio, ToolResult)):
        return message
    deaf = deaf and message.role is MessageRole.ASSISTANT
    return with_content(message, [_part(part, blind, deaf, notes) for part in message.content])


def _part(part: ContentPart, blind: bool, deaf: bool, notes: Notes) -> ContentPart:
    match part:
        case Image() if blind:
            notes.add("part_dropped", "an image was left out: the target's model takes none")
            return Text(IMAGE_NOTE)
        case Audio(id=str()) if deaf:
            notes.add("part_dropped", "a spoken answer was left out but for its transcript")
            return Text(part.transcript or SOUND_NOTE)
        case ToolResult(content=tuple(inner)) if blind and Image in map(type, inner):
            notes.add("part_dropped", "an image was left out: the target's model takes none")
            kept = tuple(Text(IMAGE_NOTE) if type(one) is Image else one for one in inner)
            return msgspec.structs.replace(part, content=kept)
        case _:
            return part
