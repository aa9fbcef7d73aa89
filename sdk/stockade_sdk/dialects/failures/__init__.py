"""What a vendor's error means, decided on status, code, message and headers together.

No one of these is enough. Out of money is 402, 429, 403 or 400, and some 402 are a rate limit; a
bad key is 401 or 400; a prompt that is too long is 400 with a code of its own, the general code, or
none; an error may stand inside an answer whose status is 200. Numbers in a message are no status.

What is read is capped and searched in time linear in its length; nothing here ever raises for what
a vendor sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from stockade_sdk.errors import ErrorKind, ProviderError, TimeoutPhase, capped

from . import words
from .body import Said, identifier, read
from .redaction import redact
from .waits import lowered, reset_after, retry_after, said_in

__all__ = ["MAX_SHOWN_CHARS", "classify_error", "redact", "retry_after"]

MAX_SHOWN_CHARS: Final = 500
MAX_CODE_CHARS: Final = 100

_PASSES = frozenset({ErrorKind.RATE_LIMITED, ErrorKind.OVERLOADED})
_BY_STATUS: Final[Mapping[int, ErrorKind]] = {  # those that need no words
    401: ErrorKind.AUTH,
    407: ErrorKind.NETWORK,  # a proxy on the way
    408: ErrorKind.TIMEOUT,
    424: ErrorKind.SERVER_ERROR,  # Bedrock: the model's own failure
    425: ErrorKind.TIMEOUT,
    498: ErrorKind.OVERLOADED,  # Groq's flex tier
    499: ErrorKind.SERVER_ERROR,  # nobody here has left, or nobody would read this
    501: ErrorKind.UNSUPPORTED,
    504: ErrorKind.TIMEOUT,
    522: ErrorKind.TIMEOUT,  # Cloudflare: its connection to the vendor
    524: ErrorKind.TIMEOUT,
}
_OTHERWISE: Final[Mapping[int, ErrorKind]] = {  # where the words say nothing
    403: ErrorKind.AUTH,
    404: ErrorKind.UNKNOWN,  # a wrong base URL, say: another target may well answer
    405: ErrorKind.UNKNOWN,
    410: ErrorKind.MODEL_UNAVAILABLE,
    451: ErrorKind.MODEL_UNAVAILABLE,
}
_TOKENS_A_MINUTE_AS_QUOTA: Final = frozenset({"qwen", "dashscope", "alibaba"})
_REFUSALS: Final = (  # in this order
    (words.CONTEXT, ErrorKind.CONTEXT_LENGTH),
    (words.ACCOUNT, ErrorKind.AUTH),
    (words.FILTER, ErrorKind.CONTENT_FILTER),
    (words.REGION, ErrorKind.MODEL_UNAVAILABLE),
    (words.UNSUPPORTED, ErrorKind.UNSUPPORTED),
    (words.AUTH, ErrorKind.AUTH),
    (words.MODEL, ErrorKind.MODEL_UNAVAILABLE),
    (words.PERMISSION, ErrorKind.AUTH),
)


def classify_error(
    status: int | None,
    headers: Mapping[str, str] | None,
    body: Any,
    *,
    provider: str = "",
) -> ProviderError:
    """The typed error that a failed answer means. Pure, so a date counts from the answer's Date
    header.

    ``body`` is bytes, text or parsed JSON. ``status`` is ``None`` for an error without one; an
    error inside a 200 stream is judged by the code it carries. The message is capped and has no
    keys in it; ``provider``, the vendor's name, stands before it and decides where vendors mean
    different things by the same words.
    """
    said, named = read(body), lowered(headers)
    aws = named.get("x-amzn-errortype", "")[:MAX_CODE_CHARS].partition(":")[0]
    about = f"{aws} {said.about}".strip().lower()
    seen = status if status is not None and status >= 400 else _inner_status(said) or status
    kind = _kind(seen, about, f"{aws} {said.code or ''} {said.words}".lower(), provider)
    shown = _shown(said.message, MAX_SHOWN_CHARS)
    shown = shown or (f"HTTP {seen}" if seen else "an error without words")
    return ProviderError(
        kind,
        f"{provider}: {shown}" if provider else shown,
        seen,
        _wait_s(kind, named, said),
        phase=_phase(kind, seen, about),
        code=_shown(said.code or aws, MAX_CODE_CHARS) or None,
        retryable={"true": True, "false": False}.get(named.get("x-should-retry", "").lower()),
        request_id=_request_id(named) or said.request_id,
    )


def _shown(text: str, limit: int) -> str:
    """Short, without keys, and fit for UTF-8: some vendors cut pairs of surrogates in half."""
    return capped(redact(text), limit).encode("utf-8", "replace").decode()


def _kind(status: int | None, about: str, codes: str, provider: str) -> ErrorKind:
    if status is None or status < 400 or status >= 600:
        return _kind_without_status(about, codes, provider)
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return _kind_of_server_error(status, about)
    if status == 402:
        return _kind_of_payment(about)
    spent = _spent(about, provider)
    if spent is not None:
        return spent
    if status == 429 or (status != 403 and _is_rate(about, codes)):
        return _kind_of_limit(about)
    if status == 404 and words.URL.search(about):
        return ErrorKind.INVALID_REQUEST
    refusal = _refusal(about)
    if refusal is not None:
        return refusal
    if status == 404 and words.INVALID.search(codes):
        return ErrorKind.INVALID_REQUEST
    if status != 403 and words.OVERLOADED.search(about):
        return ErrorKind.OVERLOADED
    return _OTHERWISE.get(status, ErrorKind.INVALID_REQUEST)


def _kind_of_payment(about: str) -> ErrorKind:
    if words.MONEY.search(about):
        return ErrorKind.QUOTA
    passing = words.RATE.search(about) or words.PASSING.search(about)
    return ErrorKind.RATE_LIMITED if passing else ErrorKind.QUOTA


def _spent(about: str, provider: str) -> ErrorKind | None:
    """Money, or a quota: of money too, unless the words name a window of time as Google's do."""
    if words.REGION.search(about):  # Gemini: "not available in your country. Please enable billing"
        return None
    if words.MONEY.search(about) or words.CAP.search(about):
        return ErrorKind.QUOTA
    if not words.USED_UP.search(about):
        return None
    # Alibaba answers "insufficient_quota" to too many tokens a minute, and Arrearage to debts.
    if provider.lower() in _TOKENS_A_MINUTE_AS_QUOTA or words.WINDOW.search(about):
        return ErrorKind.RATE_LIMITED
    return ErrorKind.QUOTA


def _is_rate(about: str, codes: str) -> bool:
    # Groq's 413 is its tokens a minute; Cohere's "size limit exceeded" is the context.
    if not words.RATE.search(about):
        return False
    return words.RATE.search(codes) is not None or not words.CONTEXT.search(about)


def _kind_of_limit(about: str) -> ErrorKind:
    """Kimi says 429 where its engine is overloaded."""
    if words.OVERLOADED.search(about) and not words.RATE.search(about):
        return ErrorKind.OVERLOADED
    return ErrorKind.RATE_LIMITED


def _kind_of_server_error(status: int, about: str) -> ErrorKind:
    if status in (503, 529):
        if words.RATE.search(about) and not words.OVERLOADED.search(about):
            return ErrorKind.RATE_LIMITED
        gone = words.MODEL.search(about) and not words.OVERLOADED.search(about)
        return ErrorKind.MODEL_UNAVAILABLE if gone else ErrorKind.OVERLOADED
    if status == 500 and words.CONTEXT.search(about):  # llama.cpp and servers built on it
        return ErrorKind.CONTEXT_LENGTH
    return ErrorKind.SERVER_ERROR


def _refusal(about: str) -> ErrorKind | None:
    return next((kind for pattern, kind in _REFUSALS if pattern.search(about)), None)


def _kind_without_status(about: str, codes: str, provider: str) -> ErrorKind:
    spent = _spent(about, provider)
    if spent is not None:
        return spent
    if _is_rate(about, codes):
        return _kind_of_limit(about)
    if words.OVERLOADED.search(about):
        return ErrorKind.OVERLOADED
    refusal = _refusal(about)
    if refusal is not None:
        return refusal
    for pattern, kind in (
        (words.INVALID, ErrorKind.INVALID_REQUEST),
        (words.TIMEOUT, ErrorKind.TIMEOUT),
        (words.NETWORK, ErrorKind.NETWORK),
    ):
        if pattern.search(about):
            return kind
    return ErrorKind.SERVER_ERROR


def _inner_status(said: Said) -> int | None:
    """The status that an error carries inside, as a number of its own or in words."""
    if said.status is not None:
        return said.status
    found = words.STATUS.search(said.message.lower())
    return None if found is None else int(found["status"])


def _phase(kind: ErrorKind, status: int | None, about: str) -> TimeoutPhase | None:
    if kind is not ErrorKind.TIMEOUT:
        return None
    connecting = status == 522 or (status is None and words.CONNECTING.search(about))
    return TimeoutPhase.CONNECT if connecting else TimeoutPhase.TOTAL


def _wait_s(kind: ErrorKind, headers: Mapping[str, str], said: Said) -> float | None:
    """Headers first, then the body's fields, its words, and limits of which nothing remains."""
    wait = retry_after(headers)
    if wait is None:
        wait = said.wait_s
    if wait is None and kind in _PASSES:
        wait = said_in(said.message)
    return reset_after(headers) if wait is None and kind in _PASSES else wait


def _request_id(headers: Mapping[str, str]) -> str | None:
    names = ("request-id", "x-request-id", "x-amzn-requestid", "apim-request-id")
    return next((found for name in names if (found := identifier(headers.get(name)))), None)
