"""Granting less than was asked for, and seeing what asks for more. Pure."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import msgspec

from stockade.errors import UsageError
from stockade_sdk.hosts import HostRule
from stockade_sdk.permissions import PathRule, Permissions, SecretRequest
from stockade_sdk.text import TextRefused, show

__all__ = ["DENY_WORDS", "deny", "less", "widened", "within", "words_of"]

T = TypeVar("T")

DENY_WORDS = (
    "network",
    "network:HOST[:PORT]",
    "tunnel",
    "read",
    "read:PATH",
    "write",
    "write:PATH",
    "subprocess",
    "environment",
    "environment:NAME",
    "secrets",
    "secrets:NAME",
)
_LISTS = ("network", "read", "write", "environment", "secrets")
_FLAGS = ("tunnel", "subprocess")


def deny(asked: Permissions, words: Iterable[str]) -> Permissions:
    """What is left of the permissions after each word of `DENY_WORDS` took something away.

    Raises `UsageError` for an unknown word, and for one that names what was not asked for: a slip
    there would grant more than was meant.
    """
    left = asked
    for word in words:
        kind, colon, name = word.partition(":")
        if kind in _FLAGS and not colon:
            left = msgspec.structs.replace(left, **{kind: False})
        elif kind in _LISTS and not colon:
            left = msgspec.structs.replace(left, **{kind: ()})
        elif kind in _LISTS and name:
            left = _without(asked, left, kind, name)
        else:
            raise UsageError(
                f"{show(word)} is no permission", remedy=f"write one of: {', '.join(DENY_WORDS)}"
            )
    if not left.network:  # a tunnel to no host is nothing
        left = msgspec.structs.replace(left, tunnel=False)
    return left


def _without(asked: Permissions, left: Permissions, kind: str, name: str) -> Permissions:
    named = _reader(kind, name)
    if not any(named(item) for item in getattr(asked, kind)):
        names = ", ".join(_written(item) for item in getattr(asked, kind))
        raise UsageError(
            f"the plugin does not ask for {show(f'{kind}:{name}')}",
            why=f"of this kind it asks for {names or 'nothing'}",
        )
    kept = tuple(item for item in getattr(left, kind) if not named(item))
    return msgspec.structs.replace(left, **{kind: kept})


def _reader(kind: str, name: str) -> Callable[[object], bool]:
    """Whether an item of a list is the one that `name` means; `network:*.x` takes what is below."""
    try:
        if kind == "network":
            rule = HostRule.parse(name)
            return lambda item: isinstance(item, HostRule) and rule.covers(item)
        if kind in ("read", "write"):
            path = PathRule.parse(name)
            return lambda item: isinstance(item, PathRule) and path.covers(item)
    except TextRefused as refused:
        raise UsageError(f"{show(name)} {refused.message}", remedy=refused.remedy) from None
    return lambda item: _written(item) == name


def _written(item: object) -> str:
    return item.name if isinstance(item, SecretRequest) else str(item)


def less(permissions: Permissions, refused: Permissions) -> Permissions:
    """What is left of the permissions without all that was refused, or lies within it.

    A path that was refused for writing may still be read where that was asked for apart.
    """
    secrets = {secret.name for secret in refused.secrets}
    left = Permissions(
        network=_beyond(refused.network, permissions.network, HostRule.covers),
        tunnel=permissions.tunnel and not refused.tunnel,
        read=_beyond(refused.read, permissions.read, PathRule.covers),
        write=_beyond(refused.write, permissions.write, PathRule.covers),
        subprocess=permissions.subprocess and not refused.subprocess,
        environment=_beyond(refused.environment, permissions.environment, str.__eq__),
        secrets=tuple(one for one in permissions.secrets if one.name not in secrets),
    )
    if not left.network:  # a tunnel to no host is nothing
        left = msgspec.structs.replace(left, tunnel=False)
    return left


def words_of(permissions: Permissions) -> tuple[str, ...]:
    """Each permission as one of `DENY_WORDS` names it, in the manifest's order."""
    return (
        *(f"network:{rule}" for rule in permissions.network),
        *(["tunnel"] if permissions.tunnel else []),
        *(f"read:{path}" for path in permissions.read),
        *(f"write:{path}" for path in permissions.write),
        *(["subprocess"] if permissions.subprocess else []),
        *(f"environment:{name}" for name in permissions.environment),
        *(f"secrets:{secret.name}" for secret in permissions.secrets),
    )


def within(asked: Permissions, granted: Permissions) -> bool:
    """Whether a grant holds nothing that was not asked for."""
    return widened(asked, granted) == Permissions()


def widened(granted: Permissions, asked: Permissions) -> Permissions:
    """What is asked for beyond what was granted, in the same shape; nothing is `Permissions()`."""
    readable = (*granted.read, *granted.write)  # a path to write is read too
    return Permissions(
        network=_beyond(granted.network, asked.network, HostRule.covers),
        tunnel=asked.tunnel and not granted.tunnel,
        read=_beyond(readable, asked.read, PathRule.covers),
        write=_beyond(granted.write, asked.write, PathRule.covers),
        subprocess=asked.subprocess and not granted.subprocess,
        environment=_beyond(granted.environment, asked.environment, str.__eq__),
        secrets=_beyond(granted.secrets, asked.secrets, _secret_covers),
    )


def _beyond(
    granted: Sequence[T], asked: Sequence[T], covers: Callable[[T, T], bool]
) -> tuple[T, ...]:
    return tuple(item for item in asked if not any(covers(one, item) for one in granted))


def _secret_covers(granted: SecretRequest, asked: SecretRequest) -> bool:
    return (
        granted.name == asked.name
        and granted.header == asked.header
        and granted.format == asked.format
        and (granted.expose or not asked.expose)
        and not _beyond(granted.hosts, asked.hosts, HostRule.covers)
    )
