"""What a vendor's error means, decided on status, code, message and headers together.

No one of these is enough. Out of money is 402, 429, 403 or 400; a bad key is 401 or 400; a prompt
that is too long is 400 with a code of its own, the general code, or none; an error may stand inside
an answer whose status is 200.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from stockade_sdk.errors import ErrorKind, ProviderError, TimeoutPhase, capped

from . import failure_words as words

MAX_BODY_CHARS: Final = 64 * 1024  # what is read of an error's body; phrases stand at its start
MAX_SHOWN_CHARS: Final = 500
MAX_RETRY_AFTER_S: Final = 30 * 24 * 3600.0  # a month; beyond it the header is nonsense


def classify_error(
    status: int | None,
    headers: Mapping[str, str] | None,
    body: Any,
    *,
    provider: str = "",
) -> ProviderError:
    """The typed error that a failed answer means. Pure, so a Retry-After date counts from the
    answer's Date header.

    ``body`` is bytes, text or parsed JSON. ``status`` is ``None`` for an error without one; an
    error inside a 200 stream is judged by the code it carries. The message is capped and has no
    keys in it; ``provider`` stands before it.
    """
    parsed, text = _read(body)
    error = _error_object(parsed)
    code, message = _code(error), _message(error, parsed, text)
    seen = status if status is not None and status >= 400 else _status_in(error) or status
    about = f"{code or ''} {_words(error)} {message} {text}"[:MAX_BODY_CHARS]
    kind = _kind(seen, about)
    shown = (
        redact(message) or f"HTTP {seen}" if seen else redact(message) or "an error without words"
    )
    return ProviderError(
        kind,
        f"{provider}: {shown}" if provider else shown,
        seen,
        retry_after(headers),
        phase=TimeoutPhase.TOTAL if kind is ErrorKind.TIMEOUT else None,
        code=capped(redact(code), 100) if code else None,
    )


def redact(text: str) -> str:
    """``text`` without anything that looks like a key; vendors echo the key they refuse."""
    return words.SECRET.replaced(text, "[redacted]")


def retry_after(headers: Mapping[str, str] | None) -> float | None:
    """Seconds to wait by ``retry-after-ms`` or ``retry-after`` (seconds, or an HTTP date counted
    from ``date``).
    """
    if not headers:
        return None
    found = {name.lower(): value for name, value in headers.items()}
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        milliseconds = _number(found.get(name))
        if milliseconds is not None and milliseconds > 0:  # Azure sends 0 beside a retry-after of 1
            return min(milliseconds / 1000, MAX_RETRY_AFTER_S)
    value = found.get("retry-after")
    seconds = _number(value)
    if seconds is not None:
        return min(seconds, MAX_RETRY_AFTER_S)
    until, now = _date(value), _date(found.get("date"))
    if until is None or now is None:
        return None
    return min(max(0.0, (until - now).total_seconds()), MAX_RETRY_AFTER_S)


def _kind(status: int | None, about: str) -> ErrorKind:
    server_side = status is not None and status >= 500
    if status == 402 or (not server_side and words.QUOTA.search(about)):
        return ErrorKind.QUOTA
    if server_side and status is not None:
        return _kind_of_server_error(status, about)
    if status == 429 or (status not in (401, 403) and _is_rate(about)):
        return ErrorKind.OVERLOADED if words.OVERLOADED.search(about) else ErrorKind.RATE_LIMITED
    if status in (408, 425):
        return ErrorKind.TIMEOUT
    if status == 401:
        return ErrorKind.AUTH
    for pattern, kind in (
        (words.CONTEXT, ErrorKind.CONTEXT_LENGTH),
        (words.FILTER, ErrorKind.CONTENT_FILTER),
        (words.UNSUPPORTED, ErrorKind.UNSUPPORTED),
        (words.MODEL, ErrorKind.MODEL_UNAVAILABLE),
        (words.AUTH, ErrorKind.AUTH),
    ):
        if pattern.search(about):
            return kind
    if status == 403:
        return ErrorKind.AUTH
    if status == 410:
        return ErrorKind.MODEL_UNAVAILABLE
    if status is not None and 400 <= status < 500:
        return ErrorKind.INVALID_REQUEST
    return _kind_without_status(about)


def _is_rate(about: str) -> bool:
    # Groq's 413 is its tokens a minute; others say "limit" of a window.
    return words.RATE.search(about) and not words.CONTEXT.search(about)


def _kind_of_server_error(status: int, about: str) -> ErrorKind:
    if status in (504, 524):
        return ErrorKind.TIMEOUT
    if status in (503, 529):
        return ErrorKind.MODEL_UNAVAILABLE if words.MODEL.search(about) else ErrorKind.OVERLOADED
    return ErrorKind.SERVER_ERROR


def _kind_without_status(about: str) -> ErrorKind:
    if words.OVERLOADED.search(about):
        return ErrorKind.OVERLOADED
    if words.TIMEOUT.search(about):
        return ErrorKind.TIMEOUT
    if words.INVALID.search(about):
        return ErrorKind.INVALID_REQUEST
    return ErrorKind.SERVER_ERROR


def _read(body: Any) -> tuple[Any, str]:
    """The parsed body, and its text where it is no JSON."""
    if isinstance(body, bytes | bytearray | memoryview):
        body = bytes(body[:MAX_BODY_CHARS]).decode("utf-8", "replace")
    if not isinstance(body, str):
        return body, ""
    text = body[:MAX_BODY_CHARS].strip()
    try:
        return msgspec.json.decode(text), ""
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None, text


def _error_object(parsed: Any) -> Any:
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]  # Google's compatible endpoint wraps its error in a list
    if isinstance(parsed, dict):
        inner = parsed.get("error")
        return inner or parsed
    return parsed


def _code(error: Any) -> str | None:
    if not isinstance(error, dict):
        return None
    for name in ("code", "type", "status", "error_code"):
        value = error.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return str(value)
    return None


def _words(error: Any) -> str:
    """Everything else short that says what happened: type, status, inner codes, the upstream's own
    words.
    """
    if not isinstance(error, dict):
        return ""
    said = [error.get(name) for name in ("type", "status", "param")]
    for name in ("innererror", "metadata", "details"):
        inner = error.get(name)
        if isinstance(inner, dict):
            said += [
                inner.get(key) for key in ("code", "error_code", "raw", "reason", "error_type")
            ]
    return " ".join(word for word in said if isinstance(word, str))


def _message(error: Any, parsed: Any, text: str) -> str:
    if isinstance(error, str):
        return capped(error, MAX_SHOWN_CHARS)
    if isinstance(error, dict):
        for name in ("message", "detail", "msg", "error_description"):
            value = error.get(name)
            if isinstance(value, str) and value:
                return capped(value, MAX_SHOWN_CHARS)
            if isinstance(value, list | dict) and value:
                return capped(msgspec.json.encode(value).decode(), MAX_SHOWN_CHARS)
    if text:
        without_tags = re.sub(
            r"<(script|style).*?</\1>|<[^>]*>", " ", text[:8192], flags=re.DOTALL | re.IGNORECASE
        )
        return capped(" ".join(without_tags.split()), MAX_SHOWN_CHARS)
    return capped(msgspec.json.encode(parsed).decode(), MAX_SHOWN_CHARS) if parsed else ""


def _status_in(error: Any) -> int | None:
    if not isinstance(error, dict):
        return None
    for name in ("status_code", "code", "status"):
        number = _number(error.get(name))
        if number is not None and 400 <= number < 600:
            return int(number)
    return None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _date(value: str | None) -> datetime | None:
    if value is None:
        return None
    from email.utils import parsedate_to_datetime  # 8 ms, for a header that is mostly a number

    try:
        found = parsedate_to_datetime(value)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
