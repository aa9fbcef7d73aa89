"""The home and its state, as the verbs use them. The host's modules are imported on call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from stockade.settings import Home
    from stockade.state import Installed, State
    from stockade_sdk.hosts import HostRule
    from stockade_sdk.manifest import Manifest

__all__ = ["host_rules", "manifest_of", "opened"]


@contextmanager
def opened() -> Iterator[tuple[Home, State]]:
    """The home of `STOCKADE_HOME` and its state. A running host is told of what was changed, keys
    included, also where the block raises. Raises HostError.
    """
    from stockade.cli.live import tell_changed
    from stockade.settings import Home
    from stockade.state import State

    home = Home.find()
    keys = _version_of(home.secrets_file)
    with State.open(home) as state:
        try:
            yield home, state
        finally:
            if state.changed or _version_of(home.secrets_file) != keys:
                tell_changed(home)


def _version_of(path: Path) -> tuple[int, int] | None:
    """What differs once a file was put into another's place."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def manifest_of(record: Installed) -> Manifest:
    """What an installed plugin says of itself."""
    from stockade.state.manifests import manifest_of as kept

    return kept(record)


def host_rules(texts: list[str]) -> tuple[HostRule, ...]:
    """Hosts as typed, `H` or `H:P`, each once. Raises UsageError."""
    from stockade.app.operating.known import host_rules as read

    return read(texts)
