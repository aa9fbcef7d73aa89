"""Which status an error gets, and what a client of each dialect is told of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import islice
from typing import Final

from stockade.errors import AllAttemptsFailed, HostError, NotInstalled, UsageError
from stockade.router import AliasLoop, NoSuchModel
from stockade_sdk.capability import Attempt, RuntimeWarning
from stockade_sdk.errors import MAX_MESSAGE_CHARS, ErrorKind, ProviderError

OVERLOADED_AT_ANTHROPIC: Final = 529  # https://docs.anthropic.com/en/api/errors
MAX_ATTEMPTS_SHOWN: Final = 64
MAX_TARGET_CHARS: Final = 200
MAX_WARNINGS_SHOWN: Final = 8
MAX_WARNINGS_CONSIDERED: Final = 64  # a plugin may give any number of them
SAFE_IN_A_WARNING: Final = " !\"#$&'()*+,/:=?@[]_.-~<>|{}"
MAX_WARNING_CHARS: Final = 160
MAX_WARNINGS_BYTES: Final = 2_048  # of a header; nginx keeps 4 KiB for all that an upstream sends

# Contract, section 6. A provider's 401 is not the caller's: its own key is right.
STATUS: Final = {
    ErrorKind.AUTH: 502,
    ErrorKind.MALFORMED_RESPONSE: 502,
    ErrorKind.SERVER_ERROR: 502,
    ErrorKind.NETWORK: 502,
    ErrorKind.WORKER_DIED: 502,
    ErrorKind.OUT_OF_MEMORY: 502,
    ErrorKind.PROTOCOL: 502,
    ErrorKind.PERMISSION_DENIED: 502,
    ErrorKind.QUOTA: 429,
    ErrorKind.RATE_LIMITED: 429,
    ErrorKind.OVER_BUDGET: 429,
    ErrorKind.OVERLOADED: 503,
    ErrorKind.TIMEOUT: 504,
    ErrorKind.CONTEXT_LENGTH: 400,
    ErrorKind.CONTENT_FILTER: 400,
    ErrorKind.INVALID_REQUEST: 400,
    ErrorKind.UNSUPPORTED: 400,
    ErrorKind.MODEL_UNAVAILABLE: 404,
    ErrorKind.CANCELLED: 499,  # nobody reads it: the client has gone (nginx's word for it)
    ErrorKind.UNKNOWN: 502,
}


class Rejected(Exception):
    """A request that is refused before it means anything; ``status`` and ``headers`` as HTTP has
    them, ``message`` for the client.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: ErrorKind = ErrorKind.INVALID_REQUEST,
        code: str | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers
        self.error = ProviderError(kind, message, code=code)


def busy(what: str) -> Rejected:
    """There is no room now, and there may be in a moment."""
    return Rejected(
        503,
        f"{what}; come again in a moment",
        kind=ErrorKind.OVERLOADED,
        headers=((b"retry-after", b"1"),),
    )


def going_down() -> Rejected:
    """The gateway is ending, and this request was not answered in time."""
    return Rejected(
        503,
        "stockade is shutting down",
        kind=ErrorKind.OVERLOADED,
        headers=((b"retry-after", b"1"), (b"connection", b"close")),
    )


def status_of(error: ProviderError, overloaded: int = 503) -> int:
    """The status of a failed request; ``overloaded`` is the dialect's own for that kind."""
    return overloaded if error.kind is ErrorKind.OVERLOADED else STATUS[error.kind]


def as_provider_error(error: HostError) -> ProviderError:
    """What the host says of a request, in the words that dialects can encode."""
    match error:
        case AllAttemptsFailed():
            return error.error
        case NoSuchModel() | NotInstalled():
            return ProviderError(
                ErrorKind.MODEL_UNAVAILABLE, str(error), 404, code="model_not_found"
            )
        case AliasLoop():
            return ProviderError(ErrorKind.MODEL_UNAVAILABLE, str(error), 404)
        case UsageError():
            return ProviderError(ErrorKind.INVALID_REQUEST, str(error))
        case _:
            return ProviderError(ErrorKind.SERVER_ERROR, "stockade could not take the request")


def retry_after(error: ProviderError) -> tuple[tuple[bytes, bytes], ...]:
    """The header that says when to come again, in whole seconds, where that is known."""
    if error.retry_after_s is None:
        return ()
    return ((b"retry-after", b"%d" % max(0, math.ceil(error.retry_after_s))),)


def shown_attempts(attempts: Iterable[Attempt]) -> str:
    """The value of ``x-stockade-attempts``: each ``plugin/model;outcome``, in order.

    What a header cannot hold is percent-encoded; of many attempts the last are left out, with a
    count.
    """
    listed = list(attempts)
    shown = [f"{_plain(one.target)};{one.outcome}" for one in listed[:MAX_ATTEMPTS_SHOWN]]
    if len(listed) > MAX_ATTEMPTS_SHOWN:
        shown.append(f"and {len(listed) - MAX_ATTEMPTS_SHOWN} more")
    return ", ".join(shown)


def told_warnings(warnings: Iterable[RuntimeWarning]) -> list[RuntimeWarning]:
    """The first warnings, each once, without keys and no longer than people read."""
    found = dict.fromkeys(
        RuntimeWarning(one.code[:MAX_WARNING_CHARS], _shown(one.message))
        for one in islice(warnings, MAX_WARNINGS_CONSIDERED)
    )
    return list(found)[:MAX_WARNINGS_SHOWN]


def _shown(message: str) -> str:
    """A message without what looks like a key, which must be whole to be known as one, and cut."""
    from stockade_sdk.dialects.failures import redact

    return redact(message[:MAX_MESSAGE_CHARS])[:MAX_WARNING_CHARS]


def shown_warnings(warnings: Iterable[RuntimeWarning]) -> str:
    """The value of ``x-stockade-warnings``: each ``code: message``, separated by ``; ``.

    What a header cannot hold, and what stands between two of them, is percent-encoded.
    """
    from urllib.parse import quote

    shown: list[str] = []
    room = MAX_WARNINGS_BYTES
    for one in told_warnings(warnings):
        text = f"{one.code}: {one.message}" if one.message else one.code
        text = quote(text, safe=SAFE_IN_A_WARNING, errors="backslashreplace")
        room -= len(text) + 2
        if room < 0:
            break
        shown.append(text)
    return "; ".join(shown)


def _plain(target: str) -> str:
    if target.isascii() and target.isprintable() and not {",", ";", " ", "%"} & set(target):
        return target[:MAX_TARGET_CHARS]
    from urllib.parse import quote

    return quote(target[:MAX_TARGET_CHARS], safe="/:@.-_~+", errors="backslashreplace")
