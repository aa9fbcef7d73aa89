"""Reasoning: kept for who can take it back, tagged text or nothing for the others."""

from __future__ import annotations

from typing import Final

from stockade_sdk.chat import ContentPart, Message, MessageRole, Text, Thinking
from stockade_sdk.dialects.overlay import Notes, entry_of

from .edits import with_content
from .options import Options
from .vendors import Vendor, family_of

CHAT: Final = "openai_chat"
TAGGED: Final = "<thinking>{}</thinking>"


def with_thinking(
    messages: tuple[Message, ...], vendor: Vendor, options: Options, notes: Notes
) -> tuple[Message, ...]:
    """``messages`` with the assistant's reasoning as ``vendor`` takes it; the same tuple where
    nothing has to change. A message that held nothing else is dropped with its reasoning.
    """
    result: list[Message] = []
    for message in messages:
        if message.role is not MessageRole.ASSISTANT or Thinking not in map(type, message.content):
            result.append(message)
            continue
        parts: list[ContentPart] = []
        for part in message.content:
            if type(part) is not Thinking or takes(vendor, part):
                parts.append(part)
            elif part.text and options.thinking == "tagged":
                notes.add("thinking_tagged", "another vendor's reasoning is sent as tagged text")
                parts.append(Text(TAGGED.format(part.text)))
            else:
                notes.add("thinking_dropped", "another vendor's reasoning was left out")
        if parts:
            result.append(with_content(message, parts))
    changed = len(result) != len(messages) or any(
        new is not old for new, old in zip(result, messages, strict=True)
    )
    return tuple(result) if changed else messages


def takes(vendor: Vendor, part: Thinking) -> bool:
    """Whether ``vendor`` takes this reasoning back as it is."""
    if part.provider:
        return family_of(part.provider) == vendor.family
    metadata = part.provider_metadata
    return metadata is not None and any(mark in vendor.reads for mark in spellings(part))


def spellings(part: Thinking) -> list[str]:
    """How reasoning without a maker was spelled: dialects' names, and openai_chat's own ways."""
    found = [name for name in part.provider_metadata or () if name != CHAT]
    entry = entry_of(CHAT, part.provider_metadata)
    fields = entry.get("$fields")  # where openai_chat found it
    if isinstance(fields, list | tuple):
        found += [f"{CHAT}:{field}" for field in fields]
    if entry.get("$as") == "part":
        found.append(f"{CHAT}:part")
    if "reasoning_details" in entry:
        found.append(f"{CHAT}:reasoning_details")
    return found
