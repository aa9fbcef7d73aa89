"""Where the gateway may listen, and the sockets for it.

Whoever reaches the listener can try tokens, and reads along where there is no TLS: so it listens
beyond this machine only where that is encrypted, or where the operator says that it shall not be.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address
from typing import Final

import msgspec

from stockade.errors import Refused, UsageError
from stockade.settings import GatewaySettings

from .room import BACKLOG
from .tls import context_of

Resolve = Callable[[str], Iterable[str]]

LOWEST_FREE_PORT: Final = 1024


def resolve(host: str) -> list[str]:
    """The addresses of a host, each once. Raises UsageError where it has none."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is no name of a host"
        raise UsageError(
            f"cannot listen at {host}: it has no address",
            why=str(why),
            remedy='set host under [gateway], as in "127.0.0.1"',
        ) from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def may_listen(host: str, addresses: Iterable[str], *, tls: bool, insecure: bool) -> None:
    """Check that the gateway may listen at these addresses of ``host``. Pure.

    Raises Refused where one of them is reached from other machines, without TLS, and ``insecure``
    was not said.
    """
    if tls or insecure:
        return
    beyond = [one for one in addresses if not _is_loopback(one)]
    if beyond:
        raise Refused(
            f"will not listen at {host} ({', '.join(beyond)}) without TLS",
            why="other machines reach it, and tokens and prompts would be read on the way",
            remedy="set tls_certificate and tls_key under [gateway], or listen at 127.0.0.1, or, "
            "where something before it does the TLS, say insecure = true or --insecure",
        )


class Bound(msgspec.Struct, frozen=True):
    """Where it listens: the sockets, with the TLS for them, and a URL that leads there."""

    sockets: tuple[socket.socket, ...]
    tls: ssl.SSLContext | None
    address: str

    @property
    def scheme(self) -> str:
        return "http" if self.tls is None else "https"


@contextlib.contextmanager
def bind(settings: GatewaySettings, resolve: Resolve = resolve) -> Iterator[Bound]:
    """Listen as ``[gateway]`` says while the block runs. Blocks while a name is looked up.

    Raises Refused where it may not, SettingsError for a certificate that cannot be used, UsageError
    where there is no such address, or its port is taken.
    """
    addresses = list(resolve(settings.host))
    tls = context_of(settings)
    may_listen(settings.host, addresses, tls=tls is not None, insecure=settings.insecure)
    made = sockets_at(settings.host, addresses, settings.port)
    try:
        port = made[0].getsockname()[1]
        scheme = "http" if tls is None else "https"
        yield Bound(tuple(made), tls, f"{scheme}://{_shown(settings.host)}:{port}")
    finally:
        for one in made:
            one.close()


def sockets_at(host: str, addresses: Iterable[str], port: int) -> list[socket.socket]:
    """A listening socket at each address; port 0 is any that is free, the same at all of them.

    The caller closes them. Raises UsageError in words.
    """
    made: list[socket.socket] = []
    try:
        for address in addresses:
            made.append(_bound(address, port))
            port = made[0].getsockname()[1]
    except OSError as error:
        for one in made:
            one.close()
        raise UsageError(
            f"cannot listen at {host}, port {port}", why=_why(error), remedy=_remedy(error)
        ) from error
    return made


def _shown(host: str) -> str:
    """As a URL has it; for "every address", one that leads there from this machine."""
    try:
        found = ip_address(host)
    except ValueError:
        return host
    if found.is_unspecified:
        found = ip_address("127.0.0.1" if found.version == 4 else "::1")
    return str(found) if found.version == 4 else f"[{found}]"


def _bound(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    where = socket.getaddrinfo(address, port, family, socket.SOCK_STREAM)[0][4]
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:  # what is said to be listened at, and not IPv4 as well
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(where)
        made.listen(BACKLOG)
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    return made


def _is_loopback(address: str) -> bool:
    found = ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)


def _why(error: OSError) -> str:
    return "the port is taken" if error.errno == errno.EADDRINUSE else str(error.strerror or error)


def _remedy(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "end what listens there, or choose another port with --port"
        case errno.EADDRNOTAVAIL:
            return "choose an address of this machine with --host"
        case errno.EACCES:
            return f"choose a port from {LOWEST_FREE_PORT} with --port"
    return "choose another --host or --port"
