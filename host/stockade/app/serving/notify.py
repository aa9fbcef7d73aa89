"""News for systemd, where it started this (``Type=notify``): sd_notify(3), without its library."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

__all__ = ["notify"]

VARIABLE = "NOTIFY_SOCKET"


def notify(state: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Send ``state`` (as in ``READY=1``); whether somebody was there to be told."""
    address = environ.get(VARIABLE, "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            sender.sendto(state.encode(), address)
    except OSError:
        return False
    return True
