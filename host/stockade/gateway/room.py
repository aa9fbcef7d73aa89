"""How many connections fit: a file descriptor each, and one more to the vendor."""

from __future__ import annotations

import resource
from pathlib import Path

import msgspec

RESERVE = 64  # descriptors for state, logs, and workers that are still to be started
BACKLOG = 2_048  # connections that the kernel keeps until they are accepted; no descriptor of ours
MOST_LEAVING = 2_048  # connections that were told that they are too many
LEAST = 8
MOST_DESCRIPTORS = 1_048_576  # where there is no hard limit: fs.nr_open's usual value


class Room(msgspec.Struct, frozen=True):
    """``connections`` are served at once, ``leaving`` is how many more may be on their way out,
    having been told that they are too many.
    """

    connections: int
    leaving: int


def room_for(wanted: int, descriptors: int, taken: int) -> Room:
    """The room for ``wanted`` connections with ``descriptors`` of which some are ``taken``.

    A third of what is left is for clients, a third for their requests' way to the vendors, and a
    third for those that are accepted only to be told that there is no room: where there is no
    descriptor for that, libuv closes what it accepted without a word.
    """
    third = max(LEAST, (descriptors - taken - RESERVE) // 3)
    return Room(min(wanted, third), min(MOST_LEAVING, third))


def raise_descriptors() -> int:
    """Raise this process's soft limit of descriptors to its hard one; the limit then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


def descriptors_taken() -> int:
    """How many descriptors this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
