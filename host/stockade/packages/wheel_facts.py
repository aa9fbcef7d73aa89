"""What a wheel says of itself in its file name and metadata, and whether its manifest says so too.

Another answer in another place is refused: whoever reads one of them must not be told otherwise by
the next.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from stockade.errors import UsageError
from stockade.packages.snapshot import WheelFacts
from stockade_sdk.text import show

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from stockade.packages.wheel import OpenWheel
    from stockade_sdk.manifest import Manifest

__all__ = ["GROUP", "FileName", "check_metadata", "read_file_name"]

GROUP = "stockade.providers"  # the entry points that are plugins
SDK = "stockade-sdk"  # every plugin has it from the host, whether its metadata names it or not
MAX_REQUIRES = 1_000
_BUILD = "build the wheel again, with the same in the manifest and the metadata"


class FileName(NamedTuple):
    """NAME and VERSION of a wheel's file name, normalised (PEP 503, PEP 440)."""

    name: str
    version: str

    def is_of(self, text: str) -> bool:
        """Whether `NAME-VERSION`, in any spelling, is the same."""
        name, dash, version = text.partition("-")
        return bool(dash) and (_name(name), _version(version)) == (self.name, self.version)


def read_file_name(text: str) -> FileName:
    """Read `NAME-VERSION(-BUILD)?-PYTHON-ABI-PLATFORM.whl`. Raises `UsageError` for another name,
    and for a wheel that is not for this interpreter and machine.
    """
    from packaging.tags import sys_tags
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    try:
        name, version, _, tags = parse_wheel_filename(text)
    except InvalidWheelFilename as error:
        raise UsageError(
            f"{show(text, 300)} is no file name of a wheel",
            remedy="name it as in sample-1.0.0-py3-none-any.whl",
        ) from error
    if tags.isdisjoint(sys_tags()):
        raise UsageError(
            f"{show(text, 300)} is not for this Python",
            why=f"this is Python {platform.python_version()} on {platform.machine()}, and the"
            f" wheel is for {', '.join(sorted(map(str, tags))[:5])}",
            remedy="get the wheel that is for it",
        )
    return FileName(name, str(version))


def check_metadata(wheel: OpenWheel, manifest: Manifest) -> WheelFacts:
    """Compare WHEEL, METADATA and entry points with the manifest. Raises `UsageError`."""
    from packaging.metadata import parse_email

    _check_format(wheel.metadata("WHEEL"))
    raw, _ = parse_email(wheel.metadata("METADATA"))
    says = {
        "its file name": (wheel.named.name, wheel.named.version),
        "its METADATA": (_name(raw.get("name", "")), _version(raw.get("version", ""))),
    }
    own = (_name(manifest.name), _version(manifest.version))
    for place, said in says.items():
        if said != own:
            raise UsageError(
                f"{place} says {show(' '.join(said))} and its manifest {show(' '.join(own))}",
                remedy=_BUILD,
            )
    _check_python(raw.get("requires_python", ""))
    _check_requires(raw.get("requires_dist", []), manifest)
    _check_entry(wheel.metadata("entry_points.txt"), manifest)
    signature = wheel.signature
    return WheelFacts(
        name=wheel.named.name,
        version=wheel.named.version,
        requires=manifest.requires,
        signer="" if signature is None else signature.fingerprint,
        signature="none" if signature is None else "good",
        signer_key=b"" if signature is None else signature.key,
    )


def _check_format(text: bytes) -> None:
    from email.parser import BytesHeaderParser

    said = str(BytesHeaderParser().parsebytes(text).get("Wheel-Version", ""))
    if said.strip().split(".")[0] != "1":
        raise UsageError(
            f"it is of the wheel format {show(said)}",
            why="format 1 is understood",
            remedy="build it with another build back end",
        )


def _check_python(specifier: str) -> None:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        fits = SpecifierSet(specifier).contains(platform.python_version(), prereleases=True)
    except InvalidSpecifier:
        fits = False
    if not fits:
        raise UsageError(
            f"it needs Python {show(specifier)}",
            why=f"this is Python {platform.python_version()}",
            remedy="get a version of the plugin for it, or run stockade on another Python",
        )


def _check_requires(lines: Sequence[str], manifest: Manifest) -> None:
    """Raise where the metadata names other packages than the manifest, which is what is shown."""
    said = _needed(lines)
    own = {_compared(_requirement(line)) for line in manifest.requires}
    if more := sorted(said - own):
        raise UsageError(
            f"its METADATA requires {show(more[0])}, and its manifest does not",
            why="what a plugin brings is shown to whoever installs it",
            remedy="name it in requires of plugin.toml, in the same words",
        )
    if less := sorted(own - said):
        raise UsageError(
            f"its manifest requires {show(less[0])}, and its METADATA does not", remedy=_BUILD
        )


def _needed(lines: Sequence[str]) -> set[str]:
    if len(lines) > MAX_REQUIRES:
        raise UsageError(f"its METADATA requires {len(lines)} packages", remedy="name fewer")
    found = set()
    for line in lines:
        requirement = _requirement(line)
        if _name(requirement.name) != SDK and _is_for_here(requirement):
            found.add(_compared(requirement))
    return found


def _is_for_here(requirement: Requirement) -> bool:
    """Whether its marker holds for this interpreter and machine, and no extra is asked for."""
    try:
        return requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"its METADATA requires {show(requirement, 200)}, which cannot be judged",
            remedy=_BUILD,
        ) from error


def _requirement(line: str) -> Requirement:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(line)
    except (InvalidRequirement, RecursionError) as error:
        raise UsageError(
            f"its METADATA requires {show(line, 200)}, which is no requirement", remedy=_BUILD
        ) from error


def _compared(requirement: Requirement) -> str:
    """A requirement in one spelling; a URL stays, and no manifest has one."""
    extras = f"[{','.join(sorted(map(_name, requirement.extras)))}]" if requirement.extras else ""
    url = f" @ {requirement.url}" if requirement.url else ""
    return f"{_name(requirement.name)}{extras}{requirement.specifier}{url}"


def _check_entry(text: bytes, manifest: Manifest) -> None:
    """Of entry points only the plugins' matter; scripts are never made, whatever it says."""
    from configparser import ConfigParser, Error

    parser = ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text.decode())
    except (ValueError, Error) as error:
        raise UsageError("its entry_points.txt cannot be read", remedy=_BUILD) from error
    if not parser.has_section(GROUP):
        return
    found = {name: value.replace(" ", "") for name, value in parser.items(GROUP)}
    if found != {manifest.name: str(manifest.entry)}:
        raise UsageError(
            f"its entry points name {show(found, 200)}, and its manifest"
            f" {show(f'{manifest.name} = {manifest.entry}', 200)}",
            remedy=_BUILD,
        )


def _name(text: str) -> str:
    from packaging.utils import canonicalize_name

    return canonicalize_name(text[:200])


def _version(text: str) -> str:
    from packaging.version import InvalidVersion, Version

    try:
        return str(Version(text))
    except InvalidVersion:
        return text[:200]
