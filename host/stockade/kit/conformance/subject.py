"""The plugin under test, running, with all that a check needs to ask it and to judge it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio

from stockade.app.host import Host
from stockade.egress import Decision
from stockade.kit.vendor import Asked, Vendor
from stockade.settings import Home
from stockade.supervisor import PluginEvent
from stockade.telemetry import Observed
from stockade_sdk.capability import Capability
from stockade_sdk.chat import ChatRequest
from stockade_sdk.errors import ProviderError
from stockade_sdk.manifest import Manifest
from stockade_sdk.manifest.values import DEFAULT_MODEL
from stockade_sdk.provider import METHOD_OF, Method, ProviderRequest
from stockade_sdk.stream import ChatEvent

from .desk import Desk, Script
from .playing import NOT_CHOSEN, Playing
from .requests import basic, marked
from .values import NotApplicable, unmet

__all__ = ["PATIENCE_S", "Subject", "Witness", "within"]

PATIENCE_S: Final = 20.0  # for an answer that has no reason to be late, on a busy machine
# Where a plugin serves several, the first of these is what checks of failures ask for.
USUAL: Final = (
    Capability.CHAT,
    Capability.EMBEDDING,
    Capability.RERANK,
    Capability.IMAGE_GEN,
    Capability.AUDIO_TTS,
    Capability.AUDIO_STT,
)


class Witness:
    """Watches the host: what went out or was kept in, and how workers ended."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []
        self.events: list[PluginEvent] = []

    def request(self, observed: Observed) -> None:
        """Checks ask workers without routing."""

    def egress(self, decision: Decision) -> None:
        self.decisions.append(decision)

    def worker(self, event: PluginEvent) -> None:
        self.events.append(event)


@dataclass(eq=False, kw_only=True)
class Subject:
    """`asks_vendors`: it may reach anybody at all, by its manifest or by the suite's choice. `keys`
    are the made-up secrets by name; `claims` features that the manifest cannot declare, for want of
    models. `said` keeps what the plugin answered, for the search for keys.
    """

    manifest: Manifest
    home: Home
    host: Host
    witness: Witness
    playing: Playing
    vendor: Vendor
    asks_vendors: bool
    desk: Desk
    keys: Mapping[str, str]
    claims: frozenset[str] = frozenset()
    said: list[Any] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.manifest.name

    def model(self, capability: Capability, *features: str) -> str | None:
        """The first model that has it all, by its id, "default" last; None where there is none."""
        for model in sorted(self.manifest.served_models, key=lambda one: one.id == DEFAULT_MODEL):
            has = {*model.features, *self.claims}
            if capability in model.capabilities and has.issuperset(features):
                return model.id
        return None

    @property
    def usual(self) -> Capability:
        """What checks ask for that any request can answer."""
        return next(one for one in USUAL if self.model(one) is not None)

    def script(self, check: str, answer: Any = None) -> Script:
        """Have this check's requests answered so; without an answer, well."""
        return self.desk.script(check, answer or self.playing.good)

    def basic(self, check: str, words: str = "") -> ProviderRequest:
        """The plainest request that the plugin can answer, with the check's mark in it."""
        capability = self.usual
        return basic(capability, self.model(capability), marked(check, words))

    async def ask(self, request: ProviderRequest, *, timeout_s: float = PATIENCE_S) -> Any:
        """One call of one worker, without routing and retries. Raises ProviderError."""
        method = METHOD_OF[type(request)]
        return await self.call(method, request, timeout_s=timeout_s)

    async def call(
        self, method: Method, request: Any = None, *, timeout_s: float = PATIENCE_S
    ) -> Any:
        """The same for any method."""
        workers = self.host.workers
        answer = await workers.call(self.name, method, request, timeout_s=timeout_s)
        self.said.append(answer)
        return answer

    async def stream(
        self, request: ChatRequest, *, timeout_s: float = PATIENCE_S
    ) -> list[ChatEvent]:
        """All events of one streamed answer. Raises ProviderError."""
        found: list[ChatEvent] = []
        workers = self.host.workers
        async with workers.stream(self.name, request, timeout_s=timeout_s) as pieces:
            async for piece in pieces:
                found += piece
        self.said.append(found)
        return found

    async def refusal(self, request: ProviderRequest, *, streamed: bool = False) -> ProviderError:
        """The error that a request ends with. Raises Unmet where it gets an answer."""
        try:
            if streamed and isinstance(request, ChatRequest):
                events = await self.stream(request)
                raise unmet("a typed error", f"the stream ended normally with {events[-1:]}")
            answer = await self.ask(request)
        except ProviderError as error:
            self.said.append(str(error))
            return error
        raise unmet("a typed error", f"an answer came: {answer}")

    def known(self, asked: Asked) -> bool:
        """Whether the answer was made for this very request, so that its content can be judged."""
        return self.playing.understands(asked)

    def need_wire(self) -> None:
        """Raises NotApplicable where what the vendor says cannot be chosen."""
        if not self.playing.speaks:
            raise NotApplicable(NOT_CHOSEN)

    @property
    def owed(self) -> int:
        """How many answers the workers owe, those that nobody waits for included."""
        return sum(worker.in_flight for worker in self.host.status(self.name).workers)

    async def idle(self, owed: int = 0) -> None:
        """Wait until they owe no more than this; nothing tells of it, so it is looked at."""
        while self.owed > owed:  # noqa: ASYNC110 (an event is what there is none of)
            await anyio.sleep(0.01)

    def files(self) -> list[Path]:
        """All that was written below the home, but for the file of the keys itself."""
        kept = self.home.secrets_file
        return [path for path in self.home.root.rglob("*") if path.is_file() and path != kept]


async def within(seconds: float, what: str, wait: Any) -> Any:
    """What `wait()` gives. Raises Unmet where it takes longer."""
    with anyio.move_on_after(seconds):
        return await wait()
    raise unmet(f"{what} within {seconds:g} s", "it did not happen")
