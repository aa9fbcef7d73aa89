"""Where the value of a key may lie beside the secrets file: the seam, and how a slow one is held
to a time.

Not here: which one is used, see `secrets`, and what the operator's keyring is, see `os_keyring`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

__all__ = ["Vault", "VaultFailed", "VaultLate", "in_time"]

T = TypeVar("T")


class VaultFailed(Exception):
    """A vault did not do it; `reason` is a clause about "it" that repeats no value."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class VaultLate(VaultFailed):
    """A vault did not answer in time, and may be at it still."""


class Vault(Protocol):
    """Keeps texts by the name of their item. Every act raises `VaultFailed`, and none of them
    asks anybody anything or takes longer than a few seconds.
    """

    @property
    def title(self) -> str:
        """What people call it."""
        ...

    def get(self, item: str) -> str | None: ...
    def set(self, item: str, value: str) -> None: ...
    def remove(self, item: str) -> None: ...


def in_time(act: Callable[[], T], deadline_s: float) -> T:
    """What `act` gives, which foreign code decides on: raises VaultFailed for whatever it raises
    and where it is not done in time.

    It runs in a thread of its own. One that hangs is left behind and does not hold up the exit.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(act())
        except BaseException as error:  # noqa: BLE001 - handed to who waits
            done.set_exception(error)

    threading.Thread(target=run, name="vault", daemon=True).start()
    try:
        return done.result(deadline_s)
    except VaultFailed:
        raise
    except TimeoutError:
        raise VaultLate(f"did not answer within {deadline_s:g} s") from None
    except Exception as error:  # noqa: BLE001 - a back end's own errors, of any class
        # Without its words and its traceback: they could hold the value.
        raise VaultFailed(f"failed with {type(error).__name__}") from None
