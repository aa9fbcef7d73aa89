"""What became of one request or tunnel, for logs and for learning what a plugin needs."""

from __future__ import annotations

from typing import Final

import msgspec

from .addresses import AddressRefused, Reach
from .targets import Target

__all__ = ["ALLOW_HOST", "NETWORK", "BINDING", "Decision", "Subject", "unreachable"]

NETWORK: Final = "network"  # under [permissions] of the manifest
ALLOW_HOST: Final = "allow-host"  # the operator's alone: `stockade install SOURCE --allow-host`
BINDING: Final = "secrets"  # `hosts` of [[permissions.secrets]]


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one request or tunnel. `host` is "" and `port` 0 for an unreadable one.

    `reason` is for the operator: "" where all went well, else what did not; it may name an internal
    address, never a secret. Bytes are of bodies, as the plugin sees them; of a tunnel, all that
    passed after its opening. `wanted` is the rule that would have allowed what was refused, ""
    where none would, and `wanted_in` where it has to stand: NETWORK, ALLOW_HOST or BINDING,
    the last for the secret `secret`.
    """

    plugin: str
    host: str
    port: int
    rule: str | None
    allowed: bool
    reason: str
    bytes_out: int = 0
    bytes_in: int = 0
    status: int | None = None
    scheme: str = ""
    tunnel: bool = False
    wanted: str = ""
    wanted_in: str = ""
    secret: str = ""


class Subject:
    """One request or tunnel on its way: what is known of it so far, for its `Decision`."""

    __slots__ = (
        "allowed",
        "bytes_in",
        "bytes_out",
        "reason",
        "rule",
        "secret",
        "status",
        "target",
        "tunnel",
        "wanted",
        "wanted_in",
    )

    def __init__(self, *, tunnel: bool = False) -> None:
        self.target = Target("", "", 0, "")
        self.rule: str | None = None
        self.allowed = False
        self.reason = self.wanted = self.wanted_in = self.secret = ""
        self.bytes_out = self.bytes_in = 0
        self.status: int | None = None
        self.tunnel = tunnel

    def want(self, where: str, secret: str = "") -> None:
        """It was refused, and a rule for exactly its host and port there would allow it."""
        self.allowed = False
        self.wanted, self.wanted_in, self.secret = self.target.rule, where, secret

    def refuse_address(self, plugin: str, refused: AddressRefused) -> str:
        """Note that its address is not connected to; what the plugin is told of it."""
        self.allowed = False
        self.reason = str(refused)
        if refused.verdict.reach is Reach.INTERNAL:
            self.want(ALLOW_HOST)
        return unreachable(plugin, self.target, refused)

    def decision(self, plugin: str) -> Decision:
        """As it stands now."""
        return Decision(
            plugin=plugin,
            host=self.target.host,
            port=self.target.port,
            rule=self.rule,
            allowed=self.allowed,
            reason=self.reason,
            bytes_out=self.bytes_out,
            bytes_in=self.bytes_in,
            status=self.status,
            scheme=self.target.scheme,
            tunnel=self.tunnel,
            wanted=self.wanted,
            wanted_in=self.wanted_in,
            secret=self.secret,
        )


def unreachable(plugin: str, target: Target, refused: AddressRefused) -> str:
    """Why an address is not connected to, without the address."""
    told = f"plugin {plugin!r} may not reach {target.endpoint}: it is {refused.what}, "
    if refused.verdict.reach is Reach.NEVER:
        return told + "and nothing opens those"
    return (
        told + "and only the operator opens those, host by host. If it is meant: "
        f"stockade install SOURCE --allow-host {target.rule}"
    )
