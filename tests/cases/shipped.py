"""The manifests of the plugins that ship with the product."""

from pathlib import Path

from stockade_sdk.manifest import Manifest, read_manifest_file

PLUGINS = Path(__file__).parents[2] / "plugins"


def manifest_of(name: str) -> Manifest:
    """The manifest of a shipped plugin."""
    return read_manifest_file(PLUGINS / name / "plugin.toml")
