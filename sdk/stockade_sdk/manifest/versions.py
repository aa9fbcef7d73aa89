"""Versions, specifiers and requirements (PEP 440, PEP 508), as far as a manifest needs them.

Written here so that the SDK needs no package for it. Specifiers know `==` `!=` `<` `<=` `>` `>=`
`~=` and `.*`; arbitrary equality (`===`) and direct references are not among them.
"""

import re
from typing import Any

import msgspec

from stockade_sdk.text import TextRefused, show

__all__ = [
    "Requirement",
    "Version",
    "parse_requirement",
    "parse_version",
    "split_specifier",
    "specifier_allows",
]

MAX_VERSION = 64  # characters; far above any real version
MAX_SPECIFIER = 200
MAX_CLAUSES = 16
_VERSION_REMEDY = 'write a version as in "1.0.0" or "1.2.0rc1" (PEP 440)'
_SPECIFIER_REMEDY = 'write comma-separated clauses as in ">=0.1,<0.2" (PEP 440)'
_REQUIREMENT_REMEDY = 'write a package name and versions alone, as in "tiktoken>=0.7,<1"'

# PEP 440, appendix B, with ASCII digits only.
_VERSION = re.compile(
    r"""v?(?:(?P<epoch>[0-9]+)!)?
    (?P<release>[0-9]+(?:\.[0-9]+)*)
    (?:[-_.]?(?P<pre_l>alpha|beta|preview|pre|a|b|c|rc)[-_.]?(?P<pre_n>[0-9]+)?)?
    (?P<post>-(?P<post_n1>[0-9]+)|[-_.]?(?:post|rev|r)[-_.]?(?P<post_n2>[0-9]+)?)?
    (?P<dev>[-_.]?dev[-_.]?(?P<dev_n>[0-9]+)?)?
    (?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_PRE_LETTER = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}
_CLAUSE = re.compile(r"(==|!=|<=|>=|~=|<|>) *([^ ,]+)")
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?"
_EXTRAS = rf"\[ *({_NAME}(?: *, *{_NAME})*) *\]"
_REQUIREMENT = re.compile(rf"({_NAME}) *(?:{_EXTRAS})? *([^\[\];@]*)")
_INFINITY = (2,)
_ABSENT = (0,)


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A version in its parts; `release` as written, trailing zeros included."""

    epoch: int
    release: tuple[int, ...]
    pre: tuple[str, int] | None
    post: int | None
    dev: int | None
    local: tuple[str, ...]

    @property
    def public_key(self) -> tuple[Any, ...]:
        """What orders versions, local part aside (PEP 440)."""
        release = _trimmed(self.release)
        if self.pre is not None:
            pre: tuple[Any, ...] = (1, *self.pre)
        else:
            only_dev = self.post is None and self.dev is not None
            pre = _ABSENT if only_dev else _INFINITY
        post = (-1 if self.post is None else self.post,)
        dev = _INFINITY if self.dev is None else (1, self.dev)
        return (self.epoch, release, pre, post, dev)

    @property
    def key(self) -> tuple[Any, ...]:
        """What orders versions; a local part comes after the same version without one."""
        local = tuple((1, int(part), "") if part.isdigit() else (0, 0, part) for part in self.local)
        return (self.public_key, local)


class Requirement(msgspec.Struct, frozen=True, kw_only=True):
    """A package by name. `name` is normalised (PEP 503), `specifier` may be empty."""

    name: str
    extras: tuple[str, ...]
    specifier: str

    def __str__(self) -> str:
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.name}{extras}{self.specifier}"


def parse_version(text: str) -> Version:
    """Read a PEP 440 version. Raises `TextRefused` (a ValueError)."""
    match = _VERSION.fullmatch(text) if len(text) <= MAX_VERSION else None
    if match is None:
        raise TextRefused("is not a version", _VERSION_REMEDY)
    letter = (match["pre_l"] or "").lower()
    pre = (_PRE_LETTER.get(letter, letter), int(match["pre_n"] or 0)) if letter else None
    post = int(match["post_n1"] or match["post_n2"] or 0) if match["post"] else None
    dev = int(match["dev_n"] or 0) if match["dev"] else None
    local = re.split(r"[-_.]", match["local"].lower()) if match["local"] else []
    return Version(
        epoch=int(match["epoch"] or 0),
        release=tuple(int(part) for part in match["release"].split(".")),
        pre=pre,
        post=post,
        dev=dev,
        local=tuple(local),
    )


def split_specifier(text: str) -> tuple[tuple[str, str], ...]:
    """Read a specifier into (operator, version) clauses. Raises `TextRefused` (a ValueError)."""
    if len(text) > MAX_SPECIFIER or not text.isascii():
        raise TextRefused("is not a version specifier", _SPECIFIER_REMEDY)
    clauses: list[tuple[str, str]] = []
    for part in text.split(","):
        match = _CLAUSE.fullmatch(part.strip(" "))
        if match is None:
            raise TextRefused("is not a version specifier", _SPECIFIER_REMEDY)
        _check_clause(match[1], match[2])
        clauses.append((match[1], match[2]))
    if len(clauses) > MAX_CLAUSES:
        raise TextRefused(f"has {len(clauses)} clauses", f"write at most {MAX_CLAUSES}")
    return tuple(clauses)


def _check_clause(operator: str, text: str) -> None:
    starred = text.endswith(".*")
    if starred and operator not in ("==", "!="):
        raise TextRefused(f'has ".*" after {operator}', 'write ".*" only after == and !=')
    try:
        version = parse_version(text.removesuffix(".*"))
    except TextRefused:
        raise TextRefused(f"has {show(text)} as a version", _SPECIFIER_REMEDY) from None
    if starred and (_is_pre(version) or version.post is not None or version.local):
        raise TextRefused(f"has {show(text)}", 'write ".*" after a release, as in 1.2.*')
    if version.local and operator not in ("==", "!="):
        raise TextRefused(f"has a local version after {operator}", "leave out what follows the +")
    if operator == "~=" and len(version.release) < 2:
        raise TextRefused(f'has "~={text}"', 'write two parts at least, as in "~=1.2"')


def specifier_allows(specifier: str, version: str) -> bool:
    """Whether every clause of the specifier holds for the version. Pre-releases count as versions.

    Raises `TextRefused` (a ValueError) where either is malformed.
    """
    found = parse_version(version)
    return all(_allows(found, operator, text) for operator, text in split_specifier(specifier))


def _allows(found: Version, operator: str, text: str) -> bool:
    wanted = parse_version(text.removesuffix(".*"))
    match operator:
        case "==":
            return _same(found, wanted, text)
        case "!=":
            return not _same(found, wanted, text)
        case "~=":
            prefix = msgspec.structs.replace(wanted, release=wanted.release[:-1])
            return _compare(found, wanted) >= 0 and _begins(found, prefix)
        case "<=":
            return _compare(found, wanted) <= 0
        case ">=":
            return _compare(found, wanted) >= 0
        case "<":
            # "<2" leaves out 2's own pre-releases, unless a pre-release was named (PEP 440);
            # those of "2.post1" are the development releases of that post-release.
            own = wanted.post is None or (found.post == wanted.post and found.pre is None)
            same = own and _base(found) == _base(wanted)
            excluded = _is_pre(found) and not _is_pre(wanted) and same
            return _compare(found, wanted) < 0 and not excluded
        case _:
            # ">2" leaves out 2's own post-releases, unless a post-release was named (PEP 440).
            plain = msgspec.structs.replace(found, post=None, dev=None)
            excluded = found.post is not None and _compare(plain, wanted) == 0
            return _compare(found, wanted) > 0 and not excluded


def _same(found: Version, wanted: Version, text: str) -> bool:
    if text.endswith(".*"):
        return _begins(found, wanted)
    return found.key == wanted.key if wanted.local else found.public_key == wanted.public_key


def _begins(found: Version, prefix: Version) -> bool:
    width = len(prefix.release)
    release = (found.release + (0,) * width)[:width]
    return found.epoch == prefix.epoch and release == prefix.release


def _compare(one: Version, other: Version) -> int:
    left, right = one.public_key, other.public_key
    return (left > right) - (left < right)


def _is_pre(version: Version) -> bool:
    return version.pre is not None or version.dev is not None


def _base(version: Version) -> tuple[int, tuple[int, ...]]:
    return version.epoch, _trimmed(version.release)


def _trimmed(release: tuple[int, ...]) -> tuple[int, ...]:
    end = len(release)
    while end > 1 and release[end - 1] == 0:
        end -= 1
    return release[:end]


def parse_requirement(text: str) -> Requirement:
    """Read a package name with optional extras and versions (PEP 508 without URLs and markers).

    Raises `TextRefused` (a ValueError) for URLs, "@", paths, options and environment markers.
    """
    match = _REQUIREMENT.fullmatch(text) if len(text) <= MAX_SPECIFIER else None
    if match is None:
        raise TextRefused("is not a package name with versions", _REQUIREMENT_REMEDY)
    specifier = match[3].strip(" ")
    try:
        clauses = split_specifier(specifier) if specifier else ()
    except TextRefused:
        raise TextRefused("is not a package name with versions", _REQUIREMENT_REMEDY) from None
    extras = tuple(extra.strip() for extra in match[2].split(",")) if match[2] else ()
    return Requirement(
        name=re.sub(r"[-_.]+", "-", match[1]).lower(),
        extras=extras,
        specifier=",".join(operator + version for operator, version in clauses),
    )
