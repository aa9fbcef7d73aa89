"""A home of its own with one plugin in it, for trying the plugin out; nothing of the operator's is
touched.

The operator's `stockade.toml` holds there too: its egress, ceilings and minimum tier. Everything
that the manifest asks for is granted, as its author means it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from stockade.app.operating.configuring import checked, field_of
from stockade.errors import HostError, UsageError
from stockade.packages import (
    base_environment,
    commit_install,
    hold_environment,
    plan_install,
    resolve_source,
)
from stockade.packages.trees import remove_tree
from stockade.settings import Home
from stockade.state import Installed, Secrets, State
from stockade.state.manifests import manifest_of
from stockade.state.secret_variables import variable_of
from stockade_sdk.hosts import HostRule
from stockade_sdk.manifest import Manifest

__all__ = ["Bench", "Wanted", "config_of", "install_on", "keys_from", "opened_bench"]

PREFIX: Final = "stockade-kit-"


class Wanted(NamedTuple):
    """What is put on the bench: a folder, a wheel or a plugin at hand (nothing is fetched by its
    name), hosts besides the manifest's, and settings as text.
    """

    source: str
    hosts: tuple[HostRule, ...] = ()
    config: Mapping[str, str] = {}
    stand_in: str = ""  # for keys that have no value: where recordings stand for the vendor


class Bench(NamedTuple):
    """A home that is ready to be opened, and the plugin in it. `unset` are keys without a value."""

    home: Home
    manifest: Manifest
    unset: tuple[str, ...]


@contextmanager
def opened_bench(
    wanted: Wanted, operator: Home, *, environ: Mapping[str, str], place: Home | None = None
) -> Iterator[Bench]:
    """Install what is wanted into a temporary home, or into `place`, which stays. Blocking.

    Keys are those of the variables that have the secrets' own names; they are never written down.
    Raises `UsageError` for what cannot be installed or set.
    """
    with _home(place) as home:
        _prepare(home, operator)
        with State.open(home) as state:
            record = install_on(home, state, wanted)
        manifest = manifest_of(record)
        names = [secret.name for secret in manifest.permissions.secrets]
        with keys_from(environ, manifest, wanted.stand_in):
            keys = Secrets(home)
            unset = [name for name in names if keys.source(manifest.name, name) is None]
            yield Bench(home, manifest, tuple(unset))


def install_on(
    home: Home,
    state: State,
    wanted: Wanted,
    trial: Callable[[Installed], None] = lambda candidate: None,
) -> Installed:
    """Install it, or again as it is now, with all that it asks for. Blocking; raises HostError, and
    then what was there before stays.
    """
    proposal = plan_install(home, state, resolve_source(wanted.source))
    record = commit_install(
        home,
        state,
        proposal,
        granted=proposal.asked,
        operator_hosts=wanted.hosts,
        trial=trial,
    )
    _configure(state, record, wanted.config)
    for secret in record.granted.secrets:
        if wanted.hosts and not secret.hosts and not secret.expose:  # the author's own hosts
            Secrets(home).bind(record.name, secret.name, wanted.hosts)
    return state.require(record.name)


def _configure(state: State, record: Installed, config: Mapping[str, str]) -> None:
    for key, text in config.items():
        field = field_of(record, key)
        value = checked(record, key, field, text)
        state.set_config(record.name, key, value, is_address=field.type == "url")


@contextmanager
def keys_from(environ: Mapping[str, str], manifest: Manifest, stand_in: str) -> Iterator[None]:
    """Have the plugin's keys from variables of their own names, else a stand-in, for the time of
    the block. A key in `STOCKADE_SECRET_...` stands before it.
    """
    given = {}
    for secret in manifest.permissions.secrets:
        variable = variable_of(manifest.name, secret.name)
        value = environ.get(secret.name, "").strip() or stand_in
        if value and not os.environ.get(variable, "").strip():
            given[variable] = value
    os.environ.update(given)
    try:
        yield
    finally:
        for variable in given:
            os.environ.pop(variable, None)


def config_of(pairs: Sequence[str]) -> dict[str, str]:
    """`KEY=VALUE` of the command line. Raises `UsageError`."""
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise UsageError(f"{pair!r} is no setting", remedy="write it as KEY=VALUE")
        found[key] = value
    return found


@contextmanager
def _home(place: Home | None) -> Iterator[Home]:
    if place is not None:
        place.ensure()
        yield place
        return
    try:
        root = Path(tempfile.mkdtemp(prefix=PREFIX))
    except OSError as error:
        raise HostError("there is no place for a home of its own", why=str(error)) from error
    try:
        home = Home(root)
        home.ensure()
        yield home
    finally:
        remove_tree(root)


def _prepare(home: Home, operator: Home) -> None:
    """The operator's settings, and a copy of what workers import, which takes seconds to make."""
    if operator.settings_toml.is_file():
        shutil.copyfile(operator.settings_toml, home.settings_toml)
    operator.ensure()
    made = base_environment(operator)
    target = home.environments / made.name
    if not target.exists():
        with hold_environment(made):
            shutil.copytree(made, target, symlinks=True)
