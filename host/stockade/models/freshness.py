"""Whether a list of models is new enough to be used without asking again. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable

__all__ = ["age_of", "is_fresh", "uses_cache"]


def age_of(fetched_at: object, now: float) -> float | None:
    """Seconds since ``fetched_at``, both in seconds since 1970; None where either is no time.

    Negative where the clock was set back since.
    """
    if isinstance(fetched_at, bool) or not isinstance(fetched_at, int | float):
        return None
    try:
        age = now - fetched_at
    except OverflowError:  # an integer beyond what a float holds
        return None
    return age if math.isfinite(age) else None


def is_fresh(age_s: float | None, ttl_s: float) -> bool:
    """Whether a list of this age may be used for ``ttl_s`` seconds; None is an age nobody knows.

    One from the future is not fresh: a clock that was set back would keep it for ever.
    """
    return age_s is not None and math.isfinite(ttl_s) and 0 <= age_s < ttl_s


def uses_cache(ages: Iterable[float | None], ttl_s: float) -> bool:
    """Whether what is kept will do: there is something, and all of it is fresh."""
    ages = tuple(ages)
    return bool(ages) and all(is_fresh(age, ttl_s) for age in ages)
