"""A home of the suite's own with one plugin in it, all that it asks for granted."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from stockade.errors import UsageError
from stockade.packages import (
    base_environment,
    commit_install,
    hold_environment,
    plan_install,
)
from stockade.packages.contents import read_source
from stockade.packages.naming import CONFORMANCE_NAME
from stockade.packages.snapshot import digest_of
from stockade.packages.source import opened_source
from stockade.settings import Home
from stockade.state import Secrets, State
from stockade_sdk.hosts import HostRule
from stockade_sdk.manifest import Manifest, check_config_value
from stockade_sdk.text import TextRefused

__all__ = ["KEPT", "OPTIONS", "Options", "Prepared", "prepare"]

KEPT: Final = CONFORMANCE_NAME  # a report that an author keeps with the plugin
OPTIONS: Final = "conformance.toml"
RECORDINGS: Final = "recordings"
MADE_UP: Final = "vendor.example"  # a name that is nobody's (RFC 2606)
MADE_UP_LABEL: Final = "conformance"
MAX_OPTIONS_BYTES: Final = 64 * 1024


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`conformance.toml` beside the manifest: what the plugin is configured with under test, and
    features that models of the vendor have which the manifest cannot name.
    """

    config: dict[str, str | int | float | bool] = {}
    features: tuple[str, ...] = ()


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A home that is ready to be opened. `digest` is over the plugin without an earlier report.
    `recordings` is the folder of that name beside the manifest, None where there is none.
    """

    home: Home
    manifest: Manifest
    digest: str
    asks_vendors: bool
    keys: Mapping[str, str]
    claims: frozenset[str]
    recordings: Path | None = None


def prepare(
    home: Home,
    source: str,
    *,
    config: Mapping[str, str],
    features: tuple[str, ...],
    key_of: Callable[[str], str],
    offline: bool,
    base: Home | None = None,
) -> Prepared:
    """Install what SOURCE names into `home`; `key_of` gives each secret's value, and `base` what
    workers import, so that it is not assembled anew. Blocking.

    Raises UsageError for a source, an option or a setting that cannot be used.
    """
    home.ensure()
    if base is not None:
        _lend(base, home)
    with State.open(home) as state, opened_source(home, source, offline=offline) as found:
        proposal = plan_install(home, state, found)
        manifest = proposal.manifest
        options = _options(found.path)
        recordings = found.path / RECORDINGS
        hosts = _own_hosts(manifest)
        commit_install(
            home, state, proposal, granted=proposal.asked, operator_hosts=hosts, offline=offline
        )
        for key, value in _config(manifest, {**options.config, **config}, hosts).items():
            state.set_config(manifest.name, key, value)
        entries = read_source(found).files
    keys = {secret.name: key_of(secret.name) for secret in manifest.permissions.secrets}
    for secret in manifest.permissions.secrets:
        if keys[secret.name]:
            Secrets(home).set(
                manifest.name, secret.name, keys[secret.name], () if secret.hosts else hosts
            )
    return Prepared(
        home=home,
        manifest=manifest,
        digest=digest_of(entry for entry in entries if entry.path != KEPT),
        asks_vendors=bool(manifest.permissions.network or hosts),
        keys={name: value for name, value in keys.items() if value},
        claims=frozenset({*options.features, *features}),
        recordings=recordings if recordings.is_dir() else None,
    )


def _lend(base: Home, home: Home) -> None:
    """Copy the base environment of one home into another that has none."""
    place = base_environment(base)
    with hold_environment(place):
        shutil.copytree(place, home.environments / place.name)


def _options(path: Path) -> Options:
    """What `conformance.toml` says; nothing where there is none, as in every wheel."""
    file = path / OPTIONS
    try:
        with file.open("rb") as opened:
            text = opened.read(MAX_OPTIONS_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return Options()
    if len(text) > MAX_OPTIONS_BYTES:
        raise UsageError(f"{OPTIONS} is larger than {MAX_OPTIONS_BYTES} bytes")
    try:
        return msgspec.convert(tomllib.loads(text.decode()), Options)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{OPTIONS} cannot be used",
            why=str(error),
            remedy="it may have a table [config] and a list features",
        ) from error


def _own_hosts(manifest: Manifest) -> tuple[HostRule, ...]:
    """A host of the suite's choosing, where the plugin leaves that to its operator."""
    leaves_it = not manifest.permissions.network and _urls(manifest)
    return (HostRule.parse(MADE_UP),) if leaves_it else ()


def _urls(manifest: Manifest) -> list[str]:
    """The keys that say where the vendor is: the required ones, else all that have no default."""
    unset = {k: f for k, f in manifest.config.items() if f.type == "url" and f.default is None}
    required = [key for key, field in unset.items() if field.required]
    defaults = any(f.type == "url" and f.default for f in manifest.config.values())
    return required if required or defaults else list(unset)


def _config(
    manifest: Manifest, given: Mapping[str, Any], hosts: tuple[HostRule, ...]
) -> dict[str, str | int | float | bool]:
    if unknown := sorted(given.keys() - manifest.config.keys()):
        known = ", ".join(manifest.config) or "none"
        raise UsageError(f"{manifest.name} has no setting {unknown[0]}", why=f"it has: {known}")
    values: dict[str, str | int | float | bool] = {}
    for key, value in given.items():
        try:
            values[key] = check_config_value(manifest.config[key], value)
        except TextRefused as refused:
            raise UsageError(f"{key} {refused.message}", remedy=refused.remedy) from None
    rules = (*manifest.permissions.network, *hosts)
    for key in _urls(manifest):
        if rules:
            values.setdefault(key, _url(rules[0]))
    for key, field in manifest.config.items():
        if field.required and field.default is None and key not in values:
            raise UsageError(
                f"{manifest.name} cannot be tested without its setting {key}",
                remedy=f"give it with --config {key}=VALUE, or in [config] of {OPTIONS}",
            )
    return values


def _url(rule: HostRule) -> str:
    """An address that a rule allows."""
    text = str(rule)
    return "https://" + (f"{MADE_UP_LABEL}{text[1:]}" if text.startswith("*.") else text)
