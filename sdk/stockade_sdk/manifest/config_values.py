"""The values an operator sets for a plugin: which kinds there are and what each may hold."""

import math
import re
from typing import Literal, TypeAlias, get_args
from urllib.parse import urlsplit

import msgspec

from stockade_sdk.hosts import normalise_host
from stockade_sdk.text import TextRefused, check_plain_text, nearest, show

__all__ = [
    "CONFIG_TYPES",
    "ConfigField",
    "ConfigType",
    "ConfigValue",
    "check_config_value",
    "check_url",
]

ConfigType: TypeAlias = Literal["string", "url", "integer", "number", "boolean", "choice"]
ConfigValue: TypeAlias = str | int | float | bool
CONFIG_TYPES: tuple[ConfigType, ...] = get_args(ConfigType)

MAX_VALUE = 4096  # characters; a value is a setting, not a document
MAX_URL = 2048
MAX_INTEGER = 2**53 - 1  # what every JSON reader keeps exactly (RFC 8259 6)
_URL_CHARACTERS = re.compile(r"[!-~]+")
_INTEGER = re.compile(r"[+-]?[0-9]{1,17}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,3})?")
_URL_REMEDY = 'write it as in "https://api.example.com/v1"'


class ConfigField(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One key of `[config]`. `choices` belongs to type "choice" alone; None is no default."""

    type: ConfigType
    required: bool = False
    default: ConfigValue | None = None
    help: str = ""
    choices: tuple[str, ...] = ()


def check_config_value(field: ConfigField, value: object) -> ConfigValue:
    """The value of this field in its own type, from that type or from text as typed on a terminal.

    Raises `TextRefused` (a ValueError) with a sentence that says what would be right.
    """
    match field.type:
        case "integer":
            return _integer(value)
        case "number":
            return _number(value)
        case "boolean":
            return _boolean(value)
    if not isinstance(value, str):
        raise TextRefused("is not text", "write text")
    match field.type:
        case "url":
            return check_url(value)
        case "choice":
            return _choice(field.choices, value)
        case _:
            return check_plain_text(value, MAX_VALUE)


def _integer(value: object) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_INTEGER:
        raise TextRefused("is not a whole number", 'write it as in "8"')
    return value


def _number(value: object) -> int | float:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value) if _INTEGER.fullmatch(value) else float(value)
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_INTEGER:
        raise TextRefused("is not a number", 'write it as in "0.5"')
    return value


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise TextRefused("is neither true nor false", "write true or false")


def _choice(choices: tuple[str, ...], value: str) -> str:
    if value in choices:
        return value
    near = nearest(value, choices)
    listed = f"write {show(near)}" if near else f"write one of {', '.join(map(show, choices))}"
    raise TextRefused("is not among the choices", listed)


def check_url(text: str) -> str:
    """Give back an http or https URL with a host and without credentials and fragment (RFC 3986).

    Raises `TextRefused` (a ValueError). Whether the host may be reached is decided elsewhere.
    """
    if len(text) > MAX_URL:
        raise TextRefused(f"has {len(text)} characters", f"write at most {MAX_URL}")
    # Before urlsplit, which silently drops tabs and newlines, and reads "\" unlike browsers.
    if not _URL_CHARACTERS.fullmatch(text) or "\\" in text:
        raise TextRefused("holds spaces, backslashes or characters outside ASCII", _URL_REMEDY)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise TextRefused("is not a URL", _URL_REMEDY) from None
    if parts.scheme not in ("http", "https"):
        raise TextRefused("is not an http or https URL", _URL_REMEDY)
    if "@" in parts.netloc:
        raise TextRefused("holds a user name or a password", "leave them out; keys are secrets")
    if "#" in text:
        raise TextRefused("holds a fragment", 'leave out what follows the "#"')
    try:
        normalise_host(host or "")
    except TextRefused as refused:
        raise TextRefused(f"has a host that {refused.message}", refused.remedy) from None
    if port == 0 or parts.netloc.endswith(":"):
        raise TextRefused("has no valid port", "write a port from 1 to 65535 or none")
    return text
