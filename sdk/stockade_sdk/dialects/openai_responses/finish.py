"""How an answer ended: the wire's status and its reason, and the canonical word for both."""

from __future__ import annotations

from typing import Any, Final

from stockade_sdk.chat import FinishReason
from stockade_sdk.errors import ErrorKind, ProviderError

from .overlay import Notes, Unreadable

_INCOMPLETE: Final = {
    "max_output_tokens": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
}
_UNFINISHED: Final = ("queued", "in_progress")


def finish_reason(payload: dict[str, Any], called: bool, notes: Notes) -> tuple[FinishReason, str]:
    """The reason, and the vendor's word: the status, or why the answer is incomplete.

    ``called`` says that the answer calls a tool. Raises where the answer is none: cancelled at the
    vendor, still in the making (a background answer), or of an unknown status.
    """
    status = payload.get("status")
    if status == "completed":
        return FinishReason.TOOL_CALLS if called else FinishReason.STOP, status
    if status == "incomplete":
        return _incomplete(payload.get("incomplete_details"), notes)
    if status in _UNFINISHED:
        raise ProviderError(
            ErrorKind.UNSUPPORTED,
            f"the answer is {status}: a background answer cannot be waited for",
        )
    if status == "cancelled":
        raise ProviderError(ErrorKind.SERVER_ERROR, "the answer was cancelled at the vendor")
    if status is None:
        raise Unreadable("the answer does not say whether it is complete: it has no status")
    raise Unreadable(f"the answer has the unknown status {status!r:.80}")


def status_of(reason: FinishReason) -> dict[str, Any]:
    """``status`` and what belongs to it, of an answer that ended for ``reason``."""
    for word, canonical in _INCOMPLETE.items():
        if reason is canonical:
            return {"status": "incomplete", "incomplete_details": {"reason": word}}
    if reason is FinishReason.ERROR:
        error = {"code": "server_error", "message": "the model ended with an error"}
        return {"status": "failed", "incomplete_details": None, "error": error}
    return {"status": "completed", "incomplete_details": None}


def _incomplete(details: Any, notes: Notes) -> tuple[FinishReason, str]:
    word = details.get("reason") if isinstance(details, dict) else None
    if not isinstance(word, str):
        notes.add("openai_incomplete_missing_reason", "the answer is incomplete; nobody says why")
        return FinishReason.OTHER, "incomplete"
    reason = _INCOMPLETE.get(word)
    if reason is None:
        notes.add("openai_incomplete_unknown_reason", f"the answer is incomplete: {word:.80}")
        return FinishReason.OTHER, word
    notes.add(f"openai_incomplete_{word}", "the answer is incomplete")
    return reason, word
