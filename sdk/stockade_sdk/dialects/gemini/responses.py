"""Whole answers, both ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from stockade_sdk.capability import RuntimeWarning
from stockade_sdk.chat import (
    AssistantOutput,
    ChatResponse,
    ContentPart,
    FinishReason,
    ResponseFormat,
    Text,
    Thinking,
    ToolCall,
    parse_structured,
)
from stockade_sdk.errors import ErrorKind, ProviderError

from .calls import Ledger
from .errors import error_inside
from .finish import block_reason, finish_reason, finish_word, word_of
from .overlay import AT, DROP, Notes, Unreadable, difference, kept, merged, own
from .parts import FAMILY, decode_part, encode_part
from .usage import decode_usage, encode_usage

CANDIDATE: Final = "candidate"  # what the first candidate said beyond the canonical fields
OTHERS: Final = "candidates"  # the further ones, raw
USAGE: Final = "usageMetadata"
INVALID: Final = "tool_arguments_invalid_json"


def decode_response(payload: Any, *, response_format: ResponseFormat | None = None) -> ChatResponse:
    """The canonical answer; further candidates stay raw in the metadata.

    A prompt that was blocked is an answer without words that ended for its content. Raises the
    error that stands inside a 200 answer, ProviderError(malformed_response) where there is no
    answer in it.
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
    """The JSON of a ``GenerateContentResponse``, which has no field for ``created``."""
    overlay = own(response.provider_metadata)
    laid_over = overlay.get(CANDIDATE)
    candidate = encode_candidate(response, laid_over if isinstance(laid_over, dict) else {})
    others = overlay.get(OTHERS)
    payload: dict[str, Any] = {
        "candidates": [candidate, *(others if isinstance(others, list | tuple) else ())]
    }
    usage = encode_full_usage(response)
    if usage is not None:
        payload[USAGE] = usage
    said = {"modelVersion": model or response.model, "responseId": id or response.id}
    payload.update({name: value for name, value in said.items() if value})
    return merged(payload, top_of(overlay))


def top_of(overlay: dict[str, Any]) -> dict[str, Any]:
    """What of an answer's overlay stands beside its candidates."""
    return {key: value for key, value in overlay.items() if key not in (CANDIDATE, OTHERS, USAGE)}


def encode_candidate(
    response: ChatResponse, overlay: dict[str, Any], index: int = 0
) -> dict[str, Any]:
    """One candidate of an answer."""
    parts = encode_parts(response.output.content)
    for at in overlay.get(AT) or ():
        if type(at) is int:
            parts.insert(at, {"text": ""})
    candidate = {
        "content": {"role": "model", "parts": parts},
        "finishReason": finish_word(response.finish_reason, response.raw_finish_reason),
        "index": index,
    }
    return merged(candidate, overlay) if overlay else candidate


def encode_parts(content: Sequence[ContentPart]) -> list[dict[str, Any]]:
    """The parts of an answer for a client, who may see the thoughts of any vendor's model; a
    signature only where it is Google's.
    """
    ledger, notes = Ledger(), Notes()
    parts: list[dict[str, Any]] = []
    for part in content:
        if isinstance(part, Thinking) and part.provider != FAMILY:
            encoded: dict[str, Any] | None = {"text": part.text, "thought": True}
        else:
            encoded = encode_part(part, ledger, notes)
        if encoded is not None:
            parts.append(encoded)
    return parts


def encode_full_usage(response: ChatResponse) -> dict[str, Any] | None:
    """The usage with the vendor's own counts; ``None`` where nothing is known."""
    extra = own(response.provider_metadata).get(USAGE)
    encoded = encode_usage(response.usage) if response.usage is not None else {}
    if isinstance(extra, dict):
        encoded = merged(encoded, extra)
    return encoded or None


def usage_overlay(raw: Any) -> dict[str, Any]:
    """What the canonical counts do not say of ``raw``."""
    if not isinstance(raw, dict):
        return {}
    usage = decode_usage(raw)
    return difference(encode_usage(usage) if usage is not None else {}, raw, drops=False)


def _decode(payload: Any, response_format: ResponseFormat | None) -> ChatResponse:
    if not isinstance(payload, dict):
        raise Unreadable("the answer is no JSON object")
    id, model = payload.get("responseId"), payload.get("modelVersion")
    response_id = id if isinstance(id, str) else None
    first, others = _candidates(payload)
    notes = Notes()
    parts: list[ContentPart] = []
    empty: list[int] = []
    if first is None:
        word: str | None = block_reason(payload)
        reason = FinishReason.CONTENT_FILTER
    else:
        parts, empty = _decode_parts(first, response_id, notes)
        word = word_of(first.get("finishReason"))
        called = any(type(part) is ToolCall for part in parts)
        reason = finish_reason(word, called, notes)
    text = "".join(part.text for part in parts if isinstance(part, Text))
    structured, warning = parse_structured(text, response_format)
    overlay = difference(
        {"responseId": response_id, "modelVersion": model},
        payload,
        drops=False,
        skip=("candidates", USAGE),
    )
    if first is None:
        overlay[DROP] = ["candidates"]
    else:
        _keep_candidate(overlay, first, others, word, empty)
    counts = usage_overlay(payload.get(USAGE))
    if counts:
        overlay[USAGE] = counts
    return ChatResponse(
        output=AssistantOutput(tuple(parts), structured),
        finish_reason=reason,
        raw_finish_reason=word,
        usage=decode_usage(payload.get(USAGE)),
        model=model if isinstance(model, str) else None,
        id=response_id,
        warnings=_together(notes, warning),
        provider_metadata=kept(overlay),
    )


def _candidates(payload: dict[str, Any]) -> tuple[dict[str, Any] | None, list[Any]]:
    """The first candidate and the others; no first where the prompt was blocked."""
    candidates = payload.get("candidates")
    if not isinstance(candidates, list) or not candidates:
        if block_reason(payload) is None:
            raise Unreadable("the answer has no candidates")
        return None, []
    first = next((item for item in candidates if _index(item) == 0), candidates[0])
    if not isinstance(first, dict):
        raise Unreadable("candidates[0] is no object")
    if "content" not in first and word_of(first.get("finishReason")) is None:
        raise Unreadable("candidates[0] has neither content nor a reason why not")
    return first, [item for item in candidates if item is not first]


def _index(candidate: Any) -> object:
    return candidate.get("index", 0) if isinstance(candidate, dict) else None


def _decode_parts(
    candidate: dict[str, Any], response_id: str | None, notes: Notes
) -> tuple[list[ContentPart], list[int]]:
    """The parts, and where empty texts stood: they say nothing, and streams end with them."""
    content = candidate.get("content")
    given = content.get("parts") if isinstance(content, dict) else None
    if given is None:
        return [], []
    if not isinstance(given, list):
        raise Unreadable("content.parts is no list")
    ledger = Ledger(response_id)
    parts: list[ContentPart] = []
    empty: list[int] = []
    for at, raw in enumerate(given):
        if raw == {"text": ""}:
            empty.append(at)
            continue
        parts.append(decode_part(raw, f"content.parts[{at}]", ledger, notes, exact=False))
    return parts, empty


def _keep_candidate(
    overlay: dict[str, Any],
    first: dict[str, Any],
    others: list[Any],
    word: str | None,
    empty: list[int],
) -> None:
    plain = {"content": {"role": "model"}, "finishReason": word, "index": 0}
    given = first.get("content")
    content = (
        difference({"role": "model"}, given, drops=False, skip=("parts",))
        if isinstance(given, dict)
        else {}
    )
    candidate = difference(plain, first, drops=False, skip=("content",))
    if content:
        candidate["content"] = content
    if empty:
        candidate[AT] = empty
    if candidate:
        overlay[CANDIDATE] = candidate
    if others:
        overlay[OTHERS] = others


def _together(notes: Notes, structured: RuntimeWarning | None) -> tuple[RuntimeWarning, ...]:
    """In the order in which the fold of a stream finds them."""
    found = sorted(notes.warnings, key=lambda warning: warning.code == INVALID)
    return tuple(found) if structured is None else (*found, structured)
