"""Who is signed in to the page, in memory alone. Pure but for the randomness and the clock.

A session stands for the token it was begun with: it ends with that token, after `IDLE_S` without a
request, when its reader signs out, and with the process.
"""

from __future__ import annotations

import base64
import hmac
from collections import OrderedDict
from collections.abc import Callable

from stockade.admin import Tokens, print_of

MAX_SESSIONS = 64  # a handful of operators with a few browsers each; the longest idle one goes
IDLE_S = 12 * 3_600.0  # a working day
ID_BYTES = 32
MAX_ID_CHARS = 64
MAX_NOTICES = 8  # to be shown on the next page

MAX_FAILURES = 10  # wrong tokens from one address ...
WINDOW_S = 60.0  # ... within a minute; what is guessed at has 256 bits, this only keeps it quiet
MAX_ADDRESSES = 1_024


class Session:
    """One signed-in browser. `csrf` stands in every form; `notices` are shown once."""

    def __init__(self, csrf: str, token: str, name: str, seen_at: float) -> None:
        self.csrf = csrf
        self.name = name
        self.seen_at = seen_at
        self._token = token
        self._notices: list[str] = []

    def holds(self, tokens: Tokens) -> bool:
        """Whether its token still is one, and an admin's."""
        caller = tokens.caller_of(self._token)
        return caller is not None and caller.is_admin and caller.name == self.name

    def proves(self, given: str) -> bool:
        """Whether ``given`` is its form's token, in a time that does not tell where it differs."""
        return hmac.compare_digest(self.csrf.encode(), given.encode("utf-8", "surrogatepass"))

    def notify(self, sentence: str) -> None:
        """Show this on the next page."""
        self._notices = [*self._notices, sentence][-MAX_NOTICES:]

    def take_notices(self) -> list[str]:
        """What is to be shown, this once."""
        taken, self._notices = self._notices, []
        return taken


class Sessions:
    """All sessions, by the print of their id: an id itself is only in the browser."""

    def __init__(
        self, tokens: Tokens, *, random: Callable[[int], bytes], clock: Callable[[], float]
    ) -> None:
        self._tokens = tokens
        self._random = random
        self._clock = clock
        self._kept: OrderedDict[bytes, Session] = OrderedDict()  # the longest idle first

    def begin(self, token: str) -> tuple[str, Session] | None:
        """A new session and its id for a token's holder; None: nobody's, or no admin's."""
        caller = self._tokens.caller_of(token)
        if caller is None or not caller.is_admin:
            return None
        id = _word(self._random(ID_BYTES))
        session = Session(_word(self._random(ID_BYTES)), token, caller.name, self._clock())
        self._kept[print_of(id)] = session
        while len(self._kept) > MAX_SESSIONS:
            self._kept.popitem(last=False)
        return id, session

    def find(self, id: str, *, by_itself: bool = False) -> Session | None:
        """The session of that id, if it still holds; ``by_itself``: a script asks while nobody does
        anything, which keeps no session alive.
        """
        if not id or len(id) > MAX_ID_CHARS:
            return None
        key = print_of(id)
        session = self._kept.get(key)
        if session is None:
            return None
        now = self._clock()
        if now - session.seen_at > IDLE_S or not session.holds(self._tokens):
            del self._kept[key]
            return None
        if not by_itself:
            session.seen_at = now
            self._kept.move_to_end(key)
        return session

    def end(self, id: str) -> None:
        self._kept.pop(print_of(id), None)


class Attempts:
    """How often an address came with a wrong token. Bounded; an address is never a secret."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failed: OrderedDict[str, list[float]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """How long this address has to wait before its next try; 0: not at all."""
        recent = self._recent(address)
        if len(recent) < MAX_FAILURES:
            return 0.0
        return max(0.0, recent[0] + WINDOW_S - self._clock())

    def failed(self, address: str) -> None:
        self._failed[address] = [*self._recent(address), self._clock()][-MAX_FAILURES:]
        self._failed.move_to_end(address)
        while len(self._failed) > MAX_ADDRESSES:
            self._failed.popitem(last=False)

    def _recent(self, address: str) -> list[float]:
        since = self._clock() - WINDOW_S
        return [at for at in self._failed.get(address, ()) if at > since]


def _word(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
