"""What a plugin was denied and what it used of its grant: kept for `inspect`, `logs`, `observe`.

    egress decision ─┐
    worker's word ───┼─▶ Denials ─▶ logs/<plugin>.denials.json, and a line in the plugin's log
    end of a worker ─┘

What a worker says is marked as such and bounded apart, so that it can neither push out nor pass
for what the host saw itself. Nothing is decided by any of it.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread
import msgspec

from stockade.process.lines import plain
from stockade.state.files import folder_lock
from stockade_sdk.errors import capped

from .allowing import line_for, secret_act

if TYPE_CHECKING:
    from stockade.egress import Decision
    from stockade_sdk import wire

__all__ = ["Act", "Denials", "read_acts", "shown"]

MAX_ACTS: Final = 100  # different ones of each plugin, of the host's and of the worker's telling
MAX_REASON: Final = 400
MAX_WHAT: Final = 1024
MAX_FILE_BYTES: Final = 1024 * 1024  # 200 acts of 1.5 KiB, escaped
SAVE_S: Final = 1.0
SOURCE: Final = "denied"  # of the lines in the log

HOST, WORKER = "host", "worker"  # who told of an act
_LIMIT: Final = re.compile(r"it has limits\.([a-z_]+) = ")  # as `causes.decode` writes it
_LAST_WORDS: Final = "its last words: "  # what comes after is the plugin's


Key = tuple[str, str, str, bool]


class Act(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One act: denied, or (`allowed`) one that a grant was used for, then `what` is the rule.

    `at` is when it was last seen, in seconds since 1970; `count` is how often.
    """

    kind: str
    what: str
    told_by: str = HOST
    allowed: bool = False
    count: int = 1
    at: float = 0.0
    reason: str = ""

    @property
    def key(self) -> Key:
        """What makes two acts the same."""
        return self.kind, self.what, self.told_by, self.allowed


Acts = dict[str, dict[Key, Act]]  # by plugin


class Denials:
    """The acts of all plugins of one host. Record on the event loop, with `keep` beside it, and
    `close` at the end.
    """

    def __init__(
        self,
        folder: Path,
        *,
        now: Callable[[], float] = time.time,
        on_line: Callable[[str, str, str], None] = lambda plugin, source, text: None,
    ) -> None:
        self.lost = 0  # saves that failed, with what they had
        self._folder, self._now, self._on_line = folder, now, on_line
        self._known: dict[str, set[Key]] = {}
        self._unsaved: Acts = {}

    def decided(self, decision: Decision) -> None:
        """A decision of the egress: what was refused, or which rule was used."""
        plugin = decision.plugin
        if decision.allowed:
            if decision.tunnel:
                self._record(plugin, Act(kind="tunnel", what="", allowed=True))
            if decision.rule is not None:
                self._record(plugin, Act(kind="network", what=decision.rule, allowed=True))
            return
        kind, what = decision.wanted_in, decision.wanted
        if kind == "secrets":
            what = secret_act(decision.secret, what)
        elif not what:
            kind = "request"
            what = f"{decision.host}:{decision.port}" if decision.host else "an unreadable address"
        self._record(plugin, Act(kind=kind, what=what, reason=decision.reason))

    def told(self, plugin: str, denied: wire.Denied) -> None:
        """A worker's own word of what it was denied."""
        self._record(plugin, Act(kind=denied.kind, what=denied.what, told_by=WORKER))

    def died(self, plugin: str, reason: str) -> None:
        """A worker's end, in the words of `causes.decode`; counts where a limit or the sandbox
        ended it.
        """
        own = reason.partition(_LAST_WORDS)[0]
        limit = _LIMIT.search(own)
        if limit is not None:
            self._record(plugin, Act(kind="limit", what=limit[1], reason=own))
        elif "SIGSYS" in own:
            self._record(plugin, Act(kind="syscall", what="a forbidden one", reason=own))

    def limited(self, plugin: str, limit: str, reason: str) -> None:
        """A limit that was reached, by its key under [limits]."""
        self._record(plugin, Act(kind="limit", what=limit, reason=reason))

    def forget(self, plugin: str) -> None:
        """The plugin is gone; its file is whoever removed it's to remove."""
        self._known.pop(plugin, None)
        self._unsaved.pop(plugin, None)

    def shown(self, plugin: str) -> list[dict[str, Any]]:
        """The denied acts of a plugin as `inspect` shows them, those not saved yet included."""
        saved = read_acts(self._folder, plugin)
        return shown(plugin, merged(saved, self._unsaved.get(plugin, {}).values()))

    async def keep(self) -> None:
        """Save what comes, at most once a second, until cancelled."""
        while True:
            await anyio.sleep(SAVE_S)
            if self._unsaved:
                # Taken here, on the loop: what is recorded meanwhile goes into a new one.
                taken, self._unsaved = self._unsaved, {}
                await anyio.to_thread.run_sync(self._write, taken)

    def close(self) -> None:
        """Save the rest."""
        taken, self._unsaved = self._unsaved, {}
        self._write(taken)

    def _write(self, unsaved: Acts) -> None:
        """Add to the plugins' files."""
        for plugin, acts in unsaved.items():
            try:
                with folder_lock(self._folder):
                    kept = merged(read_acts(self._folder, plugin), acts.values())
                    _write(_path(self._folder, plugin), msgspec.json.encode(kept))
            except OSError:  # a full disk: what was denied was denied all the same
                self.lost += 1

    def _record(self, plugin: str, act: Act) -> None:
        act.kind = plain(act.kind)
        act.what = capped(plain(act.what), MAX_WHAT)
        act.reason = capped(plain(act.reason), MAX_REASON)
        act.at = self._now()
        known = self._known.setdefault(plugin, set())
        is_new = act.key not in known
        if is_new:
            if sum(key[2] == act.told_by for key in known) >= MAX_ACTS:
                return
            known.add(act.key)
        elif act.allowed:
            return  # on the path of every request; once is enough to know
        unsaved = self._unsaved.setdefault(plugin, {})
        before = unsaved.get(act.key)
        if before is not None:
            act.count += before.count
        unsaved[act.key] = act
        if is_new and not act.allowed:
            self._on_line(plugin, SOURCE, in_words(plugin, act))


def in_words(plugin: str, act: Act) -> str:
    """A denied act as one line."""
    by = ", as its worker reports" if act.told_by == WORKER else ""
    return f"{act.kind} {act.what}{by}; would be allowed by: {_line(plugin, act)}"


def shown(plugin: str, acts: Iterable[Act]) -> list[dict[str, Any]]:
    """Denied acts as `inspect --json` prints them, the latest last."""
    return [
        {
            "kind": act.kind,
            "what": act.what,
            "told_by": act.told_by,
            "count": act.count,
            "last_at": datetime.fromtimestamp(act.at, UTC).isoformat(timespec="seconds"),
            "reason": act.reason,
            "allowed_by": _line(plugin, act),
        }
        for act in sorted(acts, key=lambda act: act.at)
        if not act.allowed
    ]


def merged(kept: Iterable[Act], more: Iterable[Act]) -> list[Act]:
    """Both, counts added; of the host's and of the worker's telling the latest `MAX_ACTS` each."""
    acts = {act.key: act for act in kept}
    for act in more:
        before = acts.get(act.key)
        count = act.count + (before.count if before is not None else 0)
        acts[act.key] = msgspec.structs.replace(act, count=count)
    latest = sorted(acts.values(), key=lambda act: act.at)
    told = ([act for act in latest if (act.told_by == WORKER) is own] for own in (False, True))
    return [act for group in told for act in group[-MAX_ACTS:]]


def read_acts(folder: Path, plugin: str) -> list[Act]:
    """What is on file of a plugin, denied and used. A file that is none of ours counts as empty:
    it is a note for people, and the next save replaces it.
    """
    try:
        fd = os.open(
            _path(folder, plugin), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        )
    except OSError:
        return []
    with open(fd, "rb") as file:  # noqa: PTH123 - a descriptor
        content = file.read(MAX_FILE_BYTES + 1)
    try:
        return msgspec.json.decode(content, type=list[Act])
    except (ValueError, RecursionError):
        return []


def _line(plugin: str, act: Act) -> str:
    return line_for(act.kind, act.what, plugin=plugin)


def _path(folder: Path, plugin: str) -> Path:
    return folder / f"{plugin}.denials.json"  # removed with the plugin's logs, by its name


def _write(path: Path, content: bytes) -> None:
    """In one step, but not through a power cut: that is not worth a flush of the disk a second."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    fd = os.open(temporary, flags, 0o600)
    try:
        with open(fd, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(content)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
