"""Control groups: hard limits for a worker's whole tree, their counters, and a handle to kill it.

`Cgroups` is a host's share of each hierarchy, `Group` one worker's. Version 2 where it is delegated
to us, version 1 as root, each always below our own group, so that no outer limit is ever widened; a
version 2 group without controllers serves as the handle to kill. Nothing of it is required: see
`supervisor.budget` for what holds where there is none.
"""

from .files import CgroupError, Kernel, Linux
from .group import Counts, Group
from .host import Cgroups
from .sweep import sweep_groups

__all__ = ["CgroupError", "Cgroups", "Counts", "Group", "Kernel", "Linux", "sweep_groups"]
