"""A bundle: one archive with a plugin's wheel and the wheels of all that it requires."""

from pathlib import Path
from typing import Final, NamedTuple

from stockade.errors import HostError, UsageError
from stockade.packages.archive import Archive, Bounds, Member, open_archive
from stockade_sdk.text import show
from stockade_sdk.units import MIB

__all__ = ["WHEELS", "Opened", "open_bundle"]

WHEELS: Final = "wheels"
# Wheels are packed already: a bundle stores them, or gains next to nothing.
BOUNDS: Final = Bounds(
    archive_bytes=2048 * MIB, entries=500, total_bytes=2048 * MIB, member_bytes=1024 * MIB, ratio=20
)


class Opened(NamedTuple):
    """What was in a bundle, unpacked: the plugin's wheel, and the folder of the others."""

    wheel: Path
    wheelhouse: Path


def open_bundle(path: Path, into: Path) -> Opened:
    """Unpack a bundle below `into`, a folder of ours. The wheels in it are not looked into.

    Raises `UsageError` for what is no bundle, `HostError` where it cannot be written.
    """
    wheelhouse = into / WHEELS
    with open_archive(path, BOUNDS) as archive:
        plugins = [one for one in archive.members if _is_wheel(one.name, "")]
        others = [one for one in archive.members if _is_wheel(one.name, f"{WHEELS}/")]
        odd = [one.name for one in archive.members if one not in (*plugins, *others)]
        if odd or len(plugins) != 1:
            why = (
                f"{show(odd[0], 200)} does not belong into one"
                if odd
                else f"it has {len(plugins)} wheels at its root, and one is the plugin's"
            )
            raise UsageError(
                f"{show(path.name, 200)} is no bundle",
                why=why,
                remedy="make it with: stockade pack FOLDER --bundle",
            )
        try:
            wheelhouse.mkdir(mode=0o700)
            for member in (*plugins, *others):
                _write(archive, member, into / member.name)
        except OSError as error:
            raise HostError(
                f"{show(path.name, 200)} cannot be unpacked",
                why=error.strerror or "",
                remedy="nothing was installed; make room or mend the disk, then try again",
            ) from error
    return Opened(into / plugins[0].name, wheelhouse)


def _is_wheel(name: str, folder: str) -> bool:
    rest = name.removeprefix(folder)
    return name.startswith(folder) and "/" not in rest and rest.endswith(".whl")


def _write(archive: Archive, member: Member, target: Path) -> None:
    with target.open("xb") as file:
        for chunk in archive.chunks(member):
            file.write(chunk)
