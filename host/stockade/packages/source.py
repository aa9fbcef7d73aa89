"""What SOURCE means on the command line: a folder, or the name of a plugin that ships with us."""

import re
from pathlib import Path

import msgspec

from stockade.errors import UsageError
from stockade_sdk.manifest import MANIFEST_NAME
from stockade_sdk.text import show

__all__ = ["Source", "resolve_source", "shipped_plugins"]

SHIPPED = "shipped"
UNSIGNED = "unsigned"
_ARCHIVES = (".whl", ".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[.*\])?([<>=!~].*)?")


class Source(msgspec.Struct, frozen=True):
    """A folder to install from, and how far it is trusted: `shipped` or `unsigned`."""

    path: Path
    trust: str


def shipped_plugins() -> dict[str, Path]:
    """The plugins that came with this stockade, by name."""
    package = Path(__file__).parent.parent
    beside = package / SHIPPED
    if package.parent.name == "host":  # an editable install: they are in the repository
        beside = package.parent.parent / "plugins"
    if not beside.is_dir():
        return {}
    return {path.parent.name: path.parent for path in sorted(beside.glob(f"*/{MANIFEST_NAME}"))}


def resolve_source(text: str, shipped: dict[str, Path] | None = None) -> Source:
    """Find what to install from. Raises `UsageError` for what is neither."""
    known = shipped_plugins() if shipped is None else shipped
    if text in known:
        return Source(known[text], SHIPPED)
    if not text or "\0" in text:
        raise UsageError(f"{show(text)} is no source", remedy="give a folder or a plugin's name")
    path = Path(text).expanduser()
    if path.is_dir():
        resolved = path.resolve()
        ours = resolved in {folder.resolve() for folder in known.values()}
        return Source(resolved, SHIPPED if ours else UNSIGNED)
    if text.lower().endswith(_ARCHIVES):
        raise UsageError(
            f"{show(text)} is an archive, and only folders can be installed so far",
            remedy="unpack it and give the folder that holds plugin.toml",
        )
    names = ", ".join(known) or "none"
    if path.exists():
        raise UsageError(f"{show(text)} is not a folder", remedy="give the folder of a plugin")
    if "/" not in text and _NAME.fullmatch(text):
        raise UsageError(
            f"there is no folder and no shipped plugin called {show(text)}",
            why="packages cannot be installed from an index so far",
            remedy=f"give a folder, or one of: {names}",
        )
    raise UsageError(f"there is no folder {show(text)}", remedy="give the folder of a plugin")
