"""The registry: which providers there are, by id, alias and capability. Pure; not thread-safe.

The first registration of an id stays, a later one is a diagnostic (clash C4). Ids of built-in
providers are reserved from the start, so that the order of registration decides nothing about them;
their aliases stand before those of plugins for the same reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from stockade.errors import UsageError
from stockade.registry.diagnostics import Diagnostic, Notes
from stockade.registry.ids import normalise_id, try_normalise_id
from stockade.registry.legacy import read_legacy
from stockade.registry.registration import Checked, Registration, check_registration
from stockade_sdk.capability import Capability
from stockade_sdk.text import nearest, show

__all__ = ["DuplicateProvider", "InvalidRegistration", "NotRegistered", "ProviderRegistry"]

MAX_DIAGNOSTICS: Final = 1_000  # kept; further ones say nothing new


class DuplicateProvider(UsageError):
    """The id belongs to another provider."""


class InvalidRegistration(UsageError):
    """What was to be registered cannot be."""


class NotRegistered(UsageError, KeyError):
    """There is no provider of that id or alias."""


class ProviderRegistry:
    """Providers in the order of their registration. ``builtin`` are the reserved ids.

    A mapping is read as older plugins register themselves (``legacy``); a ``Registration`` is the
    host's own word.
    """

    __slots__ = ("_aliases", "_by_id", "_capabilities", "_clashes", "_found", "_reserved")

    def __init__(self, builtin: Iterable[str] = ()) -> None:
        self._reserved = frozenset(normalise_id(id) for id in builtin)
        self._by_id: dict[str, Registration] = {}
        self._found: list[Diagnostic] = []
        self._index()

    def register(
        self,
        said: Registration | Mapping[str, object],
        *,
        strict: bool = False,
        replace: bool = False,
    ) -> Registration | None:
        """Register a provider; None where that was refused, with the reason in ``diagnostics``.

        ``strict`` raises instead: DuplicateProvider, or InvalidRegistration for what has no id.
        ``replace`` takes the place of a provider of the same id, but never of a built-in one's.
        """
        read = check_registration(said) if isinstance(said, Registration) else read_legacy(said)
        registration = read.registration
        if registration is None:
            if strict:
                raise InvalidRegistration(_first_error(read))
            self.note(read.diagnostics)
            return None
        if refusal := self._refusal(registration, replace=replace):
            if strict:
                raise DuplicateProvider(refusal, remedy="choose another id, or unregister that one")
            notes = Notes(registration.id)
            notes.error("duplicate_provider", refusal)
            self.note(notes.all)
            return None
        self.note(read.diagnostics)
        self._by_id[registration.id] = registration
        self._index()
        return registration

    def ensure(self, registration: Registration) -> Registration | None:
        """Register a provider of the host's own, unless it is registered already."""
        known = self._by_id.get(try_normalise_id(registration.id) or "")
        if known is not None and known == check_registration(registration).registration:
            return known
        return self.register(registration)

    def unregister(self, id: str) -> bool:
        """Forget a provider and all that was noted of it; whether there was one of that id."""
        normal = try_normalise_id(id)
        if normal is None or self._by_id.pop(normal, None) is None:
            return False
        self._found = [one for one in self._found if one.provider != normal]
        self._index()
        return True

    def resolve(self, id: str) -> Registration | None:
        """The provider of an id or an alias, in any spelling; None where there is none."""
        normal = try_normalise_id(id)
        if normal is None:
            return None
        return self._by_id.get(normal) or self._aliases.get(normal)

    def get(self, id: str) -> Registration:
        """The provider of an id or an alias. Raises NotRegistered."""
        found = self.resolve(id)
        if found is not None:
            return found
        near = nearest(id, (*self._by_id, *self._aliases))
        raise NotRegistered(
            f"there is no provider {show(id)}",
            remedy=f"did you mean {near}?" if near else "`stockade providers list` shows them",
        )

    def list(
        self, capability: Capability | None = None, *, feature: str | None = None
    ) -> tuple[Registration, ...]:
        """The providers in the order of their registration, all or those that have this."""
        found = (
            tuple(self._by_id.values())
            if capability is None
            else self._capabilities.get(capability, ())
        )
        return tuple(one for one in found if feature is None or feature in one.features)

    def note(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Keep what was found elsewhere of providers, registered or not."""
        room = MAX_DIAGNOSTICS - len(self._found)
        self._found += [*diagnostics][: max(room, 0)]

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What was refused or left out: at registration in its order, then aliases that clash."""
        return (*self._found, *self._clashes)

    def _refusal(self, registration: Registration, *, replace: bool) -> str:
        """Why the id cannot be had; "" where it can."""
        id = registration.id
        if id in self._reserved and not registration.builtin:
            return f"the id {id} is that of a built-in provider"
        known = self._by_id.get(id)
        if known is None or (replace and (registration.builtin or not known.builtin)):
            return ""
        owner = f" by {known.source}" if known.source else ""
        return f"the provider {id} is registered already{owner}; the first one stays"

    def _index(self) -> None:
        """Build anew what is derived from the registrations, so that nothing outlives them."""
        self._aliases: dict[str, Registration] = {}
        self._clashes: list[Diagnostic] = []
        self._capabilities: dict[Capability, tuple[Registration, ...]] = {}
        for one in sorted(self._by_id.values(), key=lambda one: not one.builtin):
            taken = [alias for alias in one.aliases if not self._add_alias(one, alias)]
            if taken:
                notes = Notes(one.id)
                notes.warn("alias_taken", f"{one.id}: {', '.join(taken)} is another's", taken)
                self._clashes += notes.all
        for one in self._by_id.values():
            for capability in one.capabilities:
                self._capabilities[capability] = (*self._capabilities.get(capability, ()), one)

    def _add_alias(self, registration: Registration, alias: str) -> bool:
        normal = normalise_id(alias)
        reserved = normal in self._reserved and not registration.builtin
        if reserved or normal in self._by_id or normal in self._aliases:
            return False
        self._aliases[normal] = registration
        return True


def _first_error(read: Checked) -> str:
    return next(one.message for one in read.diagnostics if one.level == "error")
