"""Values as JSON, also where their text is none that JSON has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec


def json_of(given: Any) -> bytes:
    """As JSON. Lone surrogates, which come of file names and hostile output, become `?`."""
    if isinstance(given, Sequence) and not isinstance(given, str):
        given = list(given)
    try:
        return msgspec.json.encode(given)
    except UnicodeEncodeError:
        return msgspec.json.encode(encodable(msgspec.to_builtins(given)))


def encodable(plain: Any) -> Any:
    """Plain values without lone surrogates."""
    match plain:
        case str():
            return plain.encode("utf-8", "replace").decode()
        case dict():
            return {encodable(key): encodable(value) for key, value in plain.items()}
        case list() | tuple():
            return [encodable(one) for one in plain]
        case _:
            return plain
