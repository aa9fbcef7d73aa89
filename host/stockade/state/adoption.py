"""What becomes of the tables of an earlier design, which knew models and no plugins.

Its `model_configs` are models with their wire, base URL and key, one of them the default; some have
`provider_configs` and routes beside them, of which the oldest know chat alone (WorkClaw's tables).
Pure: see `old_tables` for who reads and writes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from stockade.settings import RoutingPolicy
from stockade.state.chains import joined, read_chain
from stockade.state.shipped import COMPATIBLE, Found, find
from stockade_sdk.capability import Capability
from stockade_sdk.text import show

__all__ = ["Adopted", "Old", "adopt"]

OldRow = Mapping[str, Any]  # by column; an earlier design held columns to no type
MAX_NAME = 200  # characters of an alias, as in stockade.toml, and of a model
MAX_TIMEOUT_MS, MAX_RETRIES = 10**9, 100  # what is beyond is no setting; there it was 600 s and 3
_KEYS = ("api_key", "api_key_encrypted")  # the second is plain text too


class Old(msgspec.Struct, frozen=True):
    """The rows of the old tables, in the order they were made."""

    models: Sequence[OldRow] = ()
    providers: Sequence[OldRow] = ()
    policies: Sequence[OldRow] = ()


class Adopted(msgspec.Struct, frozen=True):
    """The same as of now: `configs` by plugin, for when it is installed. `notices` say what was
    not taken over and what is to be done.
    """

    routes: dict[Capability, RoutingPolicy]
    aliases: dict[str, str]
    configs: dict[str, dict[str, str]]
    notices: tuple[str, ...]


def adopt(old: Old) -> Adopted:
    """Routes where there are some, else one for chat to the default model; the other models become
    aliases by their name.
    """
    adopting = _Adopting(old)
    for policy in old.policies:
        adopting.route(policy)
    adopting.models()
    adopting.providers()
    adopting.remind()
    notices = tuple(dict.fromkeys(adopting.notices))
    return Adopted(adopting.routes, adopting.aliases, adopting.configs, notices)


class _Adopting:
    """The work of `adopt`. The base URL that is met first is its plugin's; the routes are first."""

    def __init__(self, old: Old) -> None:
        self.routes: dict[Capability, RoutingPolicy] = {}
        self.aliases: dict[str, str] = {}
        self.notices: list[str] = []
        self._found: dict[str, Found] = {}  # by plugin: the one whose configuration it got
        self._models = old.models
        self._model_of = {_text(row, "id"): row for row in reversed(old.models)}
        self._provider_of = {_text(row, "id"): row for row in reversed(old.providers)}
        self._default = next((row for row in old.models if _is_on(row.get("is_default", 0))), None)
        if self._default is None and old.models:
            self._default = old.models[0]
            if len(old.models) > 1:
                self._say(f"none of the models was the default: {_name(old.models[0])} is taken")
        for row in (*old.models, *old.providers):
            self._key(row)

    @property
    def configs(self) -> dict[str, dict[str, str]]:
        return {plugin: found.config for plugin, found in self._found.items() if found.config}

    def route(self, policy: OldRow) -> None:
        """Take over one route; one without a capability is for chat."""
        word = _text(policy, "capability") or Capability.CHAT
        if word not in tuple(Capability):
            self._say(f"the route for {show(word)} was left out: there is no such capability")
        elif not _is_on(policy.get("enabled", 1)):
            self._say(f"the route for {word} was switched off, and was left out")
        else:
            self._route(Capability(word), policy)

    def _route(self, capability: Capability, policy: OldRow) -> None:
        chain, left_out = read_chain(policy.get("fallback_chain_json") or "[]")
        if left_out:
            self._say(f"{left_out} of the fallbacks for {capability} could not be read")
        primary = (_text(policy, "primary_provider_id"), _text(policy, "primary_model"))
        found = (self._routed(capability, provider, model) for provider, model in (primary, *chain))
        targets = tuple(dict.fromkeys(target for target in found if target))
        if targets:
            timeout_ms = _number(policy.get("timeout_ms"), 1, MAX_TIMEOUT_MS)
            self.routes[capability] = RoutingPolicy(
                targets,
                timeout_s=None if timeout_ms is None else timeout_ms / 1000,
                retries=_number(policy.get("retry_count"), 0, MAX_RETRIES),
            )

    def _routed(self, capability: Capability, provider: str, model: str) -> str | None:
        """The target for a reference of a route's, which is the id of a provider or of a model."""
        provider, model = provider.strip(), model.strip()
        row = self._provider_of.get(provider) or self._model_of.get(provider)
        # As there: a route that names no model goes to that of the session, by default this one.
        model = model or _text(row or {}, "model_name") or _text(self._default or {}, "model_name")
        if row is None or not _is_on(row.get("enabled", 1)):
            why = "there is no such provider" if row is None else "it was switched off"
            self._say(f"{show(provider)} was left out of the route for {capability}: {why}")
            return None
        return self._target(row, model, f"the route for {capability}")

    def models(self) -> None:
        """The default model gets the route for chat, unless there is one; the others a name."""
        routed = None
        if Capability.CHAT not in self.routes and self._default is not None:
            target = self._target(self._default, _text(self._default, "model_name"), "")
            if target is not None:
                self.routes[Capability.CHAT] = RoutingPolicy((target,))
                routed = self._default
        for row in self._models:
            if row is not routed:
                self._alias(row)

    def _alias(self, row: OldRow) -> None:
        name = _text(row, "name")
        target = self._target(row, _text(row, "model_name"), "")
        if target is None or name == target:
            return
        if not 0 < len(name) <= MAX_NAME or not name.isprintable() or name.strip("/") != name:
            self._say(f"the model {_name(row)} got no alias: its name cannot be one")
        elif self.aliases.setdefault(name, target) != target:
            self._say(f"a second model called {_name(row)} got no alias: {show(target)}")

    def providers(self) -> None:
        """The base URLs of providers that no route goes to wait for their plugins as well."""
        for row in self._provider_of.values():
            if _is_on(row.get("enabled", 1)):
                self._plugin(row, _name(row))

    def _target(self, row: OldRow, model: str, place: str) -> str | None:
        """The target of an old row; None where it can have none, which is said."""
        what = f"{_name(row)}{f' in {place}' if place else ''}"
        if not 0 < len(model) <= MAX_NAME or not model.isprintable():
            self._say(f"{what} was left out: it names no model")
            return None
        plugin = self._plugin(row, what)
        return None if plugin is None else joined(plugin, model)

    def _plugin(self, row: OldRow, what: str) -> str | None:
        """The plugin of an old row, whose base URL becomes the plugin's; None as above."""
        wire = _text(row, "api_format") or _text(row, "protocol_type")
        try:
            found = find(wire.lower(), _text(row, "base_url"))
        except ValueError as error:
            self._say(f"{what} was left out: {error}")
            return None
        if found.dropped:
            self._say(f"{found.dropped} of {what} were not taken over")
        if self._found.setdefault(found.plugin, found).config != found.config:
            self._say(
                f"{what} was left out: the plugin {found.plugin} has one base URL, and another is"
                " taken"
            )
            return None
        return found.plugin

    def _key(self, row: OldRow) -> None:
        if any(_text(row, column) for column in _KEYS):
            self._say(
                f"the key of {_name(row)} was not taken over, for it lay there in clear: give it to"
                " its plugin with `stockade secrets set`"
            )

    def remind(self) -> None:
        """Say which plugins are to be installed for what was taken over."""
        generic = {vendor.plugin for vendor in COMPATIBLE.values()}
        for plugin, found in sorted(self._found.items()):
            allow = f" --allow-host {found.host}" if plugin in generic else ""
            self._say(f"models were taken over for a plugin: stockade install {plugin}{allow}")

    def _say(self, text: str) -> None:
        self.notices.append(text)


def _text(row: OldRow, column: str) -> str:
    value = row.get(column)
    return value.strip() if isinstance(value, str) else ""


def _name(row: OldRow) -> str:
    return show(_text(row, "name") or _text(row, "display_name") or _text(row, "id"))


def _is_on(value: object) -> bool:
    return value in (1, "1", "true")


def _number(value: object, least: int, most: int) -> int | None:
    return value if isinstance(value, int) and least <= value <= most else None
