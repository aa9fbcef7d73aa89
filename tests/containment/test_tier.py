"""The tier of this machine: what has to be reached where it counts is reached."""

from __future__ import annotations

import os

import pytest

from .site import Site

TIERS = ("full", "restricted", "none")
EXPECTED = "STOCKADE_EXPECTED_TIER"


@pytest.mark.only("full")
async def test_the_expected_tier_is_reached(spare: Site) -> None:
    """Never skipped where CI is set: or a machine could silently test less than is promised."""
    expected = os.environ.get(EXPECTED) or ("full" if os.environ.get("CI") else "")
    spare.install("reaching")

    async with spare.host("none", "reaching", reached=None) as inmates:
        await inmates.attempt("reaching", "hello")
        reached = inmates.host.status("reaching").workers[0].tier

    if not expected and reached != "full":
        pytest.skip(f"this machine gives tier {reached}; {EXPECTED}=full makes that a failure")
    assert reached == (expected or "full")
