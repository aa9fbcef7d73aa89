"""Untrusted text: what it may hold, how it is shown, and how a refusal of it is worded.

Everything a manifest says is somebody else's text. It is refused where it could act on a terminal
(control characters, bidirectional overrides: CVE-2021-42574), capped in length, and quoted with
escapes wherever a message repeats it.
"""

import difflib
import unicodedata
from collections.abc import Iterable

__all__ = ["TextRefused", "check_plain_text", "nearest", "show"]

SHOWN_CHARACTERS = 80  # of a refused text in a message: enough to recognise it, too little to flood

# Embeddings, overrides and isolates reorder what a reader sees (Unicode UAX #9).
BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
LINE_SEPARATORS = frozenset("\u2028\u2029")


class TextRefused(ValueError):
    """A text that does not follow its grammar: `message` is what is wrong, `remedy` what is right.

    `str()` is both as one sentence. The message begins with a verb, so that it reads on from the
    quoted text or the name of a key.
    """

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message}; {remedy}")
        self.message = message
        self.remedy = remedy


def show(text: object, limit: int = SHOWN_CHARACTERS) -> str:
    """Quote a text for a message: unprintable characters escaped, the rest cut at `limit`."""
    raw = text if isinstance(text, str) else str(text)
    cut = raw[:limit]
    body = "".join(_shown_character(character) for character in cut)
    return f'"{body}..."' if len(raw) > limit else f'"{body}"'


def _shown_character(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    point = ord(character)
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"


def check_plain_text(text: str, limit: int) -> str:
    """Give the text back if it is one line for people, of at most `limit` characters.

    Raises `TextRefused` for control characters (C0, DEL, C1), surrogates, line separators and
    bidirectional overrides, and for too long a text. Other scripts are welcome.
    """
    if len(text) > limit:
        raise TextRefused(f"has {len(text)} characters", f"write at most {limit}")
    for character in text:
        if (
            character in BIDI_CONTROLS
            or character in LINE_SEPARATORS
            or unicodedata.category(character) in ("Cc", "Cs")
        ):
            raise TextRefused(
                f"holds the control character U+{ord(character):04X}",
                "write one line of plain text without control characters",
            )
    return text


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known word that is most like this one, or None where nothing is near."""
    found = difflib.get_close_matches(word[:SHOWN_CHARACTERS], sorted(known), n=1, cutoff=cutoff)
    return found[0] if found else None
