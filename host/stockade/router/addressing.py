"""A request as each of its targets gets it: its model named, its history fit for that vendor."""

from __future__ import annotations

from typing import Generic, TypeVar, cast

from msgspec.structs import replace

from stockade.handoff import Options, hand_over
from stockade_sdk.capability import RuntimeWarning
from stockade_sdk.chat import ChatRequest
from stockade_sdk.provider import ProviderRequest

from .catalogue import Target

R = TypeVar("R", bound=ProviderRequest)


class Addressed(Generic[R]):
    """``request`` for one target after the other.

    Every target's is made from the request as it came, never from another target's; one that is
    tried again gets the same object again. ``warnings`` say what the last one's had changed.
    """

    __slots__ = ("_handoff", "_request", "_sent", "_target", "warnings")

    def __init__(self, request: R, handoff: Options) -> None:
        self._request = request
        self._handoff = handoff
        self._target: Target | None = None
        self._sent = request
        self.warnings: tuple[RuntimeWarning, ...] = ()

    def to(self, target: Target) -> R:
        """The request for ``target``."""
        if target is not self._target:
            self._target = target
            self._sent = self._for(target)
        return self._sent

    def _for(self, target: Target) -> R:
        sent = self._request
        if isinstance(sent, ChatRequest):
            fit, self.warnings = hand_over(sent, target.plugin, target.info, self._handoff)
            sent = cast("R", fit)
        return sent if sent.model == target.model else replace(sent, model=target.model)
