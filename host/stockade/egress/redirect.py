"""Send what would go to vendors to one place on this machine instead: for the author's kit alone.

No setting, manifest or variable of the environment makes one: it is a value in the hand of whoever
opens a broker. Under it nothing reaches a vendor at all, and everything before the connection stays
as it is: a host that the grant does not name is refused, real keys take the placeholders' places.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from .targets import Target

__all__ = ["NO_TUNNELS", "Redirect"]

NO_TUNNELS: Final = (
    "a tunnel cannot be redirected, for its TLS is the plugin's own; while requests are redirected "
    "none is opened"
)


@dataclass(frozen=True, slots=True)
class Redirect:
    """Every connection goes to this loopback address and port, in plain HTTP, with the Host header
    and the path that the vendor would have got. Raises ValueError for an address elsewhere.
    """

    address: str
    port: int

    def __post_init__(self) -> None:
        if not ip_address(self.address).is_loopback:
            raise ValueError(f"{self.address} is no loopback address")
        if not 0 < self.port < 65536:
            raise ValueError(f"{self.port} is no port")

    def url(self, target: Target) -> str:
        """Where a request for `target` goes instead."""
        return Target("http", self.address, self.port, target.path).url

    def host(self, target: Target) -> str:
        """The Host header that the vendor would have got (RFC 9110 7.2)."""
        return target.url.removesuffix(target.path).partition("://")[2]
