"""Manifests of what is installed. Reading one takes 0.1 ms a model, so each text is read once."""

from functools import lru_cache

from stockade.state.records import Installed
from stockade_sdk.manifest import Manifest, read_manifest

__all__ = ["manifest_of"]

MAX_MANIFESTS = 256  # more plugins than that are read again; a manifest is some 10 KB


def manifest_of(record: Installed) -> Manifest:
    """What an installed plugin says of itself. Raises ManifestError."""
    return _read(record.manifest)


@lru_cache(maxsize=MAX_MANIFESTS)
def _read(text: str) -> Manifest:
    return read_manifest(text)
