"""Make a plugin's folder into one file: a wheel, or a bundle of it with the wheels that it needs.

The wheel is the same for the same folder, whenever it is packed. No build back end is asked and
nothing of the plugin runs; what was made is read as an install would, or it is not left there.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from stockade.errors import HostError, UsageError
from stockade.packages.folder import copy_folder
from stockade.packages.naming import BESIDE, BUNDLE_SUFFIX, MAX_SMOKE_BYTES, SMOKE_NAME
from stockade.packages.record import write_record
from stockade.packages.wheel import read_wheel
from stockade.packages.wheel_facts import GROUP
from stockade.packages.zipping import Packed, write_archive
from stockade_sdk import ProviderRequest, __version__
from stockade_sdk.manifest import MANIFEST_NAME, Manifest, ManifestError, read_manifest
from stockade_sdk.manifest.versions import specifier_allows
from stockade_sdk.text import show

if TYPE_CHECKING:
    from stockade.packages.snapshot import Snapshot

__all__ = ["MadeWheel", "pack_bundle", "pack_plugin"]

REQUIRES_PYTHON: Final = ">=3.11"  # the oldest that stockade runs on
# What is an author's alone; hidden names are left out besides.
_LEFT_OUT: Final = frozenset({"tests", "test", "recordings", "docs", "build", "dist"})
_OWN_MODULES: Final = frozenset({"setup.py", "conftest.py", "noxfile.py", "tasks.py"})
_MODULE: Final = re.compile(r"[^.]+(\.py|(\..*)?\.so)")
_LICENCE: Final = re.compile(r"(LICEN[CS]E|COPYING|NOTICE)(\.[A-Za-z]+)?")


class MadeWheel(NamedTuple):
    """A wheel that was packed; `left_out` are names at the folder's top that it does not have."""

    path: Path
    manifest: Manifest
    digest: str
    left_out: tuple[str, ...]


def pack_plugin(folder: Path, out: Path) -> MadeWheel:
    """Make the wheel of a plugin's folder in the folder `out`, in place of one of its name.

    Raises `UsageError` for a folder that could not be installed, `HostError` where nothing can be
    written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with (
            # Not in `out`, which may lie in the folder that is copied.
            tempfile.TemporaryDirectory(prefix="stockade-pack-") as aside,
            tempfile.TemporaryDirectory(dir=out, prefix=".pack-") as made,
        ):
            copied = Path(aside, "plugin")
            copied.mkdir()
            snapshot = copy_folder(folder, copied)
            manifest = _checked(snapshot, folder)
            wheel = Path(made, f"{_stem(manifest)}-{_tag(snapshot, manifest)}.whl")
            kept, left_out = _sorted_out(snapshot)
            write_archive(wheel, _files(copied, kept, manifest))
            digest = _reread(wheel, manifest)
            return MadeWheel(wheel.replace(out / wheel.name), manifest, digest, left_out)
    except OSError as error:
        raise HostError(f"cannot write to {out}", why=error.strerror or "") from error


def pack_bundle(wheel: Path, wheels: Sequence[Path]) -> Path:
    """Make `NAME-VERSION.bundle.zip` beside a plugin's wheel: it, and below `wheels/` what it
    needs. Raises `HostError`.
    """
    name, version = wheel.name.split("-")[:2]
    bundle = wheel.with_name(f"{name}-{version}{BUNDLE_SUFFIX}")
    needed = sorted(wheels, key=lambda path: path.name)
    try:
        files = [
            Packed(wheel.name, wheel.read_bytes()),
            *(Packed(f"wheels/{path.name}", path.read_bytes()) for path in needed),
        ]
    except OSError as error:
        raise HostError("the bundle cannot be made", why=error.strerror or "") from error
    write_archive(bundle, files, stored=True)
    return bundle


def _checked(snapshot: Snapshot, folder: Path) -> Manifest:
    """The manifest, once all is known to be as an install needs it. Raises `UsageError`."""
    try:
        manifest = read_manifest(snapshot.manifest, source=str(folder / MANIFEST_NAME))
    except ManifestError as error:
        raise UsageError(
            "the manifest cannot be used",
            why=str(error),
            remedy="where it is yours, mend it; else tell its author",
        ) from error
    if not specifier_allows(manifest.sdk, __version__):
        raise UsageError(
            f"{manifest.name} does not work with this stockade",
            why=f'plugin.sdk says "{manifest.sdk}", and the SDK here is {__version__}',
            remedy="write a range that holds it",
        )
    lack = snapshot.lacks(manifest.entry)
    if lack is not None:
        raise UsageError(
            f'plugin.entry names "{manifest.entry}", and {lack[0]} in the folder', remedy=lack[1]
        )
    return manifest


def _check_smoke(content: bytes) -> None:
    if len(content) > MAX_SMOKE_BYTES:
        raise UsageError(f"{SMOKE_NAME} is larger than 64 KiB", remedy="ask something short")
    try:
        msgspec.json.decode(content, type=ProviderRequest)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{SMOKE_NAME} is no request",
            why=show(error, 300),
            remedy='write one as in {"type": "chat", "messages": [...]}',
        ) from error


def _sorted_out(snapshot: Snapshot) -> tuple[list[tuple[str, bool]], tuple[str, ...]]:
    """The files that go in, with whether each is executable; and the names that stay out."""
    kept, left = [], set()
    for entry in snapshot.files:
        top, slash, _ = entry.path.partition("/")
        if _is_kept(top, is_folder=bool(slash)):
            kept.append((entry.path, entry.executable))
        else:
            left.add(top + slash)
    return kept, tuple(sorted(left))


def _is_kept(top: str, *, is_folder: bool) -> bool:
    if top.startswith("."):
        return False
    if is_folder:
        return top not in _LEFT_OUT
    if top in (*BESIDE, "README.md") or _LICENCE.fullmatch(top):
        return True
    return bool(_MODULE.fullmatch(top)) and top not in _OWN_MODULES and top[:5] != "test_"


def _files(folder: Path, kept: Iterable[tuple[str, bool]], manifest: Manifest) -> list[Packed]:
    """Everything of the wheel in its order: code, then metadata, RECORD last."""
    info = f"{_stem(manifest)}.dist-info"
    code: list[Packed] = []
    inside: dict[str, bytes] = {}
    readme = ""
    pure = True
    for path, executable in kept:
        content = (folder / path).read_bytes()
        if path == "README.md":
            readme = content.decode(errors="replace")
        elif path in BESIDE:
            inside[path] = content
        elif "/" not in path and _LICENCE.fullmatch(path):
            inside[f"licenses/{path}"] = content
        else:
            pure = pure and not path.endswith(".so")
            code.append(Packed(path, content, executable))
    if SMOKE_NAME in inside:
        _check_smoke(inside[SMOKE_NAME])
    licences = [path.partition("/")[2] for path in inside if path.startswith("licenses/")]
    inside["METADATA"] = _metadata(manifest, licences, readme)
    inside["WHEEL"] = _wheel(manifest, pure=pure)
    inside["entry_points.txt"] = f"[{GROUP}]\n{manifest.name} = {manifest.entry}\n".encode()
    files = [*code, *(Packed(f"{info}/{name}", inside[name]) for name in sorted(inside))]
    record = f"{info}/RECORD"
    rows = write_record(((one.name, one.content) for one in files), record)
    return [*files, Packed(record, rows)]


def _metadata(manifest: Manifest, licences: Sequence[str], readme: str) -> bytes:
    """METADATA (core metadata 2.4). A manifest's texts are each one line, as it is checked."""
    fields = [
        ("Metadata-Version", "2.4"),
        ("Name", manifest.name),
        ("Version", _version(manifest)),
        ("Summary", manifest.summary),
        ("Author", ", ".join(manifest.authors)),
        ("License-Expression", _licence(manifest)),
        *(("License-File", name) for name in licences),
        ("Project-URL", f"Homepage, {manifest.homepage}" if manifest.homepage else ""),
        ("Requires-Python", REQUIRES_PYTHON),
        *(("Requires-Dist", line) for line in manifest.requires),
        ("Description-Content-Type", "text/markdown" if readme else ""),
    ]
    head = "".join(f"{key}: {value}\n" for key, value in fields if value)
    return f"{head}\n{readme}".encode()


def _licence(manifest: Manifest) -> str:
    """The licence where it is an SPDX expression, as the field has to be."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        return str(canonicalize_license_expression(manifest.license or ""))
    except InvalidLicenseExpression:
        return ""


def _wheel(manifest: Manifest, *, pure: bool) -> bytes:
    tag = _tag_of(manifest, pure=pure)
    pure = pure and not manifest.entry.program
    return (
        f"Wheel-Version: 1.0\nGenerator: stockade {__version__}\n"
        f"Root-Is-Purelib: {str(pure).lower()}\nTag: {tag}\n"
    ).encode()


def _stem(manifest: Manifest) -> str:
    return f"{manifest.name.replace('-', '_')}-{_version(manifest)}"


def _version(manifest: Manifest) -> str:
    from packaging.version import Version

    return str(Version(manifest.version))


def _tag(snapshot: Snapshot, manifest: Manifest) -> str:
    kept, _ = _sorted_out(snapshot)
    return _tag_of(manifest, pure=not any(path.endswith(".so") for path, _ in kept))


def _tag_of(manifest: Manifest, *, pure: bool) -> str:
    """What the wheel runs on: anything, or with compiled modules this Python on this machine, or
    with a program any Python on it.
    """
    from packaging.tags import sys_tags

    if pure and not manifest.entry.program:
        return "py3-none-any"
    here = next(tag for tag in sys_tags() if tag.platform.startswith("linux"))
    return f"py3-none-{here.platform}" if pure else str(here)


def _reread(wheel: Path, manifest: Manifest) -> str:
    """The digest of what an install would make of the wheel."""
    try:
        snapshot = read_wheel(wheel)
    except UsageError as error:
        raise UsageError(
            f"{manifest.name} cannot be packed", why=error.why or error.what, remedy=error.remedy
        ) from error
    return snapshot.digest
