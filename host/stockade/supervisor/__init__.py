"""Workers of all plugins: started when needed, watched, replaced when they die, ended."""

from .launch import Launch, PluginRuntime, Prepared, StartRefused, WorkerChannel
from .logbook import Logbook
from .status import PluginEvent, PluginState, PluginStatus, What, WorkerStatus
from .supervisor import Supervisor

__all__ = [
    "Launch",
    "Logbook",
    "PluginEvent",
    "PluginRuntime",
    "PluginState",
    "PluginStatus",
    "Prepared",
    "StartRefused",
    "Supervisor",
    "What",
    "WorkerChannel",
    "WorkerStatus",
]
