"""Checks of what clients say in fields that the gateway itself goes by. Pure.

All raise ProviderError(invalid_request) that names the field and what it may be. What only the
vendor goes by is left to the vendor.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from stockade_sdk.errors import ErrorKind, ProviderError


def invalid(text: str) -> ProviderError:
    return ProviderError(ErrorKind.INVALID_REQUEST, text)


def an_object(payload: Any) -> dict[str, Any]:
    """The payload of a request; its ``model``, where it has one, is text."""
    if not isinstance(payload, dict):
        raise invalid("the request is no JSON object")
    text_in(payload, "model")
    return payload


def text_in(payload: dict[str, Any], name: str) -> str | None:
    """A text; None where it is not there."""
    value = payload.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid(f"{name} is a text, not {_kind(value)}")
    return value


def flag_in(payload: dict[str, Any], name: str) -> bool:
    """True or false, as forms spell it too; false where it is not there."""
    value = payload.get(name)
    match value.lower() if isinstance(value, str) else value:
        case None | "" | "false" | "0":
            return False
        case "true" | "1":
            return True
        case bool(said):
            return said
    raise invalid(f"{name} is true or false, not {_kind(value)}")


def count_in(payload: dict[str, Any], name: str, least: int, most: int) -> int | None:
    """A number of things, in digits where it stands in a form; None where it is not there."""
    value = payload.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10:
        value = int(value)
    if value is None:
        return None
    if type(value) is not int or not least <= value <= most:
        said = value if type(value) is int and abs(value) < 10**9 else _kind(value)
        raise invalid(f"{name} is a whole number from {least} to {most}, not {said}")
    return value


def choice_in(payload: dict[str, Any], name: str, words: Collection[str]) -> str | None:
    """One of some words; None where it is not there."""
    value = text_in(payload, name)
    if value is not None and value not in words:
        raise invalid(f"{name} is one of {', '.join(words)}, not {value[:40]!r}")
    return value


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "an object"
        case None:
            return "null"
    return "a number"
