"""From what a run used and was denied to the permissions it needed. Pure; grants nothing."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from stockade.supervisor.denials import Act
    from stockade_sdk.hosts import HostRule
    from stockade_sdk.permissions import PathRule, Permissions, SecretRequest

__all__ = ["Needs", "as_json", "as_toml", "needed"]

USED: Final = "used"
REFUSED: Final = "refused"
REPORTED: Final = "refused, as its worker reports"
KEPT: Final = "granted; whether it was used is not watched"
OPENS: Final = "it opened a socket of its own; ctx.http needs none, nor a tunnel"

Line = tuple[str, str]  # a value, and why it is there


class Needs(NamedTuple):
    """What a run needed, each with why; `commands` and `nothing` are for what no manifest grants.

    `secrets` are those of the grant with the hosts that were needed, `limits` keys of [limits] to
    be raised.
    """

    network: Sequence[Line] = ()
    tunnel: str = ""
    read: Sequence[Line] = ()
    write: Sequence[Line] = ()
    subprocess: str = ""
    environment: Sequence[Line] = ()
    secrets: Sequence[SecretRequest] = ()
    limits: Sequence[str] = ()
    commands: Sequence[str] = ()
    nothing: Sequence[Line] = ()


def needed(
    plugin: str,
    granted: Permissions,
    operator_hosts: Sequence[HostRule],
    acts: Iterable[Act],
) -> Needs:
    """What the run needed whose acts these are. Of the grant, hosts and tunnels are there where
    they were used; for the rest nobody can tell, and it is kept.
    """
    from stockade.supervisor.allowing import parted_secret

    found = list(acts)
    own = {str(rule) for rule in operator_hosts}
    keys = [parted_secret(act.what) for act in _denied(found, "secrets")]
    network = [
        (rule, why)
        for rule, why in (
            *((act.what, USED) for act in found if act.allowed and act.kind == "network"),
            *_hosts(_denied(found, "network")),
            *((rule, REFUSED) for _, rule in keys),  # its key was refused there, not the host
        )
        if rule not in own
    ]
    sockets = [act for act in _denied(found, "network", "socket") if act.told_by != "host"]
    return Needs(
        network=_unique(network),
        tunnel=_why(_used(found, "tunnel"), USED) or _why(sockets, OPENS),
        read=_paths(granted.read, _denied(found, "read")),
        write=_paths(granted.write, _denied(found, "write")),
        subprocess=_why(granted.subprocess, KEPT) or _why(_denied(found, "process"), REPORTED),
        environment=[(name, KEPT) for name in granted.environment],
        secrets=[
            more
            for secret in granted.secrets
            if (
                more := _bound(
                    secret, network, [rule for name, rule in keys if name == secret.name]
                )
            )
        ],
        limits=[act.what for act in _denied(found, "limit")],
        commands=_commands(plugin, own, keys, _hosts(_denied(found, "allow-host"))),
        nothing=_nothing(plugin, found),
    )


def _bound(
    secret: SecretRequest, network: Sequence[Line], more: Sequence[str]
) -> SecretRequest | None:
    """A key with those of its hosts that the run's network has, as a manifest must have it; None
    where it had some and none is left. One that the plugin sees needs no host.
    """
    from msgspec.structs import replace

    from stockade_sdk.hosts import HostRule

    reached = [HostRule.parse(rule) for rule, _ in network]
    wanted = (*secret.hosts, *map(HostRule.parse, more))
    hosts = tuple(
        dict.fromkeys(host for host in wanted if any(rule.covers(host) for rule in reached))
    )
    if secret.hosts and not hosts and not secret.expose:
        return None
    return replace(secret, hosts=hosts)


def _commands(
    plugin: str, own: Collection[str], keys: Iterable[Line], hosts: Iterable[Line]
) -> list[str]:
    """For what no manifest can ask for: internal and plain hosts, and keys for those."""
    allow = [f"stockade permissions grant {plugin} --allow-host {rule}" for rule, _ in hosts]
    bind = [
        f"stockade secrets set {plugin} {name} --host {rule}" for name, rule in keys if rule in own
    ]
    return list(dict.fromkeys((*allow, *bind)))


def as_toml(needs: Needs) -> str:
    """The `[permissions]` of a manifest that the run needed; comments say why."""
    lines = ["[permissions]"]
    lines += _array("network", needs.network)
    if needs.tunnel:  # without hosts it would be refused
        lines.append(f"{'' if needs.network else '# '}tunnel = true  # {needs.tunnel}")
    lines += _array("read", needs.read)
    lines += _array("write", needs.write)
    lines += [f"subprocess = true  # {needs.subprocess}"] if needs.subprocess else []
    lines += _array("environment", needs.environment)
    for secret in needs.secrets:
        lines += ["", "[[permissions.secrets]]", f"name = {_quoted(secret.name)}"]
        lines += [f"help = {_quoted(secret.help)}"] if secret.help else []
        lines += [f"hosts = [{', '.join(_quoted(str(rule)) for rule in secret.hosts)}]"]
        lines += [f"header = {_quoted(secret.header)}"] if secret.header is not None else []
        lines += [f"format = {_quoted(secret.format)}"] if secret.format != "{}" else []
        lines += ["expose = true"] if secret.expose else []
    return "\n".join(lines)


def as_json(needs: Needs) -> dict[str, Any]:
    """The same as plain values."""
    return {
        "network": [value for value, _ in needs.network],
        "tunnel": bool(needs.tunnel and needs.network),
        "read": [value for value, _ in needs.read],
        "write": [value for value, _ in needs.write],
        "subprocess": bool(needs.subprocess),
        "environment": [value for value, _ in needs.environment],
        "secrets": [
            {"name": secret.name, "hosts": [str(rule) for rule in secret.hosts]}
            for secret in needs.secrets
        ],
    }


def _denied(acts: Iterable[Act], *kinds: str) -> list[Act]:
    return [act for act in acts if not act.allowed and act.kind in kinds]


def _used(acts: Iterable[Act], kind: str) -> bool:
    return any(act.allowed and act.kind == kind for act in acts)


def _why(holds: object, why: str) -> str:
    return why if holds else ""


def _reason(act: Act) -> str:
    return REFUSED if act.told_by == "host" else REPORTED


def _hosts(acts: Iterable[Act]) -> list[Line]:
    """Those whose host a manifest could name."""
    from stockade_sdk.hosts import HostRule
    from stockade_sdk.text import TextRefused

    found = []
    for act in acts:
        try:
            found.append((str(HostRule.parse(act.what)), _reason(act)))
        except TextRefused:  # told under "nothing"
            continue
    return found


def _paths(granted: Sequence[PathRule], denied: Iterable[Act]) -> list[Line]:
    from stockade_sdk.permissions import PathRule
    from stockade_sdk.text import TextRefused

    found = [(str(rule), KEPT) for rule in granted]
    for act in denied:
        try:
            found.append((str(PathRule.parse(act.what)), _reason(act)))
        except TextRefused:  # told under "nothing"
            continue
    return _unique(found)


def _nothing(plugin: str, acts: Iterable[Act]) -> list[Line]:
    """Denied acts that no grant allows, with why."""
    from stockade.supervisor.allowing import line_for

    lines = [
        (f"{act.kind} {act.what}", line_for(act.kind, act.what, plugin=plugin))
        for act in acts
        if not act.allowed
    ]
    return _unique([(act, line) for act, line in lines if line.startswith("nothing")])


def _unique(lines: Iterable[Line]) -> list[Line]:
    """Each value once, with its first reason."""
    found: dict[str, Line] = {}
    for line in lines:
        found.setdefault(line[0], line)
    return list(found.values())


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # TOML's basic strings take all of JSON's escapes


def _array(key: str, lines: Sequence[Line]) -> list[str]:
    if not lines:
        return []
    return [f"{key} = [", *(f"    {_quoted(value)},  # {why}" for value, why in lines), "]"]
