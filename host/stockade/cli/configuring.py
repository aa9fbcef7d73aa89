"""`config set`, `config get`, `config unset`: what an operator sets for a plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stockade.cli.failures import EXIT_FAILED
from stockade.cli.groups import group
from stockade.cli.output import note, print_json, print_table, safe
from stockade.cli.stored import manifest_of, opened

if TYPE_CHECKING:
    from stockade.state import Installed
    from stockade_sdk.manifest.config_values import ConfigField

__all__ = ["app"]

app = group("Set and show what a plugin is configured with.")
NAME = typer.Argument(metavar="NAME", help="The plugin.")
KEY = typer.Argument(metavar="KEY", help="A key of [config] in its plugin.toml.")


@app.command("set", context_settings={"ignore_unknown_options": True})  # a value may be -1
def set_value(
    name: Annotated[str, NAME],
    key: Annotated[str, KEY],
    value: Annotated[str, typer.Argument(metavar="VALUE")],
) -> None:
    """Set one value; it is checked against the plugin's manifest."""
    from stockade.app.operating.configuring import checked, field_of

    with opened() as (_, state):
        record = state.require(name)
        field = field_of(record, key)
        read = checked(record, key, field, value)
        state.set_config(name, key, read, is_address=field.type == "url")
    print(f"Set {key} of {name}.")


@app.command("unset")
def unset_value(name: Annotated[str, NAME], key: Annotated[str, KEY]) -> None:
    """Take a value away; the manifest's default holds again."""
    from stockade.app.operating.configuring import field_of

    with opened() as (_, state):
        field = field_of(state.require(name), key)
        state.set_config(name, key, None, is_address=field.type == "url")
    print(f"{key} of {name} is not set any more.")


@app.command("get")
def get_value(
    name: Annotated[str, NAME],
    key: Annotated[str | None, KEY] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show one value, or all of them."""
    with opened() as (_, state):
        record = state.require(name)
    if key is not None:
        _show_one(record, key, json=json)
        return
    fields = manifest_of(record).config
    if json:
        print_json({key: record.config.get(key, field.default) for key, field in fields.items()})
    elif not fields:
        print(f"{name} has nothing to configure.")
    else:
        rows = [_row(record, key, field) for key, field in fields.items()]
        print_table(("KEY", "TYPE", "VALUE", "FROM", "WHAT IT IS"), rows)


def _show_one(record: Installed, key: str, *, json: bool) -> None:
    from stockade.app.operating.configuring import field_of

    value = record.config.get(key, field_of(record, key).default)
    if json:
        print_json(value)
    elif value is None:
        note(f"{key} of {record.name} is not set")
        raise typer.Exit(EXIT_FAILED)
    else:
        print(safe(_written(value)))


def _row(record: Installed, key: str, field: ConfigField) -> tuple[object, ...]:
    value = record.config.get(key, field.default)
    source = "you" if key in record.config else "default" if value is not None else "nobody"
    if value is None and field.required:
        source = "nobody, and it must be set"
    return key, field.type, None if value is None else _written(value), source, field.help


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
