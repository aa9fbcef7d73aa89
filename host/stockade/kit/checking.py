"""All that can be said of a plugin's folder, manifest or wheel without running any of it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

import stockade_sdk
from stockade.errors import HostError, UsageError
from stockade.packages import shipped_plugins
from stockade.packages.contents import copy_source
from stockade.packages.snapshot import Snapshot
from stockade_sdk.manifest import (
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    Manifest,
    ManifestError,
    read_manifest,
    read_manifest_file,
)
from stockade_sdk.manifest.problems import Problem
from stockade_sdk.manifest.versions import specifier_allows

from .lint import manifest_warnings
from .lint_code import code_warnings

__all__ = ["Checked", "check_plugin"]

WHEEL: Final = ".whl"


class _Place(NamedTuple):
    """What `copy_source` has to know: a "folder" or a "wheel", and where it is."""

    kind: str
    path: Path


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """`path` is the manifest's, or the wheel's. Problems stand against an install, warnings do not;
    there are none of the latter where the manifest cannot be read.
    """

    path: Path
    manifest: Manifest | None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def check_plugin(text: str) -> Checked:
    """Check what `text` names: a folder, a manifest, a wheel, or a plugin that ships with us.

    Raises `UsageError` where there is nothing of that name.
    """
    given = _given(text)
    if given.suffix == WHEEL:
        return _of_tree(_Place("wheel", given), given)
    if given.is_file():
        return _of_manifest(given)
    if not (given / MANIFEST_NAME).is_file():
        return _of_manifest(given / MANIFEST_NAME)
    return _of_tree(_Place("folder", given), given / MANIFEST_NAME)


def _given(text: str) -> Path:
    path = Path(text).expanduser()
    if "\0" not in text and path.exists():
        return path
    if text in shipped_plugins():
        return shipped_plugins()[text]
    raise UsageError(
        "there is nothing to check: no such file or folder",
        why=text,
        remedy="give a plugin's folder, its plugin.toml or a wheel",
    )


def _of_manifest(path: Path) -> Checked:
    try:
        manifest = read_manifest_file(path)
    except ManifestError as error:
        return Checked(path=path, manifest=None, problems=error.problems)
    with path.open("rb") as file:
        text = file.read(MAX_MANIFEST_BYTES).decode(errors="replace")
    return Checked(
        path=path,
        manifest=manifest,
        problems=_of_sdk(manifest),
        warnings=tuple(manifest_warnings(manifest, text)),
    )


def _of_tree(source: _Place, path: Path) -> Checked:
    """A folder or a wheel: copied first, so that what is looked at twice is the same."""
    with tempfile.TemporaryDirectory(prefix="stockade-check-") as scratch:
        copy = Path(scratch, "plugin")
        copy.mkdir()
        try:
            snapshot = copy_source(source, copy)
        except UsageError as error:
            return _refused(source, path, error)
        manifest, problems = _read(snapshot, path)
        if manifest is None:
            return Checked(path=path, manifest=None, problems=problems)
        text = snapshot.manifest.decode()
        problems += _of_sdk(manifest)
        lack = snapshot.lacks(manifest.entry)
        if lack is not None:
            return Checked(
                path=path,
                manifest=manifest,
                problems=(*problems, _of_entry(manifest, *lack)),
                warnings=tuple(manifest_warnings(manifest, text)),
            )
        warnings = [*manifest_warnings(manifest, text), *code_warnings(copy, manifest, text)]
        return Checked(path=path, manifest=manifest, problems=problems, warnings=tuple(warnings))


def _refused(source: _Place, path: Path, error: HostError) -> Checked:
    """A file stands against it; of a folder the manifest is read all the same, to tell all."""
    why = f" ({error.why})" if error.why else ""
    problem = _problem("", error.what + why, error.remedy)
    if source.kind == "wheel":
        return Checked(path=path, manifest=None, problems=(problem,))
    found = _of_manifest(path)
    return msgspec.structs.replace(found, problems=(*found.problems, problem))


def _read(snapshot: Snapshot, path: Path) -> tuple[Manifest | None, tuple[Problem, ...]]:
    try:
        return read_manifest(snapshot.manifest, source=str(path)), ()
    except ManifestError as error:
        return None, error.problems


def _of_sdk(manifest: Manifest) -> tuple[Problem, ...]:
    if specifier_allows(manifest.sdk, stockade_sdk.__version__):
        return ()
    message = f'says "{manifest.sdk}", and the SDK here is {stockade_sdk.__version__}'
    return (_problem("plugin.sdk", message, "write a range that holds it"),)


def _of_entry(manifest: Manifest, lack: str, remedy: str) -> Problem:
    message = f'names "{manifest.entry}", and {lack} in the folder'
    return _problem("plugin.entry", message, remedy)


def _problem(key: str, message: str, remedy: str) -> Problem:
    return Problem(line=None, key=key, message=message, remedy=remedy)
