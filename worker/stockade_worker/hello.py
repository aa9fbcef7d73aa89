"""The first frame of a worker: what the plan said, what was done of it, what can be done after."""

from __future__ import annotations

import os
import sys

from stockade_sdk import __version__, wire

from .plan import Plan


def hello(plan: Plan, layers: tuple[str, ...], acts: dict[str, int]) -> wire.Hello:
    """Of this process; ``layers`` were carried out, ``acts`` were tried after them."""
    return wire.Hello(
        protocol_min=wire.PROTOCOL_MIN,
        protocol_max=wire.PROTOCOL_MAX,
        launch=plan.launch,
        plugin=plan.plugin,
        digest=plan.digest,
        pid=os.getpid(),
        sdk=__version__,
        python="{}.{}.{}".format(*sys.version_info),
        layers=layers,
        acts=acts,
    )
