"""What goes to a vendor and what comes back, for an author's recordings: without keys, without what
says whose account or machine it was.

Headers are kept by a list of those that mean something to a plugin; all others are gone. Values of
secrets are looked for everywhere, in more spellings than `redact` knows: recordings are published.
Not found: a value in pieces (an event each), or encoded twice.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import anyio
import msgspec

from .headers import Pairs
from .redact import MARK, MIN_CHARACTERS, spellings
from .targets import Target
from .upstream import Upstream

__all__ = [
    "MAX_BODY_BYTES",
    "Cleaner",
    "Exchange",
    "Heard",
    "Part",
    "Recorder",
    "Recording",
    "Recordings",
]

MAX_BODY_BYTES: Final = 8 * 1024 * 1024  # each way; the rest of a longer one is not kept
MIN_ENCODED: Final = 8  # characters of a value in base64; shorter ones are found by chance

_REQUEST: Final = frozenset(
    {
        "accept",
        "anthropic-beta",
        "anthropic-version",
        "content-type",
        "openai-beta",
        "x-dashscope-async",
        "x-dashscope-sse",
    }
)
_RESPONSE: Final = frozenset(
    {
        "content-type",
        "location",
        "retry-after",
        "retry-after-ms",
        "x-ms-retry-after-ms",
        "x-should-retry",
    }
)
_ARGUMENTS: Final = (
    rb"(?:x-(?:amz|goog|oss)-)?(?:api[-_]?key|key|(?:access|auth|refresh|security)[-_]?token|token"
    rb"|(?:client[-_]?)?secret|password|sig|signature|credential|awsaccesskeyid|ossaccesskeyid"
    rb"|googleaccessid)"
)
_FIELDS: Final = rb"(?:access|refresh|id)_?token|client_?secret|api_?key|password"
# Keys of vendors known by their form, whoever's they are, and the names of accounts and requests.
_KNOWN: Final = (
    rb"(?P<argument>(?:^|(?<=[?&])|(?<=\\u0026)|(?<=&amp;))%s=)[^&#\"'\s<>\\]+" % _ARGUMENTS,
    rb'(?P<field>"(?:%s)"\s*:\s*")[^"]+' % _FIELDS,
    rb"stk_placeholder_[A-Za-z0-9_]+_[0-9a-f]{16}",
    rb"\bsk-[A-Za-z0-9_*-]{12,}",
    rb"\bgsk_[A-Za-z0-9]{16,}",
    rb"\bAIza[0-9A-Za-z_-]{30,}",
    rb"\bAKIA[0-9A-Z]{16}\b",
    rb"\bBearer +[A-Za-z0-9._~+/-]{8,}=*",
    rb"\b(?:org|proj|user)[-_][A-Za-z0-9]{16,}",
    rb"\breq_[A-Za-z0-9]{12,}",
)


class Part(msgspec.Struct, frozen=True):
    """Bytes of an answer's body, and how many milliseconds after the request they came."""

    at_ms: int
    data: bytes


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One request and its answer, cleaned. `status` None: no head came.

    `error`: why it did not go to its end, in words, and `kind` as the plugin was told; both ""
    where it did. `complete`: the body was read to its end. `shortened`: a body was longer than
    `MAX_BODY_BYTES`, and its rest is not here.
    """

    plugin: str
    method: str
    url: str
    request_headers: Pairs
    request_body: bytes
    status: int | None
    response_headers: Pairs
    parts: tuple[Part, ...]
    total_ms: int
    complete: bool
    shortened: bool
    kind: str = ""
    error: str = ""


Recorder = Callable[[Exchange], None]
"""Gets every exchange whose request left, at its end, inside the event loop: it must not block."""


class Cleaner:
    """Takes values out of what is kept, and all that has the form of a key."""

    __slots__ = ("_pattern",)

    def __init__(self, values: Iterable[str] = ()) -> None:
        forms: set[bytes] = set()
        for value in values:
            if len(value) >= MIN_CHARACTERS:
                forms |= spellings(value)
                forms |= {form for core in _encoded(value) for form in spellings(core)}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile(
            b"|".join((*map(re.escape, longest_first), *_KNOWN)), re.IGNORECASE
        )

    def whole(self, data: bytes) -> bytes:
        """`data` without them."""
        return self._pattern.sub(_marked, data)

    def text(self, text: str) -> str:
        """The same for text."""
        cleaned = self.whole(text.encode("utf-8", "surrogatepass"))
        return cleaned.decode("utf-8", "replace")

    def parts(self, parts: Sequence[Part]) -> tuple[Part, ...]:
        """The same for a body in parts; what was found across a border stays in the first part."""
        whole = b"".join([part.data for part in parts])
        position, end = 0, 0
        cleaned: list[Part] = []
        found = self._pattern.finditer(whole)
        match = next(found, None)
        for part in parts:
            end += len(part.data)
            said: list[bytes] = []
            while match is not None and match.start() < end:
                said += [whole[position : match.start()], _marked(match)]
                position = match.end()
                match = next(found, None)
            said.append(whole[position : max(end, position)])
            position = max(end, position)
            cleaned.append(Part(part.at_ms, b"".join(said)))
        return tuple(part for part in cleaned if part.data)

    def headers(self, pairs: Iterable[tuple[str, str]], kept: frozenset[str]) -> Pairs:
        """Those of a list, by lower-case names, cleaned."""
        named = [(name.lower(), value) for name, value in pairs]
        return tuple((name, self.text(value)) for name, value in named if name in kept)


def _marked(found: re.Match[bytes]) -> bytes:
    """The mark; what stands before a value in a query or in JSON stays."""
    return (found["argument"] or found["field"] or b"") + MARK


def _encoded(value: str) -> set[str]:
    """What of it stands in a longer text's base64, wherever in there it was, and in its hex."""
    raw = value.encode()
    cores = {raw.hex()}
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"\0" * before + raw).decode()
            core = text[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
            if len(core) >= MIN_ENCODED:
                cores.add(core)
    return cores


class Recordings:
    """Begins a recording for each exchange of one outlet."""

    def __init__(self, plugin: str, hidden: Iterable[str], recorder: Recorder) -> None:
        """`hidden` are the values that must not be kept."""
        self.plugin, self.recorder = plugin, recorder
        self.cleaner = Cleaner(hidden)

    def begin(
        self, method: str, target: Target, headers: Sequence[tuple[str, str]], body: bytes | None
    ) -> Recording:
        """`target` and `headers` are the plugin's own, with placeholders where keys go."""
        return Recording(self, method, target, headers, body or b"")


class Recording:
    """One exchange under way."""

    def __init__(
        self,
        of: Recordings,
        method: str,
        target: Target,
        headers: Sequence[tuple[str, str]],
        body: bytes,
    ) -> None:
        self._of, self._method, self._target = of, method, target
        self._headers, self._body = headers, body
        self._began = anyio.current_time()
        self._status: int | None = None
        self._answer_headers: Pairs = ()
        self._parts: list[Part] = []
        self._size = 0
        self._shortened = len(body) > MAX_BODY_BYTES
        self._complete = False

    def answered(self, status: int, headers: Pairs) -> None:
        """The head is there."""
        self._status, self._answer_headers = status, headers

    def heard(self, data: bytes) -> None:
        """More of the body is there."""
        kept = data[: MAX_BODY_BYTES - self._size]
        self._size += len(kept)
        self._shortened = self._shortened or len(kept) < len(data)
        if kept:
            self._parts.append(Part(self._ms(), kept))

    def ended(self) -> None:
        """That was all of it."""
        self._complete = True

    def end(self, kind: str, error: str) -> None:
        """Hand all of it over, cleaned; `kind` and `error` say why it did not go to its end."""
        cleaner = self._of.cleaner
        exchange = Exchange(
            plugin=self._of.plugin,
            method=self._method,
            url=cleaner.text(self._target.url),
            request_headers=cleaner.headers(self._headers, _REQUEST),
            request_body=cleaner.whole(self._body[:MAX_BODY_BYTES]),
            status=self._status,
            response_headers=cleaner.headers(self._answer_headers, _RESPONSE),
            parts=cleaner.parts(self._parts),
            total_ms=self._ms(),
            complete=self._complete,
            shortened=self._shortened,
            kind=kind,
            error=cleaner.text(error),
        )
        self._of.recorder(exchange)

    def _ms(self) -> int:
        return round((anyio.current_time() - self._began) * 1000)


class Heard(Upstream):
    """An answer that a recording listens to."""

    __slots__ = ("_recording",)

    def __init__(self, recording: Recording, *head: Any, **terms: Any) -> None:
        super().__init__(*head, **terms)
        self._recording = recording
        recording.answered(self.status, self.headers)

    async def __anext__(self) -> bytes:
        try:
            piece = await super().__anext__()
        except StopAsyncIteration:
            self._recording.ended()
            raise
        self._recording.heard(piece)
        return piece
