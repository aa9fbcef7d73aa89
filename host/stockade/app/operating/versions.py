"""The earlier versions of a plugin that are kept, and whether its files are whole."""

from __future__ import annotations

from typing import Any

from stockade.packages import examine
from stockade.settings import Home
from stockade.state import Installed, State

__all__ = ["verified", "versions_of"]


def versions_of(state: State, name: str) -> list[dict[str, Any]]:
    """What `rollback` could go back to, the one replaced last first. Blocking."""
    return [
        {
            "version": version.record.version,
            "digest": f"sha256:{version.record.digest}",
            "trust": version.record.trust,
            "installed_at": version.record.installed_at,
            "replaced_at": version.replaced_at,
        }
        for version in state.versions.of(name)
    ]


def verified(home: Home, record: Installed) -> dict[str, Any]:
    """Whether a plugin's files and those of its packages are as installed, and which are not.

    Blocking: reads them all.
    """
    wrong = examine(home, record)
    return {"whole": not wrong, "wrong": list(wrong)}
