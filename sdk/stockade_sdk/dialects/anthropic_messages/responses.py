"""Whole answers, both ways."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from stockade_sdk.capability import Usage
from stockade_sdk.chat import (
    AssistantOutput,
    ChatResponse,
    ContentPart,
    FinishReason,
    ResponseFormat,
    Text,
    parse_structured,
)
from stockade_sdk.errors import ErrorKind, ProviderError

from .blocks import decode_answer_block, encode_block
from .errors import error_inside
from .ids import CallIds
from .overlay import Notes, Unreadable, difference, kept, merged, own
from .usage import TOTALS, decode_usage, encode_usage, usage_warning

_FINISH: Final = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.CONTENT_FILTER,
    "pause_turn": FinishReason.OTHER,
    "compaction": FinishReason.OTHER,
}
_WORD: Final = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.CONTENT_FILTER: "refusal",
    FinishReason.ERROR: "end_turn",
    FinishReason.OTHER: "end_turn",
}
_APART: Final = ("content", "usage")  # of an answer; the rest is laid over by name


def decode_response(payload: Any, *, response_format: ResponseFormat | None = None) -> ChatResponse:
    """The canonical answer.

    Raises the error that stands inside a 200 answer, ProviderError(malformed_response) where there
    is no answer in it.
    """
    raised = error_inside(payload)
    if raised is not None:
        raise raised
    try:
        return _decode(payload, response_format)
    except Unreadable as error:
        raise ProviderError(ErrorKind.MALFORMED_RESPONSE, str(error)) from None


def encode_response(
    response: ChatResponse,
    *,
    id: str | None = None,
    model: str | None = None,
    created: int | None = None,
) -> dict[str, Any]:
    """The JSON of a ``message``. ``created`` is there as in every dialect; this one has no time."""
    overlay = own(response.provider_metadata)
    payload = _plain(response)
    top = {key: value for key, value in overlay.items() if key not in _APART}
    if top:
        payload = merged(payload, top)
    if id is not None:
        payload["id"] = id
    if model is not None:
        payload["model"] = model
    payload["content"] = encode_content(response.output.content)
    payload["usage"] = encode_full_usage(response.usage, overlay.get("usage"))
    return payload


def encode_content(parts: tuple[ContentPart, ...]) -> list[dict[str, Any]]:
    """The blocks of an answer, as its client sees them."""
    notes = Notes()
    blocks = (encode_block(part, notes, answer=True) for part in parts)
    return [block for block in blocks if block is not None]


def encode_full_usage(usage: Usage | None, extra: Any) -> dict[str, Any]:
    """The counts with the vendor's own; clients read the two totals, so unknown ones are null."""
    counted = encode_usage(usage) if usage is not None else {}
    if isinstance(extra, dict):
        counted = merged(counted, extra)
    return {**dict.fromkeys(TOTALS), **counted}


def finish_reason(word: Any, notes: Notes) -> FinishReason:
    """The canonical reason; an unknown word is ``other``, with a warning."""
    reason = _FINISH.get(word) if isinstance(word, str) else None
    if reason is None:
        why = "does not say why it ended" if word is None else f"ended for the reason {word!r:.80}"
        notes.add("unknown_stop_reason", f"the answer {why}")
        return FinishReason.OTHER
    return reason


def finish_word(reason: FinishReason, raw: str | None) -> str:
    """The word for a client: the vendor's own where it is a word of this dialect."""
    return raw if raw is not None and _FINISH.get(raw) is reason else _WORD[reason]


def overlay_of(
    response: ChatResponse, payload: dict[str, Any], usage: dict[str, Any] | None
) -> dict[str, Any]:
    """What an answer said beyond the canonical one; ``payload`` is the message."""
    overlay = difference(_plain(response), payload, drops=False, skip=_APART)
    if usage:
        counted = encode_usage(response.usage) if response.usage is not None else {}
        unknown = [name for name in TOTALS if usage.get(name) is None]
        extra = difference(counted, usage, drops=False, skip=unknown)
        if extra:
            overlay["usage"] = extra
    return overlay


def note_lacks(parts: int, usage: Usage | None, notes: Notes) -> None:
    """Warn of an answer without content, or without counts."""
    if not parts:
        notes.add("empty_output", "the answer has no content")
    warning = usage_warning(usage)
    if warning is not None:
        notes.warnings.append(warning)


def _decode(payload: Any, response_format: ResponseFormat | None) -> ChatResponse:
    if not isinstance(payload, dict):
        raise Unreadable("the answer is no JSON object")
    if payload.get("role", "assistant") != "assistant":
        raise Unreadable(f"the answer is of the role {payload['role']!r:.40}")
    content = payload.get("content")
    if not isinstance(content, list):
        raise Unreadable("the answer has no content")
    notes = Notes()
    id, model = payload.get("id"), payload.get("model")
    ids = CallIds(id, notes)
    parts = tuple(
        decode_answer_block(raw, f"content[{at}]", notes, ids.of) for at, raw in enumerate(content)
    )
    raw_usage = payload.get("usage")
    usage = decode_usage(raw_usage)
    word = payload.get("stop_reason")
    reason = finish_reason(word, notes)
    note_lacks(len(parts), usage, notes)
    text = "".join(part.text for part in parts if isinstance(part, Text))
    structured, warning = parse_structured(text, response_format)
    response = ChatResponse(
        output=AssistantOutput(parts, structured),
        finish_reason=reason,
        raw_finish_reason=word if isinstance(word, str) else None,
        usage=usage,
        model=model if isinstance(model, str) else None,
        id=id if isinstance(id, str) else None,
        warnings=tuple(notes.warnings) if warning is None else (*notes.warnings, warning),
    )
    overlay = overlay_of(response, payload, raw_usage if isinstance(raw_usage, dict) else None)
    if not overlay:
        return response
    return msgspec.structs.replace(response, provider_metadata=kept(overlay))


def _plain(response: ChatResponse) -> dict[str, Any]:
    return {
        "id": response.id or "",
        "type": "message",
        "role": "assistant",
        "model": response.model or "",
        "content": [],
        "stop_reason": finish_word(response.finish_reason, response.raw_finish_reason),
        "stop_sequence": None,
    }
