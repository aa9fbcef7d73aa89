"""What a login asks for before anything is kept: which keys, their hosts, values, settings."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final, NamedTuple

from stockade.cli.asking import agree, line
from stockade.cli.keeping import check_hosts, declared, read_key, require_granted
from stockade.cli.known import Known
from stockade.cli.output import note
from stockade.cli.stored import manifest_of

if TYPE_CHECKING:
    from stockade.state import Installed
    from stockade_sdk.hosts import HostRule
    from stockade_sdk.manifest.config_values import ConfigField, ConfigValue
    from stockade_sdk.permissions import SecretRequest

__all__ = ["Bound", "bound_of", "settings_of", "values_of"]

# Settings without which a plugin knows no vendor to ask, whatever its manifest requires.
ADDRESSES: Final = ("base_url", "endpoint")


class Bound(NamedTuple):
    """A key that is to be given, and the further hosts that it will go to."""

    secret: SecretRequest
    hosts: tuple[HostRule, ...]


def bound_of(
    found: Known, record: Installed, key: str | None, hosts: tuple[HostRule, ...], *, yes: bool
) -> list[Bound]:
    """The keys to be given, each with its hosts; none where the plugin needs none. Raises
    UsageError and Refused.
    """
    from stockade.errors import UsageError
    from stockade.state import Secrets

    if key is not None:
        declared(record, key)
        require_granted(record, key)
    elif not record.granted.secrets and (asked := manifest_of(record).permissions.secrets):
        require_granted(record, asked[0].name)
    wanted = [one for one in record.granted.secrets if key in (None, one.name)]
    if len(wanted) > 1 and not sys.stdin.isatty():
        names = ", ".join(one.name for one in wanted)
        raise UsageError(
            f"{record.name} takes several keys, and one can be read from stdin",
            why=f"they are {names}",
            remedy=f"say which: stockade auth login {record.name} --key {wanted[0].name}",
        )
    check_hosts(record, hosts)
    kept = Secrets(found.home).list()
    before = {one.name: one.hosts for one in kept if one.plugin == record.name}
    return [
        Bound(one, hosts or before.get(one.name, ()) or _agreed(record, one, yes=yes))
        for one in wanted
    ]


def _agreed(record: Installed, secret: SecretRequest, *, yes: bool) -> tuple[HostRule, ...]:
    """The hosts that the operator allowed, for a key that would go to none otherwise."""
    from stockade.errors import UsageError

    if secret.hosts or secret.expose:
        return ()
    if not record.operator_hosts:
        raise UsageError(
            f"{secret.name} was not kept: it would go to no host",
            why=f"{record.name} names none, and you allowed it none",
            remedy=f"allow one: stockade permissions grant {record.name} --allow-host HOST",
        )
    hosts = ", ".join(map(str, record.operator_hosts))
    agree(f"Send {secret.name} to {hosts}?", yes=yes, verb="auth login")
    return record.operator_hosts


def settings_of(record: Installed, *, asks: bool) -> dict[str, ConfigValue]:
    """Values for the settings that are missing, from the terminal. Raises UsageError, which names
    one that is required, where nobody can be asked.
    """
    from stockade.errors import UsageError

    found: dict[str, ConfigValue] = {}
    for name, field in manifest_of(record).config.items():
        if not _is_missing(record, name, field):
            continue
        value = _setting(name, field) if asks else None
        if value is not None:
            found[name] = value
        elif field.required:
            raise UsageError(
                f"{name} of {record.name} is not set, and it must be",
                why=field.help,
                remedy=f"set it first: stockade config set {record.name} {name} VALUE",
            )
        else:
            note(f"note: {name} is not set: stockade config set {record.name} {name} VALUE")
    return found


def _is_missing(record: Installed, name: str, field: ConfigField) -> bool:
    """Whether nobody says it: neither the operator, nor the manifest, nor a variable that the
    plugin was granted and that is named after it, as AZURE_OPENAI_ENDPOINT is after `endpoint`.
    """
    if record.config.get(name) is not None or field.default is not None:
        return False
    suffix = f"_{name.upper()}"
    if any(os.environ.get(one) for one in record.granted.environment if one.endswith(suffix)):
        return False
    return field.required or name in ADDRESSES


def _setting(name: str, field: ConfigField) -> ConfigValue | None:
    """The value as typed; None where nothing was."""
    from stockade.errors import UsageError
    from stockade_sdk.manifest.config_values import check_config_value
    from stockade_sdk.text import TextRefused, show

    what = f" ({field.help})" if field.help else ""
    typed = line(f"{name}{what}: ")
    if not typed:
        return None
    try:
        return check_config_value(field, typed)
    except TextRefused as refused:
        raise UsageError(
            f"{name}: {show(typed)} {refused.message}", remedy=refused.remedy
        ) from None


def values_of(record: Installed, bound: list[Bound]) -> dict[str, str]:
    """The keys by name. Raises UsageError where none is given."""
    from stockade.errors import UsageError

    several = len(bound) > 1
    read = {one.secret.name: read_key(one.secret.name, optional=several) for one in bound}
    values = {name: value for name, value in read.items() if value}
    if bound and not values:
        raise UsageError(f"no key of {record.name} was given; nothing was kept")
    return values
