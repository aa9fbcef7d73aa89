"""What a plugin's author says that it scored in the conformance suite: the author's own word."""

from __future__ import annotations

import os
import stat
from typing import Any, Final

import msgspec

from stockade.packages import plugin_path
from stockade.packages.naming import CONFORMANCE_NAME
from stockade.settings import Home
from stockade.state import Installed
from stockade_sdk.units import MIB

__all__ = ["claimed"]

MAX_BYTES: Final = MIB  # a report is about 10 KiB


class _Claim(msgspec.Struct, frozen=True):
    plugin: str
    version: str
    score: float | None
    passed: int
    failed: int


def claimed(home: Home, record: Installed) -> dict[str, Any] | None:
    """The score that was kept with an installed plugin; None where there is none, or it is no
    report of this version. Nobody has checked it. Blocking.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(plugin_path(home, record) / CONFORMANCE_NAME, flags)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
            regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
            data = file.read(MAX_BYTES + 1) if regular else b""
        claim = msgspec.json.decode(data if len(data) <= MAX_BYTES else b"", type=_Claim)
    except (OSError, ValueError, RecursionError):
        return None
    if (claim.plugin, claim.version) != (record.name, record.version):
        return None
    return {"score": claim.score, "passed": claim.passed, "failed": claim.failed}
