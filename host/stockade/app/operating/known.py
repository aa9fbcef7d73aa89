"""What is known of a home without asking anybody, and the words by which it is asked for."""

from __future__ import annotations

from collections.abc import Iterable

from stockade.errors import NotInstalled, UsageError
from stockade.packages import shipped_plugins
from stockade.settings import Home, read_settings
from stockade.state import Secrets, State
from stockade_sdk.capability import Capability
from stockade_sdk.hosts import HostRule
from stockade_sdk.manifest import ManifestError
from stockade_sdk.text import TextRefused, nearest, show

from .found import Known

__all__ = ["Known", "capability_of", "host_rules", "lacking_of", "provider_of", "read_known"]


def read_known(home: Home, state: State) -> Known:
    """Read it anew; nobody is asked. Blocking. Raises HostError."""
    from stockade.app.knowledge import read_knowledge

    settings = read_settings(home)
    return Known(home, state, settings, read_knowledge(state, settings))


def capability_of(word: str) -> Capability:
    """A capability as typed. Raises UsageError, which names the nearest."""
    typed = word.strip().lower().replace("-", "_")
    words = [one.value for one in Capability]
    if typed in words:
        return Capability(typed)
    near = nearest(typed, words)
    raise UsageError(
        f"there is no capability {show(word)}",
        why=f"there are {', '.join(words)}",
        remedy=f"did you mean {near}?" if near else "",
    )


def provider_of(name: str, found: Known) -> str:
    """The installed plugin of a name or of a provider's alias. Raises UsageError."""
    typed = name.strip().lower()
    if any(record.name == typed for record in found.knowledge.records):
        return typed
    registry = found.knowledge.registry
    shipped = None if registry.resolve(name) is not None else _shipped(name)
    if shipped is not None:
        raise NotInstalled(
            f"{shipped} is not installed",
            why="it comes with stockade and waits to be",
            remedy=f"install it: stockade install {shipped}",
        )
    one = registry.get(name)
    return one.plugin or one.id


def _shipped(name: str) -> str | None:
    """The plugin of that name or alias that came with this stockade."""
    from stockade.registry import normalise_id, try_normalise_id
    from stockade.registry.installed import SHIPPED_ALIASES

    wanted = try_normalise_id(name)
    for plugin in shipped_plugins():
        if wanted in [normalise_id(one) for one in (plugin, *SHIPPED_ALIASES.get(plugin, ()))]:
            return plugin
    return None


def lacking_of(found: Known, names: Iterable[str]) -> dict[str, str | None]:
    """Why each of these plugins cannot be asked yet, in words and with what to do; None where it
    can. Opens no keyring.
    """
    from stockade.app.discovery import lacking

    source_of = Secrets(found.home).source
    records = {record.name: record for record in found.knowledge.records}
    reasons: dict[str, str | None] = {}
    for name in dict.fromkeys(names):
        if name not in records:
            reasons[name] = f"it is not installed; run: stockade install {name}"
            continue
        try:
            reasons[name] = lacking(records[name], source_of)
        except ManifestError:
            reasons[name] = "its manifest cannot be read; install it again"
    return reasons


def host_rules(texts: Iterable[str]) -> tuple[HostRule, ...]:
    """Hosts as typed, `H` or `H:P`, each once. Raises UsageError."""
    rules: dict[HostRule, None] = {}
    for text in texts:
        try:
            rules[HostRule.parse(text)] = None
        except TextRefused as refused:
            raise UsageError(
                f"the host {show(text)} {refused.message}", remedy=refused.remedy
            ) from None
    return tuple(rules)
