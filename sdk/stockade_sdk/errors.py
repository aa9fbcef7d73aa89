"""What can go wrong, sorted by what the caller does next.

StockadeError                 the root of this distribution
├── ProviderError             a request did not get its answer; ``kind`` decides what follows
│   └── PermissionDenied      a grant is missing; never hidden by a fallback
├── ManifestError             a plugin.toml is not as it should be (see ``manifest``)
└── WireError                 bytes that are no frame of ours (see ``wire``)
"""

from __future__ import annotations

import enum

import msgspec

MAX_RETRY_AFTER_S = 30 * 24 * 3600.0  # a month; beyond it what a vendor says is nonsense
MAX_MESSAGE_CHARS = 2_000  # an error is for a person's screen; vendors have sent whole pages


class StockadeError(Exception):
    """Root of the SDK's errors."""


class ErrorKind(enum.StrEnum):
    """Every way a request can fail, by what the caller can do about it."""

    AUTH = "auth"
    QUOTA = "quota"
    RATE_LIMITED = "rate_limited"
    MODEL_UNAVAILABLE = "model_unavailable"
    CONTEXT_LENGTH = "context_length"
    CONTENT_FILTER = "content_filter"
    INVALID_REQUEST = "invalid_request"
    UNSUPPORTED = "unsupported"
    TIMEOUT = "timeout"
    NETWORK = "network"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    MALFORMED_RESPONSE = "malformed_response"
    PERMISSION_DENIED = "permission_denied"
    OVER_BUDGET = "over_budget"
    WORKER_DIED = "worker_died"
    OUT_OF_MEMORY = "out_of_memory"
    PROTOCOL = "protocol"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class TimeoutPhase(enum.StrEnum):
    """Which of the four waits ran out."""

    CONNECT = "connect"
    FIRST_BYTE = "first_byte"
    IDLE = "idle"
    TOTAL = "total"


class ErrorInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error as it crosses the wire and as ``--json`` prints it.

    ``status`` is the vendor's HTTP status, ``request_id`` its name for the request (support asks
    for it), ``retryable`` what it said of asking again: ``None`` is nothing.
    """

    kind: ErrorKind
    message: str = ""
    status: int | None = None
    retry_after_s: float | None = None
    phase: TimeoutPhase | None = None
    code: str | None = None
    retryable: bool | None = None
    request_id: str | None = None


class ProviderError(StockadeError):
    """A request did not get its answer.

    ``kind`` is a word of :class:`ErrorKind` (an unknown word becomes ``unknown``), ``status`` the
    vendor's HTTP status, ``retry_after_s`` seconds to wait (at most 30 days; what is no wait is
    ``None``), ``phase`` which wait ran out (timeouts only), ``code`` the vendor's own word,
    ``retryable`` whether the vendor said that asking again is of use, ``request_id`` its name for
    the request.
    """

    def __init__(
        self,
        kind: ErrorKind | str,
        message: str = "",
        status: int | None = None,
        retry_after_s: float | None = None,
        *,
        phase: TimeoutPhase | str | None = None,
        code: str | None = None,
        retryable: bool | None = None,
        request_id: str | None = None,
    ) -> None:
        try:
            self.kind = ErrorKind(kind)
        except ValueError:
            self.kind = ErrorKind.UNKNOWN
        self.message = capped(str(message))
        self.status = status
        self.retry_after_s = _possible(retry_after_s)
        self.phase = TimeoutPhase(phase) if phase is not None else None
        self.code = code
        self.retryable = retryable
        self.request_id = request_id
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}" if self.message else str(self.kind)

    def info(self) -> ErrorInfo:
        """The same as a plain value."""
        return ErrorInfo(
            kind=self.kind,
            message=self.message,
            status=self.status,
            retry_after_s=self.retry_after_s,
            phase=self.phase,
            code=self.code,
            retryable=self.retryable,
            request_id=self.request_id,
        )

    @staticmethod
    def of(info: ErrorInfo) -> ProviderError:
        """The error that ``info`` describes; a missing permission gets its own class."""
        if info.kind is ErrorKind.PERMISSION_DENIED:
            return PermissionDenied(info.message)
        return ProviderError(
            info.kind,
            info.message,
            info.status,
            info.retry_after_s,
            phase=info.phase,
            code=info.code,
            retryable=info.retryable,
            request_id=info.request_id,
        )


class PermissionDenied(ProviderError):
    """The plugin tried what its grant does not name; the message says which manifest line would
    allow it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(ErrorKind.PERMISSION_DENIED, message)


def _possible(seconds: float | None) -> float | None:
    """A wait that somebody could mean: whoever reads it need not think of NaN and the like."""
    return min(seconds, MAX_RETRY_AFTER_S) if seconds is not None and seconds >= 0 else None


def capped(text: str, limit: int = MAX_MESSAGE_CHARS) -> str:
    """``text`` cut to ``limit`` characters, the cut marked."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
