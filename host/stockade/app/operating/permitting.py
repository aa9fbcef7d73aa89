"""Grants: in words, row by row, and what granting and revoking make of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from stockade.admin import values as v
from stockade.errors import UsageError
from stockade.packages import deny, escape, widened, write_lock
from stockade.settings import Home
from stockade.state import Installed, State
from stockade.state.manifests import manifest_of
from stockade_sdk.hosts import HostRule
from stockade_sdk.permissions import PathRule, Permissions, permissions_to_json, risk_words
from stockade_sdk.text import TextRefused

if TYPE_CHECKING:
    from stockade.supervisor.denials import Act

__all__ = [
    "More",
    "check_some",
    "granted_words",
    "granting",
    "joined",
    "keep",
    "permissions_of",
    "revoking",
    "rows_of",
    "selected",
]

MAX_RISK: Final = 1_000  # characters; hosts and paths are the plugin's


def granted_words(granted: Permissions, hosts: tuple[HostRule, ...]) -> list[str]:
    """A grant in the words of `--deny`, the operator's hosts marked."""
    one_by_one = [word for word, _ in _parts(granted)]
    networks = len(granted.network)
    own = [f"network:{rule} (by your choice)" for rule in hosts]
    return [*one_by_one[:networks], *own, *one_by_one[networks:]]


def permissions_of(record: Installed) -> dict[str, object]:
    """What `permissions show --json` prints."""
    return {
        "name": record.name,
        "asked": permissions_to_json(manifest_of(record).permissions),
        "granted": permissions_to_json(record.granted),
        "operator_hosts": [str(rule) for rule in record.operator_hosts],
    }


# --- granting and revoking ---


class More(NamedTuple):
    """What a grant would come to: all of it, and what of it is new."""

    granted: Permissions
    hosts: tuple[HostRule, ...]
    new: Permissions
    new_hosts: tuple[HostRule, ...]

    @property
    def is_nothing(self) -> bool:
        """Whether the plugin has all of it already."""
        return self.new == Permissions() and not self.new_hosts

    @property
    def words(self) -> list[str]:
        """What is new, in the words of `--deny`."""
        return [*(word for word, _ in _parts(self.new)), *(f"network:{h}" for h in self.new_hosts)]

    def consent(self, name: str) -> str:
        """What an operator reads before agreeing to it; escaped."""
        own = [f"Reaches {rule}, by your own choice." for rule in self.new_hosts]
        risks = [f"  - {escape(risk, MAX_RISK)}" for risk in (*risk_words(self.new), *own)]
        return "\n".join([f"{name} would be allowed besides:", *risks])


def granting(record: Installed, words: Sequence[str], hosts: tuple[HostRule, ...]) -> More:
    """What these words and hosts add. Raises UsageError, for what the manifest does not ask too."""
    check_some(words, hosts)
    granted = joined(record.granted, selected(manifest_of(record).permissions, words))
    added = tuple(rule for rule in hosts if rule not in record.operator_hosts)
    return More(
        granted=granted,
        hosts=(*record.operator_hosts, *added),
        new=widened(record.granted, granted),
        new_hosts=added,
    )


def revoking(
    record: Installed, words: Sequence[str], hosts: tuple[HostRule, ...]
) -> tuple[Permissions, tuple[HostRule, ...]]:
    """What is left without them. Raises UsageError."""
    check_some(words, hosts)
    for rule in hosts:
        if rule not in record.operator_hosts:
            raise UsageError(
                f"{record.name} was not allowed {rule} by you",
                remedy=f"see: stockade permissions show {record.name}",
            )
    kept = tuple(rule for rule in record.operator_hosts if rule not in hosts)
    return deny(record.granted, words), kept


def selected(asked: Permissions, words: Iterable[str]) -> Permissions:
    """Of what is asked for, what these words name. Raises UsageError as `deny` does."""
    return widened(deny(asked, words), asked)


def joined(one: Permissions, other: Permissions) -> Permissions:
    """What either allows; where both have a key of one name, the other's."""
    names = {secret.name for secret in other.secrets}
    kept = tuple(secret for secret in one.secrets if secret.name not in names)
    return replace(
        one,
        network=tuple(dict.fromkeys((*one.network, *other.network))),
        tunnel=one.tunnel or other.tunnel,
        read=tuple(dict.fromkeys((*one.read, *other.read))),
        write=tuple(dict.fromkeys((*one.write, *other.write))),
        subprocess=one.subprocess or other.subprocess,
        environment=tuple(dict.fromkeys((*one.environment, *other.environment))),
        secrets=(*kept, *other.secrets),
    )


def check_some(words: Sequence[str], hosts: Sequence[object]) -> None:
    """Raises UsageError where neither a permission nor a host was named."""
    if not words and not hosts:
        raise UsageError(
            "nothing was named", remedy="name a permission as in network:HOST, or --allow-host HOST"
        )


def keep(
    home: Home,
    state: State,
    record: Installed,
    granted: Permissions,
    hosts: tuple[HostRule, ...],
) -> None:
    """Record a grant, and bring stockade.lock in line. Blocking. Raises StateError."""
    state.set_grants(replace(record, granted=granted, operator_hosts=hosts))
    write_lock(home, state)


# --- rows ---


def rows_of(
    asked: Permissions,
    granted: Permissions,
    hosts: Sequence[HostRule],
    *,
    used: Mapping[str, int] | None = None,
    acts: Iterable[Act] = (),
) -> list[v.PermissionRow]:
    """One row for each permission that is asked for or granted, and each host of the operator's.

    `used` counts by the word of a permission, None where nothing was counted; `acts` are those on
    file (`supervisor.denials`), of which the denied ones count.
    """
    counted = {"network", "tunnel"} if used is not None else set()
    seen = used or {}
    denied = _denied(acts)
    has = {word for word, _ in _parts(granted)}
    wants = dict(_parts(asked))
    rows = []
    for word, one in {**wants, **dict(_parts(granted))}.items():
        kind = word.partition(":")[0]
        rows.append(
            v.PermissionRow(
                word=word,
                risk=escape(" ".join(risk_words(one)), MAX_RISK),
                asked=word in wants,
                granted=word in has,
                used=seen.get(word, 0) if kind in counted and word in has else None,
                denied=_count(word, denied),
            )
        )
    for rule in hosts:
        word = f"network:{rule}"
        rows.append(
            v.PermissionRow(
                word=word,
                risk=f"Reaches {rule}, by your own choice.",
                asked=False,
                granted=True,
                by_operator=True,
                used=None if used is None else seen.get(word, 0),
                denied=0,
            )
        )
    return rows


def _parts(permissions: Permissions) -> Iterator[tuple[str, Permissions]]:
    """Each permission by its word, and as one that allows it alone."""
    for rule in permissions.network:
        yield f"network:{rule}", Permissions(network=(rule,))
    if permissions.tunnel:
        yield "tunnel", Permissions(tunnel=True)
    for path in permissions.read:
        yield f"read:{path}", Permissions(read=(path,))
    for path in permissions.write:
        yield f"write:{path}", Permissions(write=(path,))
    if permissions.subprocess:
        yield "subprocess", Permissions(subprocess=True)
    for name in permissions.environment:
        yield f"environment:{name}", Permissions(environment=(name,))
    for secret in permissions.secrets:
        yield f"secrets:{secret.name}", Permissions(secrets=(secret,))


_WORD_OF_ACT = {"process": "subprocess", "socket": "tunnel", "allow-host": "network"}


def _denied(acts: Iterable[Act]) -> list[tuple[str, str, int]]:
    """Kind in the words of permissions, what, how often."""
    from stockade.supervisor.allowing import parted_secret  # not for verbs that only show a grant

    found = []
    for act in acts:
        if act.allowed:
            continue
        what = parted_secret(act.what)[0] if act.kind == "secrets" else act.what
        found.append((_WORD_OF_ACT.get(act.kind, act.kind), what, act.count))
    return found


def _count(word: str, denied: Iterable[tuple[str, str, int]]) -> int:
    """How often what the word allows was denied."""
    kind, _, name = word.partition(":")
    return sum(
        count
        for act, what, count in denied
        if act == kind and (not name or _is_of(kind, name, what))
    )


def _is_of(kind: str, name: str, what: str) -> bool:
    """Whether a permission's name allows what was denied: the words of an act are the plugin's."""
    try:
        if kind == "network":
            return HostRule.parse(name).covers(HostRule.parse(what))
        if kind in ("read", "write"):
            return PathRule.parse(name).covers(PathRule.parse(what))
    except TextRefused:
        return False
    return name == what
