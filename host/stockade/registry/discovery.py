"""Which plugins lie in a folder of plugins. Reads manifests; runs and imports nothing of them.

What is found is not installed by that, and asks for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from stockade.registry.diagnostics import Diagnostic, Notes, plain
from stockade.registry.ids import normalise_id
from stockade_sdk.manifest import MANIFEST_NAME, ManifestError, read_manifest_file
from stockade_sdk.text import show

__all__ = ["Discovered", "discover"]

MAX_FOLDERS: Final = 1_000  # looked at below one root


class Discovered(msgspec.Struct, frozen=True, kw_only=True):
    """Folders to install from, by the plugin's name, in the order of the roots and of the names."""

    plugins: dict[str, Path] = {}
    diagnostics: tuple[Diagnostic, ...] = ()


def discover(roots: Iterable[Path]) -> Discovered:
    """The plugins in the folders right below ``roots``; a root that is not there has none.

    Hidden folders, `__pycache__`, symlinks and folders without a manifest are passed over. A
    manifest that cannot be read, and a second plugin of one id, are diagnostics.
    """
    found: dict[str, Path] = {}
    ids: set[str] = set()
    notes = Notes("")
    for folder in (folder for root in roots for folder in _folders(root, notes)):
        try:
            name = read_manifest_file(folder / MANIFEST_NAME).name
        except ManifestError as error:
            what = f"{show(folder.name)} was passed over: {plain(str(error), 500)}"
            notes.warn("invalid_manifest", what, (plain(folder.name, 60),))
            continue
        id = normalise_id(name)
        if id in ids:
            what = f"{show(folder.name)} was passed over: there is a plugin {name} already"
            notes.warn("duplicate_provider", what, (name,))
            continue
        ids.add(id)
        found[name] = folder
    return Discovered(plugins=found, diagnostics=notes.all)


def _folders(root: Path, notes: Notes) -> list[Path]:
    try:
        entries = sorted(root.iterdir())[:MAX_FOLDERS]
    except FileNotFoundError:
        return []
    except OSError as error:
        why = error.strerror or "it cannot be read"
        notes.warn("unreadable_folder", f"{show(root)} was passed over: {why}")
        return []
    return [
        entry
        for entry in entries
        if not entry.name.startswith((".", "__"))
        and not entry.is_symlink()
        and (entry / MANIFEST_NAME).exists()
    ]
