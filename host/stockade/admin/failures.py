"""Which status a failure gets under `/api/`, and what its body says. Pure.

What a caller is told is what the host's errors say for a person, cut; never a trace.
"""

from __future__ import annotations

from typing import Final

import msgspec

from stockade.errors import HostError, NotInstalled, Refused, StateError, UsageError
from stockade.router.resolve import NoSuchModel

from .operator import Changed, Missing, Taken
from .values import Failure, Fault

MAX_SENTENCE_CHARS: Final = 2_000  # errors quote names and paths, which others chose

# The first that fits holds, so a class stands before its bases.
STATUSES: Final[tuple[tuple[type[HostError], int, str], ...]] = (
    (NotInstalled, 404, "not_installed"),
    (NoSuchModel, 404, "no_such_model"),
    (Missing, 404, "missing"),
    (Taken, 409, "taken"),
    (Changed, 409, "changed"),
    (UsageError, 422, "unusable"),
    (Refused, 403, "refused"),
    (StateError, 503, "state"),
    (HostError, 500, "failed"),
)

# Of the request itself, before anything was asked for: `kind` by status.
KINDS: Final = {
    400: "malformed",
    401: "unknown_caller",
    403: "refused",
    404: "no_such_path",
    405: "wrong_method",
    408: "too_slow",
    413: "too_large",
    415: "wrong_media_type",
    421: "foreign_host",
    431: "too_large",
    500: "bug",
    503: "busy",
}


class Unfit(Exception):
    """A request that means nothing here: ``status`` is one of KINDS, ``allow`` the methods that a
    405 names.
    """

    def __init__(self, status: int, message: str, *, remedy: str = "", allow: str = "") -> None:
        super().__init__(message)
        self.status, self.allow = status, allow
        self.failure = failure(KINDS[status], message, remedy=remedy)


def failure(kind: str, message: str, *, why: str = "", remedy: str = "") -> Failure:
    """The body of an answer that is none."""
    return Failure(error=Fault(kind=kind, message=cut(message), why=cut(why), remedy=cut(remedy)))


def failure_of(error: HostError) -> tuple[int, Failure]:
    """Status and body for what the host says."""
    status, kind = next((s, k) for of, s, k in STATUSES if isinstance(error, of))
    return status, failure(kind, error.what, why=error.why, remedy=error.remedy)


def refusal(status: int, message: str, *, remedy: str = "") -> bytes:
    """The body for who is turned away before this API is reached: no token, no scope, no room."""
    return msgspec.json.encode(failure(KINDS[status], message, remedy=remedy))


def cut(text: str) -> str:
    return text if len(text) <= MAX_SENTENCE_CHARS else text[: MAX_SENTENCE_CHARS - 1] + "…"
