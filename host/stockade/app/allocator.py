"""How this process's allocator treats large blocks."""

from __future__ import annotations

import ctypes
from typing import Final

M_TRIM_THRESHOLD: Final = -1  # mallopt(3)
M_MMAP_THRESHOLD: Final = -3
MIB: Final = 1024 * 1024


def tune_allocator() -> None:
    """Keep blocks of a megabyte between messages instead of giving them back to the kernel.

    glibc maps and unmaps them otherwise, which costs a 1 MiB round trip a millisecond (mallopt(3)).
    Without glibc nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 64 * MIB)
        mallopt(M_TRIM_THRESHOLD, 256 * MIB)
