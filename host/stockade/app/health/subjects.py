"""Whom a health check asks, and why some are not asked. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from stockade.app.discovery import lacking
from stockade.state import Installed

__all__ = [
    "DISABLED",
    "MISSING_CONFIG",
    "MISSING_KEY",
    "NOT_FOUND",
    "STOPPED",
    "Subject",
    "missing",
    "subject_of",
]

# Stable words; `detail` says the same to a person, with what to do.
DISABLED: Final = "disabled"
STOPPED: Final = "stopped"
MISSING_KEY: Final = "missing_api_key"
MISSING_CONFIG: Final = "missing_config"
NOT_FOUND: Final = "not_found"


class Subject(msgspec.Struct, frozen=True):
    """A provider to ask; one with a ``reason`` is not asked, and ``ok`` is what that means."""

    provider: str
    reason: str | None = None
    detail: str | None = None
    ok: bool | None = None


def subject_of(record: Installed, key_of: Callable[[str, str], str | None]) -> Subject:
    """An installed plugin, by what it has and what it lacks.

    ``key_of`` gives the value of a plugin's key, None where it has none; a blank one is none.
    Raises ManifestError.
    """

    def source(plugin: str, name: str) -> str | None:
        return "set" if (key_of(plugin, name) or "").strip() else None

    lacks = lacking(record, source)
    if lacks is None:
        return Subject(record.name)
    if record.state == "disabled":
        return Subject(record.name, DISABLED, lacks)
    if record.state == "failed":
        return Subject(record.name, STOPPED, lacks, ok=False)
    with_a_key = lacking(record, lambda plugin, name: "set")
    return Subject(record.name, MISSING_CONFIG if with_a_key else MISSING_KEY, lacks, ok=False)


def missing(name: str) -> Subject:
    """A provider that is not installed."""
    return Subject(name, NOT_FOUND, f"there is no plugin called {name}; see stockade list", False)
