"""Remembers who rests: in memory, with the clocks handed in; the rules are in ``cooling``.

A resting target is not hidden: ``plan.candidates`` moves it behind the ready ones and tries it when
nothing else is left. The restarts of a worker that dies are the supervisor's to limit, so a death
does not count here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Literal

import msgspec
from msgspec.structs import replace

from stockade.settings import CooldownSettings
from stockade.state.learnt import Rest
from stockade_sdk.errors import ProviderError

from .catalogue import Target
from .cooling import Entry, after_failure, forgotten, kept, restored
from .outages import Outages
from .scopes import COUNTED, Scope, name_of, names_of, never_connected, plugin_of, read_name

MAX_ENTRIES = 1_024  # full ids are free text, so the table has to be bounded
ROOM = 32  # entries that go at once where there is no room: to look whose costs a millisecond
MAX_NAME_CHARS = 600  # of a scope; no vendor has such a model, and the store cuts at 700
MAX_PROBE_S = 60.0  # a probe that tells nothing for so long does not keep others away any more
KEYS_HOLD_S = 1.0  # a changed key lifts a rest after so many seconds at most
SAME_S = 1.0  # two clocks are never read at quite the same moment
KEYED = frozenset({Scope.KEY, Scope.KEY_MODEL})


class Standing(msgspec.Struct, frozen=True):
    """Why a target or a plugin is not ready; ``until`` is on the clock of whoever made it.

    ``probing``: its rest is over and one request is finding out whether it is well again, so others
    go elsewhere if they can. ``kind`` is the error's, empty where none led to it.
    """

    state: Literal["cooling", "probing", "over_budget", "stopped"]
    until: float = 0.0
    why: str = ""
    scope: Scope = Scope.PROVIDER
    kind: str = ""


class Sign(msgspec.Struct, frozen=True):
    """How an entry shows, while it rests and while it is probed; under which name, and to whom:
    ``keyed`` ones as long as the plugin uses the key of this print.
    """

    entry: Entry
    under: str
    keyed: bool
    plugin: str
    print: str
    cooling: Standing
    probing: Standing


ALL_WELL: Mapping[str, Standing] = MappingProxyType({})


class Breaker:
    """Remembers failures by scope: the provider, its key, the model, the model on that key.

    ``clock`` gives seconds that never go back, ``wall`` seconds since 1970 (for ``changes`` and
    ``restore``; it may jump), ``print_of`` the fingerprint of the key that a plugin uses now. Not
    told of: cancellations, the caller's own mistakes, worker deaths.

    Half open: when a rest is over, the first request that calls ``started`` probes the target, and
    until that attempt is over ``standings`` shows it to others as ``probing``. They lose nothing:
    who has no other target goes there as well.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        options: CooldownSettings | None = None,
        *,
        wall: Callable[[], float] | None = None,
        print_of: Callable[[str], str] = lambda plugin: "",
    ) -> None:
        self._clock = clock
        self._wall = wall or clock
        self._print_of = print_of
        self._options = options or CooldownSettings()
        self._entries: dict[str, Entry] = {}  # by scope; the one that failed longest ago is first
        self._probes: dict[str, float] = {}  # by scope, until when its probe keeps others away
        self._outages = Outages()
        self._signs: dict[str, Sign] = {}  # by scope, of entries that rested
        self._changed: set[str] = set()  # since the last `changes`
        self._shown = ALL_WELL
        self._shown_until = -math.inf

    def started(self, target: Target) -> tuple[str, ...]:
        """An attempt begins: the scopes that it probes, to be given back to ``released``."""
        if not self._entries:
            return ()
        now = self._clock()
        probed: tuple[str, ...] = ()
        for name in self._names(target):
            entry = self._entries.get(name)
            if entry is None or not entry.rested or entry.until > now:
                continue
            if self._probes.get(name, now) <= now:
                self._probes[name] = now + MAX_PROBE_S
                probed = (*probed, name)
        if probed:
            self._stale()
        return probed

    def released(self, probed: Iterable[str]) -> None:
        """The attempt that got these from ``started`` is over, or has shown a sign of life; whether
        it was well is told by the other two. The next request may probe.
        """
        for name in probed:
            if self._probes.pop(name, None) is not None:
                self._stale()

    def failed(self, target: Target, error: ProviderError) -> None:
        """Count a failure of ``target``; kinds that say nothing about it are passed over."""
        plugin, kind = target.plugin, error.kind
        if error.status is not None:  # the vendor was reached
            self._outages.answered(plugin)
            self._drop(plugin)
        if kind not in COUNTED:
            return
        name = name_of(kind, plugin, target.model, self._print_of(plugin))
        if len(name) > MAX_NAME_CHARS or read_name(name) is None:
            return
        self._hold(name, error)
        if never_connected(error) and self._is_outage(target):
            self._hold(plugin, error, at_once=True)

    def succeeded(self, target: Target) -> None:
        """Forget what was held against ``target``, its plugin and the key it uses."""
        self._outages.answered(target.plugin)
        if self._entries:
            for name in self._names(target):
                if name in self._entries:
                    self._drop(name)

    def reset(self, plugin: str) -> None:
        """Forget all of a plugin: its settings or version changed, or it is to be tried again."""
        self._outages.answered(plugin)
        for name in [name for name in self._entries if plugin_of(name) == plugin]:
            self._drop(name)

    def standings(self) -> Mapping[str, Standing]:
        """Who is not ready now, by ``plugin/model`` or by plugin; absent means ready.

        It is the same object as long as nothing changed. What is held against a key that is not in
        use any more does not show.
        """
        if not self._entries:
            return ALL_WELL
        now = self._clock()
        if now >= self._shown_until:
            shown, self._shown_until = self._look(now)
            if shown != self._shown:
                self._shown = shown
        return self._shown

    @property
    def holds_anything(self) -> bool:
        """Whether any failure is remembered."""
        return bool(self._entries)

    def entries(self) -> Mapping[str, Entry]:
        """Everything remembered, by scope, for a page or a test."""
        return dict(self._entries)

    def changes(self) -> Mapping[str, Rest | None]:
        """What changed since the last call, for a store: rests by scope, ``None`` where one is to
        be deleted.

        Processes that share a store write over each other's rests, the last one wins: each learns
        from its own attempts, and what it has not met itself it meets once.
        """
        now = self._clock()
        self._forget_old(now)
        ahead_s = self._wall() - now
        changed, self._changed = self._changed, set()
        return {
            name: kept(self._entries[name], ahead_s) if name in self._entries else None
            for name in changed
        }

    def restore(self, rests: Mapping[str, Rest]) -> None:
        """Take up what a store has, at the start; what was learnt since stays.

        Garbage is dropped and counts as a change, as does what a jump of the wall clock spoilt.
        """
        now = self._clock()
        ahead_s = self._wall() - now
        found: dict[str, Entry] = {}
        for name, rest in rests.items():
            entry = restored(name, rest, now, ahead_s, self._options)
            if entry is not None:
                found[name] = entry
            if entry is None or abs(kept(entry, ahead_s).until - rest.until) > SAME_S:
                self._changed.add(name)
        merged = sorted({**found, **self._entries}.items(), key=lambda item: item[1].failed_at)
        self._changed.update(name for name, _ in merged[:-MAX_ENTRIES])
        self._entries = dict(merged[-MAX_ENTRIES:])
        self._stale()

    def _names(self, target: Target) -> tuple[str, ...]:
        return names_of(target.plugin, target.model, self._print_of(target.plugin))

    def _hold(self, name: str, error: ProviderError, *, at_once: bool = False) -> None:
        entry = self._entries.pop(name, None)  # put back at the end: the first one is the oldest
        if len(self._entries) >= MAX_ENTRIES:
            self._make_room()
        after = self._entries[name] = after_failure(
            entry, error.kind, error.retry_after_s, self._clock(), self._options, at_once=at_once
        )
        self._probes.pop(name, None)
        self._changed.add(name)
        if after.rested or (entry is not None and entry.rested):
            self._stale()

    def _make_room(self) -> None:
        """Forget the oldest of the plugin that has the most: however many models of one fail, they
        take no other plugin's place.
        """
        (most, _), *_ = Counter(map(plugin_of, self._entries)).most_common(1)
        oldest = (name for name in self._entries if plugin_of(name) == most)
        for name in list(islice(oldest, ROOM)):
            self._drop(name)

    def _drop(self, name: str) -> None:
        if self._entries.pop(name, None) is not None:
            self._probes.pop(name, None)
            self._signs.pop(name, None)
            self._changed.add(name)
            self._stale()

    def _is_outage(self, target: Target) -> bool:
        """Whether one more model that was not reached means its provider: several in a row do, and
        one where the provider was found out before and did not answer since.
        """
        now, known = self._clock(), self._entries.get(target.plugin)
        if known is not None and not forgotten(known, now, self._options):
            return True
        return self._outages.unreached(target.plugin, target.model, now)

    def _forget_old(self, now: float) -> None:
        while self._entries:
            name, entry = next(iter(self._entries.items()))
            if entry.until > now or not forgotten(entry, now, self._options):
                return  # those behind it failed later
            self._drop(name)

    def _stale(self) -> None:
        self._shown_until = -math.inf

    def _look(self, now: float) -> tuple[Mapping[str, Standing], float]:
        """The standings, and until when they hold if nothing changes."""
        found: dict[str, Standing] = {}
        holds, keyed = math.inf, False
        for name, entry in self._entries.items():
            cooling = entry.until > now
            ends = entry.until if cooling else self._probes.get(name, now)
            if ends <= now or not entry.until > entry.failed_at:  # over, or it never rested
                continue
            if ends < holds:
                holds = ends
            sign = self._sign(name, entry)
            if sign.keyed:
                keyed = True
                if sign.print != self._print_of(sign.plugin):
                    continue
            worse = found.get(sign.under)
            if worse is None or worse.until < entry.until:
                found[sign.under] = sign.cooling if cooling else sign.probing
        return found or ALL_WELL, min(holds, now + KEYS_HOLD_S) if keyed else holds

    def _sign(self, name: str, entry: Entry) -> Sign:
        """How an entry shows; made once, for a storm of failures asks for it all the time."""
        sign = self._signs.get(name)
        if sign is None or sign.entry is not entry:
            sign = self._signs[name] = _sign(name, entry)
        return sign


def _sign(name: str, entry: Entry) -> Sign:
    held = read_name(name)
    assert held is not None  # nothing else is taken in
    kind, why = entry.kind.value, f"{entry.kind.value}, {entry.failures} in a row"
    cooling = Standing("cooling", entry.until, why, held.scope, kind)
    # Its end lies in the past, so it comes before all that rest and behind all that are ready.
    why = f"{why}; a request is finding out whether it is well again"
    probing = replace(cooling, state="probing", why=why)
    keyed = held.scope in KEYED
    return Sign(entry, held.under, keyed, held.plugin, held.print, cooling, probing)
