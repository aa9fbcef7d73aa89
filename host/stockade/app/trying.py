"""A plugin that is about to be installed, tried in its sandbox beside whatever runs.

It is started as a host would start it, with its own keys, settings and grants, and asked what costs
its operator nothing but the author's smoke request. Its data folder is an empty one that is thrown
away, so that a new version touches nothing of the old one's.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.from_thread
import msgspec
from msgspec.structs import replace

from stockade.egress import Broker, OwnPorts
from stockade.errors import HostError, Refused, UsageError
from stockade.models import checked_health
from stockade.packages import base_environment, hold_environment, plugin_path
from stockade.packages.naming import MAX_SMOKE_BYTES, SMOKE_NAME
from stockade.packages.trees import new_tree, remove_tree
from stockade.settings import Home, Settings
from stockade.state import Installed, Secrets
from stockade.state.manifests import manifest_of
from stockade.supervisor import NEXT_CALL, StartRefused, Supervisor
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.manifest import Manifest
from stockade_sdk.provider import METHOD_OF, Method, ProviderRequest, capability_of
from stockade_sdk.text import show

from .background import Background
from .confining import Confining
from .discovery import lacking
from .runtimes import Runtimes

__all__ = ["Trial", "read_smoke", "trial_of", "try_plugin"]

TRIAL_S: Final = 60.0  # for all of it: an operator waits, and other installs do
POLL_S: Final = 0.1  # between looks whether somebody waits for it still
HEALTH_S: Final = 15.0  # as a health check of a running host has
STARTS: Final = "start and handshake"
SKIP: Final = "to install it untried, add --no-smoke"


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What a plugin passed (`start`, `handshake`, `health`, `smoke request`), in this order; what
    was left out is said in `notes`, sentences for people. `ms` is wall time.
    """

    passed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    ms: float = 0.0


def trial_of(
    home: Home,
    settings: Settings,
    *,
    smoke: bool,
    on_note: Callable[[str], None] = lambda note: None,
) -> Callable[[Installed], None]:
    """The `trial` of `commit_install` and `roll_back`; `on_note` hears what was left out."""

    def trial(candidate: Installed) -> None:
        for note in try_plugin(home, settings, candidate, smoke=smoke).notes:
            on_note(note)

    return trial


def try_plugin(home: Home, settings: Settings, candidate: Installed, *, smoke: bool) -> Trial:
    """Start a plugin whose files are in the store, recorded or not, and end it again: its start and
    handshake, and with `smoke` its health and the author's request as well.

    Blocking; from a thread without an event loop, which lives as long as the worker does. Raises
    HostError that names the phase, and Refused where this machine may not run it.
    """
    began = time.monotonic()
    trying = _Trying(home, candidate, smoke=smoke)
    anyio.run(trying.run, settings)
    ms = round((time.monotonic() - began) * 1000, 3)
    return Trial(passed=tuple(trying.passed), notes=tuple(trying.notes), ms=ms)


def read_smoke(folder: Path) -> ProviderRequest | None:
    """The smoke request of a plugin, None where it has none. Raises UsageError."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(folder / SMOKE_NAME, flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _no_smoke(error.strerror or str(error)) from error
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _no_smoke("it is no file")
        data = file.read(MAX_SMOKE_BYTES + 1)
    if len(data) > MAX_SMOKE_BYTES:
        raise _no_smoke(f"it is larger than {MAX_SMOKE_BYTES // 1024} KiB")
    try:
        request: ProviderRequest = msgspec.json.decode(data, type=ProviderRequest)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _no_smoke(show(str(error), 200)) from error
    return request


def _no_smoke(why: str) -> UsageError:
    return UsageError(
        f"{SMOKE_NAME} cannot be used",
        why=why,
        remedy='write one request there, such as {"type": "chat", "messages": [{"role": "user", '
        '"content": [{"type": "text", "text": "Say hello."}]}]}, or remove it',
    )


class _Trying:
    """One trial; `passed` and `notes` are what it came to."""

    def __init__(self, home: Home, candidate: Installed, *, smoke: bool) -> None:
        self.home, self.smoke = home, smoke
        # As one that may run: whether it is switched on is no matter of its code.
        self.candidate = replace(candidate, state="installed", last_error=None)
        self.manifest = manifest_of(candidate)
        self.passed: list[str] = []
        self.notes: list[str] = []
        self.phase = STARTS

    async def run(self, settings: Settings) -> None:
        """Do it. Raises HostError."""
        try:
            with anyio.fail_after(TRIAL_S) as scope:
                async with (
                    Background(partial(_end_with_who_waits, scope)),
                    self._supervisor(settings) as supervisor,
                ):
                    await self._phases(supervisor)
            if scope.cancelled_caught:
                raise self._failed("nobody waits for it any more")
        except TimeoutError as error:
            raise self._failed(f"it was not through within {TRIAL_S:g} s") from error
        except ProviderError as error:
            if error.kind is ErrorKind.PERMISSION_DENIED and self.phase == STARTS:
                raise Refused(error.message) from error  # as `Confining.prepare` words it
            raise self._failed(error.message.removesuffix(f"; {NEXT_CALL}")) from error
        except (StartRefused, OSError) as error:
            raise self._failed(str(error)) from error

    async def _phases(self, supervisor: Supervisor) -> None:
        name, unset = self.candidate.name, _unset(self.candidate, self.manifest)
        if unset:
            await supervisor.rehearse(name)
            self.passed.append("start")
            self.notes.append(
                f"It was started and not loaded, for {', '.join(unset)} has no value yet; "
                f"run: stockade config set {name} {unset[0]} VALUE"
            )
            return
        await supervisor.ready(name, timeout_s=TRIAL_S)
        self.passed += ["start", "handshake"]
        if not self.smoke:
            return
        lacks = lacking(self.candidate, Secrets(self.home).source)
        if lacks is not None:
            self.notes.append(f"Its health and its smoke request were left out: {lacks}")
            return
        await self._health(supervisor)
        await self._smoke(supervisor)

    async def _health(self, supervisor: Supervisor) -> None:
        self.phase = "health"
        try:
            answer = await supervisor.call(
                self.candidate.name, Method.CHECK_HEALTH, None, timeout_s=HEALTH_S
            )
        except ProviderError as error:
            if error.kind is not ErrorKind.UNSUPPORTED:
                raise
            self.notes.append("It has no health check.")
            return
        report = checked_health(answer, 0.0)
        if report.ok is False:
            raise self._failed(report.detail or "it says that it is not well")
        self.passed.append("health")

    async def _smoke(self, supervisor: Supervisor) -> None:
        self.phase = "smoke request"
        request = read_smoke(plugin_path(self.home, self.candidate))
        if request is None:
            self.notes.append(f"It brings no smoke request ({SMOKE_NAME}).")
            return
        sent = replace(request, model=self._model(request))
        timeout_s = self.candidate.limits.request_timeout_s
        await supervisor.call(
            self.candidate.name, METHOD_OF[type(request)], sent, timeout_s=timeout_s
        )
        self.passed.append("smoke request")

    def _model(self, request: ProviderRequest) -> str | None:
        """The model that is asked, by the plugin's own name for it."""
        if request.model is not None:
            return request.model.removeprefix(f"{self.candidate.name}/")
        wanted = capability_of(request)
        for model in self.manifest.served_models:
            if wanted in model.capabilities:
                return model.id
        raise self._failed(f"it asks for {wanted}, which no model of its has")

    @asynccontextmanager
    async def _supervisor(self, settings: Settings) -> AsyncIterator[Supervisor]:
        """One that knows this plugin alone, with a data folder to be thrown away."""
        environment = base_environment(self.home)
        data = new_tree(self.home.data)  # in the place that the walls know, and `sweep` does
        ports = OwnPorts()
        ports.add(settings.gateway.port)
        requests = settings.requests
        try:
            with hold_environment(environment):
                async with Broker.open(
                    requests.connect_timeout_s,
                    requests.first_byte_timeout_s,
                    requests.idle_timeout_s,
                    forbidden=ports,
                    network=settings.egress.or_of(os.environ),
                ) as broker:
                    aside = _Aside(self.home.root, data)
                    confining = Confining(aside, settings, environment)
                    runtimes = Runtimes(
                        aside, settings, broker, confining, Secrets(self.home), self._record
                    )
                    async with Supervisor(
                        runtimes,
                        self.home.run,
                        settings.supervision,
                        keep_nursery=settings.sandbox.nursery,
                    ) as supervisor:
                        yield supervisor
        finally:
            remove_tree(data)

    def _record(self, name: str) -> Installed:
        """As it would be; what is not set yet is made up where it will not be read."""
        unset = _unset(self.candidate, self.manifest)
        made_up: dict[str, Any] = dict.fromkeys(unset, "")
        return replace(self.candidate, config={**self.candidate.config, **made_up})

    def _failed(self, why: str) -> HostError:
        return HostError(f"it did not pass its trial: {self.phase}", why=why, remedy=SKIP)


async def _end_with_who_waits(trial: anyio.CancelScope) -> None:
    """Where this thread works for a task of another event loop: end the trial with that task, for a
    host that leaves would wait for it.
    """
    while True:
        await anyio.sleep(POLL_S)
        try:
            anyio.from_thread.check_cancelled()
        except RuntimeError:  # it works for none
            return
        except anyio.get_cancelled_exc_class():  # that task's cancellation and not ours
            trial.cancel()
            return


class _Aside(Home, frozen=True):
    """A home in which every plugin's own folder is the one given."""

    own: Path

    def data_of(self, plugin: str) -> Path:
        """Whoever asks."""
        return self.own


def _unset(candidate: Installed, manifest: Manifest) -> list[str]:
    """The settings without which it cannot be loaded."""
    return [
        key
        for key, field in manifest.config.items()
        if field.required and field.default is None and candidate.config.get(key) is None
    ]
