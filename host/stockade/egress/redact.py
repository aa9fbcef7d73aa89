"""Take secret values out of what an upstream sends back. Pure; works across chunk borders.

An upstream may repeat a key in an error ("Incorrect API key provided: sk-..."), and a hostile one
does it to hand the key to the plugin. What is replaced: the value, and the value as JSON or a URL
would spell it. Not caught: a value that was encoded otherwise (base64, reversed, split over
events); keys are bound to hosts because of that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from typing import Final
from urllib.parse import quote

__all__ = ["MARK", "MIN_CHARACTERS", "Redaction", "Redactor", "spellings"]

MARK: Final = b"[redacted]"
# Shorter values are no secrets (they can be guessed), and replacing every "none" or "1234" of an
# answer would break it.
MIN_CHARACTERS: Final = 6
_HTML_SAFE: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})  # as Go does


def spellings(value: str) -> frozenset[bytes]:
    """The value as it is, in JSON (escaped for ASCII, for UTF-8, for HTML) and percent-encoded."""
    plain, ascii_only = json.dumps(value, ensure_ascii=False)[1:-1], json.dumps(value)[1:-1]
    texts = {value, plain, ascii_only, quote(value, safe="")}
    for text in (plain, ascii_only):
        texts |= {text.replace("/", "\\/"), text.translate(_HTML_SAFE)}
    texts |= {_other_case(text) for text in tuple(texts)}
    return frozenset(text.encode() for text in texts)


def _other_case(text: str) -> str:
    """`\\u00e9` as `\\u00E9` and `%2F` as `%2f`: both are in use."""
    text = re.sub(r"\\u[0-9a-f]{4}", lambda found: "\\u" + found[0][2:].upper(), text)
    return re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), text)


class Redactor:
    """The values that must not come back. Values shorter than `MIN_CHARACTERS` are left alone."""

    __slots__ = ("_firsts", "_pattern", "_spellings", "longest")

    def __init__(self, values: Iterable[str]) -> None:
        found = {
            form for value in values if len(value) >= MIN_CHARACTERS for form in spellings(value)
        }
        self._spellings = sorted(found, key=lambda form: (-len(form), form))
        self.longest = max(map(len, self._spellings), default=0)
        self._pattern = _any_of(self._spellings)
        self._firsts = _any_of({form[:1] for form in found})

    def __repr__(self) -> str:
        return f"<Redactor of {len(self._spellings)} spellings>"

    def whole(self, data: bytes) -> bytes:
        """`data` with every value replaced by `MARK`."""
        return self._pattern.sub(MARK, data) if self._pattern is not None else data

    def text(self, text: str) -> str:
        """The same for text."""
        if self._pattern is None:
            return text
        return self.whole(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def stream(self) -> Redaction:
        """A new stream of data to redact."""
        return Redaction(self)

    def part(self, data: bytes) -> tuple[bytes, bytes]:
        """Split what may be said now, redacted, from a rest that may be the start of a value."""
        if self._pattern is None:
            return data, b""
        pieces, position = [], 0
        while True:
            held = self._start_of_value(data, position)
            found = self._pattern.search(data, position)
            # A match at `held` itself could still grow into a longer spelling.
            if found is None or found.start() >= held:
                pieces.append(data[position:held])
                return b"".join(pieces), data[held:]
            pieces += (data[position : found.start()], MARK)
            position = found.end()

    def _start_of_value(self, data: bytes, position: int) -> int:
        """Where the earliest suffix begins that more data could turn into a value."""
        assert self._firsts is not None
        for found in self._firsts.finditer(data, max(position, len(data) - self.longest + 1)):
            start = found.start()
            length = len(data) - start
            for form in self._spellings:
                if len(form) <= length:
                    break  # the longest come first
                if data.startswith(form[:length], start):
                    return start
        return len(data)


def _any_of(forms: Collection[bytes]) -> re.Pattern[bytes] | None:
    return re.compile(b"|".join(map(re.escape, forms))) if forms else None


class Redaction:
    """One stream: `feed` gives what may be said so far, `end` the rest.

    Holds back only what may be the start of a value, so an event that ends a chunk is not delayed.
    The pieces together equal `Redactor.whole` of the whole, however it was cut.
    """

    __slots__ = ("_redactor", "_rest")

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """Take the next piece; give what is certain, b"" if nothing is."""
        said, self._rest = self._redactor.part(self._rest + data if self._rest else data)
        return said

    def end(self) -> bytes:
        """The data is over: give what was held back."""
        rest, self._rest = self._rest, b""
        return self._redactor.whole(rest)
