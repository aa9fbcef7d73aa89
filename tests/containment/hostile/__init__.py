"""A plugin that tries to get out. A message names an attempt and what it is to be tried on, the
answer tells what became of it: JSON both ways. See ``tests/containment/rows.py``.

Whether it got out is not for the plugin to say: whoever asks looks from outside.
"""

# ruff: noqa: PTH109 -- attempts are system calls, as plain as they can be had

from __future__ import annotations

import inspect
import json
import os
import sys
from typing import Any

from stockade_sdk import ChatResponse

from . import files, kernel, network, processes, resources, secrets
from .acts import ACTS, act, descriptors

print("hostile: imported", flush=True)  # who must never get this far has it in no log
AT_IMPORT = descriptors()
MODULES = (files, kernel, network, processes, resources, secrets)


@act
def hello(ctx: Any) -> dict[str, Any]:
    """Who it believes to be, and what it had open when it was imported."""
    return {"pid": os.getpid(), "uid": os.getuid(), "at_import": AT_IMPORT}


@act
def itself(ctx: Any) -> dict[str, Any]:
    """Everything that it can tell of where it is."""
    modules = [str(getattr(one, "__file__", "")) for one in list(sys.modules.values())]
    return {
        "modules": modules,
        "path": sys.path,
        "argv": sys.argv,
        "executable": sys.executable,
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "host": os.uname().nodename,
        "data": str(ctx.data_dir),
    }


class Provider:
    """Answers whatever ACTS has."""

    async def chat(self, request: Any, ctx: Any) -> ChatResponse:
        wanted = json.loads(request.last_text)
        seen = ACTS[wanted["act"]](ctx, **wanted["given"])
        if inspect.isawaitable(seen):
            seen = await seen
        return ChatResponse.of_text(json.dumps(seen))
