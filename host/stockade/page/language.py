"""The page's words: a catalogue for each language, all of the same keys; and who gets which."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "words"
LANGUAGES = {"en": "en", "zh": "zh-Hans"}  # our name of it: its tag in HTML
DEFAULT = "en"
MAX_ACCEPTED = 16  # languages of an Accept-Language header that are looked at


class Words:
    """One language's catalogue."""

    def __init__(self, code: str, sentences: Mapping[str, str]) -> None:
        self.code = code
        self.tag = LANGUAGES[code]
        self.sentences = sentences

    def __call__(self, key: str, /, **args: object) -> str:
        """The sentence of that key with its places filled. A missing key is a mistake of ours."""
        sentence = self.sentences[key]
        return sentence.format_map(args) if args else sentence

    def count(self, key: str, n: int, /, **args: object) -> str:
        """The sentence for so many: `key.one` or `key.many`."""
        return self(f"{key}.{'one' if n == 1 else 'many'}", n=n, **args)

    def of(self, group: str, word: str | None) -> str:
        """What the host calls `word` in this language; the word itself where nobody knows it."""
        return self.sentences.get(f"{group}.{word}", word or "")


def catalogues() -> dict[str, Words]:
    """All languages, read from the files beside this one."""
    return {code: Words(code, read(code)) for code in LANGUAGES}


def read(code: str) -> dict[str, str]:
    """One catalogue by dotted keys."""
    return dict(_flat("", tomllib.loads((HERE / f"{code}.toml").read_text(encoding="utf-8"))))


def _flat(prefix: str, table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(f"{prefix}{key}.", value)
        else:
            yield prefix + key, value


def choose(asked: str, cookie: str, accepted: str) -> str:
    """The language of a reader: what was asked for, else remembered, else what the browser likes
    best of ours (Accept-Language, RFC 9110 section 12.5.4).
    """
    for wish in (asked, cookie):
        if wish in LANGUAGES:
            return wish
    best, weight = DEFAULT, 0.0
    for part in accepted.split(",")[:MAX_ACCEPTED]:
        tag, _, quality = part.partition(";")
        code = tag.strip().lower().partition("-")[0]
        liked = _quality(quality)
        if code in LANGUAGES and liked > weight:
            best, weight = code, liked
    return best


def _quality(written: str) -> float:
    name, _, value = written.strip().partition("=")
    if not name:
        return 1.0
    try:
        return min(1.0, max(0.0, float(value))) if name == "q" else 0.0
    except ValueError:
        return 0.0
