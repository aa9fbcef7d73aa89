"""Versions of a plugin, what they leave behind, and whose signature counts."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from .plugins import Installing, Proposing
from .shapes import Given, Shown, Word


class VersionRow(Shown, frozen=True, kw_only=True):
    """A version of a plugin that is kept: `current` is the one that is installed, the others are
    what `rollback` can bring back, the newest first. `replaced_at` is null for the current one.
    """

    version: str
    digest: str
    trust: str
    current: bool
    installed_at: float
    replaced_at: float | None


class UpgradeAsked(Proposing, frozen=True, kw_only=True):
    """Where the other version is; with `downgrade` it may be an older one."""

    downgrade: bool = False


class Upgrading(Installing, frozen=True, kw_only=True):
    """An upgrade that was agreed to. Without `smoke` the new version is started and no more."""

    downgrade: bool = False
    smoke: bool = True


class RollingBack(Given, frozen=True, kw_only=True):
    """Back to which version; null: the one before."""

    to: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


class Collecting(Given, frozen=True, kw_only=True):
    """How many earlier versions of each plugin are kept."""

    keep: Annotated[int, Meta(ge=0, le=1_000)] = 1


class Collected(Shown, frozen=True, kw_only=True):
    """What was removed, by name, and how much room that made."""

    removed: list[str]
    freed_bytes: int


class Verified(Shown, frozen=True, kw_only=True):
    """Whether a plugin's files are as they were installed, and what is not, file by file."""

    name: str
    ok: bool
    problems: list[str]


class TrustedKeyRow(Shown, frozen=True, kw_only=True):
    """A key whose signature makes a plugin `signed`. `plugins` are those that it signed."""

    name: str
    key: str
    fingerprint: str
    added_at: float
    plugins: list[str]


class TrustGiven(Given, frozen=True, kw_only=True):
    """A public key, as `stockade sign --new-key` prints it: `ed25519:` and base64."""

    key: Word
