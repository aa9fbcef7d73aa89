"""What the supervisor has to know of an installed plugin, from its record, settings and secrets."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from stockade.egress import BoundSecret, Broker, Outlet
from stockade.errors import StateError, UsageError
from stockade.packages import verify_installed
from stockade.settings import Home, Settings
from stockade.state import Installed, Secrets, StoredSecret
from stockade.state.manifests import manifest_of
from stockade.supervisor import PluginRuntime
from stockade_sdk import wire
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.limits import Limits
from stockade_sdk.manifest import Manifest, ManifestError

from .confining import Confining


class Runtimes:
    """Makes runtimes by plugin name; what they were made of decides when a new one is due."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        broker: Broker,
        confining: Confining,
        secrets: Secrets,
        record_of: Callable[[str], Installed],
    ) -> None:
        self._home, self._settings, self._broker = home, settings, broker
        self._confining = confining
        self._record_of = record_of
        self._secrets = secrets
        self._made: dict[str, tuple[object, PluginRuntime]] = {}

    def __call__(self, name: str) -> PluginRuntime:
        """The runtime of an installed plugin, as it stands now.

        Raises ProviderError where it must not be started or cannot be: stopped, without its
        configuration or with a key that is none, its files changed, its record damaged or gone.
        Another target may answer.
        """
        try:
            return self._runtime(name)
        except (StateError, UsageError, ManifestError) as error:
            raise ProviderError(ErrorKind.MODEL_UNAVAILABLE, str(error)) from error

    def _runtime(self, name: str) -> PluginRuntime:
        record = self._record_of(name)
        _refuse_stopped(record)
        secrets = self._secrets.of(name)
        made_of = (record, [(secret.name, secret.value, secret.hosts) for secret in secrets])
        made = self._made.get(name)
        if made is not None and made[0] == made_of:
            return made[1]
        runtime = self._make(record, secrets)
        self._made[name] = (made_of, runtime)
        return runtime

    def _make(self, record: Installed, secrets: tuple[StoredSecret, ...]) -> PluginRuntime:
        wrong = verify_installed(self._home, record)
        if wrong is not None:
            raise StateError(
                f"plugin {record.name} is not started: {wrong}",
                remedy=f"install it again: stockade install {record.source or record.name}",
            )
        manifest = manifest_of(record)
        limits = self._settings.within_ceilings(record.limits, trust=record.trust)
        outlet = self._outlet(record, secrets, limits.concurrency * limits.workers)
        return PluginRuntime(
            name=record.name,
            version=record.version,
            digest=record.digest,
            capabilities=frozenset(
                capability for model in manifest.served_models for capability in model.capabilities
            ),
            limits=limits,
            outlet=outlet,
            prepare=partial(
                self._confining.prepare,
                record,
                limits,
                self._load(record, manifest, limits, outlet, secrets),
            ),
        )

    def _load(
        self,
        record: Installed,
        manifest: Manifest,
        limits: Limits,
        outlet: Outlet,
        secrets: tuple[StoredSecret, ...],
    ) -> wire.Load:
        values = {secret.name: secret.value for secret in secrets}
        handed = dict(outlet.placeholders)
        for secret in record.granted.secrets:
            if secret.expose and values.get(secret.name):
                handed[secret.name] = values[secret.name]
        return wire.Load(
            entry=str(manifest.entry),
            path=(),  # where it lies for a worker, and its data, is said by the plan
            config=configuration(record, manifest),
            secrets=handed,
            environment=_passed(record.granted.environment, os.environ),
            data_dir=None,
            concurrency=limits.concurrency,
        )

    def _outlet(self, record: Installed, secrets: tuple[StoredSecret, ...], calls: int) -> Outlet:
        stored = {secret.name: secret for secret in secrets}
        bound = []
        for wanted in record.granted.secrets:
            found = stored.get(wanted.name)
            hosts = found.hosts if found is not None else ()
            bound.append(
                BoundSecret(
                    name=wanted.name,
                    value=found.value if found is not None else None,
                    header=wanted.header,
                    format=wanted.format,
                    rules=(*wanted.hosts, *hosts),
                    operator_rules=hosts,
                )
            )
        return self._broker.outlet(
            record.name,
            network=record.granted.network,
            operator_hosts=record.operator_hosts,
            secrets=tuple(bound),
            calls=calls,
        )


def configuration(record: Installed, manifest: Manifest) -> dict[str, Any]:
    """What the operator set, with the manifest's defaults.

    Raises ProviderError(model_unavailable), so that a fallback may answer, where a required
    setting is missing.
    """
    values: dict[str, Any] = {}
    for name, field in manifest.config.items():
        value = record.config.get(name, field.default)
        if value is not None:
            values[name] = value
        elif field.required:
            raise ProviderError(
                ErrorKind.MODEL_UNAVAILABLE,
                f"plugin {record.name} is not configured: {name} is missing; "
                f"run: stockade config set {record.name} {name} VALUE",
            )
    return values


def _refuse_stopped(record: Installed) -> None:
    if record.state == "failed":
        raise ProviderError(
            ErrorKind.WORKER_DIED,
            f"plugin {record.name} was stopped: {record.last_error or 'it kept dying'}",
        )
    if record.state == "disabled":
        raise ProviderError(
            ErrorKind.MODEL_UNAVAILABLE,
            f"plugin {record.name} is disabled; run: stockade enable {record.name}",
        )


def _passed(names: tuple[str, ...], environment: Mapping[str, str]) -> dict[str, str]:
    return {name: environment[name] for name in names if name in environment}
