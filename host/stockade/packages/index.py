"""Packages by name: which wheels they are, by uv, and the wheels themselves.

One index is asked, or several, as the operator's uv is set up to (UV_DEFAULT_INDEX, UV_INDEX,
UV_FIND_LINKS, uv.toml); settings of pip do not count. Of a name that several indexes have, the
first index alone is heard, which is uv's own rule against confusing them.
"""

import re
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec

from stockade.errors import HostError, UsageError
from stockade.packages.resolver import WHEELS_ONLY, run_uv
from stockade.packages.trees import remove_tree
from stockade_sdk.manifest.versions import parse_requirement
from stockade_sdk.text import TextRefused, show
from stockade_sdk.units import MIB

__all__ = ["Found", "Wheel", "base_constraints", "download", "fetch_plugin", "where_from"]

MAX_PLUGIN_BYTES: Final = 64 * MIB  # as much as an archive of a plugin may have
MAX_WHEEL_BYTES: Final = 1024 * MIB  # of a plugin's own packages; torch for CPUs has 200 MiB
MAX_PACKAGES: Final = 500
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Wheel(msgspec.Struct, frozen=True):
    """One wheel as an index lists it. `url` is http(s) or file."""

    url: str
    hashes: dict[str, str] = {}

    @property
    def name(self) -> str:
        """Its file name."""
        return unquote(urlsplit(self.url).path).rpartition("/")[2]


class Found(msgspec.Struct, frozen=True):
    """One package as it was resolved, and its wheels for all machines (PEP 751)."""

    name: str
    version: str = ""
    wheels: tuple[Wheel, ...] = ()


class _Lock(msgspec.Struct, frozen=True):
    packages: tuple[Found, ...] = ()


def _silent(step: str) -> None:
    del step


def fetch_plugin(
    requirement: str,
    into: Path,
    *,
    offline: bool = False,
    on_step: Callable[[str], None] = _silent,
) -> Path:
    """Fetch the wheel of one package (`NAME`, `NAME==VERSION`), without what it requires.

    Raises `UsageError` for what is no requirement, `HostError` where it cannot be had. `on_step`
    hears resolve and download.
    """
    try:
        name = parse_requirement(requirement).name
    except TextRefused as problem:
        raise UsageError(
            f"{show(requirement)} {problem.message}", remedy="write NAME or NAME==VERSION"
        ) from None
    on_step("resolve")
    what = f"the package {name} cannot be had"
    found = _resolved(what, [requirement], into, ["--no-deps"], offline=offline)
    if len(found) != 1 or parse_requirement(found[0].name).name != name:
        raise HostError(what, why="something else was found in its place")
    on_step("download")
    return _fetched(found[0], into, MAX_PLUGIN_BYTES, offline=offline)


def download(
    requires: Sequence[str],
    into: Path,
    *,
    offline: bool = False,
    on_step: Callable[[str], None] = _silent,
) -> tuple[Path, ...]:
    """Fetch the wheels of all that is required, and of what that requires, for this machine.

    `into` is a folder that is there. Raises `HostError`. `on_step` hears resolve and download.
    """
    if not requires:
        return ()
    on_step("resolve")
    what = "the plugin's packages cannot be had as wheels"
    found = _resolved(what, requires, into, [], offline=offline)
    on_step("download")
    return tuple(_fetched(one, into, MAX_WHEEL_BYTES, offline=offline) for one in found)


def base_constraints() -> list[str]:
    """The versions in every worker, which a plugin's packages have to live with."""
    from stockade.packages.environment import foreign_versions

    return [f"{name}=={version}" for name, version in foreign_versions().items()]


def where_from(wheelhouse: Path | None, *, offline: bool) -> list[str]:
    """uv's options for where wheels are taken from: a folder alone, or the operator's indexes."""
    only = [] if wheelhouse is None else ["--no-index", "--find-links", str(wheelhouse)]
    return [*only, *(["--offline"] if offline or wheelhouse is not None else [])]


def _resolved(
    what: str, requires: Sequence[str], into: Path, options: Sequence[str], *, offline: bool
) -> tuple[Found, ...]:
    notes = into / ".resolving"
    notes.mkdir(mode=0o700)
    try:
        wanted, fixed, lock = notes / "in.txt", notes / "fixed.txt", notes / "pylock.toml"
        wanted.write_text("".join(f"{line}\n" for line in requires))
        fixed.write_text("".join(f"{line}\n" for line in base_constraints()))
        form = ["--format", "pylock.toml", "--no-header", "--output-file", str(lock)]
        where = where_from(None, offline=offline)
        argv = ["pip", "compile", *form, *WHEELS_ONLY, *where, *options]
        run_uv(what, [*argv, "--constraints", str(fixed), str(wanted)])
        found = msgspec.convert(tomllib.loads(lock.read_text()), _Lock).packages
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise HostError(what, why=f"uv's answer cannot be read ({show(str(error))})") from error
    finally:
        remove_tree(notes)
    if len(found) > MAX_PACKAGES:
        raise HostError(what, why=f"it is {len(found)} packages, and {MAX_PACKAGES} are the most")
    return found


def _fetched(found: Found, into: Path, most_bytes: int, *, offline: bool) -> Path:
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    from stockade.packages.transfer import fetch_file

    wheel = _best(found)
    what = f"{show(found.name)} {show(found.version)} cannot be had"
    sha256 = wheel.hashes.get("sha256", "")
    if not _SHA256.fullmatch(sha256):
        raise HostError(
            what,
            why="the index gives no sha256 of it, so that nobody could tell if it was changed",
            remedy="use an index that gives them (PEP 503, PEP 691), or install the file itself",
        )
    try:
        parse_wheel_filename(wheel.name)  # also: a plain name and no path
    except InvalidWheelFilename as error:
        raise HostError(what, why=f"{show(wheel.name)} is no wheel's name") from error
    target = into / wheel.name
    fetch_file(wheel.url, target, sha256=sha256, most_bytes=most_bytes, offline=offline)
    return target


def _best(found: Found) -> Wheel:
    """The wheel that suits this Python and machine most closely. Raises `HostError`."""
    from packaging.tags import sys_tags
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    ranks = {tag: rank for rank, tag in enumerate(sys_tags())}
    ranked = []
    for wheel in found.wheels:
        try:
            tags = parse_wheel_filename(wheel.name)[3]
        except InvalidWheelFilename:
            continue
        if suits := [ranks[tag] for tag in tags if tag in ranks]:
            ranked.append((min(suits), wheel.name, wheel))
    if not ranked:
        there = ", ".join(show(wheel.name, 120) for wheel in found.wheels[:5]) or "no wheel at all"
        raise HostError(
            f"{show(found.name)} {show(found.version)} cannot be had",
            why=f"there is no wheel of it for this Python and machine; there is {there}",
            remedy="use another version of Python (3.11 to 3.13), or ask the author for one",
        )
    return min(ranked, key=lambda one: one[:2])[2]
