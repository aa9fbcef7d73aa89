"""How this host confines its workers: what the machine can, what the operator wants, whose the
folders are. `prepare` puts it together into the plan of one start.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
from msgspec.structs import replace

from stockade.errors import Refused
from stockade.packages import plugin_path
from stockade.process import Program
from stockade.sandbox.layout import Layout, find_layout
from stockade.sandbox.ownership import give_to
from stockade.sandbox.paths import Found, find, find_granted, refuse_kept
from stockade.sandbox.plan import Grants, Own, compare_acts, layers_of, places_of, plan_worker
from stockade.sandbox.processors import cpus_for
from stockade.sandbox.remedies import remedy_for
from stockade.sandbox.uids import Lease, lease, sweep
from stockade.settings import TIERS, Home, Settings
from stockade.state import Installed
from stockade.supervisor import Answer, Launch, Prepared, Probe
from stockade_sdk import wire
from stockade_sdk.limits import Limits
from stockade_sdk.manifest.values import PROGRAM_MARK
from stockade_sdk.permissions import Permissions
from stockade_worker.plan import FULL, MALLOC_ENVIRONMENT, NONE, READ, RESTRICTED, WRITE, Plan

PYTHON: Final = str(getattr(sys, "_base_executable", None) or sys.executable)
FLAGS: Final = ("-I", "-S", "-B", "-X", "utf8")  # isolated, no site packages, no .pyc written


@dataclass(frozen=True, slots=True)
class Reached:
    """The strongest tier that this machine gives, and what became of each that was tried."""

    tier: str
    tried: tuple[tuple[str, Answer], ...]

    @property
    def best(self) -> Answer:
        """What the probe of that tier said; an empty answer for tier none."""
        return dict(self.tried)[self.tier] if self.tier != NONE else Answer()


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """Every tier with what its probe said and the steps that it has; which control groups limit
    what (by version), and why not what.
    """

    tried: tuple[tuple[str, Answer], ...]
    layers: Mapping[str, tuple[str, ...]]
    controllers: Mapping[str, int]
    reasons: Mapping[str, str]

    @property
    def tier(self) -> str:
        """The strongest that was reached."""
        return next((tier for tier, answer in self.tried if not answer.step), NONE)


class Confining:
    """The walls of one host's workers. Looks at the machine once, at the first start."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        environment: Path,
        *,
        tiers: tuple[str, ...] = (FULL, RESTRICTED),
    ) -> None:
        self._home = Path(os.path.realpath(home.root))
        self._settings, self._tiers = settings, tiers
        self._place = home
        self.program = Program(python=(PYTHON, *FLAGS), env=MALLOC_ENVIRONMENT, base=environment)
        self._base = find(os.path.realpath(environment))
        self._as_root = os.getuid() == 0
        self._layout: Layout | None = None
        self.found: Reached | None = None  # by `reached`
        self._looking = anyio.Lock()
        self._held: dict[str, tuple[Lease, int]] = {}  # data folder: its user, workers that are it
        self._taken: Counter[int] = Counter()  # processor: workers that have it

    @property
    def layout(self) -> Layout:
        """What of this machine workers see."""
        if self._layout is None:
            self._layout = find_layout()
            if self._as_root:
                sweep()
        return self._layout

    async def reached(self, probe: Probe, scratch: Path) -> Reached:
        """The tier of this machine; tried at the first call. `scratch` is a folder for that."""
        async with self._looking:
            if self.found is None:
                self.found = await self._look(probe, scratch)
            return self.found

    async def examine(self, probe: Probe, scratch: Path) -> tuple[tuple[str, Answer], ...]:
        """What becomes of every tier here, the weaker ones too, for `doctor`."""
        return tuple([(tier, await self._try(tier, probe, scratch)) for tier in self._tiers])

    def layers(self, tier: str) -> tuple[str, ...]:
        """The steps of a start in a tier, for this user."""
        return layers_of(tier, as_root=self._as_root)

    async def prepare(
        self, record: Installed, limits: Limits, load: wire.Load, launch: Launch
    ) -> Prepared:
        """The plan of one start. Raises Refused where the tier is too weak or a path is not to be
        had, and OSError.
        """
        reached = await self.reached(launch.probe, launch.scratch)
        self._refuse_weak(record, reached)
        if record.granted.tunnel and reached.tier != FULL:
            raise Refused(
                f"plugin {record.name} is not started: its tunnel needs tier {FULL}",
                why=f"this machine gives {reached.tier}, where its forwarder would be open to all",
                remedy=f"revoke it: stockade permissions revoke {record.name} tunnel; "
                "`stockade doctor` tells what is missing",
            )
        with ExitStack() as stack:
            own = Own(
                base=self._base,
                plugin=self._find(plugin_path(self._place, record)),
                packages=self._packages(record),
                data=self._data(record),
                scratch=self._find(launch.scratch),
            )
            uid = self._uid(reached.tier, own, stack)
            grants = self._grants(record)
            plan = plan_worker(
                plugin=record.name,
                digest=record.digest,
                launch=launch.word,
                tier=reached.tier,
                limits=limits,
                layout=self.layout,
                own=own,
                grants=grants,
                uid=uid,
                cpus=self._cpus(limits, stack),
                program=_program(load.entry),
            )
            places = places_of(reached.tier, own)
            path = (places.plugin, *((places.packages,) if places.packages else ()))
            return Prepared(
                program=self.program,
                plan=plan,
                load=replace(load, path=path, data_dir=places.data),
                release=stack.pop_all().close,
                data=Path(own.data.path) if own.data is not None else None,
            )

    def _cpus(self, limits: Limits, stack: ExitStack) -> tuple[int, ...]:
        """The processors for a worker: no more than it has a share of, so that the others are free
        of it also while it uses its share up.
        """
        cpus = cpus_for(limits.cpu_cores, frozenset(os.sched_getaffinity(0)), self._taken)
        self._taken.update(cpus)
        stack.callback(self._taken.subtract, cpus)
        return cpus

    async def _look(self, probe: Probe, scratch: Path) -> Reached:
        tried = []
        for tier in self._tiers:
            answer = await self._try(tier, probe, scratch)
            tried.append((tier, answer))
            if not answer.step:
                return Reached(tier, tuple(tried))
        return Reached(NONE, tuple(tried))

    async def _try(self, tier: str, probe: Probe, scratch: Path) -> Answer:
        with ExitStack() as stack:
            own = Own(base=self._base, plugin=self._base, scratch=self._find(scratch))
            plan = plan_worker(
                plugin="probe",
                digest="",
                launch="",
                tier=tier,
                limits=Limits(),
                layout=self.layout,
                own=own,
                grants=Grants(),
                uid=self._uid(tier, own, stack),
                probe=True,
            )
            answer = await probe(self.program, plan)
        return answer if answer.step else judged(plan, answer)

    def _refuse_weak(self, record: Installed, reached: Reached) -> None:
        granted = record.granted
        needs_full = bool(
            granted.network or record.operator_hosts or granted.tunnel or granted.subprocess
        )
        minimum = self._settings.minimum_tier_of(
            record.name, needs_full=needs_full, trust=record.trust
        )
        if TIERS.index(reached.tier) >= TIERS.index(minimum):
            return
        failed = dict(reached.tried).get(minimum, Answer(step="start", words="start: not tried"))
        raise Refused(
            f"plugin {record.name} is not started: it needs tier {minimum}, and this machine "
            f"gives {reached.tier}",
            why=f"the step {failed.words}",
            remedy=f"{remedy_for(failed.step, failed.errno)}; `stockade doctor` tells more. To run "
            f'it all the same, write minimum_tier = "{reached.tier}" under '
            f"[plugins.{record.name}] in stockade.toml",
        )

    def _find(self, path: Path) -> Found:
        return find(os.path.realpath(path))

    def _packages(self, record: Installed) -> Found | None:
        if not record.environment:
            return None
        return self._find(self._place.environments / record.environment)

    def _data(self, record: Installed) -> Found | None:
        if not _data_access(record.granted):
            return None
        folder = self._place.data_of(record.name)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return find(str(self._home / folder.relative_to(self._place.root)))

    def _grants(self, record: Installed) -> Grants:
        granted = record.granted
        wanted = {str(rule): READ for rule in granted.read if not rule.is_data}
        wanted |= {str(rule): WRITE for rule in granted.write if not rule.is_data}
        refuse_kept(wanted, record.name)
        code = self.layout.code
        return Grants(
            paths=tuple(
                (
                    find_granted(
                        path,
                        home=str(self._home),
                        plugin=record.name,
                        code=code if access == WRITE else (),
                    ),
                    access,
                )
                for path, access in wanted.items()
            ),
            data=_data_access(granted),
            subprocess=granted.subprocess,
            tunnel=granted.tunnel,
        )

    def _uid(self, tier: str, own: Own, stack: ExitStack) -> int:
        """A user for one worker, -1 where it stays the host's own."""
        if not self._as_root or tier == NONE:
            return -1
        shared = own.data.path if own.data is not None and tier == RESTRICTED else ""
        taken = self._leased(shared, own.data.owner if own.data is not None else None)
        stack.callback(self._give_back, taken, shared)
        if tier == RESTRICTED:  # nothing maps ids there: what it shall own has to be its own
            for folder in (own.scratch, own.data):
                if folder is not None:
                    give_to(folder.path, taken.uid)
        return taken.uid

    def _leased(self, shared: str, wanted: int | None) -> Lease:
        """A user: one for all workers that share a data folder where nothing maps ids, else a new
        one.
        """
        sandbox = self._settings.sandbox
        held = self._held.get(shared)
        if held is None:
            return self._hold(shared, lease(sandbox.first_uid, sandbox.last_uid, wanted=wanted))
        return self._hold(shared, held[0])

    def _hold(self, shared: str, taken: Lease) -> Lease:
        if shared:
            _, holders = self._held.get(shared, (taken, 0))
            self._held[shared] = taken, holders + 1
        return taken

    def _give_back(self, taken: Lease, shared: str) -> None:
        holders = self._held[shared][1] - 1 if shared else 0
        if holders:
            self._held[shared] = taken, holders
            return
        self._held.pop(shared, None)
        taken.release()


def judged(plan: Plan, answer: Answer) -> Answer:
    """A probe's answer, failed at "attest" where an act had another outcome than it must have."""
    wrong = compare_acts(plan, answer.acts)
    if not wrong:
        return answer
    return replace(answer, step="attest", words=f"attest: {'; '.join(wrong)}")


def _program(entry: str) -> str:
    """The path of a program below its plugin's folder, "" where the entry is a class."""
    return entry.removeprefix(PROGRAM_MARK) if entry.startswith(PROGRAM_MARK) else ""


def _data_access(granted: Permissions) -> str:
    if any(rule.is_data for rule in granted.write):
        return WRITE
    return READ if any(rule.is_data for rule in granted.read) else ""
