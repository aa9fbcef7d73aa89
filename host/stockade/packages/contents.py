"""Read what an install is made from, a folder or a wheel, into the same form."""

from pathlib import Path
from typing import Protocol

from stockade.packages.folder import copy_folder, read_folder
from stockade.packages.snapshot import Snapshot
from stockade.packages.wheel import read_wheel

__all__ = ["Readable", "copy_source", "read_source"]


class Readable(Protocol):
    """What of a `Source` is needed here: whether it is a "wheel", and where it is."""

    @property
    def kind(self) -> str: ...

    @property
    def path(self) -> Path: ...


def read_source(source: Readable) -> Snapshot:
    """Read a plugin's folder or wheel, all of it. Raises `UsageError` naming what cannot be taken.

    The digest is the same for a wheel as for a folder with the same files.
    """
    return read_wheel(source.path) if source.kind == "wheel" else read_folder(source.path)


def copy_source(source: Readable, target: Path) -> Snapshot:
    """The same, written into `target`, a new folder of ours, in the layout of the store.

    Only bytes that were verified are written. Raises `UsageError`; `HostError` for a full disk.
    """
    if source.kind == "wheel":
        return read_wheel(source.path, target)
    return copy_folder(source.path, target)
