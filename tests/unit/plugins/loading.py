"""Shipped plugins as a worker would import them: from their own folders, by their manifests."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stockade_sdk.manifest import Manifest, read_manifest_file

PLUGINS = Path(__file__).parents[3] / "plugins"


def manifest_of(name: str) -> Manifest:
    return read_manifest_file(PLUGINS / name / "plugin.toml")


def defaults_of(name: str) -> dict[str, Any]:
    """The config that a plugin sees where the operator set nothing."""
    fields = manifest_of(name).config
    return {key: field.default for key, field in fields.items() if field.default is not None}


def provider_class(name: str) -> type[Any]:
    """The class that the manifest's entry names."""
    entry = manifest_of(name).entry
    with importable(PLUGINS / name):
        module = importlib.import_module(entry.module)
    found: type[Any] = getattr(module, entry.attribute)
    return found


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
