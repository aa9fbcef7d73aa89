"""Errors of this wire: what they mean, and how clients are told of one.

Source: https://docs.anthropic.com/en/api/errors
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from stockade_sdk.dialects import failures
from stockade_sdk.dialects.failures import redact
from stockade_sdk.errors import ErrorKind, ProviderError

_BY_KIND: Final = {
    ErrorKind.OVERLOADED: "overloaded_error",
    ErrorKind.RATE_LIMITED: "rate_limit_error",
    ErrorKind.QUOTA: "billing_error",
    ErrorKind.TIMEOUT: "timeout_error",
}
_BY_STATUS: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_INSIDE: Final = {  # the vendor's own word for an error that has no status
    "authentication_error": ErrorKind.AUTH,
    "permission_error": ErrorKind.AUTH,
    "billing_error": ErrorKind.QUOTA,
    "timeout_error": ErrorKind.TIMEOUT,
    "not_found_error": ErrorKind.INVALID_REQUEST,
    "request_too_large": ErrorKind.INVALID_REQUEST,
}


def classify_error(
    status: int | None,
    headers: Mapping[str, str] | None,
    body: Any,
    *,
    provider: str = "",
) -> ProviderError:
    """As ``dialects.failures.classify_error``, with what this vendor leaves to its own words: a
    model that is not there is ``not_found_error`` with nothing but ``model: NAME``.
    """
    error = failures.classify_error(status, headers, body, provider=provider)
    code = error.code or ""
    kind = error.kind
    if code == "not_found_error" and "model:" in error.message:
        kind = ErrorKind.MODEL_UNAVAILABLE
    elif kind is ErrorKind.SERVER_ERROR and error.status in (None, 200):
        kind = _INSIDE.get(code, kind)
    if kind is error.kind:
        return error
    return ProviderError.of(msgspec.structs.replace(error.info(), kind=kind))


def error_inside(payload: Any) -> ProviderError | None:
    """The error that stands in an answer whose status was 200; ``None`` where there is none."""
    if not isinstance(payload, dict):
        return None
    if payload.get("type") == "error" or payload.get("error"):
        return classify_error(None, None, payload)
    if "content" not in payload and "code" in payload and "message" in payload:
        return classify_error(None, None, payload)  # compatible servers in front of it
    return None


def encode_error(error: ProviderError, status: int) -> dict[str, Any]:
    """A failure as JSON, as clients of this dialect expect it, whole or as an event of a stream;
    ``error.type`` goes by the kind, then by ``status``. The status that goes with an overloaded
    vendor is 529.
    """
    usual = "api_error" if status >= 500 else "invalid_request_error"
    kind = _BY_KIND.get(error.kind) or _BY_STATUS.get(status, usual)
    return {
        "type": "error",
        "error": {"type": kind, "message": redact(error.message) or error.kind.value},
    }
