"""What changes for an operator between the installed version and the one that would replace it.

Pure. Sentences for people; a plugin's words in them are escaped by whoever shows them.
"""

from collections.abc import Sequence
from typing import Final

from stockade.packages.permit import widened, words_of
from stockade.state import Installed
from stockade.state.manifests import manifest_of
from stockade_sdk.limits import LIMIT_KINDS, Limits, limits_as_written
from stockade_sdk.manifest import Manifest, ManifestError
from stockade_sdk.manifest.versions import parse_requirement

__all__ = ["differences", "is_downgrade", "other_maker"]

_RANK: Final = {"shipped": 3, "signed": 2, "unsigned": 1, "development": 0}
SHOWN: Final = 10  # of a list in one sentence


def is_downgrade(before: str, after: str) -> bool:
    """Whether the second version is an older one (PEP 440)."""
    from packaging.version import Version

    return Version(after) < Version(before)


def other_maker(before: Installed, trust: str, signer: str) -> bool:
    """Whether nothing says that it comes from those who made what is installed: fewer vouch for it,
    or another key signed it. What was granted was granted to them.
    """
    weaker = _RANK.get(trust, 0) < _RANK.get(before.trust, 0)
    return trust != "shipped" and (weaker or (before.signer != "" and signer != before.signer))


def differences(
    before: Installed, manifest: Manifest, digest: str, trust: str, signer: str
) -> tuple[str, ...]:
    """What an operator should know of a replacement, beyond what it asks for more."""
    return (
        *_version(before, manifest.version, digest),
        *_makers(before, trust, signer),
        *_manifests(before, manifest),
        *_config(before, manifest),
        *_limits(before.limits, manifest.limits),
    )


def _version(before: Installed, version: str, digest: str) -> list[str]:
    if before.version != version:
        if is_downgrade(before.version, version):
            return [f"Version {before.version} goes back to {version}, an older one."]
        return [f"Version {before.version} becomes {version}."]
    if before.digest != digest:
        return [f"Its version stays {version}, and its content is another."]
    return []


def _makers(before: Installed, trust: str, signer: str) -> list[str]:
    found = []
    if before.trust != trust:
        found.append(f"Its trust goes from {before.trust} to {trust}.")
    if before.signer != signer:
        was, now = (f"the key {key}" if key else "nobody" for key in (before.signer, signer))
        found.append(f"It is signed by {now}, and was by {was}.")
    if other_maker(before, trust, signer):
        found.append("What was granted before was granted to others: all that it asks for is new.")
    return found


def _manifests(before: Installed, manifest: Manifest) -> list[str]:
    try:
        old = manifest_of(before)
    except ManifestError:  # of a stockade that read it otherwise: there is nothing to compare with
        return []
    found = []
    if old.authors != manifest.authors:
        names = [", ".join(one.authors) or "nobody" for one in (old, manifest)]
        found.append(f"Its authors, as it says, change from {names[0]} to {names[1]}.")
    if left := words_of(widened(manifest.permissions, old.permissions)):
        found.append(f"It no longer asks for {_listed(left)}.")
    return [*found, *_requires(old.requires, manifest.requires)]


def _requires(before: Sequence[str], after: Sequence[str]) -> list[str]:
    old, new = (
        {one.name: str(one) for one in map(parse_requirement, lines)} for lines in (before, after)
    )
    found = []
    if more := [line for name, line in new.items() if name not in old]:
        found.append(f"It brings packages that it did not: {_listed(more)}.")
    if gone := [line for name, line in old.items() if name not in new]:
        found.append(f"It no longer brings {_listed(gone)}.")
    both = [name for name in new if name in old and new[name] != old[name]]
    return found + [f"Of its packages, {old[name]} becomes {new[name]}." for name in both]


def _config(before: Installed, manifest: Manifest) -> list[str]:
    dropped = [key for key in before.config if key not in manifest.config]
    if not dropped:
        return []
    return [f"These settings are no longer known and are dropped: {', '.join(dropped)}."]


def _limits(before: Limits, after: Limits) -> list[str]:
    old, new = limits_as_written(before), limits_as_written(after)
    return [
        f"Its limit of {key} goes from {old[key]} to {new[key]}."
        for key in LIMIT_KINDS
        if old[key] != new[key]
    ]


def _listed(items: Sequence[str]) -> str:
    more = len(items) - SHOWN
    return ", ".join(items[:SHOWN]) + (f" and {more} more" if more > 0 else "")
