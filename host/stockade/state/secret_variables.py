"""Keys in the operator's environment: `STOCKADE_SECRET_<PLUGIN>__<NAME>`. Pure.

The plugin's name is in upper case with `_` for `-`. Two underscores part it from the key's name:
with one, the plugin `a` could declare a key `B_C` and be given the key `C` of the plugin `a-b`. A
plugin's name has no two hyphens in a row, so the first pair is always the border.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from stockade_sdk.permissions import check_secret_name
from stockade_sdk.text import TextRefused

__all__ = ["variable_of", "variables_of"]

PREFIX: Final = "STOCKADE_SECRET_"


def variable_of(plugin: str, name: str) -> str:
    """The variable that a key is read from."""
    return f"{_prefix(plugin)}{name}"


def variables_of(plugin: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The keys of a plugin that are set, by name; an empty or blank variable is none."""
    prefix = _prefix(plugin)
    found = {}
    for variable, value in environment.items():
        name = variable.removeprefix(prefix)
        if value.strip() and name != variable and _is_name(name):
            found[name] = value
    return found


def _prefix(plugin: str) -> str:
    return f"{PREFIX}{plugin.upper().replace('-', '_')}__"


def _is_name(text: str) -> bool:
    try:
        check_secret_name(text)
    except TextRefused:
        return False
    return True
