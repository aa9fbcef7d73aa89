"""Tasks: what the vendor answers at once to work that takes a minute, and when asked after it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from stockade_sdk.dialects.overlay import Unreadable, difference, merged
from stockade_sdk.errors import ErrorKind, ProviderError

from .errors import classify_error, error_inside

RUNNING: Final = frozenset({"PENDING", "RUNNING", "SUSPENDED"})
QUEUED: Final = "PENDING"  # only such a task can be cancelled
SUCCEEDED: Final = "SUCCEEDED"
_ENDED: Final = {
    "CANCELED": "the task was cancelled at the vendor's",
    "UNKNOWN": "the vendor knows nothing of the task; results are kept for a day",
}


class Task(NamedTuple):
    """One task: its ``id``, the vendor's word for its ``status``, and all the vendor said."""

    id: str
    status: str
    said: dict[str, Any]

    @property
    def is_running(self) -> bool:
        """Whether there will be more to hear."""
        return self.status in RUNNING

    @property
    def can_be_cancelled(self) -> bool:
        """Whether the vendor has not begun with it."""
        return self.status == QUEUED


def decode_task(payload: Any) -> Task:
    """The task that was made or asked after.

    Raises the error that it failed with, or that the answer is;
    ProviderError(malformed_response) where it is no task, or in a state that nobody knows.
    """
    raised = error_inside(payload)
    if raised is not None:
        raise raised
    match payload:
        case {"output": {"task_id": str(id), "task_status": str(status)} as output} if id:
            pass
        case _:
            raise ProviderError(ErrorKind.MALFORMED_RESPONSE, "the answer is no task")
    if status == "FAILED":
        raise classify_error(None, None, output)
    if status in _ENDED:
        raise ProviderError(ErrorKind.SERVER_ERROR, _ENDED[status], code=status)
    if status != SUCCEEDED and status not in RUNNING:
        raise ProviderError(
            ErrorKind.MALFORMED_RESPONSE, f"the task is in the unknown state {status!r:.40}"
        )
    return Task(id, status, difference(_encode(id, status), payload, drops=False))


def encode_task(task: Task) -> dict[str, Any]:
    """The JSON of a task."""
    return merged(_encode(task.id, task.status), task.said)


def task_path(task: Task) -> str:
    """Below ``/api/v1``: where the task is asked after. The id came from outside and becomes a
    path, so ProviderError(malformed_response) is raised for one that could be more than a name.
    """
    if not all(letter.isalnum() or letter in "-_" for letter in task.id):
        raise ProviderError(ErrorKind.MALFORMED_RESPONSE, f"{task.id!r:.80} is no id of a task")
    return f"tasks/{task.id}"


def output_of(payload: Any) -> dict[str, Any]:
    """The ``output`` of an answer; raises Unreadable."""
    output = payload.get("output") if isinstance(payload, dict) else None
    if not isinstance(output, dict):
        raise Unreadable("the answer has no output")
    return output


def _encode(id: str, status: str) -> dict[str, Any]:
    return {"output": {"task_id": id, "task_status": status}}
