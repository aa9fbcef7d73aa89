"""The text fields of a form as a mapping, and numbers as forms spell them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from stockade_sdk.multipart import FormField


def as_text(value: Any) -> str:
    """A setting as a form field has it: ``true``, ``0.2``, ``1``; JSON for what has parts."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | float):
        return repr(value)
    import msgspec

    return msgspec.json.encode(value).decode()


def number_in(text: str | None) -> int | float | None:
    """The number that a field holds; ``None`` where it is none."""
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def fields_of(texts: Mapping[str, Any]) -> tuple[FormField, ...]:
    """The fields in the mapping's order; a list becomes a field for each of its items."""
    fields: list[FormField] = []
    for name, value in texts.items():
        items = value if isinstance(value, list | tuple) else (value,)
        fields += [FormField(name, as_text(item)) for item in items if item is not None]
    return tuple(fields)
