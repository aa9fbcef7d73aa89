"""Errors of this wire: ``{"code", "message", "request_id"}``, also inside tasks that failed.

A task's failure has no status of its own; the vendor's table of codes gives each one.
Source: https://www.alibabacloud.com/help/en/model-studio/error-code
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from stockade_sdk.dialects import failures
from stockade_sdk.errors import ErrorKind, ProviderError

VENDOR: Final = "qwen"
_STATUS_OF: Final = (  # by the beginning of the code, in any case
    ("throttling", 429),
    ("limitrequests", 429),
    ("invalidapikey", 401),
    ("accessdenied", 403),
    ("workspace.accessdenied", 403),
    ("modelnotfound", 404),
    ("modelservingerror", 503),
    ("modelunavailable", 503),
    ("requesttimeout", 504),
    ("responsetimeout", 504),
    ("internalerror", 500),
    ("systemerror", 500),
    ("invalid", 400),
    ("badrequest", 400),
    ("datainspectionfailed", 400),
    ("unsupported", 400),
)
_KIND_OF: Final = (  # where the code says more than status and words
    ("model.accessdenied", ErrorKind.MODEL_UNAVAILABLE),
    ("ipinfringementsuspect", ErrorKind.CONTENT_FILTER),
)


def classify_error(
    status: int | None, headers: Mapping[str, str] | None, body: Any
) -> ProviderError:
    """The typed error that a failed answer or task means; see ``dialects.failures``."""
    found = failures.classify_error(status, headers, body, provider=VENDOR)
    code = (found.code or "").lower()
    assumed = next((value for start, value in _STATUS_OF if code.startswith(start)), None)
    if found.status is None and assumed is not None:
        found = failures.classify_error(assumed, headers, body, provider=VENDOR)
    kind = next((kind for start, kind in _KIND_OF if code.startswith(start)), found.kind)
    own = status if status is not None and status >= 400 else None
    return ProviderError.of(msgspec.structs.replace(found.info(), kind=kind, status=own))


def error_inside(payload: Any) -> ProviderError | None:
    """The error that an answer of 200 is; ``None`` where it has an ``output``."""
    if not isinstance(payload, dict) or isinstance(payload.get("output"), dict):
        return None
    if payload.get("code") or payload.get("error"):
        return classify_error(None, None, payload)
    return None


def encode_error(error: ProviderError, request_id: str = "") -> dict[str, Any]:
    """A failure as this wire has it."""
    return {
        "code": error.code or error.kind.value,
        "message": failures.redact(error.message) or error.kind.value,
        "request_id": request_id,
    }
