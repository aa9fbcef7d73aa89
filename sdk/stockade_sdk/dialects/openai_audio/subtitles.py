"""SubRip and WebVTT, as far as transcription answers use them: cues with times and text."""

from __future__ import annotations

from collections.abc import Iterable

from stockade_sdk.audio import TranscriptSpan
from stockade_sdk.dialects.overlay import Unreadable

_ARROW = "-->"


def read_subtitles(body: str) -> tuple[TranscriptSpan, ...]:
    """The cues of either format; raises Unreadable where a cue's times are none, or nothing is a
    cue in a text that is not empty.
    """
    spans: list[TranscriptSpan] = []
    lines = body.lstrip("\ufeff").splitlines()
    at = 0
    while at < len(lines):
        if _ARROW not in lines[at]:
            at += 1  # a number, a header, a note, or the empty line between two cues
            continue
        start, _, rest = lines[at].partition(_ARROW)
        times = _seconds(start), _seconds(rest.split(maxsplit=1)[0] if rest.split() else "")
        at += 1
        words: list[str] = []
        while at < len(lines) and lines[at].strip():
            words.append(lines[at].strip())
            at += 1
        spans.append(TranscriptSpan(text=" ".join(words), start_s=times[0], end_s=times[1]))
    if not spans and body.strip() and not body.lstrip("\ufeff").startswith("WEBVTT"):
        raise Unreadable("the answer is no list of subtitles")
    return tuple(spans)


def write_subtitles(spans: Iterable[TranscriptSpan], format: str) -> str:
    """The spans as ``srt`` or ``vtt``; each has its times."""
    mark = "," if format == "srt" else "."
    cues: list[str] = [] if format == "srt" else ["WEBVTT\n"]
    for number, span in enumerate(spans, 1):
        times = f"{_clock(span.start_s or 0.0, mark)} {_ARROW} {_clock(span.end_s or 0.0, mark)}"
        text = " ".join(span.text.split()).replace(_ARROW, "->")
        cues.append(f"{number}\n{times}\n{text}\n" if format == "srt" else f"{times}\n{text}\n")
    return "\n".join(cues) + "\n"


def _seconds(text: str) -> float:
    """``00:01:02,500``, ``01:02.5``; raises Unreadable."""
    total = 0.0
    try:
        for part in text.strip().replace(",", ".").split(":"):
            number = float(part)
            total = total * 60 + number
            if not 0 <= number < 1e6:
                raise ValueError(part)
    except ValueError:
        raise Unreadable(f"a subtitle's time cannot be read: {text.strip()!r:.40}") from None
    return round(total, 3)


def _clock(seconds: float, mark: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    whole, thousandths = divmod(rest, 1000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{whole:02}{mark}{thousandths:03}"
