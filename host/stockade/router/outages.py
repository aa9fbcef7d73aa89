"""When models without a connection mean that their provider cannot be reached."""

from __future__ import annotations

OUTAGE_MODELS = 3  # of one provider, unreached one after the other: it is the provider
OUTAGE_S = 300.0  # within these seconds; further apart they tell of no one outage


class Outages:
    """By plugin, the models that were not reached since any of its models answered."""

    def __init__(self) -> None:
        self._unreached: dict[str, dict[str, float]] = {}

    def unreached(self, plugin: str, model: str, now: float) -> bool:
        """One more failure; whether it makes the row an outage, which then begins anew."""
        models = self._unreached.get(plugin, {})
        recent = {name: at for name, at in models.items() if now - at <= OUTAGE_S}
        recent[model] = now
        if len(recent) < OUTAGE_MODELS:
            self._unreached[plugin] = recent
            return False
        self.answered(plugin)
        return True

    def answered(self, plugin: str) -> None:
        """The row is broken: the vendor was reached, or the plugin is another one now."""
        if self._unreached:
            self._unreached.pop(plugin, None)
