"""This dialect's overlays; see ``dialects.overlay``."""

from __future__ import annotations

from functools import partial
from typing import Final

from stockade_sdk.dialects.overlay import entry_of, entry_with

DIALECT: Final = "openai_audio"

own = partial(entry_of, DIALECT)
kept = partial(entry_with, DIALECT)
