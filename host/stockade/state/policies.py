"""The routes and aliases that verbs set. They hold over those of `stockade.toml`: `app` merges."""

from collections.abc import Mapping
from typing import Annotated

import msgspec

from stockade.errors import UsageError
from stockade.settings import RoutingPolicy
from stockade.state.chains import joined, read_chain, split, write_chain
from stockade.state.connection import Database
from stockade.state.rows import Row, Switch, Told, sift
from stockade_sdk.capability import Capability
from stockade_sdk.text import show

__all__ = ["MAX_ALIASES", "MAX_TARGETS", "Policies"]

MAX_ALIASES = 1_000
MAX_TARGETS = 100  # of one route; nobody waits for so many to fail
MAX_NAME = 300  # characters of an alias or a target, as in stockade.toml

_Duration = Annotated[int, msgspec.Meta(gt=0, le=10**9)]  # milliseconds
_Retries = Annotated[int, msgspec.Meta(ge=0, le=100)]
_Policy = tuple[str, str, str, str, _Duration | None, _Retries | None, Switch]


class Policies:
    """`state.policies`: the tables `routing_policies` and `model_aliases`. Blocking."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def routes(self) -> dict[Capability, RoutingPolicy]:
        """By capability, in the order of their words."""
        return self._routes([])

    def set_route(self, capability: Capability, policy: RoutingPolicy) -> None:
        """Keep a route in place of the one there was. Raises `UsageError`: no targets, too many,
        or one that is none. Whether they exist is not looked at.
        """
        self.set_routes({capability: policy})

    def set_routes(self, routes: Mapping[Capability, RoutingPolicy]) -> None:
        """The same for several, all of them or none."""
        rows = [_row(capability, policy) for capability, policy in routes.items()]
        with self._database.writing(durable=True) as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO routing_policies (capability, primary_provider_id,"
                " primary_model, fallback_chain_json, timeout_ms, retry_count, enabled)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            )

    def unset_route(self, capability: Capability) -> bool:
        """Forget a route; whether there was one."""
        with self._database.writing(durable=True) as connection:
            gone = connection.execute(
                "DELETE FROM routing_policies WHERE capability = ?", (str(capability),)
            )
            return gone.rowcount > 0

    def aliases(self) -> dict[str, str]:
        """By name."""
        return self._aliases([])

    def set_alias(self, name: str, target: str) -> None:
        """Keep an alias in place of the one there was. Raises `UsageError`: no name, no target, or
        too many. Whether the target exists, or leads back, is not looked at.
        """
        self.set_aliases({name: target})

    def set_aliases(self, aliases: Mapping[str, str]) -> None:
        """The same for several, all of them or none."""
        for name, target in aliases.items():
            _check(name, "a name", "write letters, digits and . _ : / @ + -")
            _check(target, "a target", "write plugin/model or another alias")
        with self._database.writing(durable=True) as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO model_aliases (name, target) VALUES (?, ?)", aliases.items()
            )
            (count,) = connection.execute("SELECT count(*) FROM model_aliases").fetchone()
            if count > MAX_ALIASES:
                raise UsageError(
                    f"there are {MAX_ALIASES} aliases",
                    remedy="remove some with `stockade aliases remove`",
                )

    def unset_alias(self, name: str) -> bool:
        """Forget an alias; whether there was one."""
        with self._database.writing(durable=True) as connection:
            gone = connection.execute("DELETE FROM model_aliases WHERE name = ?", (name,))
            return gone.rowcount > 0

    def problems(self) -> tuple[str, ...]:
        """What cannot be read, a sentence each."""
        told: Told = []
        self._routes(told)
        self._aliases(told)
        return tuple(told)

    def _routes(self, told: Told) -> dict[Capability, RoutingPolicy]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT capability, primary_provider_id, primary_model, fallback_chain_json,"
                " timeout_ms, retry_count, enabled FROM routing_policies ORDER BY capability"
            ).fetchall()
        return dict(sift("routing_policies", rows, lambda row: _policy(row, told), told))

    def _aliases(self, told: Told) -> dict[str, str]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT name, target FROM model_aliases ORDER BY name"
            ).fetchall()
        return dict(sift("model_aliases", rows, _alias, told))


def _row(capability: Capability, policy: RoutingPolicy) -> Row:
    if not 0 < len(policy.targets) <= MAX_TARGETS:
        raise UsageError(
            f"a route of {len(policy.targets)} targets", remedy=f"give 1 to {MAX_TARGETS}"
        )
    for target in policy.targets:
        _check(target, "a target", "write plugin/model or an alias")
    timeout = None if policy.timeout_s is None else max(1, round(policy.timeout_s * 1000))
    primary, chain = split(policy.primary), write_chain(policy.fallbacks)
    return str(capability), *primary, chain, timeout, policy.retries, int(policy.enabled)


def _policy(row: Row, told: Told) -> tuple[Capability, RoutingPolicy]:
    word, provider, model, chain, timeout, retries, enabled = msgspec.convert(row, _Policy)
    capability = Capability(word)
    fallbacks, left_out = read_chain(chain)
    targets = [_shown(joined(*pair)) for pair in ((provider, model), *fallbacks)]
    if left_out:
        told.append(f"routing_policies: {left_out} of the fallbacks for {word} cannot be read")
    return capability, RoutingPolicy(
        tuple(targets[:MAX_TARGETS]),
        timeout_s=None if timeout is None else timeout / 1000,
        retries=retries,
        enabled=bool(enabled),
    )


def _alias(row: Row) -> tuple[str, str]:
    name, target = msgspec.convert(row, tuple[str, str])
    return _shown(name), _shown(target)


def _shown(text: str) -> str:
    if not _is_name(text):
        raise ValueError("no name")
    return text


def _check(text: str, what: str, remedy: str) -> None:
    # The columns of a target cannot tell "fast/" from "fast".
    if not _is_name(text) or text.startswith("/") or text.endswith("/"):
        raise UsageError(f"{show(text)} is not {what}", remedy=remedy)


def _is_name(text: str) -> bool:
    return 0 < len(text) <= MAX_NAME and text.isprintable() and text == text.strip()
