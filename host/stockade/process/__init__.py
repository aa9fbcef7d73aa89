"""One child tree: start, watch, measure, end; and the folder that this host's children live in."""

from .child import Child, Exit, OnLine, Stream
from .lines import Budget, plain
from .nursery import Nurseries, NurseryGone, Program
from .run_folder import Listener, RunFolder, is_held, sweep_stale
from .trees import remove_tree, removing
from .usage import Usage, read_usage, started_at

__all__ = [
    "Budget",
    "Child",
    "Exit",
    "Listener",
    "Nurseries",
    "NurseryGone",
    "OnLine",
    "Program",
    "RunFolder",
    "Stream",
    "Usage",
    "is_held",
    "plain",
    "read_usage",
    "remove_tree",
    "removing",
    "started_at",
    "sweep_stale",
]
