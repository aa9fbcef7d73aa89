"""One request's way along its plan: the step it is at, and every attempt so far."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from stockade.errors import AllAttemptsFailed
from stockade_sdk.capability import Attempt
from stockade_sdk.errors import ErrorKind, ProviderError

from .breaker import Breaker
from .catalogue import Target
from .plan import Plan
from .readiness import Health, ready_first, standing_of
from .rules import Fail, Policy, Try, after, begin, for_route

MAX_SHOWN_REASONS = 5


class Walk:
    """The attempts of one request, in order; the arguments are those of ``Dispatcher``.

    Raises AllAttemptsFailed at once where the plan has no target, UsageError where ``timeout_s`` is
    not above 0.
    """

    __slots__ = (
        "_began",
        "_breaker",
        "_clock",
        "_health",
        "_policy",
        "_probed",
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
        health: Callable[[], Health],
        policy: Policy,
    ) -> None:
        if not plan.targets:
            raise AllAttemptsFailed((), nowhere(plan))
        self._clock, self._random = clock, random
        self._breaker, self._health = breaker, health
        self._policy = for_route(plan.policy, policy)
        self._began = self._started = clock()
        self._shown: ProviderError | None = None
        self._probed: tuple[str, ...] = ()
        self.attempts: list[Attempt] = []
        self.step: Try = begin(plan.targets, self._started, timeout_s, self._policy)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the request began."""
        return self._clock() - self._began

    @property
    def remaining_s(self) -> float:
        """Seconds left of the whole request."""
        return max(0.0, self.step.deadline - self._clock())

    def start(self) -> Target:
        """The target to call now; its time begins to count.

        What became of the call is to be told, for it may keep other requests from the target.
        """
        self._started = self._clock()
        if self._breaker is not None:
            self._probed = self._breaker.started(self.step.target)
        return self.step.target

    def let_go(self) -> None:
        """The attempt is over or its stream has begun: it keeps nobody from its target any more."""
        if self._probed and self._breaker is not None:
            self._breaker.released(self._probed)
            self._probed = ()

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
        health, at = self._health(), self.step
        if health:  # since the plan was made, others of its targets may have begun to rest
            at = replace(at, rest=tuple(ready_first(at.rest, health)))
        standing = standing_of(at.target, health)
        following = after(
            error,
            at,
            self._clock(),
            jitter=self._random(),
            policy=self._policy,
            rests_until=0.0 if standing is None else standing.until,
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
        self.let_go()
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
