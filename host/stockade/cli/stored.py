"""The home and its state, as the verbs use them. The host's modules are imported on call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stockade.settings import Home
    from stockade.state import Installed, State
    from stockade_sdk.hosts import HostRule
    from stockade_sdk.manifest import Manifest

__all__ = ["host_rules", "manifest_of", "opened"]


@contextmanager
def opened() -> Iterator[tuple[Home, State]]:
    """The home of `STOCKADE_HOME` and its state. Raises HostError."""
    from stockade.settings import Home
    from stockade.state import State

    home = Home.find()
    with State.open(home) as state:
        yield home, state


def manifest_of(record: Installed) -> Manifest:
    """What an installed plugin says of itself."""
    from stockade.state.manifests import manifest_of as kept

    return kept(record)


def host_rules(texts: list[str]) -> tuple[HostRule, ...]:
    """Hosts as typed, `H` or `H:P`, each once. Raises UsageError."""
    from stockade.errors import UsageError
    from stockade_sdk.hosts import HostRule
    from stockade_sdk.text import TextRefused, show

    rules: dict[HostRule, None] = {}
    for text in texts:
        try:
            rules[HostRule.parse(text)] = None
        except TextRefused as refused:
            raise UsageError(
                f"the host {show(text)} {refused.message}", remedy=refused.remedy
            ) from None
    return tuple(rules)
