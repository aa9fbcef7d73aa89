"""Workers of all plugins: started when needed, watched, replaced when they die, ended."""

from .board import Posted, posted_in
from .crew import NEXT_CALL
from .denials import Denials, read_acts, shown
from .launch import Launch, PluginRuntime, Prepared, WorkerChannel
from .logbook import Logbook
from .probing import Answer, Probe, StartRefused
from .rehearsal import Rehearsal
from .status import PluginEvent, PluginState, PluginStatus, What, WorkerStatus
from .supervisor import Supervisor

__all__ = [
    "NEXT_CALL",
    "Answer",
    "Denials",
    "Launch",
    "Logbook",
    "PluginEvent",
    "PluginRuntime",
    "PluginState",
    "PluginStatus",
    "Posted",
    "Prepared",
    "Probe",
    "Rehearsal",
    "StartRefused",
    "Supervisor",
    "What",
    "WorkerChannel",
    "WorkerStatus",
    "read_acts",
    "shown",
    "posted_in",
]
