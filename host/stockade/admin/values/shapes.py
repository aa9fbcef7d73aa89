"""What all values have in common: words and numbers within bounds, what is sent, what is shown."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

# No control characters. Python's `$` lets a last newline pass, JSON Schema's does not: both refuse
# it with the `(?!\n)`.
PLAIN = r"^[^\x00-\x1f\x7f]*(?!\n)$"
EXACT = 2**53 - 1  # the largest whole number that every JSON reader takes as it is (RFC 8259, 6)
Name = Annotated[str, Meta(min_length=1, max_length=128, pattern=PLAIN)]
Text = Annotated[str, Meta(max_length=4_096)]
Word = Annotated[str, Meta(min_length=1, max_length=512, pattern=PLAIN)]  # a host, a target, ...
Whole = Annotated[int, Meta(ge=-EXACT, le=EXACT)]
Number = Annotated[float, Meta(ge=-EXACT, le=EXACT)]
CapabilityName = Literal[
    "chat", "vision", "embedding", "image_gen", "audio_stt", "audio_tts", "rerank"
]
ScopeName = Literal["use", "admin"]
ConfigText = str | int | float | bool


class Given(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a caller sends: an unknown key is refused."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller gets: keys may be added, none is taken away."""


class Fault(Shown, frozen=True, kw_only=True):
    """Why there is no answer: `message` says what happened, `remedy` what to do next.

    `kind` is for programs; each goes with one status. Empty: there is nothing to say.
    """

    kind: str
    message: str
    why: str = ""
    remedy: str = ""


class Failure(Shown, frozen=True, kw_only=True):
    """The body of every answer of 400 and above."""

    error: Fault
