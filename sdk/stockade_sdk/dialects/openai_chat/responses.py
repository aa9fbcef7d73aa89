"""Whole answers, both ways."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from stockade_sdk.capability import RuntimeWarning
from stockade_sdk.chat import (
    AssistantOutput,
    Audio,
    ChatResponse,
    FinishReason,
    Image,
    ResponseFormat,
    Text,
    parse_structured,
)
from stockade_sdk.errors import ErrorKind, ProviderError

from .errors import error_inside
from .messages import decode_assistant, encode_assistant
from .overlay import Notes, Unreadable, difference, kept, merged, own
from .parts import AS, encode_part
from .usage import decode_cost, decode_usage, encode_usage

_FINISH: Final = {
    "stop": FinishReason.STOP,
    "eos": FinishReason.STOP,
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
    "sensitive": FinishReason.CONTENT_FILTER,
    "error": FinishReason.ERROR,
    "insufficient_system_resource": FinishReason.ERROR,
}
_STANDARD: Final = frozenset({"stop", "length", "tool_calls", "function_call", "content_filter"})
_CHOICE_PARTS: Final = ("message",)


def decode_response(payload: Any, *, response_format: ResponseFormat | None = None) -> ChatResponse:
    """The canonical answer; further choices of ``n > 1`` stay raw in the metadata.

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


def _decode(payload: Any, response_format: ResponseFormat | None) -> ChatResponse:
    if not isinstance(payload, dict):
        raise Unreadable("the answer is no JSON object")
    first, others = _choices(payload)
    notes = Notes()
    id = payload.get("id")
    response_id = id if isinstance(id, str) else None
    message = first.get("message")
    raw_message = message if isinstance(message, dict) else _bare_message(first)
    parts, laid_over = decode_assistant(raw_message, "message", response_id, notes, exact=False)
    refusal = raw_message.get("refusal")
    if isinstance(refusal, str) and refusal:
        parts = (*parts, Text(refusal, kept({AS: "refusal"})))
        laid_over.pop("refusal", None)
        notes.add("model_refusal", "the model refused; its refusal is the text")
    word = first.get("finish_reason")
    reason = finish_reason(word, notes)
    text = "".join(part.text for part in parts if isinstance(part, Text))
    structured, warning = parse_structured(text, response_format)
    raw_usage = payload.get("usage") or first.get("usage")
    model = payload.get("model")
    response = ChatResponse(
        output=AssistantOutput(parts, structured),
        finish_reason=reason,
        raw_finish_reason=word if isinstance(word, str) else None,
        usage=decode_usage(raw_usage),
        cost=decode_cost(raw_usage),
        model=model if isinstance(model, str) else None,
        id=response_id,
        warnings=_together(notes, warning),
    )
    overlay = _overlay(response, payload, first, laid_over, others)
    return msgspec.structs.replace(response, provider_metadata=kept(overlay))


def encode_response(
    response: ChatResponse,
    *,
    id: str | None = None,
    model: str | None = None,
    created: int | None = None,
) -> dict[str, Any]:
    """The JSON of a ``chat.completion``; ``created`` is seconds since 1970, 0 where nobody says."""
    overlay = own(response.provider_metadata)
    payload: dict[str, Any] = {
        "id": id or response.id or "",
        "object": "chat.completion",
        "created": created or 0,
        "model": model or response.model or "",
    }
    choice_overlay = overlay.get("choice")
    laid_over = choice_overlay if isinstance(choice_overlay, dict) else {}
    choice = encode_choice(response, laid_over, ours=bool(overlay))
    top = {
        key: value for key, value in overlay.items() if key not in ("choice", "choices", "usage")
    }
    if created is not None:
        top.pop("created", None)
    payload = merged(payload, top)
    others = overlay.get("choices")
    payload["choices"] = [choice, *(others if isinstance(others, list | tuple) else ())]
    usage = encode_full_usage(response)
    if usage is not None:
        payload["usage"] = usage
    return payload


def encode_choice(
    response: ChatResponse, overlay: dict[str, Any], index: int = 0, *, ours: bool = True
) -> dict[str, Any]:
    """One choice of a ``chat.completion``; ``ours`` says that its answer came in this dialect."""
    laid_over = overlay.get("message")
    options = kept(laid_over) if isinstance(laid_over, dict) else None
    refusals = [part for part in response.output.content if is_refusal(part)]
    said = [part for part in response.output.content if not is_refusal(part)]
    media = [] if ours else [part for part in said if isinstance(part, Image | Audio)]
    said = [part for part in said if ours or not isinstance(part, Image | Audio)]
    message = encode_assistant(said, options, Notes(), thinking_field="reasoning_content")
    if refusals:
        message["refusal"] = "".join(part.text for part in refusals if isinstance(part, Text))
        if "content" in message:  # some vendors leave it out beside a refusal
            message["content"] = message["content"] or None
    if media:
        message.update(_encode_media(media, response.id))
    choice = {
        "index": index,
        "message": message,
        "finish_reason": finish_word(response.finish_reason, response.raw_finish_reason, ours),
    }
    rest = {key: value for key, value in overlay.items() if key != "message"}
    return merged(choice, rest) if rest else choice


def _encode_media(parts: list[Image | Audio], response_id: str | None) -> dict[str, Any]:
    """Another vendor's images as OpenRouter has them, and its sound as OpenAI: clients take the
    content of an answer for a string.
    """
    from base64 import b64encode

    fields: dict[str, Any] = {}
    images = [encode_part(part, Notes()) for part in parts if isinstance(part, Image)]
    if images:
        fields["images"] = images
    sound = next((part for part in parts if isinstance(part, Audio)), None)
    if sound is not None and sound.data is not None:
        fields["audio"] = {
            "id": sound.id or f"audio_{response_id or 0}",
            "data": b64encode(sound.data).decode(),
            "expires_at": 0,
            "transcript": sound.transcript or "",
        }
    return fields


def encode_full_usage(response: ChatResponse) -> dict[str, Any] | None:
    """The usage with the vendor's own counts; ``None`` where nothing is known."""
    extra = own(response.provider_metadata).get("usage")
    encoded = encode_usage(response.usage) if response.usage is not None else {}
    if isinstance(extra, dict):
        encoded = merged(encoded, extra)
    return encoded or None


def is_refusal(part: object) -> bool:
    """Whether a part is the text of a refusal."""
    return isinstance(part, Text) and own(part.provider_metadata).get(AS) == "refusal"


def finish_reason(word: Any, notes: Notes) -> FinishReason:
    """The canonical reason; an unknown word is ``other``, with a warning."""
    reason = _FINISH.get(word) if isinstance(word, str) else None
    if reason is None:
        why = "does not say why it ended" if word is None else f"ended for the reason {word!r:.80}"
        notes.add("unknown_finish_reason", f"the answer {why}")
        return FinishReason.OTHER
    return reason


def finish_word(reason: FinishReason, raw: str | None, of_this_dialect: bool) -> str:
    """The word for a client: the vendor's own where it is a word of this dialect."""
    if (
        raw is not None
        and (raw in _STANDARD or of_this_dialect)
        and _FINISH.get(raw, reason) is reason
    ):
        return raw
    return "stop" if reason is FinishReason.OTHER else reason.value


def _choices(payload: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    choices = payload.get("choices")
    if not isinstance(choices, list) or not choices:
        raise Unreadable("the answer has no choices")
    first = next((item for item in choices if _index(item) == 0), choices[0])
    if not isinstance(first, dict):
        raise Unreadable("choices[0] is no object")
    return first, [item for item in choices if item is not first]


def _index(choice: Any) -> object:
    return choice.get("index") if isinstance(choice, dict) else None


def _bare_message(choice: dict[str, Any]) -> dict[str, Any]:
    """Azure sends no message where its filter took the answer; older servers send ``text``."""
    if isinstance(choice.get("text"), str):
        return {"role": "assistant", "content": choice["text"]}
    if choice.get("finish_reason") is None:
        raise Unreadable("choices[0] has no message")
    return {"role": "assistant", "content": None}


def _overlay(
    response: ChatResponse,
    payload: dict[str, Any],
    first: dict[str, Any],
    laid_over: dict[str, Any],
    others: list[Any],
) -> dict[str, Any]:
    plain = {"id": response.id, "object": "chat.completion", "model": response.model}
    overlay = difference(plain, payload, drops=False, skip=("choices", "usage"))
    word = response.raw_finish_reason
    choice = difference({"index": 0, "finish_reason": word}, first, drops=False, skip=_CHOICE_PARTS)
    if laid_over:
        choice["message"] = laid_over
    if choice:
        overlay["choice"] = choice
    if others:
        overlay["choices"] = others
    raw_usage = payload.get("usage") or first.get("usage")
    if isinstance(raw_usage, dict):
        counted = encode_usage(response.usage) if response.usage is not None else {}
        usage = difference(counted, raw_usage, drops=False)
        if usage:
            overlay["usage"] = usage
    return overlay


def _together(notes: Notes, structured: RuntimeWarning | None) -> tuple[RuntimeWarning, ...]:
    """In the order in which the fold of a stream finds them."""
    found = sorted(
        notes.warnings, key=lambda warning: warning.code == "tool_arguments_invalid_json"
    )
    return tuple(found) if structured is None else (*found, structured)
