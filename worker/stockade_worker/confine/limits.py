"""Resource limits of this process, by setrlimit(2); both the soft and the hard limit, so that none
can be raised.
"""

from __future__ import annotations

import resource

from stockade_worker.plan import Limits

MIB = 1024 * 1024
ADDRESS_SPACE_HEADROOM = (
    1024 * MIB
)  # maps of libraries and reserved arenas, never touched: 760 MiB with 8 threads
STACK_HEADROOM = 32 * MIB  # thread stacks are counted in full as data, and used by the page


def set_limits(limits: Limits) -> None:
    """Apply ``limits``; raises OSError or ValueError where the kernel refuses."""
    wanted = [
        (resource.RLIMIT_AS, limits.memory_bytes + ADDRESS_SPACE_HEADROOM),
        (resource.RLIMIT_DATA, limits.memory_bytes + STACK_HEADROOM),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_FSIZE, limits.file_size_bytes),
        (resource.RLIMIT_CORE, 0),  # a core dump would hold what the plugin was told
        (resource.RLIMIT_MEMLOCK, 0),  # locked pages and what is in flight between sockets
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_NICE, 0),
        (resource.RLIMIT_RTPRIO, 0),
    ]
    if limits.processes:
        # Counted per user and user namespace, and not for user 0: the plan says where it holds.
        wanted.append((resource.RLIMIT_NPROC, limits.processes))
    for number, value in wanted:
        hard = resource.getrlimit(number)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (allowed, allowed))
