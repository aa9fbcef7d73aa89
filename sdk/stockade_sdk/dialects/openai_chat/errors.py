"""Errors of this wire: those that stand in answers, and how clients are told of one."""

from __future__ import annotations

from typing import Any

from stockade_sdk.errors import ErrorKind, ProviderError


def error_inside(payload: Any) -> ProviderError | None:
    """The error that stands in an answer whose status was 200; ``None`` where there is none."""
    if not isinstance(payload, dict):
        return None
    if payload.get("error"):
        return said_inside(payload)
    choices = payload.get("choices")
    if isinstance(choices, list):
        for choice in choices:
            if isinstance(choice, dict) and choice.get("error"):
                return said_inside(choice)
        return None
    if payload.get("object") == "error" or (
        "choices" not in payload and "code" in payload and "message" in payload
    ):
        return said_inside(payload)
    return None


def said_inside(said: Any) -> ProviderError:
    """What an error means that came without a status of its own, as JSON or as text."""
    # Most workers never see an error, and its words take a fifth of the dialect's time to load.
    from stockade_sdk.dialects.failures import classify_error

    return classify_error(None, None, said)


def encode_error(error: ProviderError, status: int) -> dict[str, Any]:
    """A failure as JSON, as clients of this dialect expect it; ``type`` goes by ``status``."""
    from stockade_sdk.dialects.failures import redact

    types = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    type = types.get(status, "server_error" if status >= 500 else "invalid_request_error")
    if error.kind is ErrorKind.QUOTA:
        type = "insufficient_quota"
    return {
        "error": {
            "message": redact(error.message) or error.kind.value,
            "type": type,
            "param": None,
            "code": error.code or error.kind.value,
        }
    }
