"""The operator's keyring, through the library `keyring` (the extra `stockade[keyring]`).

Only a back end that asks nobody is used: a host may run where no one sits. The Secret Service
(GNOME Keyring, KWallet, KeePassXC) is looked at first, and left alone where it is locked, since
the library would then open a dialogue and wait for it. The library's own bindings for KWallet and
libsecret do that without a way to know before, and its files on disk are no better than ours.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeVar

from stockade.state.vault import VaultFailed, VaultLate, in_time

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

__all__ = ["OsKeyring", "os_keyring", "usable"]

T = TypeVar("T")

SERVICE: Final = "stockade"  # what the items are filed under
DEADLINE_S: Final = 3.0  # an answer over D-Bus takes some 10 ms; starting the daemon, a second
LEAST_PRIORITY: Final = 1  # from which on `keyring` itself recommends a back end
_SECRET_SERVICE: Final = "keyring.backends.SecretService"  # noqa: S105 - a module's name
_REFUSED: Final = (
    "keyring.backends.fail",
    "keyring.backends.null",
    "keyring.backends.kwallet",
    "keyring.backends.libsecret",
    "keyrings.alt",
    "keyrings.cryptfile",
)


class OsKeyring:
    """A back end of `keyring` as a vault; see `os_keyring`."""

    def __init__(self, backend: KeyringBackend, deadline_s: float) -> None:
        self._backend, self._deadline_s = backend, deadline_s
        self._late = False

    @property
    def title(self) -> str:
        """The back end's own name, as "SecretService Keyring"."""
        return str(self._backend.name)

    def get(self, item: str) -> str | None:
        """The value of an item; None where there is none."""
        return self._carry_out(lambda: self._backend.get_password(SERVICE, item))

    def set(self, item: str, value: str) -> None:
        """Keep a value, and check that it can be had back."""
        self._carry_out(lambda: self._backend.set_password(SERVICE, item, value))
        if self.get(item) != value:
            raise VaultFailed("did not give back what it was given")

    def remove(self, item: str) -> None:
        """Forget an item; one that is not there is forgotten."""
        if self.get(item) is not None:
            self._carry_out(lambda: self._backend.delete_password(SERVICE, item))

    def _carry_out(self, act: Callable[[], T]) -> T:
        if self._late:  # each further try would leave one more thread behind
            raise VaultFailed("did not answer before")

        def unprompted() -> T:
            _refuse_locked(self._backend)
            return act()

        try:
            return in_time(unprompted, self._deadline_s)
        except VaultLate:
            self._late = True
            raise


def os_keyring(
    backend: Callable[[], KeyringBackend] | None = None, *, deadline_s: float = DEADLINE_S
) -> OsKeyring:
    """The operator's keyring. Raises VaultFailed where there is none that asks nobody.

    `backend` finds what the library would use (default: as its own configuration says, see
    PYTHON_KEYRING_BACKEND there).
    """
    found = in_time(lambda: usable((backend or _configured)()), deadline_s)
    return OsKeyring(found, deadline_s)


def usable(backend: KeyringBackend) -> KeyringBackend:
    """The back end, or the best one of a chain of several. Raises VaultFailed for one that would
    ask, that keeps nothing, or that `keyring` does not recommend itself.
    """
    chained: tuple[KeyringBackend, ...] = tuple(getattr(backend, "backends", (backend,)))
    for one in chained:
        module = type(one).__module__
        refused = any(module == name or module.startswith(f"{name}.") for name in _REFUSED)
        if not refused and one.priority >= LEAST_PRIORITY:
            return one
    raise VaultFailed("is not there, or would ask with a dialogue")


def _configured() -> KeyringBackend:
    try:
        keyring: Any = import_module("keyring")
    except ImportError:
        raise VaultFailed("is not there: the package keyring is not installed") from None
    found: KeyringBackend = keyring.get_keyring()
    return found


def _refuse_locked(backend: KeyringBackend) -> None:
    """Raise VaultFailed where the Secret Service would open a dialogue to be unlocked.

    `secretstorage.get_default_collection` is not asked: it makes one where there is none, with a
    dialogue of its own.
    """
    if type(backend).__module__ != _SECRET_SERVICE:
        return
    storage: Any = import_module("secretstorage")
    with closing(storage.dbus_init()) as connection:
        preferred = getattr(backend, "preferred_collection", None)
        try:
            found = storage.Collection(connection, *([preferred] if preferred else []))
        except storage.ItemNotFoundException:
            raise VaultFailed("has no collection to keep it in") from None
        if found.is_locked():
            raise VaultFailed("is locked")
