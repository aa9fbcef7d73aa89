"""The runtime under the names of the designs that came before: thin aliases, nothing of their own.

    from stockade.compat import ProviderRuntime
    async with ProviderRuntime.builder().home("/srv/stockade").build() as runtime:
        response = await runtime.run(ChatRequest.of_text("hello"))

| here | is |
|---|---|
| ``ProviderRuntime.builder()...build()`` | ``Host.open(...)`` |
| ``run(request)`` | ``Host.run`` |
| ``discover_models(options)`` | ``Host.discover_models`` |
| ``export_catalog_json()`` | ``Host.export_catalogue_json`` |

New code uses `stockade.Host`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from stockade.app import Host
from stockade.settings import Settings
from stockade_sdk.capability import DiscoveryOptions, ModelCatalog
from stockade_sdk.provider import ProviderRequest, ProviderResponse

__all__ = ["ProviderRuntime", "ProviderRuntimeBuilder"]

FROM_THE_CACHE = DiscoveryOptions()


class ProviderRuntime:
    """A running host under its older name; made by :meth:`builder`, or over a host that runs."""

    def __init__(self, host: Host) -> None:
        self.host = host

    @staticmethod
    def builder() -> ProviderRuntimeBuilder:
        """What to open it with."""
        return ProviderRuntimeBuilder()

    async def run(self, request: ProviderRequest) -> ProviderResponse:
        """See ``Host.run``."""
        return await self.host.run(request)

    async def discover_models(self, options: DiscoveryOptions = FROM_THE_CACHE) -> ModelCatalog:
        """See ``Host.discover_models``."""
        return await self.host.discover_models(options)

    def export_catalog_json(self) -> str:
        """See ``Host.export_catalogue_json``."""
        return self.host.export_catalogue_json()


class ProviderRuntimeBuilder:
    """What ``Host.open`` takes, a call each; every call gives the builder back."""

    def __init__(self) -> None:
        self._home: Path | str | None = None
        self._settings: Settings | None = None

    def home(self, home: Path | str) -> ProviderRuntimeBuilder:
        """The folder to use in place of ``STOCKADE_HOME``."""
        self._home = home
        return self

    def settings(self, settings: Settings) -> ProviderRuntimeBuilder:
        """Settings in place of its ``stockade.toml``."""
        self._settings = settings
        return self

    @asynccontextmanager
    async def build(self) -> AsyncIterator[ProviderRuntime]:
        """The runtime, as a block; leaving it ends every worker. Raises HostError."""
        async with Host.open(self._home, settings=self._settings) as host:
            yield ProviderRuntime(host)
