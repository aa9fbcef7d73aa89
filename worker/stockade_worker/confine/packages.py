"""Where our own packages lie, once the worker's file tree is another one."""

from __future__ import annotations

import sys
from typing import Any


def move(old: str, new: str) -> None:
    """Say of every imported module that it lies below ``new`` instead of ``old``.

    What is imported later is looked for there, and no path of the host's is left in sight.
    """

    def moved(path: Any) -> Any:
        if isinstance(path, str) and path.startswith(f"{old}/"):
            return new + path[len(old) :]
        return new if path == old else path

    for module in list(sys.modules.values()):
        spec = getattr(module, "__spec__", None)
        places = getattr(module, "__path__", None)
        for holder in (module, spec, getattr(spec, "loader", None)):
            for name in ("__file__", "__cached__", "origin", "cached", "path"):
                said = getattr(holder, name, None)
                if moved(said) != said:
                    setattr(holder, name, moved(said))
        for folders in (places, getattr(spec, "submodule_search_locations", None)):
            if isinstance(folders, list):
                folders[:] = map(moved, folders)
    sys.path[:] = map(moved, sys.path)
    sys.argv[:] = map(moved, sys.argv)
    sys.path_importer_cache.clear()
