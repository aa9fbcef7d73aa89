"""The file tree of a worker: an empty one, and in it what the plan names.

Every source is opened without following a link, compared with what the host had found there, and
copied as a detached tree that gets its restrictions before it is attached: there is no moment at
which it could be written to, and nobody who could exchange it in between.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from stockade_worker.plan import DEVICE, READ, WRITE, Mount, Plan

from . import syscalls
from .namespaces import CLONE_NEWUSER

PLACES = ("/tmp", "/mnt", "/srv", "/proc")  # noqa: S108  # one of them is covered by the new root
ROOT_OPTIONS = "mode=755,size=1m,nr_inodes=4k"
BLANK_OPTIONS = "mode=755,size=4k,nr_inodes=2"

_CLOSED = syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NODEV
_ATTRIBUTES = {
    # A mount for reading holds code, whose pages must be mappable as such: not noexec. Who may
    # execute files is Landlock's and seccomp's to say.
    READ: _CLOSED | syscalls.MOUNT_ATTR_RDONLY,
    WRITE: _CLOSED | syscalls.MOUNT_ATTR_NOEXEC,
    DEVICE: syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NOEXEC | syscalls.MOUNT_ATTR_RDONLY,
}
_TMPFS = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC


class Exchanged(OSError):
    """Something else lies at a source than the host had found there."""


def build(plan: Plan) -> None:
    """Make the tree and move into it; the old one is gone then. Raises OSError."""
    syscalls.mount("none", "/", "none", syscalls.MS_REC | syscalls.MS_PRIVATE)
    place = next(path for path in PLACES if os.path.isdir(path))
    trees = [(one, _copied(one, plan)) for one in plan.mounts]  # before anything is covered
    syscalls.mount("root", place, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, ROOT_OPTIONS)
    _mount_scratch(plan, place)  # first, for a granted path may lie below it
    for one, tree in trees:
        target = place + one.target
        _make_place(target, folder=_is_folder(tree))
        # A place in a folder that was granted is somebody's to exchange: no link is followed.
        there = syscalls.open_without_links(target, os.O_PATH | os.O_CLOEXEC)
        syscalls.move_mount(tree, there)
        os.close(there)
        os.close(tree)
    for path in plan.blanks:
        syscalls.mount("blank", place + path, "tmpfs", _TMPFS | syscalls.MS_RDONLY, BLANK_OPTIONS)
    for name, points in plan.links:
        os.symlink(points, place + name)
    os.chdir(place)
    syscalls.pivot_root(".", ".")  # the old root lies on the new one now, and is taken off
    syscalls.unmount(".", syscalls.MNT_DETACH)
    os.chdir("/")
    syscalls.mount_setattr(syscalls.AT_FDCWD, "/", syscalls.MOUNT_ATTR_RDONLY)


def _mount_scratch(plan: Plan, place: str) -> None:
    target = place + plan.scratch
    _make_place(target, folder=True)
    options = f"mode=700,size={plan.scratch_bytes},nr_inodes={plan.scratch_inodes}"
    if plan.uid >= 0:
        options += f",uid={plan.uid},gid={plan.gid}"
    syscalls.mount("scratch", target, "tmpfs", _TMPFS, options)


def _copied(one: Mount, plan: Plan) -> int:
    """A detached, restricted copy of a source."""
    fd = syscalls.open_without_links(one.source, os.O_PATH | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        if (found.st_dev, found.st_ino) != (one.device, one.inode):
            raise Exchanged(116, f"{one.source} is another file than the host has checked")
        tree = syscalls.open_tree(fd)
    finally:
        os.close(fd)
    try:
        flags = syscalls.AT_EMPTY_PATH | syscalls.AT_RECURSIVE
        syscalls.mount_setattr(tree, "", _ATTRIBUTES[one.access], flags=flags)
        if one.owner >= 0:
            _give_to_worker(tree, one, plan)
    except BaseException:
        os.close(tree)
        raise
    return tree


def _give_to_worker(tree: int, one: Mount, plan: Plan) -> None:
    """Let the ids on the disk be the worker's inside (mount_setattr(2), "ID-mapped mounts")."""
    with _user_namespace((one.owner, plan.uid), (one.group, plan.gid)) as userns:
        try:
            syscalls.mount_setattr(
                tree,
                "",
                syscalls.MOUNT_ATTR_IDMAP,
                flags=syscalls.AT_EMPTY_PATH | syscalls.AT_RECURSIVE,
                userns=userns,
            )
        except OSError as error:
            raise OSError(error.errno, f"{one.source}: its file system maps no ids") from error


@contextmanager
def _user_namespace(users: tuple[int, int], groups: tuple[int, int]) -> Iterator[int]:
    """A user namespace with one user and one group, (on the disk, here), held by a child.

    The child sends its folder under /proc, since its number there is not the one we know: /proc is
    still the host's. We write its maps, for only who stands outside may.
    """
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()  # or it would wait for itself
        _hold_user_namespace(theirs)
    theirs.close()
    try:
        folder = _received(ours)
        for name, (inside, outside) in (("uid_map", users), ("gid_map", groups)):
            fd = os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=folder)
            os.write(fd, f"{inside} {outside} 1".encode())
            os.close(fd)
        userns = os.open("ns/user", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
        os.close(folder)
        try:
            yield userns
        finally:
            os.close(userns)
    finally:
        ours.close()
        os.waitpid(pid, 0)


def _hold_user_namespace(end: socket.socket) -> None:
    status = 1
    try:
        folder = os.open("/proc/self", os.O_RDONLY | os.O_DIRECTORY)
        syscalls.unshare(CLONE_NEWUSER)
        socket.send_fds(end, [b"f"], [folder])
        end.recv(1)  # until the other end is closed
        status = 0
    finally:
        os._exit(status)


def _received(end: socket.socket) -> int:
    _, fds, _, _ = socket.recv_fds(end, 1, 1)
    if len(fds) != 1:
        raise OSError(5, "no user namespace could be made")
    return fds[0]


def _is_folder(fd: int) -> bool:
    return os.fstat(fd).st_mode & 0o170000 == 0o040000


def _make_place(path: str, *, folder: bool) -> None:
    """Something to mount on; what is there already (in a mount that came before) serves."""
    try:
        if folder:
            os.mkdir(path, 0o755)
        else:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
    except FileExistsError:
        return
    except FileNotFoundError:
        _make_place(os.path.dirname(path), folder=True)
        _make_place(path, folder=folder)
