"""Host names and the rules that allow them. Decides on text alone: see the egress for addresses.

One grammar serves the manifest, the operator's `--allow-host` and the request at run time, so that
no second parser can read a name in another way. It is narrower than what resolvers accept: letters,
digits and hyphens (RFC 1123 2.1, RFC 5891 4.4), dotted-quad IPv4 only, IPv6 in brackets (RFC 3986
3.2.2). What `getaddrinfo` would quietly turn into an address ("0x7f.1", "127.1", "2130706433") or
cut at a NUL is refused. A name that passes may still resolve to a private address: judge the
resolved address too.
"""

import ipaddress
import re

import msgspec

from stockade_sdk.text import TextRefused, show

__all__ = ["DEFAULT_PORT", "HostRule", "is_ip_literal", "normalise_host"]

DEFAULT_PORT = 443  # https; a rule without a port means TLS
MAX_HOST = 253  # characters of a name without its last dot (RFC 1035 2.3.4)
MAX_RULE = 300  # host, brackets, port and the star
_HOST_REMEDY = 'write a host as in "api.example.com"'
_RULE_REMEDY = 'write "host" or "host:port", as in "api.example.com" or "localhost:8080"'

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")  # the WHATWG URL "ends in a number" check
_IPV6 = re.compile(r"[0-9a-f:.]{2,45}")
_PORT = re.compile(r"[1-9][0-9]{0,4}")

# Registries that sell names one level down; with them "*.co.uk" is as broad as "*.com".
_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "gob", "gov", "ne", "net", "or", "org"})


def normalise_host(text: str) -> str:
    """The one spelling of a host: lower case, no last dot, IPv6 compressed and without brackets.

    Raises `TextRefused` (a ValueError) for anything that is not a strict host name or address;
    whoever catches it must refuse the request.
    """
    if not text:
        raise TextRefused("is empty", _HOST_REMEDY)
    if len(text) > MAX_HOST + 1:
        raise TextRefused(f"has {len(text)} characters", f"a host has at most {MAX_HOST}")
    if not text.isascii():
        raise _not_ascii(text)
    host = text.lower()
    if ":" in host or "[" in host or "]" in host:
        return _normalise_ipv6(host)
    _refuse_characters(host)
    host = host.removesuffix(".")
    if _IPV4.fullmatch(host):
        return host
    if not host or len(host) > MAX_HOST:
        raise TextRefused("is not a host", _HOST_REMEDY)
    labels = host.split(".")
    for label in labels:
        _check_label(label)
    if _NUMERIC.fullmatch(labels[-1]):
        raise TextRefused(
            "ends in a number without being an IPv4 address",
            'write all four parts in decimal, as in "192.0.2.1"',
        )
    return host


def _refuse_characters(host: str) -> None:
    for character in host:
        if character in "_*":
            raise TextRefused(f"holds {show(character)}", _HOST_REMEDY)
        if not (character.isalnum() or character in "-."):
            raise TextRefused(
                f"holds {show(character)}",
                "write the bare host: no scheme, user, path, space or escape",
            )


def _check_label(label: str) -> None:
    if not label:
        raise TextRefused("has an empty label", "write one dot between labels and none in front")
    if len(label) > 63:
        raise TextRefused("has a label of more than 63 characters", "shorten it (RFC 1035 2.3.4)")
    if not _LABEL.fullmatch(label):
        raise TextRefused(
            f"has the label {show(label)}", "let labels begin and end with a letter or a digit"
        )


def _normalise_ipv6(host: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not _IPV6.fullmatch(host):
        raise TextRefused("is not an IPv6 address", 'write it as in "[2001:db8::1]", without zone')
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        raise TextRefused(
            "is not an IPv6 address", 'write it as in "[2001:db8::1]", without zone'
        ) from None
    if address.ipv4_mapped is not None:
        # Two spellings of one machine: a rule for one must not be dodged or widened by the other.
        raise TextRefused(
            "is an IPv4 address inside an IPv6 one", f'write "{address.ipv4_mapped}" instead'
        )
    return address.compressed


def _not_ascii(text: str) -> TextRefused:
    try:
        written = normalise_host(text.encode("idna").decode("ascii"))
    except (UnicodeError, ValueError):
        return TextRefused("holds characters outside ASCII", _HOST_REMEDY)
    return TextRefused("holds characters outside ASCII", f'write "{written}" if that is the host')


def is_ip_literal(host: str) -> bool:
    """Whether a normalised host is an address rather than a name."""
    return ":" in host or _IPV4.fullmatch(host) is not None


class HostRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One host and port that a plugin may reach: exactly `host`, or with `wildcard` what is below.

    `host` is normalised, without the "*."; a wildcard stands for one or more labels, never for the
    apex. Every instance is checked, however it was made; `str()` gives what `parse` reads.
    """

    host: str
    port: int = DEFAULT_PORT
    wildcard: bool = False

    def __post_init__(self) -> None:
        if normalise_host(self.host) != self.host:
            raise TextRefused(f"{show(self.host)} is not normalised", "use HostRule.parse")
        if not 1 <= self.port <= 65535:
            raise TextRefused("has a port out of range", "write a port from 1 to 65535")
        if self.wildcard:
            _check_breadth(self.host)

    @classmethod
    def parse(cls, text: str) -> "HostRule":
        """Read "host", "host:port", "*.host", "192.0.2.1:80" or "[::1]:8080"; port 443 if none.

        Raises `TextRefused` (a ValueError) with a sentence that says what would be right.
        """
        if not text:
            raise TextRefused("is empty", _RULE_REMEDY)
        if len(text) > MAX_RULE:
            raise TextRefused(f"has {len(text)} characters", f"a host has at most {MAX_HOST}")
        if "://" in text or "/" in text:
            raise TextRefused("is a URL or a path", "write the host alone, without scheme and path")
        host, port = _split_port(text)
        if host == "*":
            raise TextRefused("allows every host", 'name the hosts, or write "*.example.com"')
        wildcard = host.startswith("*.")
        name = normalise_host(host[2:] if wildcard else host)
        return cls(host=name, port=port, wildcard=wildcard)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORT else f":{self.port}"
        return f"{'*.' if self.wildcard else ''}{host}{port}"

    def matches(self, host: str, port: int) -> bool:
        """Whether a request to this host and port is allowed. A malformed host never is."""
        try:
            name = normalise_host(host)
        except ValueError:
            return False
        return port == self.port and self._holds(name)

    def covers(self, other: "HostRule") -> bool:
        """Whether everything that the other rule allows is allowed by this one."""
        if self.port != other.port or (other.wildcard and not self.wildcard):
            return False
        return self._holds(other.host) or (other.wildcard and self.host == other.host)

    def _holds(self, name: str) -> bool:
        if not self.wildcard:
            return name == self.host
        return not is_ip_literal(name) and name.endswith("." + self.host)


def _check_breadth(host: str) -> None:
    if is_ip_literal(host):
        raise TextRefused("puts a wildcard before an address", "write the address alone")
    labels = host.split(".")
    registry = len(labels) == 2 and len(labels[1]) == 2 and labels[0] in _SECOND_LEVEL
    if len(labels) < 2 or registry:
        raise TextRefused(
            f'is too broad: "*.{host}" is everything under a public suffix',
            f'name a domain below it, as in "*.example.{host}"',
        )


def _split_port(text: str) -> tuple[str, int]:
    if text.startswith("["):
        host, bracket, rest = text.partition("]")
        if not bracket:
            raise TextRefused("has no closing bracket", 'write it as in "[::1]:8080"')
        host += "]"
    else:
        host, colon, port = text.partition(":")
        if ":" in port:
            raise TextRefused("has more than one colon", 'put IPv6 in brackets, as in "[::1]:8080"')
        rest = colon + port
    if not rest:
        return host, DEFAULT_PORT
    if not rest.startswith(":") or not _PORT.fullmatch(rest[1:]) or int(rest[1:]) > 65535:
        raise TextRefused(
            "has no valid port after the host", 'write a port from 1 to 65535, as in "host:8080"'
        )
    return host, int(rest[1:])
