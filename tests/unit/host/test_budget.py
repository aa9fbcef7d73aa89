"""Which limit a sample is over, and what is said of a slow attempt."""

import pytest

from stockade.process.tree import Sample
from stockade.sandbox.cgroups import Counts
from stockade.supervisor.budget import (
    Exceeded,
    limits_note,
    over_budget,
    over_shared,
    share_note,
    wants_proportional,
)
from stockade_sdk.limits import Limits

MIB = 1024 * 1024
LIMITS = Limits(memory_bytes=100 * MIB, processes=8)


def sample(mib: float = 10, tasks: int = 1, processes: int = 1) -> Sample:
    return Sample(0.0, int(mib * MIB), 0.0, tasks, processes)


@pytest.mark.parametrize(("mib", "tasks"), [(0, 1), (100, 1), (10, 8)])
def test_all_of_a_limit_may_be_used(mib: float, tasks: int) -> None:
    assert over_budget(sample(mib, tasks), LIMITS) is None


def test_more_memory_than_allowed_is_told_with_both_figures() -> None:
    assert over_budget(sample(mib=101), LIMITS) == Exceeded(
        "memory", "it used 101 MiB of memory, 100 MiB are allowed"
    )


def test_one_thread_too_many_is_told_with_both_figures() -> None:
    assert over_budget(sample(tasks=9), LIMITS) == Exceeded(
        "processes", "it had 9 processes and threads, 8 are allowed"
    )


def test_pages_that_several_processes_share_count_once_where_that_was_measured() -> None:
    several = sample(mib=160, processes=4)

    assert wants_proportional(several, LIMITS)
    assert over_budget(several, LIMITS, proportional_bytes=70 * MIB) is None
    assert over_budget(several, LIMITS, proportional_bytes=101 * MIB) is not None
    assert over_budget(several, LIMITS) is not None


@pytest.mark.parametrize("one", [sample(mib=160), sample(mib=90, processes=4)])
def test_the_costly_measure_is_taken_only_where_the_verdict_hangs_on_it(one: Sample) -> None:
    assert not wants_proportional(one, LIMITS)


def test_an_attempt_that_was_held_back_says_for_how_long() -> None:
    note = limits_note(Counts(throttled_s=1.0), Counts(throttled_s=4.25))

    assert note == "its worker was held back by limits.cpu for 3.2 s of processor time"


@pytest.mark.parametrize("after", [1.0, 1.05])
def test_an_attempt_that_was_hardly_held_back_says_nothing(after: float) -> None:
    assert limits_note(Counts(throttled_s=1.0), Counts(throttled_s=after)) is None


@pytest.mark.parametrize(
    ("seconds", "used", "said"),
    [(10.0, 9.5, True), (10.0, 5.0, False), (0.0, 0.0, False)],
)
def test_whoever_used_the_whole_share_hears_of_it(seconds: float, used: float, said: bool) -> None:
    before = Sample(100.0, 0, 50.0, 1)
    after = Sample(100.0 + seconds, 0, 50.0 + used, 1)

    assert (share_note(before, after, 1.0) is not None) == said


def test_memory_mapped_to_share_counts_whole_whether_it_is_used_or_not() -> None:
    assert over_shared(100 * MIB, LIMITS) is None
    over = over_shared(101 * MIB, LIMITS)
    assert over is not None
    assert (over.limit, "101 MiB of memory to share" in over.reason) == ("memory", True)
