"""Making a folder's content somebody else's, where nothing maps ids: in tier restricted, as root.

The content is a stranger's: no link is followed, and it is held to a depth.
"""

from __future__ import annotations

import os
from typing import Final

from stockade.errors import Refused

__all__ = ["give_to"]

MAX_DEPTH: Final = 200  # a descriptor each
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def give_to(path: str, uid: int) -> None:
    """Make `path` and all in it `uid`'s (user and group); returns soon where it is so already.

    Raises OSError, and Refused for a tree that is too deep.
    """
    top = os.open(path, _FOLDER)
    try:
        if os.fstat(top).st_uid != uid:
            _give_below(top, uid, path, MAX_DEPTH)
            os.fchown(top, uid, uid)  # last: it is the mark that all is done
    finally:
        os.close(top)


def _give_below(folder: int, uid: int, path: str, depth: int) -> None:
    if not depth:
        raise Refused(
            f"{path} holds folders more than {MAX_DEPTH} deep", remedy="remove what is in it"
        )
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                below = os.open(entry.name, _FOLDER, dir_fd=folder)
                try:
                    _give_below(below, uid, path, depth - 1)
                finally:
                    os.close(below)
            os.chown(entry.name, uid, uid, dir_fd=folder, follow_symlinks=False)
