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

    Only what belongs to the owner of `path` so far is given: what else lies there was brought from
    elsewhere. Raises OSError, and Refused for a tree that is too deep.
    """
    top = os.open(path, _FOLDER)
    try:
        owner = os.fstat(top).st_uid
        if owner != uid:
            _give_below(top, owner, uid, path, MAX_DEPTH)
            os.fchown(top, uid, uid)  # last: it is the mark that all is done
    finally:
        os.close(top)


def _give_below(folder: int, owner: int, uid: int, path: str, depth: int) -> None:
    if not depth:
        raise Refused(
            f"{path} holds folders more than {MAX_DEPTH} deep", remedy="remove what is in it"
        )
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                below = os.open(entry.name, _FOLDER, dir_fd=folder)
                try:
                    _give_below(below, owner, uid, path, depth - 1)
                finally:
                    os.close(below)
            if entry.stat(follow_symlinks=False).st_uid == owner:
                os.chown(entry.name, uid, uid, dir_fd=folder, follow_symlinks=False)
