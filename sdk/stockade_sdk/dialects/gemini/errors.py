"""Errors of this wire: those that stand in answers, and how clients are told of one.

The shape is Google's error model (https://google.aip.dev/193): a number, a word of
``google.rpc.Code``, and typed details.
"""

from __future__ import annotations

from typing import Any, Final

from stockade_sdk.dialects.failures import classify_error, redact
from stockade_sdk.errors import ProviderError

_WORDS: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def error_inside(payload: Any) -> ProviderError | None:
    """The error that stands in an answer whose status was 200; ``None`` where there is none."""
    if isinstance(payload, list) and len(payload) == 1:
        payload = payload[0]  # a stream that is one JSON array
    if isinstance(payload, dict) and payload.get("error"):
        return classify_error(None, None, payload)
    return None


def encode_error(error: ProviderError, status: int) -> dict[str, Any]:
    """A failure as JSON, as clients of this dialect expect it; they read the wait from it too."""
    word = _WORDS.get(status, "INTERNAL" if status >= 500 else "INVALID_ARGUMENT")
    details: list[dict[str, Any]] = [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": (error.code or error.kind.value).upper(),
            "domain": "stockade",
        }
    ]
    if error.retry_after_s is not None:
        details.append(
            {
                "@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": f"{error.retry_after_s:.3f}".rstrip("0").rstrip(".") + "s",
            }
        )
    return {
        "error": {
            "code": status,
            "message": redact(error.message) or error.kind.value,
            "status": word,
            "details": details,
        }
    }
