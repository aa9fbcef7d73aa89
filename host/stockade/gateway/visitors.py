"""Which `Host` and `Origin` a request may carry. Pure.

A page of somebody else's that is open in the operator's browser can send requests to loopback, and
a name of somebody else's can be made to lead there (DNS rebinding); what it cannot do is to send
another Host, Origin or Sec-Fetch-Site than its own. Ports are not looked at in a Host: a name leads
here or it does not, and a container's port may be another one outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

from stockade_sdk.errors import ErrorKind

from .cors import Cors
from .failures import Rejected

LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
# "Every address" may be what is listened at, and is nobody's name: browsers take it for loopback.
EVERYWHERE: Final = frozenset(("0.0.0.0", "::", "[::]"))  # noqa: S104
HERE: Final = (b"same-origin", b"none")  # Sec-Fetch-Site: a page of ours, or the person itself
MAX_HOST_BYTES: Final = 253 + len(":65535")
# Headers that are decided by: of two, one reader might take the first and another the last.
SINGLE: Final = frozenset((b"host", b"origin", b"authorization", b"x-api-key", b"sec-fetch-site"))


class Visitors:
    """``names`` are those under which this gateway may be asked for besides loopback's and the
    address that a connection came in on, ``origins`` foreign pages that may call it.
    """

    def __init__(self, names: Iterable[str], scheme: str, origins: Iterable[str]) -> None:
        known = {name.lower() for name in (*LOOPBACK, *names)}
        self._names = frozenset(name.encode() for name in known - EVERYWHERE)
        # Before a gateway without TLS there may stand something that has it.
        self._schemes = tuple({b"https://", scheme.encode() + b"://"})
        self.cors = Cors(origins)

    def __call__(self, headers: Mapping[bytes, bytes], scope: Mapping[str, Any]) -> None:
        """Raises Rejected: 400 for a Host that is missing, or for two of a header that is decided
        by; 421 for a foreign Host; 403 for a foreign page.
        """
        if len(headers) != len(scope["headers"]):
            _refuse_doubles(scope["headers"])
        host = headers.get(b"host", b"").lower()
        if not host:
            raise Rejected(400, "the Host header is missing")
        if host not in self._names and not self._leads_here(host, scope):
            raise Rejected(
                421,
                "this is not the host that was asked for: the Host header names another one. An "
                "operator allows further names with hosts = [...] under [gateway]",
                kind=ErrorKind.PERMISSION_DENIED,
            )
        origin = headers.get(b"origin")
        if origin is None:
            site = headers.get(b"sec-fetch-site")
            if site is not None and site not in HERE and not _is_visit(headers, scope):
                raise _foreign_page()
        elif not (self._is_own(origin.lower(), host) or self.cors.allows(origin)):
            raise _foreign_page()

    def _leads_here(self, host: bytes, scope: Mapping[str, Any]) -> bool:
        if len(host) > MAX_HOST_BYTES:
            return False
        name, colon, port = host.rpartition(b":")
        if not colon or host.endswith(b"]"):
            name = host
        elif not (port.isdigit() and len(port) <= 5):
            return False
        if name in self._names:
            return True
        asked, own = _address(name), scope.get("server")
        return asked is not None and own is not None and asked == _plain_address(own[0])

    def _is_own(self, origin: bytes, host: bytes) -> bool:
        """Whether it is that of the pages which are asked for under this Host."""
        return any(origin == scheme + host for scheme in self._schemes)


def _refuse_doubles(pairs: Iterable[tuple[bytes, bytes]]) -> None:
    seen = set()
    for name, _ in pairs:
        if name in SINGLE:
            if name in seen:
                raise Rejected(400, f"the request carries more than one {name.decode()} header")
            seen.add(name)


def _is_visit(headers: Mapping[bytes, bytes], scope: Mapping[str, Any]) -> bool:
    """Whether a person followed a link: that reads a page, and shows it to nobody else."""
    first = scope["path"].split("/", 2)[1]
    return (
        headers.get(b"sec-fetch-mode") == b"navigate"
        and headers.get(b"sec-fetch-dest", b"document") == b"document"
        and scope["method"] in ("GET", "HEAD")
        and first not in ("v1", "api", "metrics")
    )


def _address(name: bytes) -> IPv4Address | IPv6Address | None:
    """The address that a Host is a literal of."""
    bracketed = name[:1] == b"[" and name[-1:] == b"]"
    if not (bracketed or name[:1].isdigit()):
        return None
    found = _plain_address((name[1:-1] if bracketed else name).decode("latin-1"))
    return found if bracketed == isinstance(found, IPv6Address) else None


def _plain_address(text: str) -> IPv4Address | IPv6Address | None:
    """An address; that of IPv4 for one which is mapped into IPv6, as a socket of both has it."""
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _foreign_page() -> Rejected:
    return Rejected(
        403,
        "pages of this origin may not call this gateway. An operator allows one with "
        "origins = [...] under [gateway]",
        kind=ErrorKind.PERMISSION_DENIED,
    )
