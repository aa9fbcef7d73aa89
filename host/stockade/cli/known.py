"""What verbs know without a running host, and the words that their listings have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from stockade.cli.output import note
from stockade.cli.stored import opened

if TYPE_CHECKING:
    from stockade.app.knowledge import Knowledge
    from stockade.settings import Home, Settings
    from stockade.state import State
    from stockade_sdk.capability import Capability, Price

__all__ = [
    "Known",
    "ago",
    "capability_of",
    "known",
    "lacking_of",
    "price_cells",
    "provider_of",
    "warn",
]

MAX_WARNINGS = 20  # of one verb: a vendor's list may clash with another's in a thousand names
_SPANS = ((86_400, "d"), (3_600, "h"), (60, "min"))


class Known(NamedTuple):
    """One reading of the home: its state, its settings, and what the two come to."""

    home: Home
    state: State
    settings: Settings
    knowledge: Knowledge


@contextmanager
def known() -> Iterator[Known]:
    """Read all of it; nobody is asked and no worker is started. Raises HostError."""
    from stockade.app.knowledge import read_knowledge
    from stockade.settings import read_settings

    with opened() as (home, state):
        settings = read_settings(home)
        yield Known(home, state, settings, read_knowledge(state, settings))


def capability_of(word: str) -> Capability:
    """A capability as typed. Raises UsageError, which names the nearest."""
    from stockade.errors import UsageError
    from stockade_sdk.capability import Capability
    from stockade_sdk.text import nearest, show

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
    from stockade.errors import NotInstalled

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
    from stockade.packages import shipped_plugins
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
    from stockade.state import Secrets
    from stockade_sdk.manifest import ManifestError

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


def warn(messages: Iterable[str]) -> None:
    """Say on stderr what an operator should know beside the result; of very many, the first."""
    told = list(messages)
    for message in told[:MAX_WARNINGS]:
        note(f"note: {message}")
    if len(told) > MAX_WARNINGS:
        note(f"note: and {len(told) - MAX_WARNINGS} more like these")


def ago(seconds: float | None) -> str | None:
    """A span of time in its largest unit; None stays None, which a table shows as "-"."""
    if seconds is None:
        return None
    if seconds < 0:
        return "in the future"  # the clock was set back since
    for unit, word in _SPANS:
        if seconds >= unit:
            return f"{seconds / unit:.0f} {word}"
    return f"{seconds:.0f} s"


def price_cells(price: Price | None) -> tuple[str | None, str | None]:
    """USD per 1,000,000 tokens in and out; None where it is unknown, which is not free."""
    return (None, None) if price is None else (price.input, price.output)
