"""How providers are: asked for it (`checks`, `schedule`), and as requests showed it (`seen`)."""

from .checks import Checks, Health, asks_by_chat
from .schedule import check_on_schedule
from .seen import Seen, providers_seen, targets_seen
from .subjects import Subject, missing, subject_of

__all__ = [
    "Checks",
    "Health",
    "Seen",
    "Subject",
    "asks_by_chat",
    "check_on_schedule",
    "missing",
    "providers_seen",
    "subject_of",
    "targets_seen",
]
