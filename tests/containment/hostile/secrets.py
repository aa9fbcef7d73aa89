"""Attempts on what is nobody's business."""

from __future__ import annotations

import os
from typing import Any

from stockade_sdk import ProviderError

from .acts import act


@act
def everything_told(ctx: Any) -> dict[str, Any]:
    """Its variables, as Python and as the C library have them."""
    return {"python": dict(os.environ), "bytes": {str(k): str(v) for k, v in os.environb.items()}}


@act
def ask_secret(ctx: Any, name: str) -> dict[str, str]:
    """A secret by its name."""
    try:
        return {"outcome": "done", "value": ctx.secret(name)}
    except ProviderError as error:
        return {"outcome": str(error.kind), "value": "", "message": error.message}


@act
def remember(ctx: Any, text: str) -> str:
    """Keep a text in memory, so that who looks there finds it."""
    KEPT.append(text)
    return "done"


KEPT: list[str] = []
