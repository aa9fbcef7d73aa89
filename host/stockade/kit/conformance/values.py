"""What the suite finds, as plain values: a check's result, and the report of all of them."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

import msgspec

__all__ = ["NotApplicable", "Outcome", "Report", "Result", "Unmet", "unmet"]

Outcome = Literal["passed", "warned", "failed", "skipped"]


class Unmet(Exception):
    """A check's expectation that did not come true, in words: what was expected, what came."""


class NotApplicable(Exception):
    """A check that says nothing of this plugin, and why."""


def unmet(expected: str, came: str) -> Unmet:
    """The two halves as one sentence."""
    return Unmet(f"expected {expected}; {came}")


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found. `detail` is for people: what was expected and what came, or why the
    check was skipped, or what is to be looked at; it may quote the plugin. `ms` is wall time.
    """

    id: str
    title: str
    outcome: Outcome
    ms: int = 0
    detail: str = ""
    remedy: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One run over one plugin.

    `digest` is over the plugin's files without an earlier report, `tested_at` UTC in ISO 8601,
    `against` what played the vendor: "built-in wires", "recordings", "the vendor itself" or
    "nothing" where the plugin asks nobody.
    """

    plugin: str
    version: str
    digest: str
    stockade: str
    tested_at: str
    against: str
    results: tuple[Result, ...]

    def count(self, outcome: Outcome) -> int:
        """How many checks ended so."""
        return Counter(result.outcome for result in self.results)[outcome]

    @property
    def ok(self) -> bool:
        """Whether something was tried and nothing failed."""
        return self.count("failed") == 0 and self.score is not None

    @property
    def score(self) -> float | None:
        """The share of the checks that were tried which passed, warnings included; None where none
        was tried.
        """
        good = self.count("passed") + self.count("warned")
        tried = good + self.count("failed")
        return round(good / tried, 4) if tried else None

    def as_json(self) -> dict[str, Any]:
        """With stable keys."""
        return {
            "plugin": self.plugin,
            "version": self.version,
            "digest": self.digest,
            "stockade": self.stockade,
            "tested_at": self.tested_at,
            "against": self.against,
            "score": self.score,
            "passed": self.count("passed"),
            "warned": self.count("warned"),
            "failed": self.count("failed"),
            "skipped": self.count("skipped"),
            "checks": msgspec.to_builtins(self.results),
        }
