"""Put real keys on requests, for placeholders that are all a plugin ever holds. Pure.

A plugin gets `stk_placeholder_<NAME>_<16 hex>` per secret, new for each outlet. On a request to a
host that the secret is bound to, the declared header gets the real value; a placeholder on its way
anywhere else is a mistake or an attempt, and is refused rather than sent.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import quote

from stockade.state.secrets import MAX_VALUE
from stockade_sdk.errors import PermissionDenied
from stockade_sdk.hosts import HostRule

from .redact import Redactor
from .targets import Target, named

__all__ = ["BoundSecret", "Filled", "Keyring", "SecretRefused"]

PREFIX: Final = "stk_placeholder_"
_BODY: Final = "the body"
_NAME: Final = "a header's name"
_NOWHERE: Final = (_BODY, _NAME)  # no secret is ever put there
_PLACEHOLDER: Final = re.compile(PREFIX + r"[A-Za-z0-9_]+_[0-9a-f]{16}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class BoundSecret:
    """A key, where it may go and how it is written there. `repr` never shows the value.

    `value` is None where the operator has not set it. `header` gets `format` with the value in
    place of "{}"; without a header the value stands wherever the plugin wrote the placeholder, in
    headers and in the URL. `rules` are the hosts of the manifest and the operator together,
    `operator_rules` those the operator bound it to: only there it may go over plain http.
    """

    name: str
    value: str | None = field(repr=False)
    header: str | None
    format: str = "{}"
    rules: tuple[HostRule, ...] = ()
    operator_rules: tuple[HostRule, ...] = ()

    def __post_init__(self) -> None:
        if self.value is None:
            return
        if not self.value or len(self.value) > MAX_VALUE:
            raise ValueError(f"the value of {self.name} has not 1 to {MAX_VALUE} characters")
        if _CONTROL.search(self.value) or not self.value.isprintable():
            raise ValueError(
                f"the value of {self.name} holds a line break or another control character, "
                "which would end the header it goes into; set it again without"
            )

    def goes_to(self, target: Target) -> bool:
        """Whether the value may be put on a request to this target."""
        if target.is_plain:
            return named(self.operator_rules, target.host, target.port) is not None
        return any(
            rule.matches(target.host, target.port) for rule in (*self.rules, *self.operator_rules)
        )


class SecretRefused(PermissionDenied):
    """A placeholder is on its way to a host that its `secret` is not bound to."""

    def __init__(self, message: str, secret: str) -> None:
        super().__init__(message)
        self.secret = secret


class Filled(NamedTuple):
    """A request as it goes out, real values in it: never to be logged."""

    path: str
    headers: list[tuple[str, str]]


class Keyring:
    """One outlet's secrets: `placeholders` by name ("" for one that is not set), and a `redactor`
    for what comes back. `hidden` are the values themselves: never to be logged.
    """

    __slots__ = ("_plugin", "_set", "hidden", "placeholders", "redactor")

    def __init__(
        self,
        plugin: str,
        bound: Sequence[BoundSecret],
        new_token: Callable[[], str] = lambda: secrets.token_hex(8),
        *,
        unsaid: Sequence[str] = (),
    ) -> None:
        """`unsaid` must not come back either, though no request of the plugin's carries it."""
        self._plugin = plugin
        self._set = tuple(
            (secret, secret.value, f"{PREFIX}{secret.name}_{new_token()}")
            for secret in bound
            if secret.value is not None
        )
        written = {secret.name: placeholder for secret, _, placeholder in self._set}
        self.placeholders = {secret.name: written.get(secret.name, "") for secret in bound}
        self.hidden = (*(value for _, value, _ in self._set), *unsaid)
        self.redactor = Redactor(self.hidden)

    def fill(
        self, target: Target, headers: Sequence[tuple[str, str]], body: bytes | None
    ) -> Filled:
        """Put the values where they belong. Raises PermissionDenied for a placeholder elsewhere."""
        self._check_strangers(target, headers)
        path, filled = target.path, list(headers)
        taken: set[str] = set()
        spare: list[tuple[str, str]] = []
        for secret, value, placeholder in self._set:
            places = _places(placeholder, target.path, headers, body)
            bound = secret.goes_to(target)
            self._check(secret, target, places, bound)
            if secret.header is None:
                path = path.replace(placeholder, quote(value, safe=""))
                filled = [(name, said.replace(placeholder, value)) for name, said in filled]
            elif places and secret.header.lower() not in taken:
                taken.add(secret.header.lower())
                filled = _with(filled, secret.header, secret.format.replace("{}", value))
            elif bound:
                spare.append((secret.header, secret.format.replace("{}", value)))
        for header, said in spare:  # a plugin that wrote no placeholder gets the first declared
            if header.lower() not in taken:
                taken.add(header.lower())
                filled = _with(filled, header, said)
        return Filled(path, filled)

    def _check_strangers(self, target: Target, headers: Sequence[tuple[str, str]]) -> None:
        """Refuse a placeholder that this outlet did not give: another plugin's, or one of before a
        change. The body is not looked at: a text may well be about placeholders.
        """
        for said in (target.path, *(value for _, value in headers)):
            if PREFIX not in said:
                continue
            for _, _, own in self._set:
                said = said.replace(own, "")
            if _PLACEHOLDER.search(said):
                raise PermissionDenied(
                    f"plugin {self._plugin!r} sends a placeholder for no secret of its own to "
                    f"{target.endpoint}: a secret is declared by [[permissions.secrets]] in "
                    "plugin.toml, and its placeholder is handed over anew at each start"
                )

    def _check(self, secret: BoundSecret, target: Target, places: list[str], bound: bool) -> None:
        if not places:
            return
        if not bound:
            raise SecretRefused(
                f"plugin {self._plugin!r} may not send {secret.name} to {target.endpoint}: "
                + _not_bound(self._plugin, secret, target),
                secret.name,
            )
        if secret.header is None:
            where, wrong = "headers and the URL", [p for p in places if p in _NOWHERE]
        else:
            where = _header(secret.header)
            wrong = [place for place in places if place != where]
        if wrong:
            raise PermissionDenied(
                f"plugin {self._plugin!r} may put {secret.name} only in {where}, not in "
                f'{wrong[0]}: [[permissions.secrets]] with name = "{secret.name}" in plugin.toml '
                "says so with its header = ...; reinstall after a change"
            )


def _places(
    placeholder: str, path: str, headers: Sequence[tuple[str, str]], body: bytes | None
) -> list[str]:
    places = [_header(name) for name, said in headers if placeholder in said]
    places += [_NAME for name, _ in headers if placeholder.lower() in name.lower()]
    if placeholder in path:
        places.append("the URL")
    if body and placeholder.encode() in body:
        places.append(_BODY)
    return places


def _header(name: str) -> str:
    return f'the header "{name.lower()}"'


def _with(headers: list[tuple[str, str]], name: str, value: str) -> list[tuple[str, str]]:
    """The headers with one of that name, where the plugin wrote it first, or at the end."""
    where = next((i for i, (one, _) in enumerate(headers) if one.lower() == name.lower()), None)
    kept = [pair for pair in headers if pair[0].lower() != name.lower()]
    if where is None:
        return [*kept, (name, value)]
    kept.insert(where, (headers[where][0], value))
    return kept


def _not_bound(plugin: str, secret: BoundSecret, target: Target) -> str:
    command = f"stockade secrets set {plugin} {secret.name} --host {target.rule}"
    if target.is_plain:
        return f"a secret goes over plain http only where the operator bound it: {command}"
    hosts = ", ".join(str(rule) for rule in (*secret.rules, *secret.operator_rules)) or "no host"
    return (
        f'it is bound to {hosts}. Add "{target.rule}" to hosts of [[permissions.secrets]] with '
        f'name = "{secret.name}" in plugin.toml and reinstall, or: {command}'
    )
