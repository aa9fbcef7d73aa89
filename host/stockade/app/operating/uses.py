"""How often each rule of a grant was used while this host runs: counted from the egress's news."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from stockade.egress import Decision
from stockade.supervisor import PluginEvent
from stockade.telemetry import Observed

__all__ = ["Uses"]

# Rules are what manifests and operators wrote, a few a plugin; a plugin that is installed again and
# again with others must not fill the memory.
MAX_WORDS: Final = 1_000
MAX_PLUGINS: Final = 1_000


class Uses:
    """Fulfils `telemetry.Watches`; told on the event loop, read from any thread."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}

    def egress(self, decision: Decision) -> None:
        """One more use of the rule that let it pass, and of the tunnel, if it was one."""
        if not decision.allowed or decision.rule is None:
            return
        counts = self._counts.get(decision.plugin)
        if counts is None:
            if len(self._counts) >= MAX_PLUGINS:
                return
            counts = self._counts[decision.plugin] = Counter()
        word = f"network:{decision.rule}"
        if word in counts or len(counts) < MAX_WORDS:
            counts[word] += 1
        if decision.tunnel:
            counts["tunnel"] += 1

    def request(self, observed: Observed) -> None:
        """Says nothing of a grant."""

    def worker(self, event: PluginEvent) -> None:
        """Says nothing of a grant."""

    def of(self, plugin: str) -> Mapping[str, int]:
        """By the word of a permission (`network:HOST`, `tunnel`); what is absent was not used."""
        return dict(self._counts.get(plugin, {}))

    def forget(self, plugin: str) -> None:
        """The plugin is gone."""
        self._counts.pop(plugin, None)
