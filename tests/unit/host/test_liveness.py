"""Whether a worker still lives, judged from what was seen of it."""

import pytest

from stockade.supervisor.liveness import CLOG_S, Clogged, Sight, Unresponsive, judge

NOW = 100.0
PING_TIMEOUT_S = 3.0


def verdict(**seen: float) -> Unresponsive | Clogged | None:
    sight = Sight(now=NOW, in_flight=int(seen.pop("in_flight", 0)), **seen)
    return judge(sight, ping_timeout_s=PING_TIMEOUT_S)


@pytest.mark.parametrize(
    "seen",
    [
        {},
        {"ping_since": NOW - 2.9},
        {"ping_since": NOW - 60, "in_flight": 1},  # it computes
        {"ping_since": NOW - 60, "active_at": NOW - 1},  # it computed until a moment ago
        {"stopped_since": NOW - 0.9},
        {"abandoned_since": NOW - 0.9, "ping_since": NOW - 5, "in_flight": 1},
        {"abandoned_since": NOW - 5, "ping_since": NOW - 0.9, "in_flight": 1},
        {"abandoned_since": NOW - CLOG_S + 0.1, "in_flight": 1},
    ],
)
def test_a_worker_in_health_is_left_alone(seen: dict[str, float]) -> None:
    assert verdict(**seen) is None


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ({"ping_since": NOW - 3}, "idle"),
        ({"ping_since": NOW - 60, "active_at": NOW - 3}, "idle"),
        ({"stopped_since": NOW - 1}, "SIGSTOP"),
        ({"stopped_since": NOW - 1, "in_flight": 5}, "SIGSTOP"),
        ({"abandoned_since": NOW - 1, "ping_since": NOW - 1, "in_flight": 1}, "blocked"),
    ],
)
def test_a_silent_worker_is_unresponsive(seen: dict[str, float], said: str) -> None:
    judged = verdict(**seen)

    assert isinstance(judged, Unresponsive)
    assert said in judged.reason


def test_a_worker_that_keeps_dead_calls_is_clogged() -> None:
    judged = verdict(abandoned_since=NOW - CLOG_S, in_flight=1)

    assert isinstance(judged, Clogged)
    assert "10 s" in judged.reason
