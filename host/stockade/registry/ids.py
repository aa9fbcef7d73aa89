"""The one spelling of a provider's id. Pure.

An id is text of any provider, so it is open, not a list of known vendors (decision C10 of the
sources' clashes). What looks like an id and is none is refused: letters outside ASCII can be taken
for others, and some of them *become* ASCII when lowered (U+212A, the Kelvin sign, is one).
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Final

from stockade_sdk.text import TextRefused

__all__ = ["MAX_ID_CHARS", "OTHER_SPELLINGS", "normalise_id", "try_normalise_id"]

MAX_ID_CHARS: Final = 64  # a plugin's name has at most 40; ids of other systems are no longer
_ID: Final = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_REMEDY: Final = 'write letters, digits and single . _ - between them, as in "my-provider"'

# Names that vendors and other systems give one and the same provider; OpenClaw's
# `normalizeProviderId` and its tests.
OTHER_SPELLINGS: Final = MappingProxyType(
    {
        "aws-bedrock": "amazon-bedrock",
        "bedrock": "amazon-bedrock",
        "bytedance": "volcengine",
        "doubao": "volcengine",
        "kimi-code": "kimi",
        "kimi-coding": "kimi",
        "modelstudio": "qwen",
        "moonshot-ai": "moonshot",
        "moonshotai": "moonshot",
        "opencode-go-auth": "opencode-go",
        "opencode-zen": "opencode",
        "qwencloud": "qwen",
        "z-ai": "zai",
        "z.ai": "zai",
    }
)


def normalise_id(text: object) -> str:
    """The id that ``text`` spells: trimmed, in lower case, a well-known other spelling resolved.

    Raises TextRefused (a ValueError) for what is no id, saying why.
    """
    if not isinstance(text, str):
        raise TextRefused("is not text", _REMEDY)
    if len(text) > 2 * MAX_ID_CHARS:  # before anything looks at every character
        raise TextRefused(f"has {len(text)} characters", f"write at most {MAX_ID_CHARS}")
    if not text.isascii():
        raise TextRefused("holds characters outside ASCII", _REMEDY)
    id = text.strip().lower()
    if not id:
        raise TextRefused("is empty", _REMEDY)
    if len(id) > MAX_ID_CHARS:
        raise TextRefused(f"has {len(id)} characters", f"write at most {MAX_ID_CHARS}")
    if not _ID.fullmatch(id):
        raise TextRefused("is not an id", _REMEDY)
    return OTHER_SPELLINGS.get(id, id)


def try_normalise_id(text: object) -> str | None:
    """The id that ``text`` spells, None where it is none."""
    try:
        return normalise_id(text)
    except TextRefused:
        return None
