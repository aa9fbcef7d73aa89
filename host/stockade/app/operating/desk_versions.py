"""Other versions of plugins: upgraded to, gone back to, checked, thrown away; and trusted keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import anyio.from_thread
import anyio.to_thread

from stockade.admin import Missing, Taken
from stockade.admin import values as v
from stockade.app.trying import trial_of
from stockade.errors import HostError, UsageError
from stockade.packages import commit_install
from stockade.packages.removal import collect
from stockade.packages.rollback import roll_back
from stockade.packages.steps import STEPS
from stockade.packages.store import examine
from stockade.state import Installed, TrustedKey
from stockade_sdk.text import show

from .desk_plugins import PluginDesk
from .jobs import Doing
from .known import Known
from .proposing import DIGEST, as_row, check_digest
from .sourcing import upgrade_for

__all__ = ["VersionDesk", "take_back"]

KEY: Final = "ed25519:"


class VersionDesk(PluginDesk):
    """See `admin.Operator`, from `propose_upgrade` to `collect`, and "whose signatures count"."""

    async def propose_upgrade(self, name: str, asked: v.UpgradeAsked) -> v.Proposal:
        """Raises NotInstalled, UsageError, Refused."""
        return await self._look(_upgrade_row, name, asked)

    async def upgrade(self, name: str, agreed: v.Upgrading) -> v.Job:
        """Raises NotInstalled, UsageError, Refused, and Changed where it is not what was seen."""
        await self._look(_check_upgrade, name, agreed)

        async def work(doing: Doing) -> v.Plugin:
            await self._look(_upgrade, name, agreed, _telling(doing, name))
            return await self._over(doing, name, "is upgraded")

        return self._jobs.start("upgrade", work, total=len(STEPS))

    async def versions(self, name: str) -> Sequence[v.VersionRow]:
        """Raises NotInstalled."""
        return await self._look(_versions, name)

    async def roll_back(self, name: str, asked: v.RollingBack) -> v.Job:
        """Raises NotInstalled, and Missing where no such version is kept."""
        to = await self._look(_kept, name, asked.to)

        async def work(doing: Doing) -> v.Plugin:
            await self._look(_roll_back, name, to, _telling(doing, name))
            return await self._over(doing, name, f"is back at {to}")

        return self._jobs.start("rollback", work, total=len(STEPS))

    async def revert(self, failed: Installed, older: Installed, reason: str) -> None:
        """Go back by itself from a version that kept dying, for `reason`; the plugin takes requests
        again. Raises HostError, where it is another version meanwhile too.
        """
        await self._look(take_back, failed, older, reason)
        await self._renew()
        self._host().start_again(failed.name)

    async def verify(self, name: str) -> v.Job:
        """Raises NotInstalled."""
        record = await self._record(name)

        async def work(doing: Doing) -> v.Verified:
            doing.step(f"{name}: reads its files", 0)
            problems = await self._look(_examine, record)
            doing.step(f"{name}: {'they were changed' if problems else 'as installed'}", 1)
            return v.Verified(name=name, ok=not problems, problems=list(problems))

        return self._jobs.start("verify", work, total=1)

    async def collect(self, asked: v.Collecting) -> v.Job:
        """Always begins."""

        async def work(doing: Doing) -> v.Collected:
            doing.step("removes what no version needs", 0)
            found = await self._look(_collect, asked.keep)
            doing.step(f"{len(found.removed)} folders are gone", 1)
            return found

        return self._jobs.start("gc", work, total=1)

    # whose signatures count

    async def trusted(self) -> Sequence[v.TrustedKeyRow]:
        """By name."""
        return await self._look(_trusted)

    async def trust(self, name: str, given: v.TrustGiven) -> v.TrustedKeyRow:
        """Raises UsageError for what is no key, Taken where the name is another's."""
        await self._change(_trust, name, given.key, self._clock())
        return next(one for one in await self.trusted() if one.name == name)

    async def distrust(self, name: str) -> None:
        """Raises Missing."""
        await self._change(_distrust, name)

    async def _over(self, doing: Doing, name: str, words: str) -> v.Plugin:
        await self._renew()
        doing.step(f"{name} {words}", len(STEPS))
        return await self._row(await self._record(name))


def _telling(doing: Doing, name: str) -> Callable[[str], None]:
    """For the thread of the work: its phases as steps of the job."""

    def step(phase: str) -> None:
        done = list(STEPS).index(phase) if phase in STEPS else None
        words = f"{name}: {STEPS.get(phase, phase)}"
        anyio.from_thread.run_sync(partial(doing.step, words, done))

    return step


def _upgrade_row(found: Known, name: str, asked: v.UpgradeAsked) -> v.Proposal:
    with upgrade_for(found, name, asked) as wanted:
        return as_row(asked, wanted)


def _check_upgrade(found: Known, name: str, agreed: v.Upgrading) -> None:
    with upgrade_for(found, name, agreed, offline=agreed.offline) as wanted:
        check_digest(agreed, wanted)


def _upgrade(found: Known, name: str, agreed: v.Upgrading, on_step: Callable[[str], None]) -> None:
    with upgrade_for(found, name, agreed, offline=agreed.offline, on_step=on_step) as wanted:
        check_digest(agreed, wanted)
        commit_install(
            found.home,
            found.state,
            wanted.proposal,
            granted=wanted.granted,
            operator_hosts=wanted.hosts,
            offline=agreed.offline,
            on_step=on_step,
            trial=trial_of(found.home, found.settings, smoke=agreed.smoke),
        )


def _versions(found: Known, name: str) -> list[v.VersionRow]:
    kept = [(one.record, one.replaced_at) for one in found.state.versions.of(name)]
    return [
        v.VersionRow(
            version=record.version,
            digest=DIGEST + record.digest,
            trust=record.trust,
            current=replaced_at is None,
            installed_at=record.installed_at,
            replaced_at=replaced_at,
        )
        for record, replaced_at in [(found.state.require(name), None), *kept]
    ]


def _kept(found: Known, name: str, to: str | None) -> str:
    """Which version that is."""
    found.state.require(name)
    kept = [one.record.version for one in found.state.versions.of(name)]
    if not kept:
        raise Missing(
            f"{name} has no earlier version to go back to",
            why="one is kept of each upgrade, until `stockade gc` or an uninstall",
        )
    if to is not None and to not in kept:
        raise Missing(
            f"{name} {show(to)} is not kept", remedy=f"there are {', '.join(dict.fromkeys(kept))}"
        )
    return kept[0] if to is None else to


def _roll_back(found: Known, name: str, to: str, on_step: Callable[[str], None]) -> None:
    trial = trial_of(found.home, found.settings, smoke=False)
    roll_back(found.home, found.state, name, to=to, on_step=on_step, trial=trial)


def take_back(found: Known, failed: Installed, older: Installed, reason: str) -> None:
    """Go back from a version that kept dying. Raises HostError where that is not in use any more.

    One that was switched off stays so.
    """
    name = failed.name

    def still_there(candidate: Installed) -> None:
        """While nobody else installs. Untried otherwise: the earlier version ran here until minutes
        ago, and every moment of a trial is one without a plugin.
        """
        if found.state.require(name).digest != failed.digest:
            raise HostError(f"{name} {failed.version} was replaced by somebody meanwhile")

    roll_back(found.home, found.state, name, to=f"sha256:{older.digest}", trial=still_there)
    why = f"version {failed.version} was taken back by itself, for it kept dying: {reason}"
    found.state.note_state(name, "enabled", why)


def _examine(found: Known, record: Installed) -> tuple[str, ...]:
    return examine(found.home, record)


def _collect(found: Known, keep: int) -> v.Collected:
    gone = collect(found.home, found.state, keep=keep)
    return v.Collected(removed=list(gone.folders), freed_bytes=gone.freed_bytes)


def _trusted(found: Known) -> list[v.TrustedKeyRow]:
    from stockade.packages.signing import public_line

    signed: dict[str, list[str]] = {}
    for record in found.state.list():
        signed.setdefault(record.signer, []).append(record.name)
    return [
        v.TrustedKeyRow(
            name=one.name,
            key=public_line(one.key),
            fingerprint=one.fingerprint,
            added_at=one.added_at,
            plugins=signed.get(one.fingerprint, []),
        )
        for one in found.state.trusted.list()
    ]


def _trust(found: Known, name: str, key: str, now: float) -> None:
    from stockade.packages.signing import parse_public_key

    if not key.startswith(KEY):  # else it would be a path, of a file that is not the caller's
        raise UsageError(
            f"{show(key)} is no public key", remedy=f"give the line that begins with {KEY}"
        )
    if any(one.name == name for one in found.state.trusted.list()):
        raise Taken(
            f"there is a trusted key called {show(name)}",
            remedy="choose another name, or remove that one first",
        )
    found.state.trusted.put(TrustedKey(name, parse_public_key(key), now))


def _distrust(found: Known, name: str) -> None:
    if not found.state.trusted.remove(name):
        raise Missing(f"no key called {show(name)} is trusted")
