"""What the body of a failed answer says, whatever its form: JSON of any vendor, JSON inside an
event or a message, a proxy's HTML page, or plain text. Never raises.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from . import waits

MAX_PARSED_BYTES: Final = 1024 * 1024
MAX_WORDS_CHARS: Final = 8 * 1024  # what is read of a text; phrases stand at its start
MAX_DEPTH: Final = 8
MAX_FIELDS: Final = 200

_INNER: Final = ("error", "errors", "response", "detail", "base_resp")
_MESSAGE: Final = (
    "message",
    "error",
    "detail",
    "msg",
    "error_description",
    "error_msg",
    "errorMessage",
    "status_msg",
    "Message",
    "title",
)
_CODE: Final = ("code", "type", "status", "error_code", "error_type", "__type", "errorCode")
_STATUS: Final = ("status_code", "code", "status", "http_status", "statusCode")
_WORDS: Final = frozenset((*_CODE, "param", "reason", "quotaId"))
_ECHO: Final = frozenset(  # the caller's own words, sent back: they say nothing of the failure
    {"input", "inputs", "failed_generation", "body", "request", "messages", "prompt", "content"}
)


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One failure in its vendor's words; ``message`` is for a person and not yet without keys."""

    message: str = ""
    code: str | None = None
    words: str = ""  # codes, types and reasons, also those further in
    status: int | None = None
    wait_s: float | None = None
    request_id: str | None = None

    @property
    def about(self) -> str:
        """All of it, in which phrases are looked for: codes first."""
        return f"{self.code or ''} {self.words} {self.message}"[: 2 * MAX_WORDS_CHARS]


def read(body: Any) -> Said:
    """What ``body`` (bytes, text or parsed JSON) says."""
    parsed, text = _parsed(body)
    if not isinstance(parsed, dict | list):
        return Said(message=text if parsed is None else _text(parsed))
    error = _error_object(parsed)
    if not isinstance(error, dict):
        return Said(message=_text(error))
    inside = _inside(error)
    fields = list(_fields(error))
    words = [value for name, value in fields if name in _WORDS and isinstance(value, str)]
    return Said(
        message=_message(error, inside),
        code=_code(error),
        words=" ".join(words)[:MAX_WORDS_CHARS] + (f" {inside.words}" if inside else ""),
        status=_status(error),
        wait_s=waits.told_in(
            (name, value) for name, value in fields if name.lower() in waits.FIELDS
        ),
        request_id=_request_id(parsed) or _request_id(error),
    )


def identifier(value: Any) -> str | None:
    """A name that a vendor gave to a request, where it is short and plain."""
    if isinstance(value, str) and 0 < len(value) <= 128 and value.isascii() and value.isprintable():
        return value
    return None


def plain(page: str) -> str:
    """The words of a page: no tags, no scripts, one space between words. Linear in its length."""
    kept: list[str] = []
    low, at = page.lower(), 0
    while (start := page.find("<", at)) >= 0:
        kept.append(page[at:start])
        end = page.find(">", start)
        for name in ("script", "style"):
            if low.startswith(name, start + 1):
                end = low.find(f"</{name}>", start)
                end = end if end < 0 else end + len(name) + 2
        at = len(page) if end < 0 else end + 1
    return " ".join(" ".join((*kept, page[at:])).split())


def _parsed(body: Any) -> tuple[Any, str]:
    """The JSON of the body, or ``None`` and its text."""
    if isinstance(body, bytes | bytearray | memoryview):
        body = bytes(body[:MAX_PARSED_BYTES]).decode("utf-8", "replace")
    if not isinstance(body, str):
        return body, ""
    text = body[:MAX_PARSED_BYTES].strip()
    try:
        return msgspec.json.decode(text), ""
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    start = text[:MAX_WORDS_CHARS].find("{")
    if start >= 0:  # an event of a stream, a status line before it, half of a surrogate pair in it
        import json

        try:
            found, _ = json.JSONDecoder().raw_decode(text, start)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict) and any(name in found for name in (*_INNER, *_MESSAGE)):
            return found, ""
    text = text[:MAX_WORDS_CHARS]
    return None, plain(text) if text.startswith("<") or "<html" in text.lower() else text


def _error_object(parsed: Any) -> Any:
    """The object that describes the failure: ``error`` of most, further in for some."""
    for _ in range(MAX_DEPTH):
        if isinstance(parsed, list):  # Google's compatible endpoint wraps its error in a list
            if not parsed or not isinstance(parsed[0], dict):
                return parsed
            parsed = parsed[0]
        if not isinstance(parsed, dict):
            return parsed
        inner = next((parsed[name] for name in _INNER if _holds_error(parsed.get(name))), None)
        if inner is None:
            return parsed
        parsed = inner
    return parsed


def _holds_error(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and isinstance(value[0], dict) and "loc" not in value[0]
    return isinstance(value, dict) and bool(value)


def _inside(error: dict[str, Any]) -> Said | None:
    """The failure that a router or a gateway passes on as text: OpenRouter's ``metadata.raw``, a
    message that is JSON.
    """
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    if raw is None:
        message = error.get("message")
        raw = message if isinstance(message, str) and message.lstrip()[:1] == "{" else None
    if not isinstance(raw, str | dict) or not raw:
        return None
    parsed, text = _parsed(raw)
    found = _error_object(parsed) if isinstance(parsed, dict | list) else None
    if not isinstance(found, dict):
        return Said(message=text or _text(parsed))
    words = [value for name, value in _fields(found) if name in _WORDS and isinstance(value, str)]
    return Said(message=_message(found, None), words=" ".join(words)[:MAX_WORDS_CHARS])


def _fields(error: Any) -> Iterator[tuple[str, Any]]:
    """Names and plain values, also those of inner objects, some two hundred at most."""
    waiting: list[tuple[Any, int]] = [(error, 0)]
    for _ in range(MAX_FIELDS):
        if not waiting:
            return
        value, depth = waiting.pop(0)
        if isinstance(value, list):
            inner = [("", item) for item in value[:MAX_FIELDS]]
        else:
            inner = [(str(name), item) for name, item in list(value.items())[:MAX_FIELDS]]
        for name, item in inner:
            if isinstance(item, dict | list):
                if name not in _ECHO and depth < MAX_DEPTH:
                    waiting.append((item, depth + 1))
            else:
                yield name, item[:1000] if isinstance(item, str) else item


def _message(error: dict[str, Any], inside: Said | None) -> str:
    for name in _MESSAGE:
        value = error.get(name)
        if value is None or value == "" or isinstance(value, bool):
            continue
        text = _text(value)
        if inside is None or not inside.message:
            return text
        if text.lstrip()[:1] == "{":
            return inside.message
        return f"{text}: {inside.message}"[:MAX_WORDS_CHARS]
    return inside.message if inside and inside.message else ""


def _text(value: Any) -> str:
    """A value as one line: the sentences of a list of problems, JSON for what has none."""
    if isinstance(value, dict):
        value = [value]
    if isinstance(value, list):
        said = [_problem(item) for item in value[:20]]
        return "; ".join(line for line in said if line)[:MAX_WORDS_CHARS]
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return value[:MAX_WORDS_CHARS]
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e15:
        return ""  # Python refuses to print an integer of thousands of digits
    return str(value)


def _problem(item: Any) -> str:
    """One of several: FastAPI's ``{"loc", "msg"}`` as "body.messages: Field required"."""
    if isinstance(item, dict):
        said = next((item[n] for n in _MESSAGE if isinstance(item.get(n), str)), "")
        where = item.get("loc")
        if isinstance(where, list):
            return f"{'.'.join(str(part)[:100] for part in where[:10])}: {said}"
        return str(said) or _json(item)
    return item if isinstance(item, str) else _json(item)


def _json(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()[:MAX_WORDS_CHARS]
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError):
        return ""


def _code(error: dict[str, Any]) -> str | None:
    """The vendor's word for it; a number only where there is no word."""
    found = [error.get(name) for name in _CODE]
    texts = [_scalar(value) for value in found if isinstance(value, str | int)]
    texts = [text for text in texts if text]
    word = next((text for text in texts if not text.isdigit() and text != "error"), None)
    return word if word is not None else next(iter(texts), None)


def _status(error: dict[str, Any]) -> int | None:
    for name in _STATUS:
        number = waits.number(error.get(name))
        if number is not None and 400 <= number < 600:
            return int(number)
    return None


def _request_id(value: Any) -> str | None:
    if not isinstance(value, dict):
        return None
    names = ("request_id", "requestId", "RequestId")
    return next((found for name in names if (found := identifier(value.get(name)))), None)
