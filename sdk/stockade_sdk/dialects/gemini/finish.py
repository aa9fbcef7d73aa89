"""Why answers end, in Google's words and in ours.

Source: https://ai.google.dev/api/generate-content#FinishReason and #BlockReason, and the same enums
of ``google.cloud.aiplatform.v1`` for answers that carry numbers.
"""

from __future__ import annotations

from typing import Any, Final

from stockade_sdk.chat import FinishReason

from .overlay import Notes

_FILTERED: Final = (
    "SAFETY",
    "RECITATION",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MODEL_ARMOR",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "JAILBREAK",
)
_FAILED: Final = (
    "MALFORMED_FUNCTION_CALL",
    "MALFORMED_RESPONSE",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
)
_OTHER: Final = ("OTHER", "LANGUAGE", "IMAGE_OTHER", "NO_IMAGE")

REASONS: Final[dict[str, FinishReason]] = {
    "STOP": FinishReason.STOP,
    "MAX_TOKENS": FinishReason.LENGTH,
    **dict.fromkeys(_FILTERED, FinishReason.CONTENT_FILTER),
    **dict.fromkeys(_FAILED, FinishReason.ERROR),
    **dict.fromkeys(_OTHER, FinishReason.OTHER),
}
# Answers asked for with enum-encoding=int; from 6 on the two APIs number their words differently.
_NUMBERED: Final = {1: "STOP", 2: "MAX_TOKENS", 3: "SAFETY", 4: "RECITATION", 5: "OTHER"}
_WORDS: Final = {
    FinishReason.STOP: "STOP",
    FinishReason.TOOL_CALLS: "STOP",
    FinishReason.LENGTH: "MAX_TOKENS",
    FinishReason.CONTENT_FILTER: "SAFETY",
    FinishReason.ERROR: "OTHER",
    FinishReason.OTHER: "OTHER",
}


def word_of(raw: Any) -> str | None:
    """The finish word of a candidate; ``None`` where it has none yet."""
    if type(raw) is int:
        return _NUMBERED.get(raw, str(raw)) if raw else None
    return raw if isinstance(raw, str) and raw not in ("", "FINISH_REASON_UNSPECIFIED") else None


def finish_reason(word: str | None, called: bool, notes: Notes) -> FinishReason:
    """The canonical reason; Google says STOP after tool calls too. An unknown word is ``other``,
    with a warning.
    """
    reason = REASONS.get(word) if word is not None else None
    if reason is None:
        why = "does not say why it ended" if word is None else f"ended for the reason {word!r:.80}"
        notes.add("unknown_finish_reason", f"the answer {why}")
        return FinishReason.OTHER
    return FinishReason.TOOL_CALLS if called and reason is FinishReason.STOP else reason


def finish_word(reason: FinishReason, raw: str | None) -> str:
    """The word for a client: the vendor's own where it is one of Google's."""
    if raw is not None and REASONS.get(raw) is not None:
        called = reason is FinishReason.TOOL_CALLS and raw == "STOP"
        if called or REASONS[raw] is reason:
            return raw
    return _WORDS[reason]


def block_reason(payload: dict[str, Any]) -> str | None:
    """Why the prompt itself was refused: such an answer has no candidates."""
    feedback = payload.get("promptFeedback")
    reason = feedback.get("blockReason") if isinstance(feedback, dict) else None
    if type(reason) is int and reason:
        return str(reason)
    return reason if isinstance(reason, str) and reason else None
