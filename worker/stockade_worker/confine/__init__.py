"""Confinement in the child: one kernel mechanism a module, put in order by ``steps``."""

from .steps import (
    LATE_STEPS,
    STEPS,
    Birth,
    Step,
    StepFailed,
    follow,
    lock,
    namespaced,
    seal,
)

__all__ = [
    "LATE_STEPS",
    "STEPS",
    "Birth",
    "Step",
    "StepFailed",
    "follow",
    "lock",
    "namespaced",
    "seal",
]
