"""A host's group in version 2, and which controllers it may hand on to its workers' groups.

A group with processes of its own hands nothing on (the "no internal process" rule of the kernel's
admin-guide/cgroup-v2). So where our own group is delegated to us, this process moves to a leaf
below it first, and back at the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .files import PROCESSES, CgroupError, Kernel, mkdir, write
from .group import try_rmdir
from .places import CONTROLLERS, KILL, Place, refusal, words_of

LEAF: Final = "host"  # where this process goes
SUBTREE: Final = "cgroup.subtree_control"


class Share:
    """`stockade-<name>` below our own group: `usable` controllers, the others with `reasons`."""

    def __init__(self, own: Place, group: Place, *, kernel: Kernel, pid: int) -> None:
        self.group = group
        self.usable: tuple[str, ...] = ()
        self.reasons: dict[str, str] = {}
        self._own = own
        self._leaf = group.below(LEAF)
        self._kernel = kernel
        self._pid = pid
        self._moved = False
        self._given: tuple[str, ...] = ()  # what we turned on in our own group

    @property
    def here(self) -> Place:
        """The group that this process is in."""
        return self._leaf if self._moved else self._own

    @classmethod
    def open(cls, own: Place, folder: str, *, kernel: Kernel, pid: int, euid: int) -> Share:
        """Make the group and turn on what may be turned on.

        Raises CgroupError where it cannot even be made, or a beginning cannot be undone.
        """
        share = cls(own, own.below(folder), kernel=kernel, pid=pid)
        mkdir(kernel, KILL, share.group.path)
        here = words_of(own.path / "cgroup.controllers")
        share.reasons.update(
            (name, "version 2 does not have it here") for name in CONTROLLERS if name not in here
        )
        share._turn_on(tuple(name for name in CONTROLLERS if name in here), euid)
        return share

    def _turn_on(self, wanted: tuple[str, ...], euid: int) -> None:
        on = words_of(self._own.path / SUBTREE)
        missing = tuple(name for name in wanted if name not in on)
        if missing:
            why = refusal(self._own, self._kernel, pid=self._pid, euid=euid)
            if why:
                self.reasons.update(dict.fromkeys(missing, why))
                wanted = tuple(name for name in wanted if name in on)
                missing = ()
        if not wanted:
            return
        try:
            if missing:
                self._hand_on(missing)
            write(self._kernel, "subtree", self.group.path / SUBTREE, _turn("+", wanted))
        except CgroupError as error:
            self.leave()
            self.reasons.update(dict.fromkeys(wanted, error.what))
            return
        self.usable = wanted

    def _hand_on(self, names: tuple[str, ...]) -> None:
        mkdir(self._kernel, "leaf", self._leaf.path)
        write(self._kernel, "leaf", self._leaf.path / PROCESSES, str(self._pid))
        self._moved = True
        write(self._kernel, "subtree", self._own.path / SUBTREE, _turn("+", names))
        self._given = names

    def leave(self) -> None:
        """Turn off what we turned on and move back; the workers' groups are gone by then.

        Twice is once. Raises CgroupError.
        """
        given, self._given = self._given, ()
        if given:
            for place in (self.group, self._own):  # from below: a parent's cannot be off first
                on = tuple(name for name in given if name in words_of(place.path / SUBTREE))
                if on:
                    write(self._kernel, "subtree", place.path / SUBTREE, _turn("-", on))
        if self._moved:
            write(self._kernel, "leaf", self._own.path / PROCESSES, str(self._pid))
            self._moved = False
        try_rmdir("leaf", self._leaf.path, self._kernel)


def _turn(sign: str, names: Iterable[str]) -> str:
    return " ".join(sign + name for name in names)
