"""Clients that leave, and how soon the vendor sees it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import anyio.to_thread
import pytest

from tests.system.sdks.vendors import Vendors

PROMPT_S: Final = 0.25  # from a client that leaves to its vendor

T = TypeVar("T")


async def aside(wait: Callable[[], T]) -> T:
    """Wait in a thread, so that the client's own loop goes round."""
    return await anyio.to_thread.run_sync(wait)


async def left_after(vendors: Vendors, began: float) -> float:
    """How many seconds after ``began`` the vendor was left; waited for."""
    return await aside(vendors.until_left) - began


async def cancelled(vendors: Vendors, work: Awaitable[Any]) -> float:
    """Cancel ``work`` once the vendor was asked: the seconds until the vendor was left."""
    task = asyncio.ensure_future(work)
    await aside(vendors.until_asked)
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return await left_after(vendors, began)
