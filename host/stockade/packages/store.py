"""The content-addressed store of plugins: one read-only folder a digest."""

import hashlib
from pathlib import Path

from stockade.errors import HostError, UsageError
from stockade.packages.compiling import compile_tree
from stockade.packages.contents import copy_source
from stockade.packages.folder import tree_digest, tree_entries
from stockade.packages.ledger import compared, read_ledger, write_ledger
from stockade.packages.snapshot import FileEntry, Snapshot, digest_of
from stockade.packages.source import Source
from stockade.packages.trees import new_tree, publish, remove_tree
from stockade.settings import Home
from stockade.state import Installed

__all__ = ["examine", "place_plugin", "plugin_path", "seal_environment", "verify_installed"]

MAX_TOLD = 50  # findings about one plugin; a damaged disk may have spoilt thousands of files


def plugin_path(home: Home, record: Installed) -> Path:
    """Where an installed plugin's files are."""
    return home.plugins / record.digest


def place_plugin(home: Home, source: Source, snapshot: Snapshot) -> str:
    """Copy a source into the store, compiled and read-only; the digest of what is there then.

    Raises `UsageError` where the source is no longer what `snapshot` says. The caller holds the
    install lock.
    """
    place = home.plugins / snapshot.digest
    built = new_tree(home.plugins)
    try:
        if copy_source(source, built) != snapshot:
            raise UsageError(
                f"{source.path} changed while it was being installed",
                remedy="run the command again to see what it asks for now",
            )
        compile_tree(built)
        publish(built, place)
        return write_ledger(place)
    except OSError as error:
        raise HostError(
            "the plugin cannot be copied into the store", why=f"{error.strerror} ({place})"
        ) from error
    finally:
        if built.exists():
            remove_tree(built)


def seal_environment(home: Home, tree: str, environment: str) -> str:
    """List an environment's files; the digest of a plugin's tree and of them.

    Raises `HostError`.
    """
    place = home.environments / environment
    try:
        return _sealed(tree, write_ledger(place))
    except OSError as error:
        raise HostError(
            "the plugin's packages cannot be listed", why=f"{error.strerror} ({place})"
        ) from error


def _sealed(tree: str, packages: str) -> str:
    return hashlib.sha256(f"stockade tree 2\n{tree}\n{packages}\n".encode()).hexdigest()


def verify_installed(home: Home, record: Installed) -> str | None:
    """Say what is wrong with an installed plugin's files, None where they are as installed.

    Reads every file, those of its packages too, and names none: see `examine`.
    """
    path = plugin_path(home, record)
    if not path.is_dir():
        return f"its files are gone: there is no folder {path}"
    packages = home.environments / record.environment if record.environment else None
    if packages is not None and not packages.is_dir():
        return f"its packages are gone: there is no folder {packages}"
    try:
        own, tree = tree_digest(path)
        sealed = tree if packages is None else _sealed(tree, tree_digest(packages)[1])
    except OSError as error:
        return f"its files cannot be read: {error.strerror} ({error.filename})"
    # Until state 4 the record was of the plugin's own files alone.
    if own != record.digest or (record.tree and record.tree not in (tree, sealed)):
        return f"its files were changed since it was installed, in {path}" + (
            "" if packages is None or own != record.digest else f" or in {packages}"
        )
    return None


def examine(home: Home, record: Installed) -> tuple[str, ...]:
    """Say of an installed plugin's files one by one what is wrong; nothing where all is well."""
    wrong = verify_installed(home, record)
    if wrong is None:
        return ()
    trees = [plugin_path(home, record)]
    if record.environment:
        trees.append(home.environments / record.environment)
    lists = [read_ledger(tree) or () for tree in trees]
    digests = [digest_of(entries) for entries in lists]
    if record.tree not in (digests[0], _sealed(digests[0], digests[-1])):
        return (wrong, "which of them cannot be told, for the list of its files was changed too")
    found = [
        f"{tree / path} {what}"
        for tree, entries in zip(trees, lists, strict=True)
        if tree.is_dir()
        for path, what in _spoilt(tree, entries)
    ]
    more = len(found) - MAX_TOLD
    return (*(found[:MAX_TOLD] or [wrong]), *([f"and {more} more"] if more > 0 else []))


def _spoilt(tree: Path, listed: tuple[FileEntry, ...]) -> list[tuple[str, str]]:
    try:
        return compared(listed, tree_entries(tree))
    except OSError as error:
        return [("", f"cannot be read: {error.strerror} ({error.filename})")]
