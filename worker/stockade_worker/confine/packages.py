"""Where our own packages lie, once the worker's file tree is another one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

_NAMES = ("__file__", "__cached__", "origin", "cached", "path")


class Place(NamedTuple):
    """Something that says where a module lies: an attribute, or an entry of a list. ``below`` is
    the part of it after the folder that may move.
    """

    holder: Any
    key: str | int
    below: str


class Places(NamedTuple):
    """All that is said of modules in ``folder``."""

    folder: str
    said: tuple[Place, ...]


def places(folder: str) -> Places:
    """All that is said of modules in ``folder``.

    Looked for before a fork: a worker that went through all of its modules would have a copy of
    each page that they lie on.
    """
    return Places(folder, tuple(_places(folder)))


def _places(folder: str) -> Iterator[Place]:
    for module in list(sys.modules.values()):
        spec = getattr(module, "__spec__", None)
        for holder in (module, spec, getattr(spec, "loader", None)):
            for name in _NAMES:
                said: Any = getattr(holder, name, None)
                if _is_below(said, folder):
                    yield Place(holder, name, said[len(folder) :])
        for folders in (
            getattr(module, "__path__", None),
            getattr(spec, "submodule_search_locations", None),
        ):
            if isinstance(folders, list):
                yield from _entries(folders, folder)
    yield from _entries(sys.path, folder)
    yield from _entries(sys.argv, folder)


def _entries(said: list[str], folder: str) -> Iterator[Place]:
    for number, path in enumerate(said):
        if _is_below(path, folder):
            yield Place(said, number, path[len(folder) :])


def _is_below(path: Any, folder: str) -> bool:
    return isinstance(path, str) and (path == folder or path.startswith(f"{folder}/"))


def move(found: Places, new: str) -> None:
    """Say everywhere that the folder is ``new``.

    What is imported later is looked for there, and no path of the host's is left in sight.
    """
    for place in found.said:
        if isinstance(place.key, str):
            setattr(place.holder, place.key, new + place.below)
        else:
            place.holder[place.key] = new + place.below
    for path in [path for path in sys.path_importer_cache if _is_below(path, found.folder)]:
        del sys.path_importer_cache[path]
