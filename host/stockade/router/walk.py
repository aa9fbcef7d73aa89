"""One request's way along its plan: the step it is at, and every attempt so far."""

from __future__ import annotations

from collections.abc import Callable

from stockade.errors import AllAttemptsFailed
from stockade_sdk.capability import Attempt
from stockade_sdk.errors import ErrorKind, ProviderError

from .breaker import Breaker
from .catalogue import Target
from .plan import Plan
from .rules import Fail, Policy, Try, after, begin

MAX_SHOWN_REASONS = 5


class Walk:
    """The attempts of one request, in order; the arguments are those of ``Dispatcher``.

    Raises AllAttemptsFailed at once where the plan has no target, UsageError where ``timeout_s`` is
    not above 0.
    """

    __slots__ = (
        "_breaker",
        "_clock",
        "_policy",
        "_random",
        "_shown",
        "_started",
        "attempts",
        "step",
    )

    def __init__(
        self,
        plan: Plan,
        timeout_s: float,
        *,
        clock: Callable[[], float],
        random: Callable[[], float],
        breaker: Breaker | None,
        policy: Policy,
    ) -> None:
        if not plan.targets:
            raise AllAttemptsFailed((), nowhere(plan))
        self._clock, self._random, self._breaker, self._policy = clock, random, breaker, policy
        self._started = clock()
        self._shown: ProviderError | None = None
        self.attempts: list[Attempt] = []
        self.step: Try = begin(plan.targets, self._started, timeout_s, policy)

    @property
    def remaining_s(self) -> float:
        """Seconds left of the whole request."""
        return max(0.0, self.step.deadline - self._clock())

    def start(self) -> Target:
        """The target to call now; its time begins to count."""
        self._started = self._clock()
        return self.step.target

    def answered(self) -> None:
        """The attempt gave its whole answer."""
        if self._breaker is not None:
            self._breaker.succeeded(self.step.target)
        self._record("ok")

    def streaming(self) -> None:
        """The attempt's first output goes to the caller: it stands on record until it is over."""
        self._record("streaming")

    def failed(self, error: ProviderError) -> None:
        """Record the failure and take the next step.

        Raises AllAttemptsFailed where none is left: with the first target's error, or with the one
        that stopped the walk.
        """
        self._failure(error)
        if self.step.first or self._shown is None:
            self._shown = error
        following = after(
            error, self.step, self._clock(), jitter=self._random(), policy=self._policy
        )
        if isinstance(following, Try):
            self.step = following
            return
        last = isinstance(following, Fail) and following.show_last
        raise AllAttemptsFailed(self.attempts, error if last else self._shown) from error

    def broken(self, error: ProviderError) -> None:
        """The attempt failed after output had reached the caller: nothing follows."""
        self._failure(error)

    def abandoned(self) -> None:
        """The caller left in the middle of a stream; no failure of the target."""
        self._record("failed", ErrorKind.CANCELLED, "the caller left")

    def _failure(self, error: ProviderError) -> None:
        if self._breaker is not None:
            self._breaker.failed(self.step.target, error)
        self._record("failed", error.kind, error.message)

    def _record(self, outcome: str, kind: ErrorKind | None = None, message: str = "") -> None:
        attempt = Attempt(
            target=self.step.target.name,
            outcome=outcome,
            kind=None if kind is None else kind.value,
            ms=(self._clock() - self._started) * 1_000.0,
            message=message or None,
        )
        if self.attempts and self.attempts[-1].outcome == "streaming":
            self.attempts[-1] = attempt
        else:
            self.attempts.append(attempt)


def nowhere(plan: Plan) -> ProviderError:
    """Why a plan has no target, for a person."""
    needed = plan.needs.capability if plan.needs is not None else "this request"
    if not plan.rejected:
        return ProviderError(
            ErrorKind.UNSUPPORTED,
            f"no enabled plugin serves {needed}; `stockade list` shows what each one has, "
            "`stockade install` adds one",
        )
    shown = "; ".join(f"{target}: {why}" for target, why in plan.rejected[:MAX_SHOWN_REASONS])
    more = len(plan.rejected) - MAX_SHOWN_REASONS
    return ProviderError(
        ErrorKind.UNSUPPORTED,
        f"no target can serve {needed}: {shown}" + (f"; and {more} more" if more > 0 else ""),
    )
