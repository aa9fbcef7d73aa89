"""The host's own doors: ports of this machine that no plugin is ever connected to."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

__all__ = ["OwnPorts", "is_of_this_machine"]


def is_of_this_machine(address: str) -> bool:
    """Whether this machine answers at an address: the kernel lets no other be bound (ip(7)).

    What cannot be told is taken for ours.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError as error:
        return error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
    return True


class OwnPorts:
    """What `Broker.open` takes as `forbidden`: TCP ports on which the host itself listens.

    At whichever address of this machine, since a listener may stand on all of them.
    """

    def __init__(self, is_ours: Callable[[str], bool] = is_of_this_machine) -> None:
        self._is_ours = is_ours
        self._ports: set[int] = set()

    def add(self, port: int) -> None:
        """The host listens there from now on."""
        self._ports.add(port)

    def discard(self, port: int) -> None:
        """It no longer does."""
        self._ports.discard(port)

    def __call__(self, address: str, port: int) -> bool:
        return port in self._ports and self._is_ours(address)
