"""Workers of all plugins: started when needed, watched, replaced when they die, ended."""

from .launch import Launch, PluginRuntime, Prepared, WorkerChannel
from .logbook import Logbook
from .probing import Answer, Probe, StartRefused
from .status import PluginEvent, PluginState, PluginStatus, What, WorkerStatus
from .supervisor import Supervisor

__all__ = [
    "Answer",
    "Launch",
    "Logbook",
    "PluginEvent",
    "PluginRuntime",
    "PluginState",
    "PluginStatus",
    "Prepared",
    "Probe",
    "StartRefused",
    "Supervisor",
    "What",
    "WorkerChannel",
    "WorkerStatus",
]
