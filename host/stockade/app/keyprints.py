"""Short fingerprints of the keys in use: enough to see that a key is another one, and no more."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from stockade.errors import HostError

__all__ = ["KeyPrints"]

# 32 bits tell two keys apart, and far too many texts share each print to find a key by it. Where
# two keys of one plugin share it, the second one waits out what the first one was refused.
PRINT_BYTES = 4
LENGTH_BYTES = 4  # before each value, so that "ab", "c" is not "a", "bc"


class KeyPrints:
    """The print of each plugin's keys, made once and then a look into a dictionary.

    ``salt`` is random and kept by the state, so that prints are the same in the next run and mean
    nothing elsewhere; ``values_of`` gives the values of a plugin's keys, in a fixed order. May be
    used by several threads. Raises ValueError where the salt is empty.
    """

    def __init__(self, salt: bytes, values_of: Callable[[str], Iterable[str]]) -> None:
        if not salt:
            raise ValueError("fingerprints of keys need a salt")
        self._key = hashlib.sha256(salt).digest()  # a salt of any length
        self._values_of = values_of
        self._prints: dict[str, str] = {}

    def print_of(self, plugin: str) -> str:
        """The print of a plugin's keys; "" where it has none.

        A key that cannot be had (a locked keyring, a variable that holds no key) is none here:
        nothing can be refused for it, and the call that needs it says why.
        """
        found = self._prints.get(plugin)
        if found is None:
            found = self._prints[plugin] = self._made(plugin) or ""
        return found

    def forget(self, plugin: str) -> None:
        """A plugin's keys were changed: the next look makes its print anew."""
        self._prints.pop(plugin, None)

    def renew(self) -> tuple[str, ...]:
        """Make all prints anew, in a thread since it reads; the plugins whose keys were changed. A
        key that cannot be had at the moment is taken for the one there was.
        """
        changed = []
        for plugin, before in list(self._prints.items()):
            now = self._made(plugin)
            if now is not None and now != before:
                self._prints[plugin] = now
                changed.append(plugin)
        return tuple(changed)

    def _made(self, plugin: str) -> str | None:
        """None where the keys cannot be had."""
        try:
            values = [value for value in self._values_of(plugin) if value]
        except HostError:
            return None
        if not values:
            return ""
        made = hashlib.blake2b(key=self._key, digest_size=PRINT_BYTES)
        for text in (plugin, *values):
            data = text.encode("utf-8", "surrogatepass")
            made.update(len(data).to_bytes(LENGTH_BYTES, "big") + data)
        return made.hexdigest()
