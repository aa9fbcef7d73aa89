"""What a failure is held against: pure.

Which scope follows from what the vendor refused:

=======================================  ======================  =================================
kind                                     scope                   why
=======================================  ======================  =================================
auth, quota                              the key                 no model answers to such a key
rate_limited, model_unavailable          the model on that key   another key has its own limits and
                                                                 its own models
network and what else a bad minute       the model               a target's breaker, which opens
explains                                                         when failures add up
no connection, for several models        the provider            what cannot be reached is the
                                                                 vendor's host, not a model
=======================================  ======================  =================================

Their names: ``plugin@PRINT``, ``plugin@PRINT/MODEL``, ``plugin/MODEL``, ``plugin``. PRINT stands
for the key in use and is empty where there is none, so that another key, or the first one, begins
with a clean record. A plugin's name holds neither ``@`` nor ``/``; a model's may hold both.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from stockade_sdk.errors import ErrorKind, ProviderError, TimeoutPhase

WHOLE_KEY = frozenset({ErrorKind.AUTH, ErrorKind.QUOTA})  # such an answer holds for every model
MODEL_ON_KEY = frozenset({ErrorKind.RATE_LIMITED, ErrorKind.MODEL_UNAVAILABLE})
AT_ONCE = WHOLE_KEY | MODEL_ON_KEY
UNREACHED = frozenset({ErrorKind.NETWORK, ErrorKind.TIMEOUT})
IN_A_ROW = UNREACHED | {
    ErrorKind.SERVER_ERROR,
    ErrorKind.OVERLOADED,
    ErrorKind.MALFORMED_RESPONSE,
    ErrorKind.UNKNOWN,
}
COUNTED = AT_ONCE | IN_A_ROW


class Scope(enum.StrEnum):
    """How much a failure is held against."""

    PROVIDER = "provider"
    KEY = "key"
    MODEL = "model"
    KEY_MODEL = "key_model"


KINDS: Mapping[Scope, frozenset[ErrorKind]] = MappingProxyType(
    {
        Scope.PROVIDER: UNREACHED,
        Scope.KEY: WHOLE_KEY,
        Scope.MODEL: IN_A_ROW,
        Scope.KEY_MODEL: MODEL_ON_KEY,
    }
)


class Held(msgspec.Struct, frozen=True):
    """A scope's name, taken apart; ``print`` and ``model`` are empty where it has none."""

    scope: Scope
    plugin: str
    print: str = ""
    model: str = ""

    @property
    def under(self) -> str:
        """The name that a target looks under: ``plugin``, or ``plugin/MODEL``."""
        return f"{self.plugin}/{self.model}" if self.model else self.plugin


def names_of(plugin: str, model: str, key_print: str) -> tuple[str, str, str, str]:
    """Every scope that a target belongs to: provider, key, model, and model on the key."""
    keyed = f"{plugin}@{key_print}"
    return plugin, keyed, f"{plugin}/{model}", f"{keyed}/{model}"


def name_of(kind: ErrorKind, plugin: str, model: str, key_print: str) -> str:
    """The scope that a failure of a counted kind is held against."""
    _, key, of_model, of_both = names_of(plugin, model, key_print)
    if kind in WHOLE_KEY:
        return key
    return of_both if kind in MODEL_ON_KEY else of_model


def read_name(name: str) -> Held | None:
    """The parts of a scope's name; ``None`` where it is none."""
    head, slash, model = name.partition("/")
    plugin, at, key_print = head.partition("@")
    if not plugin or (slash and not model):
        return None
    if model:
        return Held(Scope.KEY_MODEL if at else Scope.MODEL, plugin, key_print, model)
    return Held(Scope.KEY if at else Scope.PROVIDER, plugin, key_print)


def plugin_of(name: str) -> str:
    """The plugin of a scope's name."""
    return name.partition("/")[0].partition("@")[0]


def never_connected(error: ProviderError) -> bool:
    """Whether no connection came about, so that the failure says nothing of the model."""
    return error.kind is ErrorKind.NETWORK or (
        error.kind is ErrorKind.TIMEOUT and error.phase is TimeoutPhase.CONNECT
    )
