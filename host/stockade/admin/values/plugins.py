"""Plugins, their workers, keys, settings and permissions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from .shapes import ConfigText, Given, Number, Shown, Whole, Word


class WorkerRow(Shown, frozen=True, kw_only=True):
    """One worker process. `cpu_percent` is of one core since the look before, null at the first."""

    plugin: str
    pid: int | None
    state: str
    tier: str
    layers: list[str]
    rss_bytes: int | None
    cpu_seconds: float | None
    cpu_percent: float | None = None
    restarts: int
    uptime_s: float
    in_flight: int


class KeyRow(Shown, frozen=True, kw_only=True):
    """A key that a plugin was granted: whether there is a value, and where from; never the value.

    `hosts` are where the host puts it on requests.
    """

    plugin: str
    name: str
    help: str
    is_set: bool
    source: str | None
    hosts: list[str] = field(default_factory=list)
    exposed: bool = False


class ConfigRow(Shown, frozen=True, kw_only=True):
    """A setting that a plugin declares. `value` is what holds: set, or else the default."""

    key: str
    type: Literal["string", "url", "integer", "number", "boolean", "choice"]
    value: ConfigText | None
    default: ConfigText | None
    is_set: bool
    required: bool
    choices: list[str] = field(default_factory=list)
    help: str = ""


class Plugin(Shown, frozen=True, kw_only=True):
    """An installed plugin, at a glance.

    `state` is `installed`, `enabled`, `disabled` or `failed`; `running` what its workers amount to
    (`stopped`, `starting`, `ready`, `draining`, `failed`). `needs` are sentences on what it lacks
    before it can answer, each with the command that mends it.
    """

    name: str
    version: str
    summary: str
    state: str
    trust: str
    running: str
    capabilities: list[str]
    models: int
    keys: list[KeyRow]
    workers: list[WorkerRow]
    waiting: int = 0
    needs: list[str] = field(default_factory=list)
    last_error: str | None = None
    denials: int = 0


class Detail(Shown, frozen=True, kw_only=True):
    """One plugin in full. `inspected` is what `stockade inspect --json` prints."""

    plugin: Plugin
    config: list[ConfigRow]
    permissions: list[PermissionRow]
    inspected: dict[str, Any]


class PermissionRow(Shown, frozen=True, kw_only=True):
    """One permission: the word of `--deny` for it, what it means, who wants it and has it.

    `used` is how often it was used while this host ran, null where that is not known; `denied` how
    often it was refused.
    """

    word: str
    risk: str
    asked: bool
    granted: bool
    by_operator: bool = False
    used: int | None = None
    denied: int = 0


class Offer(Shown, frozen=True, kw_only=True):
    """A plugin that ships with stockade. `china` marks vendors in China, which are listed first
    where the reader's language is Chinese.
    """

    name: str
    summary: str
    installed: bool
    capabilities: list[str]
    china: bool = False


class Proposing(Given, frozen=True, kw_only=True):
    """A source to look at: a shipped plugin's name, or a folder, a wheel or a bundle, as whole
    paths.
    """

    source: Word
    deny: list[Word] = field(default_factory=list)
    allow_hosts: list[Word] = field(default_factory=list)


class Proposal(Shown, frozen=True, kw_only=True):
    """What an install would mean. `consent` is the text that `stockade install` shows; installing
    needs the `digest` that was looked at. `asks` is false where there is nothing to agree to.
    `differences` to what is installed are in words, `signer` is the fingerprint of the key that
    signed it.
    """

    source: str
    name: str
    version: str
    digest: str
    trust: str
    consent: str
    asks: bool
    replaces: str | None
    permissions: list[PermissionRow]
    differences: list[str] = field(default_factory=list)
    signer: str | None = None


class Installing(Proposing, frozen=True, kw_only=True):
    """An install that was agreed to: of this content (`digest` of the proposal) and no other."""

    digest: Word
    offline: bool = False


class Granting(Given, frozen=True, kw_only=True):
    """Permissions in the words of `--deny`, and hosts of the operator's own choosing."""

    permissions: list[Word] = field(default_factory=list)
    hosts: list[Word] = field(default_factory=list)


class GrantProposal(Shown, frozen=True, kw_only=True):
    """What a grant would allow beyond what there is, in words; empty where there is nothing new."""

    name: str
    consent: str
    new: list[str]


class ConfigGiven(Given, frozen=True, kw_only=True):
    """A value as it is written in a form or on the command line; null takes it away."""

    value: Annotated[str, Meta(max_length=16_384)] | Whole | Number | bool | None


class SecretGiven(Given, frozen=True, kw_only=True):
    """A key. It is stored and never shown again. `hosts` binds it to further hosts of the
    operator's choosing.
    """

    value: Annotated[str, Meta(min_length=1, max_length=65_536)]
    hosts: list[Word] = field(default_factory=list)
