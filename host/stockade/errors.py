"""What can go wrong in the host, sorted by what the caller does next.

    HostError                 the root: the work failed (exit code 1)
    ├── UsageError            asked for in a wrong way (exit code 2)
    │   ├── SettingsError     stockade.toml or the environment says something unusable
    │   └── NotInstalled      there is no plugin of that name
    ├── Refused               asked for in the right way and not allowed (exit code 3)
    ├── StateError            state.db, stockade.lock or the secrets cannot be used
    └── AllAttemptsFailed     a request got no answer from any of its targets

Failures of a single request are `stockade_sdk.ProviderError`.
"""

from collections.abc import Sequence

from stockade_sdk.capability import Attempt
from stockade_sdk.errors import ProviderError

__all__ = [
    "AllAttemptsFailed",
    "HostError",
    "NotInstalled",
    "Refused",
    "SettingsError",
    "StateError",
    "UsageError",
]


class HostError(Exception):
    """Root of the host's errors: `what` happened, `why`, and what to do next (`remedy`).

    All three are whole sentences or clauses for a person; `str()` joins them. `exit_code` is the
    command line's.
    """

    exit_code = 1

    def __init__(self, what: str, *, why: str = "", remedy: str = "") -> None:
        self.what = what
        self.why = why
        self.remedy = remedy
        super().__init__(what)

    def __str__(self) -> str:
        return self.what + "".join(f"; {part}" for part in (self.why, self.remedy) if part)


class UsageError(HostError):
    """Asked for in a wrong way: the caller mends the input."""

    exit_code = 2


class SettingsError(UsageError):
    """The operator's settings cannot be used; the message names the file, line and key."""


class NotInstalled(UsageError):
    """There is no installed plugin of that name."""


class Refused(HostError):
    """Not allowed: a permission, the sandbox or trust stands against it."""

    exit_code = 3


class StateError(HostError):
    """What stockade keeps on disk cannot be used; the message names the file."""


class AllAttemptsFailed(HostError):
    """A request got no answer: every attempt in order, and the last one's error."""

    def __init__(self, attempts: Sequence[Attempt], error: ProviderError) -> None:
        self.attempts = tuple(attempts)
        self.error = error
        tried = ", ".join(dict.fromkeys(attempt.target for attempt in self.attempts))
        count = len(self.attempts)
        what = "no target could be tried" if not count else f"no answer after {count} attempts"
        if count == 1:
            what = f"no answer from {tried}"
        super().__init__(what, why=str(error))
        self.tried = tried
