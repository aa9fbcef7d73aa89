"""What a check is. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Literal

import msgspec

from .subject import Subject

__all__ = ["VENDOR", "Check", "Phase", "Run", "functional", "of_vendor"]

VENDOR: Final = "network"  # for those that play the vendor

Phase = Literal["beside", "alone", "after"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One check. `needs`: a capability and features that one model must have, and "network" where
    the plugin must ask a vendor. `phase`: beside all others, alone after them, or when the host has
    ended. `live`: it makes sense with the vendor itself, and costs what a request costs. `good`:
    it needs a good answer of the vendor's.
    """

    id: str
    title: str
    needs: tuple[str, ...]
    remedy: str
    run: Callable[[Subject], Awaitable[str]]
    phase: Phase = "beside"
    live: bool = False
    good: bool = True


Run = Callable[[Subject], Awaitable[str]]


def functional(
    id: str,
    title: str,
    needs: str,
    remedy: str,
    run: Run,
    *,
    phase: Phase = "beside",
    live: bool = True,
    good: bool = True,
) -> Check:
    return Check(
        id=id,
        title=title,
        needs=tuple(needs.split()),
        remedy=remedy,
        run=run,
        phase=phase,
        live=live,
        good=good,
    )


def of_vendor(
    id: str,
    title: str,
    remedy: str,
    run: Run,
    needs: str = "",
    *,
    phase: Phase = "beside",
    good: bool = True,
) -> Check:
    needed = f"{needs} {VENDOR}"
    return functional(id, title, needed, remedy, run, phase=phase, live=False, good=good)
