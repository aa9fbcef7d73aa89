"""Who may come in: bearer tokens, by the print of their text. Pure but for the randomness.

A token is 32 random bytes, so a plain SHA-256 is enough of a print: there is nothing to guess.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable

import msgspec

from .values import ScopeName

PREFIX = "stk_"
TOKEN_BYTES = 32
INDEX_BYTES = 8
MAX_TOKEN_CHARS = 256  # longer ones are nobody's, and are not hashed


class Caller(msgspec.Struct, frozen=True):
    """Who asks: a token's name and what it may do. `admin` may all that `use` may."""

    name: str
    scope: ScopeName

    @property
    def is_admin(self) -> bool:
        return self.scope == "admin"


Prints = dict[bytes, tuple[bytes, Caller]]


class Tokens:
    """The tokens that hold now; changed whole by `know`, from any thread.

    ``used`` is told the name of each token that came in; it must not block.
    """

    def __init__(self, used: Callable[[str], None] = lambda name: None) -> None:
        self._kept: Prints = {}
        self._own: Prints = {}
        self._used = used

    def know(self, tokens: Iterable[tuple[bytes, Caller]]) -> None:
        """These prints hold from now on, and no others but those of `add_own`."""
        self._kept = {digest[:INDEX_BYTES]: (digest, caller) for digest, caller in tokens}

    def add_own(self, text: str, caller: Caller) -> None:
        """A token of this run, kept in memory alone (that of the printed URL)."""
        digest = print_of(text)
        self._own[digest[:INDEX_BYTES]] = (digest, caller)

    def caller_of(self, text: str) -> Caller | None:
        """Whose token it is; None: nobody's.

        Prints are looked up by their first bytes, which a stranger cannot choose, and compared in a
        time that does not tell where they differ.
        """
        if not text or len(text) > MAX_TOKEN_CHARS:
            return None
        digest = print_of(text)
        index = digest[:INDEX_BYTES]
        found = self._own.get(index) or self._kept.get(index)
        if found is None or not hmac.compare_digest(digest, found[0]):
            return None
        self._used(found[1].name)
        return found[1]


def new_token(random: Callable[[int], bytes]) -> str:
    """The text of a new token; ``random`` is `os.urandom`'s like."""
    return PREFIX + base64.urlsafe_b64encode(random(TOKEN_BYTES)).rstrip(b"=").decode()


def print_of(text: str) -> bytes:
    """What is kept of a token: 32 bytes, from which the text cannot be had."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
