"""What SOURCE of `install` means, and the folder or the wheel that it comes down to.

In this order, and the first that fits is it:

1. the name of a shipped plugin, which nothing else can take: a folder of that name is `./NAME`
2. a folder, a wheel (`.whl`) or a bundle (`.bundle.zip`) that is there
3. a plugin of that name in `./plugins` of the working folder
4. a plugin of that name which was installed beside stockade with pip or uv (`distributions`)
5. a package of that name, `NAME` or `NAME==VERSION`, from the index that uv is set up with

The first three need nothing but reading; for the others `opened_source` holds a folder to work in.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import msgspec

from stockade.errors import UsageError
from stockade.packages.bundle import open_bundle
from stockade.packages.distributions import copy_distribution, find_provided
from stockade.packages.index import fetch_plugin
from stockade.packages.naming import BUNDLE_SUFFIX
from stockade.packages.trees import staging
from stockade.settings import Home
from stockade_sdk.manifest import MANIFEST_NAME, ManifestError, read_manifest_file
from stockade_sdk.manifest.versions import parse_requirement
from stockade_sdk.text import TextRefused, show

__all__ = [
    "DEVELOPMENT",
    "SHIPPED",
    "UNSIGNED",
    "Source",
    "opened_source",
    "resolve_source",
    "shipped_plugins",
]

SHIPPED: Final = "shipped"
UNSIGNED: Final = "unsigned"
DEVELOPMENT: Final = "development"
PLUGINS: Final = "plugins"  # of the working folder
MAX_FOLDERS: Final = 1_000  # looked at in it
_WHEEL = ".whl"
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".egg", ".pyz")


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What to install from: a folder or a wheel, and how far it is trusted.

    `origin` is what to give as SOURCE to have it again. `wheelhouse` is the folder of a bundle
    with the packages that it requires. Trust is "signed" only where somebody checked `signer`, the
    fingerprint of a key. A `development` source is a folder whose author runs it from there.
    """

    kind: Literal["folder", "wheel", "development"]
    path: Path
    trust: str
    origin: str
    wheelhouse: Path | None = None
    signer: str = ""


def shipped_plugins() -> dict[str, Path]:
    """The plugins that came with this stockade, by name."""
    package = Path(__file__).parent.parent
    beside = package / SHIPPED
    if package.parent.name == "host":  # an editable install: they are in the repository
        beside = package.parent.parent / PLUGINS
    if not beside.is_dir():
        return {}
    return {path.parent.name: path.parent for path in sorted(beside.glob(f"*/{MANIFEST_NAME}"))}


def _silent(step: str) -> None:
    del step


@contextmanager
def opened_source(
    home: Home,
    text: str,
    *,
    offline: bool = False,
    dev: bool = False,
    on_step: Callable[[str], None] = _silent,
) -> Iterator[Source]:
    """What SOURCE names, with all that it needs in place for as long as the block lasts.

    `dev` takes a folder as one under development. `offline` fetches nothing. `on_step` hears
    resolve and download where something is fetched. Raises `UsageError` for what is no source,
    `HostError` where it cannot be had.
    """
    found = _at_hand(text, shipped_plugins())
    if dev:
        yield _for_development(text, found)
    elif found is not None and not _is_bundle(found.path):
        yield found
    else:
        if found is None:
            _check_package(text)
        home.ensure()
        with staging(home.plugins, home.environments) as place:
            if found is not None:
                opened = open_bundle(found.path, place)
                yield msgspec.structs.replace(
                    found, kind="wheel", path=opened.wheel, wheelhouse=opened.wheelhouse
                )
            else:
                yield _fetched(text, place, offline=offline, on_step=on_step)


def resolve_source(text: str, shipped: dict[str, Path] | None = None) -> Source:
    """What SOURCE names, where that is a folder or a wheel at hand. Raises `UsageError`."""
    known = shipped_plugins() if shipped is None else shipped
    found = _at_hand(text, known)
    if found is not None and not _is_bundle(found.path):
        return found
    if found is not None:
        raise UsageError(
            f"{show(text)} is a bundle, and it has to be unpacked first",
            remedy="give the wheel in it, or its folder",
        )
    _check_package(text)
    raise UsageError(
        f"there is no folder and no shipped plugin called {show(text)}",
        why="packages from an index are not looked for here",
        remedy=f"give a folder, a wheel, or one of: {', '.join(known) or 'none'}",
    )


def _at_hand(text: str, known: dict[str, Path]) -> Source | None:
    """What is there without fetching or unpacking it. Raises `UsageError`."""
    if text in known:
        return Source(kind="folder", path=known[text], trust=SHIPPED, origin=text)
    if not text or "\0" in text:
        raise UsageError(f"{show(text)} is no source", remedy="give a folder or a plugin's name")
    if "://" in text or text.startswith(("git+", "git@")):
        raise UsageError(
            f"{show(text)} is an address, and nothing is fetched from addresses",
            remedy="download it yourself and give the file, or give a package's name",
        )
    path = Path(text).expanduser()
    if path.is_dir():
        return _of_folder(path.resolve(), known)
    if text.lower().endswith((_WHEEL, *_ARCHIVES)):
        return _of_file(path, text)
    if path.exists():
        raise UsageError(
            f"{show(text)} is not a folder, a wheel or a bundle", remedy="give one of them"
        )
    folder = None if _is_path(text) else _in_plugins(text)
    return None if folder is None else _of_folder(folder, known)


def _of_folder(resolved: Path, known: dict[str, Path]) -> Source:
    ours = {folder.resolve(): name for name, folder in known.items()}
    if resolved in ours:
        return Source(kind="folder", path=resolved, trust=SHIPPED, origin=ours[resolved])
    return Source(kind="folder", path=resolved, trust=UNSIGNED, origin=str(resolved))


def _of_file(path: Path, text: str) -> Source:
    lowered = text.lower()
    if not lowered.endswith((_WHEEL, BUNDLE_SUFFIX)):
        raise UsageError(
            f"{show(text)} is an archive, and neither a wheel nor a bundle",
            why="source archives are not taken, since a build would run their code",
            remedy="give a wheel (.whl) or a bundle (.bundle.zip); `stockade pack` makes both",
        )
    if not path.is_file():
        raise UsageError(f"there is no archive {show(text)}", remedy="check the path")
    resolved = path.resolve()
    return Source(kind="wheel", path=resolved, trust=UNSIGNED, origin=str(resolved))


def _is_bundle(path: Path) -> bool:
    return path.is_file() and path.name.lower().endswith(BUNDLE_SUFFIX)


def _is_path(text: str) -> bool:
    return "/" in text or text.startswith((".", "~"))


def _in_plugins(name: str) -> Path | None:
    """The folder in ./plugins whose manifest has the name. Raises `UsageError` for two."""
    root = Path(PLUGINS)
    if not root.is_dir():
        return None
    found = [
        folder.resolve()
        for folder in sorted(root.iterdir())[:MAX_FOLDERS]
        if not folder.is_symlink() and _name_in(folder) == name
    ]
    if len(found) > 1:
        raise UsageError(
            f"two plugins are called {show(name)}: {show(str(found[0]))} and {show(str(found[1]))}",
            remedy="give the folder of the one that you mean",
        )
    return found[0] if found else None


def _name_in(folder: Path) -> str:
    try:
        return read_manifest_file(folder / MANIFEST_NAME).name
    except ManifestError:  # another plugin's fault: `list --available` tells of it
        return ""


def _for_development(text: str, found: Source | None) -> Source:
    if found is None or found.kind != "folder":
        raise UsageError(f"{show(text)} is no folder to develop in", remedy="give a folder")
    return msgspec.structs.replace(
        found, kind="development", trust=DEVELOPMENT, origin=str(found.path)
    )


def _check_package(text: str) -> None:
    if _is_path(text):
        raise UsageError(
            f"there is no folder {show(text)}", remedy="give a plugin's folder, wheel or bundle"
        )
    try:
        parse_requirement(text)
    except TextRefused:
        raise UsageError(
            f"there is no folder {show(text)}, and a package cannot be called so",
            remedy="give a folder, a wheel, a bundle, or a package: NAME or NAME==VERSION",
        ) from None


def _fetched(text: str, place: Path, *, offline: bool, on_step: Callable[[str], None]) -> Source:
    """A package that is installed beside stockade, else one from the index."""
    provided, problems = find_provided()
    if text in provided:
        copy_distribution(provided[text], place)
        return Source(kind="folder", path=place, trust=UNSIGNED, origin=text)
    for problem in problems:
        if problem.where == text:  # of two with one name, neither is a guess of ours
            raise UsageError(
                f"{show(text)} is installed beside stockade, and cannot be used",
                why=show(problem.message, 500),
                remedy="uninstall one of them with pip",
            )
    try:
        wheel = fetch_plugin(text, place, offline=offline, on_step=on_step)
    except UsageError as error:
        ours = ", ".join(shipped_plugins())
        remedy = f"{error.remedy}; what ships with stockade: {ours}"
        raise UsageError(error.what, why=error.why, remedy=remedy) from error
    name = parse_requirement(text).name
    return Source(kind="wheel", path=wheel, trust=UNSIGNED, origin=name)
