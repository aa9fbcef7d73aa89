"""A plugin's settings: what its manifest declares, what holds, and whether a value can be one."""

from __future__ import annotations

from stockade.admin import Missing
from stockade.admin import values as v
from stockade.errors import UsageError
from stockade.state import Installed
from stockade.state.manifests import manifest_of
from stockade_sdk.manifest.config_values import ConfigField, ConfigValue, check_config_value
from stockade_sdk.text import TextRefused, nearest, show

__all__ = ["checked", "field_of", "rows_of", "unset_of"]


def field_of(record: Installed, key: str) -> ConfigField:
    """What the manifest says of a key. Raises Missing."""
    fields = manifest_of(record).config
    if key in fields:
        return fields[key]
    near = nearest(key, fields)
    raise Missing(
        f"{record.name} has no setting {show(key)}",
        why=f"its plugin.toml has {', '.join(fields) or 'none'} under [config]",
        remedy=f"write {near}" if near else f"see: stockade config get {record.name}",
    )


def checked(record: Installed, key: str, field: ConfigField, value: object) -> ConfigValue:
    """The value in the field's own type, from that or from text. Raises UsageError."""
    try:
        return check_config_value(field, value)
    except TextRefused as refused:
        raise UsageError(
            f"{key} of {record.name} was not set: {show(value)} {refused.message}",
            why=field.help,
            remedy=refused.remedy,
        ) from None


def rows_of(record: Installed) -> list[v.ConfigRow]:
    """All that the manifest declares, in its order."""
    return [
        v.ConfigRow(
            key=key,
            type=field.type,
            value=record.config.get(key, field.default),
            default=field.default,
            is_set=key in record.config,
            required=field.required,
            choices=list(field.choices),
            help=field.help,
        )
        for key, field in manifest_of(record).config.items()
    ]


def unset_of(record: Installed) -> list[str]:
    """The keys that have to be set and are not."""
    return [
        key
        for key, field in manifest_of(record).config.items()
        if field.required and field.default is None and record.config.get(key) is None
    ]
