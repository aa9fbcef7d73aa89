"""The phases of installing and the like, and what a failure in one of them means."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from stockade.errors import HostError, NotInstalled, Refused, StateError, UsageError

__all__ = ["STEPS", "Steps", "silent"]

STEPS: Final = {  # of `commit_install`, in its order
    "lock": "waits for other installs",
    "store": "copies the plugin",
    "environment": "fetches the packages that it brings",
    "smoke": "tries it beside what runs",
    "record": "records it",
    "lock-file": "writes stockade.lock",
    "tidy": "removes what nobody needs any more",
}
_KINDS = (
    NotInstalled,
    UsageError,
    Refused,
    StateError,
)  # what decides the exit code; HostError is the rest


def silent(step: str) -> None:
    """Hears a phase and says nothing."""
    del step


class Steps:
    """The phase that is under way. Called with each before it begins."""

    def __init__(self, on_step: Callable[[str], None]) -> None:
        self.now = ""
        self.done = False  # whether what was wanted is recorded, and only tidying up is left
        self._on_step = on_step

    def __call__(self, step: str) -> None:
        self.now = step
        self._on_step(step)

    @contextmanager
    def told(self, subject: str, verb: str) -> Iterator[None]:
        """Say of an error of the block which phase it was in, and whether anything was changed.

        `verb` is a participle: "installed". The error keeps its kind, and is the cause.
        """
        try:
            yield
        except (HostError, OSError) as error:
            raise self._worded(error, subject, verb) from error

    def _worded(self, error: HostError | OSError, subject: str, verb: str) -> HostError:
        if isinstance(error, OSError):
            name = f" ({error.filename})" if error.filename else ""
            error = HostError(f"{error.strerror or error}{name}", remedy="mend it and try again")
        kind = next((kind for kind in _KINDS if isinstance(error, kind)), HostError)
        phase = f"in the phase “{STEPS.get(self.now, self.now)}”"
        if self.done:
            what = f"{subject} is {verb}, and not all was tidied up: {error.what}"
        else:
            what = f"{subject} was not {verb}: {error.what}"
            phase += "; nothing was changed"
        return kind(what, why=f"{error.why}, {phase}" if error.why else phase, remedy=error.remedy)
