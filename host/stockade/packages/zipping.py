"""Write a zip archive that is the same for the same files, whenever and wherever it is made."""

import os
import stat
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from stockade.errors import HostError
from stockade_sdk.text import show

__all__ = ["Packed", "write_archive"]

EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip archive can say
UNIX = 3


class Packed(NamedTuple):
    """One file for an archive."""

    name: str
    content: bytes
    executable: bool = False


def write_archive(path: Path, files: Iterable[Packed], *, stored: bool = False) -> None:
    """Write these files in their order, in place of what is at `path`, in one step.

    `stored` leaves them unpacked, as is right for archives in an archive. Raises `HostError`.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        with part.open("xb") as file:
            with zipfile.ZipFile(file, "w") as archive:
                for one in files:
                    archive.writestr(_info(one, stored=stored), one.content, compresslevel=9)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise HostError(f"cannot write {show(str(path), 500)}", why=error.strerror or "") from error


def _info(one: Packed, *, stored: bool) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(one.name, EPOCH)
    info.create_system = UNIX
    info.external_attr = (stat.S_IFREG | (0o755 if one.executable else 0o644)) << 16
    info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    return info
