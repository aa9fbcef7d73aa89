"""Numbers, times and strangers' words as a reader gets them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from markupsafe import Markup, escape

from .language import Words

MAX_SHOWN = 2_000  # characters of any one text; what is longer ends with an ellipsis
MAX_SHORT = 300  # where many stand beside each other
MAX_LONG = 65_536  # of a consent text
KIB, MIB = 1024.0, 1024.0**2


def visible(text: str, limit: int = MAX_SHOWN) -> str:
    """A text of which nothing is hidden: control and bidi characters are written out."""
    cut = text[:limit]
    if not cut.isprintable():
        cut = "".join(c if c.isprintable() or c == "\n" else f"\\u{ord(c):04x}" for c in cut)
    return cut + ("…" if len(text) > limit else "")


def finished(value: object) -> object:
    """What a template prints: every text through `visible`, nothing for what is not known."""
    if value is None:
        return ""
    if isinstance(value, Markup):
        return value
    return visible(value if isinstance(value, str) else str(value))


def short(text: str) -> Markup:
    """A stranger's text on a card."""
    return escape(visible(text, MAX_SHORT))


def long(text: str) -> Markup:
    """A text of many lines, as a consent is."""
    return escape(visible(text, MAX_LONG))


def unchanged(value: object) -> Markup:
    """A value to be edited and sent back: escaped for HTML and otherwise as it is."""
    return escape(str(value).encode("utf-8", "replace").decode())


class Telling:
    """How long, how much and when, in one reader's language."""

    def __init__(self, words: Words, now: float) -> None:
        self._words = words
        self._now = now

    def span(self, seconds: float | None) -> str:
        """A length of time in its largest unit."""
        if seconds is None:
            return self._words("tell.unknown")
        for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
            if seconds >= 2 * size:
                return self._words(f"tell.{unit}", n=int(seconds // size))
        return self._words("tell.seconds", n=int(max(0.0, seconds)))

    def ago(self, at: float | None) -> str:
        """How long ago, never in the future: clocks are set."""
        if at is None:
            return self._words("tell.never")
        return self._words("tell.ago", span=self.span(max(0.0, self._now - at)))

    def until(self, at: float | None) -> str:
        if at is None:
            return self._words("tell.no_end")
        return self._words("tell.in", span=self.span(max(0.0, at - self._now)))

    def exact(self, at: float | None) -> str:
        """The moment as HTML's `datetime` has it."""
        if at is None:
            return ""
        try:
            return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
        except (ValueError, OverflowError, OSError):
            return ""

    def ms(self, value: float | None) -> str:
        if value is None:
            return self._words("tell.unknown")
        return f"{value / 1000:.1f} s" if value >= 10_000 else f"{value:.0f} ms"

    def size(self, count: int | None) -> str:
        if count is None:
            return self._words("tell.unknown")
        return f"{count / MIB:.1f} MiB" if count >= MIB else f"{count / KIB:.0f} KiB"

    def percent(self, value: float | None) -> str:
        return self._words("tell.unknown") if value is None else f"{value:.1f} %"

    def tokens(self, count: int | None) -> str:
        """A number of tokens, short."""
        if count is None:
            return self._words("tell.unknown")
        if count >= 1_000_000:
            return f"{count / 1_000_000:.3g}M"
        return f"{count / 1_000:.3g}k" if count >= 10_000 else str(count)
