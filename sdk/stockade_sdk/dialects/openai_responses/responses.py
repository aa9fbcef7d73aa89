"""Whole answers, both ways."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from stockade_sdk.capability import RuntimeWarning, Usage
from stockade_sdk.chat import (
    AssistantOutput,
    ChatResponse,
    ContentPart,
    FinishReason,
    ResponseFormat,
    Text,
    ToolCall,
    parse_structured,
)
from stockade_sdk.errors import ErrorKind, ProviderError

from .calls import told_apart
from .errors import error_inside
from .finish import finish_reason, status_of
from .overlay import AS, PART, RAW, Notes, Unreadable, difference, kept, merged, own
from .said import SaidWriter, decode_said
from .usage import decode_cost, decode_usage, encode_usage

_NOT_KEPT: Final = ("output", "usage")
_IDS: Final = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "custom_tool_call": "ctc",
    "image_generation_call": "ig",
}


def decode_response(payload: Any, *, response_format: ResponseFormat | None = None) -> ChatResponse:
    """The canonical answer.

    Raises the error that stands inside a 200 answer, ProviderError(malformed_response) where there
    is no answer in it, ``unsupported`` where it is a background answer that is still to come.
    """
    raised = error_inside(payload)
    if raised is not None:
        raise raised
    if isinstance(payload, dict) and "output" not in payload and "choices" in payload:
        # Azure answers for some models of other makers with a chat completion.
        from stockade_sdk.dialects import openai_chat

        return openai_chat.decode_response(payload, response_format=response_format)
    try:
        return _decode(payload, response_format)
    except Unreadable as error:
        raise ProviderError(ErrorKind.MALFORMED_RESPONSE, str(error)) from None


def _decode(payload: Any, response_format: ResponseFormat | None) -> ChatResponse:
    if not isinstance(payload, dict):
        raise Unreadable("the answer is no JSON object")
    notes = Notes()
    parts = _decode_output(payload.get("output"), notes)
    end = Ending(payload, parts, notes)
    text = "".join(part.text for part in parts if isinstance(part, Text))
    structured, warning = parse_structured(text, response_format)
    return ChatResponse(
        output=AssistantOutput(parts, structured),
        finish_reason=end.reason,
        raw_finish_reason=end.word,
        usage=end.usage,
        cost=end.cost,
        model=end.model,
        id=end.id,
        warnings=_together(notes, warning),
        provider_metadata=end.metadata,
    )


class Ending:
    """What an answer says beside its parts; the same of a whole one and of a stream's last event.

    ``parts`` are what was said; the warnings about it go to ``notes``.
    """

    def __init__(self, payload: dict[str, Any], parts: Iterable[ContentPart], notes: Notes) -> None:
        said = tuple(parts)
        if any(is_refusal(part) for part in said):
            notes.add("model_refusal", "the model refused; its refusal is the text")
        if not any(map(_says_something, said)):
            notes.add("empty_output", "the answer says nothing")
        called = any(isinstance(part, ToolCall) for part in said)
        self.reason, self.word = finish_reason(payload, called, notes)
        raw_usage, model, id = payload.get("usage"), payload.get("model"), payload.get("id")
        self.usage = decode_usage(raw_usage)
        self.cost = decode_cost(raw_usage)
        self.model = model if isinstance(model, str) else None
        self.id = id if isinstance(id, str) else None
        if self.usage is None:
            notes.add("usage_missing", "the answer does not say how many tokens it took")
        self.metadata = kept(self._overlay(payload, raw_usage))

    def _overlay(self, payload: dict[str, Any], raw_usage: Any) -> dict[str, Any]:
        plain = base(self.id, self.model, 0)
        plain |= status_of(self.reason)
        overlay = difference(plain, payload, drops=False, skip=_NOT_KEPT)
        if isinstance(raw_usage, dict):
            counted = encode_usage(self.usage) if self.usage is not None else {}
            usage = difference(counted, raw_usage, drops=False)
            if usage:
                overlay["usage"] = usage
        return overlay


def encode_response(
    response: ChatResponse,
    *,
    id: str | None = None,
    model: str | None = None,
    created: int | None = None,
) -> dict[str, Any]:
    """The JSON of a ``response``; ``created`` is seconds since 1970, 0 where nobody says."""
    head = base(id or response.id or "", model or response.model or "", created or 0)
    items = SaidWriter(Notes(), answer=True).write(response.output.content)
    payload = with_ending(
        head,
        response.finish_reason,
        response.usage,
        response.provider_metadata,
        keep_created=created is None,
    )
    payload["output"] = [with_id(item, payload["id"], at) for at, item in enumerate(items)]
    return payload


def base(id: str | None, model: str | None, created: int) -> dict[str, Any]:
    """A ``response`` without its end: the fields that clients rely on, with nothing in them."""
    return {
        "id": id,
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "model": model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "store": False,
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
        "usage": None,
        "user": None,
    }


def with_ending(
    head: dict[str, Any],
    reason: FinishReason,
    usage: Usage | None,
    metadata: dict[str, Any] | None,
    *,
    keep_created: bool = True,
) -> dict[str, Any]:
    """``head`` with how it ended, its token counts and what the vendor said beyond them."""
    overlay = own(metadata)
    payload = {**head, **status_of(reason)}
    skip = ("usage",) if keep_created else ("usage", "created_at")
    payload = merged(payload, {key: overlay[key] for key in overlay if key not in skip})
    encoded = encode_usage(usage) if usage is not None else {}
    extra = overlay.get("usage")
    if isinstance(extra, dict):
        encoded = merged(encoded, extra)
    # Clients look into the details without asking whether they are there; what they hold is known
    # or left out.
    details: dict[str, Any] = {"input_tokens_details": {}, "output_tokens_details": {}}
    payload["usage"] = {**details, **encoded} if encoded else None
    return payload


def with_id(item: dict[str, Any], response_id: str, at: int) -> dict[str, Any]:
    """The item with an id, which clients expect, and which tells it apart from those of others."""
    if isinstance(item.get("id"), str):
        return item
    prefix = _IDS.get(item["type"], "item")
    return {**item, "id": f"{prefix}_{response_id}_{at}"}


def is_refusal(part: object) -> bool:
    """Whether a part is the text of a refusal."""
    return isinstance(part, Text) and own(part.provider_metadata).get(AS) == "refusal"


def _decode_output(given: Any, notes: Notes) -> tuple[ContentPart, ...]:
    if not isinstance(given, list):
        raise Unreadable("the answer has no output")
    parts: list[ContentPart] = []
    ids: set[str] = set()
    for at, raw in enumerate(given):
        if not isinstance(raw, dict):
            raise Unreadable(f"output[{at}] is no object")
        after_text = bool(parts) and isinstance(parts[-1], Text)
        said = decode_said(raw, f"output[{at}]", notes, after_text=after_text, answer=True)
        parts += [
            told_apart(part, ids, notes) if isinstance(part, ToolCall) else part for part in said
        ]
    return tuple(parts)


def _says_something(part: ContentPart) -> bool:
    if not isinstance(part, Text):
        return True
    entry = own(part.provider_metadata)
    return bool(part.text) or RAW in entry or PART in entry


def _together(notes: Notes, structured: RuntimeWarning | None) -> tuple[RuntimeWarning, ...]:
    """In the order in which the fold of a stream finds them."""
    found = sorted(
        notes.warnings, key=lambda warning: warning.code == "tool_arguments_invalid_json"
    )
    return tuple(found) if structured is None else (*found, structured)
