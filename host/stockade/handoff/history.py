"""The whole handoff, and who made a history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from stockade_sdk.capability import ModelInfo, RuntimeWarning
from stockade_sdk.chat import ChatRequest, Message, MessageRole, Text, Thinking, ToolCall
from stockade_sdk.dialects.overlay import Notes

from .ids import with_ids
from .media import with_media
from .options import Options
from .pairs import with_pairs
from .thinking import with_thinking
from .vendors import MAKER_BY_DIALECT, MAKER_BY_ID, family_of, vendor_of

DEFAULTS = Options()
Warnings = tuple[RuntimeWarning, ...]


def hand_over(
    request: ChatRequest,
    plugin: str,
    info: ModelInfo | None = None,
    options: Options = DEFAULTS,
) -> tuple[ChatRequest, Warnings]:
    """``request`` with its history fit for ``plugin``'s vendor and the model of ``info``, and a
    warning for each kind of change.

    The same object where nothing has to change, and where every mark in the history is of that
    vendor's own family: what it said itself it gets back as the caller has it. A history without
    marks may be anyone's, so its calls are paired, and ids that would be refused are rewritten.
    """
    messages = request.messages
    if _is_plain(messages):
        return request, ()
    vendor = vendor_of(plugin)
    made_by = makers(messages)
    if made_by == {vendor.family}:
        return request, ()
    notes = Notes()
    allowed = None
    if options.declared_calls_only:
        allowed = frozenset(tool.name for tool in request.tools)
    fit = with_pairs(messages, notes, allowed)
    fit = with_ids(fit, vendor.ids, notes, foreign=bool(made_by - {vendor.family}))
    fit = with_thinking(fit, vendor, options, notes)
    fit = with_media(fit, vendor, info, notes)
    if fit is messages:
        return request, ()
    return msgspec.structs.replace(request, messages=fit), tuple(notes.warnings)


def _is_plain(messages: tuple[Message, ...]) -> bool:
    """Whether nobody but the user spoke, or nothing but text was said: on every request's way."""
    for message in messages:
        role = message.role
        if role is MessageRole.ASSISTANT or role is MessageRole.TOOL:
            break
    else:
        return True
    for message in messages:
        for part in message.content:
            if type(part) is not Text:
                return False
    return True


def makers(messages: tuple[Message, ...]) -> set[str]:
    """The families that left a mark on the assistant's turns; empty where there is none."""
    found: set[str] = set()
    for message in messages:
        if message.role is not MessageRole.ASSISTANT:
            continue
        _add_dialects(found, message.provider_options)
        for part in message.content:
            _add_dialects(found, part.provider_metadata)
            if type(part) is Thinking and part.provider:
                found.add(family_of(part.provider))
            elif type(part) is ToolCall:
                for prefix, maker in MAKER_BY_ID.items():
                    if part.id.startswith(prefix):
                        found.add(maker)
    return found


def _add_dialects(found: set[str], metadata: Mapping[str, Any] | None) -> None:
    for dialect in metadata or ():
        maker = MAKER_BY_DIALECT.get(dialect)
        if maker is not None:
            found.add(maker)
