"""The content-addressed store of plugins: one read-only folder a digest."""

from pathlib import Path

from stockade.errors import HostError, UsageError
from stockade.packages.compiling import compile_tree
from stockade.packages.folder import copy_folder, tree_digest
from stockade.packages.trees import new_tree, publish, remove_tree
from stockade.settings import Home
from stockade.state import Installed

__all__ = ["place_plugin", "plugin_path", "verify_installed"]


def plugin_path(home: Home, record: Installed) -> Path:
    """Where an installed plugin's files are."""
    return home.plugins / record.digest


def place_plugin(home: Home, source: Path, digest: str) -> str:
    """Copy a folder into the store, compiled and read-only; the digest of what is there then.

    Raises `UsageError` where the folder is no longer what `digest` says. The caller holds the
    install lock.
    """
    place = home.plugins / digest
    built = new_tree(home.plugins)
    try:
        snapshot = copy_folder(source, built)
        if snapshot.digest != digest:
            raise UsageError(
                f"{source} changed while it was being installed",
                remedy="run the command again to see what it asks for now",
            )
        compile_tree(built)
        publish(built, place)
        return tree_digest(place)[1]
    except OSError as error:
        raise HostError(
            "the plugin cannot be copied into the store", why=f"{error.strerror} ({place})"
        ) from error
    finally:
        if built.exists():
            remove_tree(built)


def verify_installed(home: Home, record: Installed) -> str | None:
    """Say what is wrong with an installed plugin's files, None where they are as installed."""
    path = plugin_path(home, record)
    if not path.is_dir():
        return f"its files are gone: there is no folder {path}"
    try:
        own, tree = tree_digest(path)
    except OSError as error:
        return f"its files cannot be read: {error.strerror} ({error.filename})"
    if own != record.digest or (record.tree and tree != record.tree):
        return f"its files were changed since it was installed, in {path}"
    if record.environment and not (home.environments / record.environment).is_dir():
        return f"its packages are gone: there is no folder {home.environments / record.environment}"
    return None
