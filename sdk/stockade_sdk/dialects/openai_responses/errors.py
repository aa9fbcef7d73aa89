"""Errors of this wire: those that stand in answers, and how clients are told of one."""

from __future__ import annotations

from typing import Any

from stockade_sdk.dialects.failures import classify_error, redact
from stockade_sdk.errors import ErrorKind, ProviderError

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def error_inside(payload: Any) -> ProviderError | None:
    """The error that stands in an answer whose status was 200; ``None`` where there is none."""
    if not isinstance(payload, dict):
        return None
    error, status = payload.get("error"), payload.get("status")
    if error and not (isinstance(error, dict) and error.keys() <= {"type", "param"}):
        return classify_error(None, None, {"error": error})
    if status == "failed":
        return ProviderError(ErrorKind.SERVER_ERROR, "the vendor failed and did not say why")
    return None


def error_object(error: ProviderError, status: int) -> dict[str, Any]:
    """What clients find under ``error``; ``type`` goes by ``status``."""
    type = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    if error.kind is ErrorKind.QUOTA:
        type = "insufficient_quota"
    return {
        "message": redact(error.message) or error.kind.value,
        "type": type,
        "param": None,
        "code": error.code or error.kind.value,
    }


def encode_error(error: ProviderError, status: int) -> dict[str, Any]:
    """A failure as JSON, as clients of this dialect expect it."""
    return {"error": error_object(error, status)}
