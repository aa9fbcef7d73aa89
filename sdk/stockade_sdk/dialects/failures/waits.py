"""How long to wait, in every form in which vendors say it. Pure: a date counts from the answer's
``date`` header, and without one it says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from stockade_sdk.errors import MAX_RETRY_AFTER_S

MIN_EPOCH_S: Final = 1e9  # of 2001; a limit that fills again in thirty years is none
MIN_EPOCH_MS: Final = 1e12  # OpenRouter counts milliseconds

_UNIT_S: Final[Mapping[str, float]] = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3_600.0,
    "d": 86_400.0,
}
_PIECE: Final = (
    r"(\d{1,12}(?:\.\d{1,12})?)\s?"
    r"(milliseconds?|seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|ns|us|µs|ms|s|m|h|d)(?![a-zµ])"
)
_SPAN: Final = rf"(?:{_PIECE}(?:,? (?:and )?)?){{1,5}}"
_SAID: Final = (
    r"(?:try|retry|wait|available|resets?)(?:ing)?(?: again| your request){0,2}"
    rf"(?: in| after| for| at least| about| approximately){{0,2}} (?P<span>{_SPAN})"
)
_SAID_IN_CHINESE: Final = r"(\d{1,12}(?:\.\d{1,12})?)\s?(毫秒|秒|分|小时)钟?\s?(?:之后|以后|后)"
_CHINESE: Final[Mapping[str, str]] = {"毫秒": "ms", "秒": "s", "分": "m", "小时": "h"}

_FIELDS_S: Final = ("retrydelay", "retry_after", "retry_after_seconds", "retryafter")
_FIELDS_MS: Final = ("retry_after_ms", "retryafterms")
FIELDS: Final = frozenset((*_FIELDS_S, *_FIELDS_MS, "estimated_time"))


def retry_after(headers: Mapping[str, str] | None) -> float | None:
    """Seconds to wait by ``retry-after-ms``, ``x-ms-retry-after-ms`` or ``retry-after`` (seconds, a
    duration, or a date counted from ``date``).
    """
    found = lowered(headers)
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        milliseconds = number(found.get(name))
        if milliseconds:  # Azure sends 0 beside a retry-after of 1
            return bounded(milliseconds / 1000)
    value = found.get("retry-after")
    seconds = number(value)
    if seconds is not None:
        return bounded(seconds)
    length = duration(value)
    return _until(_date(value), found) if length is None else length


def reset_after(headers: Mapping[str, str] | None) -> float | None:
    """Seconds until the last of the limits of which nothing remains is filled again.

    Each header ``...reset...`` is read beside its ``...remaining...``, as OpenAI, Groq, Anthropic,
    OpenRouter and RFC drafts have them: a duration ("1m3s"), seconds, an epoch, or a date.
    """
    found = lowered(headers)
    waits = [
        _reset(value, found)
        for name, value in found.items()
        if "reset" in name and number(found.get(name.replace("reset", "remaining"))) == 0
    ]
    return max((wait for wait in waits if wait is not None), default=None)


def told_in(fields: Iterable[tuple[str, Any]]) -> float | None:
    """Seconds to wait by the fields of an error's body: google.rpc.RetryInfo, ``retry_after`` of
    several, ``estimated_time`` of Hugging Face while a model loads.
    """
    for name, value in fields:
        count = number(value)
        if count is not None:
            return bounded(count / 1000 if name.lower() in _FIELDS_MS else count)
        wait = duration(value)
        if wait is not None:
            return wait
    return None


def said_in(message: str) -> float | None:
    """Seconds to wait by the words of a message: "try again in 1m30s", "retry after 7 seconds"."""
    import re

    found = re.search(_SAID, message, re.IGNORECASE)
    if found is not None:
        return duration(found["span"])
    found = re.search(_SAID_IN_CHINESE, message)
    return None if found is None else duration(found[1] + _CHINESE[found[2]])


def duration(value: Any) -> float | None:
    """Seconds of "20s", "1m3s", "2ms", "1 minute and 30 seconds"; ``None`` for all else."""
    import re

    if not isinstance(value, str) or len(value) > 100:
        return None
    text = value.strip().lower()
    if re.fullmatch(_SPAN, text) is None:
        return None
    return bounded(sum(float(count) * _unit_s(unit) for count, unit in re.findall(_PIECE, text)))


def _unit_s(unit: str) -> float:
    return _UNIT_S["ms" if unit.startswith("milli") else unit if unit in _UNIT_S else unit[0]]


def _reset(value: str, headers: Mapping[str, str]) -> float | None:
    seconds = number(value)
    if seconds is None:
        length = duration(value)
        return _until(_date(value), headers) if length is None else length
    if seconds < MIN_EPOCH_S:
        return bounded(seconds)
    return _until(_epoch(seconds / 1000 if seconds >= MIN_EPOCH_MS else seconds), headers)


def _until(moment: datetime | None, headers: Mapping[str, str]) -> float | None:
    now = _date(headers.get("date"))
    if moment is None or now is None:
        return None
    return bounded((moment - now).total_seconds())


def _epoch(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _date(value: str | None) -> datetime | None:
    if value is None or len(value) > 100:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        from email.utils import parsedate_to_datetime  # 8 ms, for what is mostly a number

        try:
            found = parsedate_to_datetime(value)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def bounded(seconds: float) -> float:
    """From 0 to a month."""
    return min(max(0.0, seconds), MAX_RETRY_AFTER_S)


def number(value: Any) -> float | None:
    """A finite number that is not negative, also from text; ``None`` for all else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if 0 <= found < float("inf") else None


def lowered(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Headers by their names in lower case; what is no text is left out."""
    given: Mapping[Any, Any] = headers or {}
    return {
        name.lower(): value
        for name, value in given.items()
        if isinstance(name, str) and isinstance(value, str)
    }
