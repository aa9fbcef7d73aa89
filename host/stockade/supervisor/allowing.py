"""Which line would allow a denied act. Pure: words for people, decides nothing.

Paths and hosts are often a plugin's own words, so a line is offered only for what the manifest's
grammar takes.
"""

from __future__ import annotations

import json
from typing import Final

from stockade_sdk.hosts import HostRule
from stockade_sdk.limits import LIMIT_KINDS
from stockade_sdk.permissions import PathRule
from stockade_sdk.text import TextRefused, show

__all__ = ["line_for", "parted_secret", "secret_act"]

_UNDER: Final = "under [permissions] in plugin.toml"
_SPOT: Final = " → "  # between a key's name and the host it was meant for; in neither


def line_for(kind: str, what: str, *, plugin: str = "NAME") -> str:
    """What would allow an act, in words: a line of the manifest, an operator's command, or nothing.

    `kind` and `what` are as `Denials` has them; `plugin` is the name for commands.
    """
    match kind:
        case "read" | "write":
            return _path(kind, what)
        case "process":
            return f"subprocess = true {_UNDER}"
        case "network":
            return _network(what)
        case "socket":
            return f"ctx.http needs no socket; for a client of its own: tunnel = true {_UNDER}"
        case "allow-host":
            return _host(what, f"stockade permissions grant {plugin} --allow-host {{}}")
        case "secrets":
            return _secret(what, plugin)
        case "limit":
            return _limit(what)
        case "syscall":
            return "nothing: no grant opens a system call that the sandbox forbids"
        case _:
            return "nothing: no line of a manifest allows it"


def secret_act(secret: str, rule: str) -> str:
    """The `what` of a key that was meant for a host it is not bound to."""
    return f"{secret}{_SPOT}{rule}"


def parted_secret(what: str) -> tuple[str, str]:
    """The key and the host of `secret_act`."""
    secret, _, rule = what.partition(_SPOT)
    return secret, rule


def _path(kind: str, what: str) -> str:
    try:
        path = PathRule.parse(what)
    except TextRefused as refused:
        return f"nothing: {show(what)} {refused.message}"
    return f"{kind} = [{json.dumps(str(path), ensure_ascii=False)}] {_UNDER}"


def _network(what: str) -> str:
    return _host(what, f'network = ["{{}}"] {_UNDER}, for requests of ctx.http')


def _secret(what: str, plugin: str) -> str:
    secret, rule = parted_secret(what)
    command = f"stockade secrets set {plugin} {secret} --host {{}}"
    return _host(rule, f'hosts = ["{{}}"] of [[permissions.secrets]] {secret}, or: {command}')


def _host(text: str, line: str) -> str:
    try:
        rule = str(HostRule.parse(text))
    except TextRefused as refused:
        return f"nothing: {show(text)} {refused.message}"
    return line.replace("{}", rule)


def _limit(key: str) -> str:
    if key not in LIMIT_KINDS:
        return "nothing: no limit of a manifest is called so"
    return f"a higher {key} under [limits] in plugin.toml, below the operator's ceiling"
