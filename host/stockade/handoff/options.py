"""What an operator may choose of a handoff."""

from __future__ import annotations

from typing import Literal

import msgspec


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``thinking``: what becomes of another family's reasoning. ``declared_calls_only``: calls of
    tools that the request does not declare are dropped with their results.
    """

    thinking: Literal["tagged", "dropped"] = "tagged"
    declared_calls_only: bool = False
