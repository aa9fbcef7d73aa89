"""Several watchers as one: each is told, and none can break a request."""

import logging

import pytest

from stockade.egress import Decision
from stockade.supervisor import PluginEvent, What
from stockade.telemetry import NOBODY, Observed, all_of
from stockade_sdk.capability import Capability

OBSERVED = Observed(
    request_id=None,
    trace_parent=None,
    capability=Capability.CHAT,
    model=None,
    streamed=False,
    attempts=(),
    usage=None,
    cost=None,
    kind=None,
    started_at=0.0,
    duration_s=0.0,
)
DECISION = Decision(plugin="echo", host="", port=0, rule=None, allowed=False, reason="no")
EVENT = PluginEvent("echo", What.DIED)


class Hears:
    def __init__(self) -> None:
        self.heard: list[object] = []

    def request(self, observed: Observed) -> None:
        self.heard.append(observed)

    def egress(self, decision: Decision) -> None:
        self.heard.append(decision)

    def worker(self, event: PluginEvent) -> None:
        self.heard.append(event)


class Raises:
    def request(self, observed: Observed) -> None:
        raise ValueError("a request")

    def egress(self, decision: Decision) -> None:
        raise ValueError("a decision")

    def worker(self, event: PluginEvent) -> None:
        raise ValueError("an event")


def test_each_is_told_of_everything_in_order_also_after_one_that_raises(
    caplog: pytest.LogCaptureFixture,
) -> None:
    first, last = Hears(), Hears()
    watches = all_of(first, Raises(), last)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            watches.request(OBSERVED)
            watches.egress(DECISION)
            watches.worker(EVENT)

    assert first.heard == last.heard == [OBSERVED, DECISION, EVENT] * 3
    said = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
    assert said == ["a request", "a decision", "an event"]  # each once, with its traceback


def test_nobody_of_nobody_is_nobody() -> None:
    assert all_of() is NOBODY
    assert all_of(NOBODY, NOBODY) is NOBODY
    NOBODY.request(OBSERVED)
    NOBODY.egress(DECISION)
    NOBODY.worker(EVENT)
