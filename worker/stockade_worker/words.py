"""Exceptions of foreign code in words that can be sent: whatever their ``__str__`` does."""

from __future__ import annotations

from stockade_sdk.errors import capped


def in_words(error: BaseException) -> str:
    """``Name: text``, capped, without lone surrogates, which UTF-8 has no bytes for."""
    try:
        text = str(error)
    # the text is made by a method of the plugin's
    except BaseException:  # noqa: BLE001
        text = "(it cannot say what)"
    return plain_utf8(f"{type(error).__name__}: {text}")


def plain_utf8(text: str) -> str:
    """``text`` capped, each lone surrogate a question mark."""
    return capped(text).encode("utf-8", "replace").decode()
