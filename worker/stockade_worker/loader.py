"""Importing the plugin: the first moment at which foreign code runs, after everything else is in
place.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from stockade_sdk import wire
from stockade_sdk.errors import ErrorInfo, ErrorKind
from stockade_sdk.provider import methods_of

from .words import in_words, plain_utf8

MAX_TRACE_LINES = 12


class LoadError(Exception):
    """The plugin could not be imported or made; ``info`` says why, for people."""

    def __init__(self, info: ErrorInfo) -> None:
        super().__init__(info.message)
        self.info = info


def load(frame: wire.Load) -> Any:
    """The provider that ``frame.entry`` names, made; raises LoadError whatever the plugin did
    instead.
    """
    sys.path.extend(frame.path)
    os.environ.update(frame.environment)
    module_name, _, attribute = frame.entry.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
        for name in attribute.split("."):
            found = getattr(found, name)
        provider = found() if isinstance(found, type) else found
        methods_of(provider)  # looking at it is running it: its class may have properties
        return provider
    except (
        BaseException
    ) as error:  # SystemExit and worse included: it is the plugin's word, not ours
        raise LoadError(described(frame.entry, error)) from error


def described(entry: str, error: BaseException) -> ErrorInfo:
    """What happened, with the end of the traceback that lies in the plugin."""
    import traceback

    kind = ErrorKind.OUT_OF_MEMORY if isinstance(error, MemoryError) else ErrorKind.WORKER_DIED
    lines = traceback.format_exception(error)[-MAX_TRACE_LINES:]
    what = f"{entry} could not be loaded: {in_words(error)}"
    return ErrorInfo(kind=kind, message=plain_utf8(f"{what}\n{''.join(lines)}"))
