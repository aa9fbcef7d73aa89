"""Which addresses a plugin's request may be connected to. Pure: judges an address, never a name.

The table is our own and not `ipaddress.is_global`, whose answers differ between Python versions
and which calls 64:ff9b::7f00:1 and 2002:7f00:1:: (both 127.0.0.1 in disguise) global. Addresses
that carry an IPv4 address are unwrapped first and judged by what they carry.

Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and its updates),
RFC 4291 (IPv4-mapped), RFC 3056 (6to4), RFC 4380 (Teredo), RFC 6052 (NAT64).
"""

from __future__ import annotations

import enum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple

__all__ = ["OWN", "AddressRefused", "Reach", "Verdict", "check_address", "judge", "spellings"]


class Reach(enum.Enum):
    """Who may be connected to an address."""

    PUBLIC = "public"  # whoever was granted the host
    INTERNAL = "internal"  # only who was allowed that very host and port by the operator
    NEVER = "never"  # nobody: no single machine answers there


class Verdict(NamedTuple):
    """What is known of an address; `what` is a noun phrase for people, "" for public ones."""

    reach: Reach
    what: str = ""


class AddressRefused(Exception):
    """A host stands for an address that its request must not be connected to.

    `what` says what kind of address; the address itself is for the operator's log alone, for a
    plugin that could read it would have a map of the operator's network.
    """

    def __init__(self, host: str, address: str, verdict: Verdict) -> None:
        super().__init__(f"{host} is {verdict.what} ({address})")
        self.host, self.address, self.verdict = host, address, verdict

    @property
    def what(self) -> str:
        """A noun phrase, as "a loopback address"."""
        return self.verdict.what


_PUBLIC: Final = Verdict(Reach.PUBLIC)
_PRIVATE: Final = Verdict(Reach.INTERNAL, "an address of a private network")
_LOOPBACK: Final = Verdict(Reach.INTERNAL, "a loopback address")
_LINK_LOCAL: Final = Verdict(Reach.INTERNAL, "a link-local address")
_METADATA: Final = Verdict(Reach.INTERNAL, "a cloud metadata address")
_RESERVED: Final = Verdict(Reach.INTERNAL, "a reserved address")
_UNSPECIFIED: Final = Verdict(Reach.NEVER, "no address of any machine")
_MULTICAST: Final = Verdict(Reach.NEVER, "a multicast address")
_BROADCAST: Final = Verdict(Reach.NEVER, "a broadcast address")
OWN: Final = Verdict(Reach.NEVER, "a port of the host's own")

# First match decides, so the narrower network comes first.
_TABLE_4: Final = tuple(
    (IPv4Network(network), verdict)
    for network, verdict in (
        ("0.0.0.0/32", _UNSPECIFIED),  # connect() takes it for loopback
        ("255.255.255.255/32", _BROADCAST),
        ("169.254.169.254/32", _METADATA),  # AWS, Azure, Google, DigitalOcean, Oracle
        ("169.254.170.2/32", _METADATA),  # AWS ECS task credentials
        ("169.254.170.23/32", _METADATA),  # AWS EKS pod identity
        ("100.100.100.200/32", _METADATA),  # Alibaba
        ("168.63.129.16/32", _METADATA),  # Azure's platform address, otherwise public space
        ("192.0.0.192/32", _METADATA),  # Oracle, older
        ("0.0.0.0/8", _RESERVED),
        ("10.0.0.0/8", _PRIVATE),
        ("100.64.0.0/10", _PRIVATE),  # carrier-grade NAT, overlay networks (RFC 6598)
        ("127.0.0.0/8", _LOOPBACK),
        ("169.254.0.0/16", _LINK_LOCAL),
        ("172.16.0.0/12", _PRIVATE),
        ("192.0.0.0/24", _RESERVED),
        ("192.0.2.0/24", _RESERVED),
        ("192.31.196.0/24", _RESERVED),
        ("192.52.193.0/24", _RESERVED),
        ("192.88.99.0/24", _RESERVED),
        ("192.168.0.0/16", _PRIVATE),
        ("192.175.48.0/24", _RESERVED),
        ("198.18.0.0/15", _RESERVED),
        ("198.51.100.0/24", _RESERVED),
        ("203.0.113.0/24", _RESERVED),
        ("224.0.0.0/4", _MULTICAST),
        ("240.0.0.0/4", _RESERVED),
    )
)
_TABLE_6: Final = tuple(
    (IPv6Network(network), verdict)
    for network, verdict in (
        ("::/128", _UNSPECIFIED),
        ("::1/128", _LOOPBACK),
        ("fd00:ec2::254/128", _METADATA),  # AWS
        ("fd20:ce::254/128", _METADATA),  # Google
        ("fe80::a9fe:a9fe/128", _METADATA),  # OpenStack
        ("fe80::/10", _LINK_LOCAL),
        ("fec0::/10", _PRIVATE),  # site-local, deprecated but still routed in places
        ("fc00::/7", _PRIVATE),
        ("ff00::/8", _MULTICAST),
        ("2001::/23", _RESERVED),
        ("2001:db8::/32", _RESERVED),
        ("2620:4f:8000::/48", _RESERVED),
        ("3fff::/20", _RESERVED),
        ("2000::/3", _PUBLIC),  # all of the global unicast space; what is outside is reserved
    )
)
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_TRANSLATED: Final = IPv6Network("::ffff:0:0:0/96")  # SIIT, RFC 2765
_COMPATIBLE: Final = IPv6Network("::/96")  # deprecated, but kernels have routed it
_NAT64: Final = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")
_TEREDO: Final = IPv6Network("2001::/32")
_LOW_32: Final = 0xFFFF_FFFF
_STRICTER: Final = tuple(Reach)


def carried(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses inside an IPv6 one; none for a plain one. Teredo: server and client."""
    bits = int(address)
    if address in _SIX_TO_FOUR:
        return (IPv4Address(bits >> 80 & _LOW_32),)
    if address in _TEREDO:  # the client's is stored inverted
        return IPv4Address(bits >> 64 & _LOW_32), IPv4Address(~bits & _LOW_32)
    if any(address in network for network in (_MAPPED, _TRANSLATED, _NAT64)):
        return (IPv4Address(bits & _LOW_32),)
    if address in _COMPATIBLE and bits > 1:  # :: and ::1 are addresses of their own
        return (IPv4Address(bits & _LOW_32),)
    return ()


@lru_cache(maxsize=1024)
def spellings(address: str) -> tuple[str, ...]:
    """An address without its zone, and the IPv4 addresses inside it; as given if it is none."""
    plain = address.partition("%")[0]
    try:
        parsed = ip_address(plain)
    except ValueError:
        return (address,)
    inner = carried(parsed) if isinstance(parsed, IPv6Address) else ()
    return (plain, *map(str, inner))


@lru_cache(maxsize=1024)
def judge(address: str) -> Verdict:
    """Say who may be connected to an address. What is no address at all is `NEVER`."""
    try:
        parsed = ip_address(address.partition("%")[0])  # a zone does not change what it is
    except ValueError:
        return Verdict(Reach.NEVER, "not an address")
    if isinstance(parsed, IPv4Address):
        return _judge_4(parsed)
    inner = carried(parsed)
    if inner:
        return max(map(_judge_4, inner), key=lambda verdict: _STRICTER.index(verdict.reach))
    return next((verdict for network, verdict in _TABLE_6 if parsed in network), _RESERVED)


def _judge_4(address: IPv4Address) -> Verdict:
    return next((verdict for network, verdict in _TABLE_4 if address in network), _PUBLIC)


def check_address(host: str, address: str, *, operator_allowed: bool) -> None:
    """Return if `host` may be connected to at `address`; raise `AddressRefused` if not.

    `operator_allowed`: the operator named that very host and port, so it may be an internal one.
    """
    verdict = judge(address)
    if verdict.reach is Reach.NEVER or (verdict.reach is Reach.INTERNAL and not operator_allowed):
        raise AddressRefused(host, address, verdict)
