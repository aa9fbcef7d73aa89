"""`validate`: is this folder a plugin, and if not, everything that is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stockade.cli.failures import EXIT_USAGE
from stockade.cli.output import print_json, safe

if TYPE_CHECKING:
    from stockade_sdk.manifest import Manifest
    from stockade_sdk.manifest.problems import Problem

__all__ = ["validate"]


def validate(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="A plugin's folder, or its plugin.toml.")
    ],
    json: Annotated[bool, typer.Option("--json", help="Print JSON with stable keys.")] = False,
) -> None:
    """Check a plugin without running any of it.

    Says every problem at once, and exits with 2 where there is one.
    """
    manifest_path, folder = _places(path)
    manifest, problems = _manifest(manifest_path)
    if folder is not None:
        problems += _of_folder(folder, manifest)
    if json:
        print_json(_as_json(manifest_path, manifest, problems))
    else:
        _tell(manifest_path, manifest, problems)
    if problems:
        raise typer.Exit(EXIT_USAGE)


def _places(path: str) -> tuple[Path, Path | None]:
    """The manifest, and the folder where that is to be checked too. Raises UsageError."""
    from stockade.errors import UsageError
    from stockade.packages import resolve_source, shipped_plugins
    from stockade_sdk.manifest import MANIFEST_NAME

    given = Path(path).expanduser()
    if "\0" not in path and given.is_file():
        return given, None
    if "\0" in path or (not given.exists() and path not in shipped_plugins()):
        raise UsageError(
            "there is nothing to check: no such file or folder",
            why=path,
            remedy="give a plugin's folder or its plugin.toml",
        )
    folder = given if given.is_dir() else resolve_source(path).path
    return folder / MANIFEST_NAME, folder


def _manifest(path: Path) -> tuple[Manifest | None, list[Problem]]:
    from stockade_sdk.manifest import ManifestError, read_manifest_file

    try:
        return read_manifest_file(path), []
    except ManifestError as error:
        return None, list(error.problems)


def _of_folder(folder: Path, manifest: Manifest | None) -> list[Problem]:
    """What is wrong beside the manifest: files that cannot be taken, an entry that is not there."""
    import stockade_sdk
    from stockade.errors import UsageError
    from stockade.packages.folder import read_folder
    from stockade_sdk.manifest import MANIFEST_NAME
    from stockade_sdk.manifest.versions import specifier_allows

    problems: list[Problem] = []
    if manifest is not None and not specifier_allows(manifest.sdk, stockade_sdk.__version__):
        message = f'says "{manifest.sdk}", and the SDK here is {stockade_sdk.__version__}'
        problems.append(_problem("plugin.sdk", message, "write a range that holds it"))
    if not (folder / MANIFEST_NAME).is_file():
        return problems  # which was said already
    try:
        snapshot = read_folder(folder)
    except UsageError as error:
        why = f" ({error.why})" if error.why else ""
        return [*problems, _problem("", error.what + why, error.remedy)]
    if manifest is not None and not snapshot.has_module(manifest.entry.module):
        stem = manifest.entry.module.replace(".", "/")
        message = f'names "{manifest.entry}", and there is no such module in the folder'
        problems.append(_problem("plugin.entry", message, f"add {stem}.py or {stem}/__init__.py"))
    return problems


def _problem(key: str, message: str, remedy: str) -> Problem:
    from stockade_sdk.manifest.problems import Problem

    return Problem(line=None, key=key, message=message, remedy=remedy)


def _as_json(path: Path, manifest: Manifest | None, problems: list[Problem]) -> dict[str, Any]:
    return {
        "valid": not problems,
        "path": str(path),
        "name": None if manifest is None else manifest.name,
        "version": None if manifest is None else manifest.version,
        "problems": problems,
    }


def _tell(path: Path, manifest: Manifest | None, problems: list[Problem]) -> None:
    import sys

    if manifest is not None and not problems:
        models = ", ".join(model.id for model in manifest.served_models)
        print(safe(f"{manifest.name} {manifest.version} is a plugin that can be installed."))
        print(safe(f"  models: {models}"))
        return
    for problem in problems:
        print(safe(problem.describe(str(path))), file=sys.stderr)
    count = f"{len(problems)} problem{'s' * (len(problems) != 1)}"
    print(f"{count} found; nothing was run.", file=sys.stderr)
