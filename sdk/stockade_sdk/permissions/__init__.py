"""What a plugin asks for and what an operator granted: one shape for both. Nothing is default-on.

Reading is strict (see `hosts` for host rules), and every struct checks itself however it was made,
so that a grant read back from disk is held to the same grammar. Whether a grant is given is decided
in the host; whether it holds is up to the sandbox and the egress.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from stockade_sdk.hosts import HostRule, normalise_host
from stockade_sdk.limits import Limits, limits_as_written
from stockade_sdk.permissions.risks import risk_words
from stockade_sdk.permissions.words import (
    MAX_HELP,
    check_environment_name,
    check_path,
    check_secret_format,
    check_secret_header,
    check_secret_name,
)
from stockade_sdk.text import TextRefused, check_plain_text, show
from stockade_sdk.units import format_duration, format_size, parse_duration, parse_size

__all__ = [
    "MAX_HELP",
    "HostRule",
    "Limits",
    "PathRule",
    "Permissions",
    "SecretRequest",
    "check_environment_name",
    "check_secret_format",
    "check_secret_header",
    "check_secret_name",
    "format_duration",
    "format_size",
    "limits_as_written",
    "normalise_host",
    "parse_duration",
    "parse_size",
    "permissions_from_json",
    "permissions_to_json",
    "risk_words",
]

T = TypeVar("T")


class PathRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file or folder with all that is in it: an absolute POSIX path, or "data", the plugin's own.

    Judged as text only; what is a symlink on the host is for the sandbox to resolve.
    """

    path: str

    def __post_init__(self) -> None:
        check_path(self.path)

    @classmethod
    def parse(cls, text: str) -> "PathRule":
        """Read a path; one slash at the end is dropped. Raises `TextRefused` (a ValueError)."""
        return cls(path=text[:-1] if len(text) > 1 and text.endswith("/") else text)

    def __str__(self) -> str:
        return self.path

    @property
    def is_data(self) -> bool:
        """Whether this is the plugin's own folder rather than a path of the host."""
        return self.path == "data"

    def covers(self, other: "PathRule") -> bool:
        """Whether everything under the other rule is under this one."""
        return other.path == self.path or other.path.startswith(self.path + "/")


class SecretRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key that the host puts on requests to `hosts` as `header: format`.

    Without hosts it goes nowhere until the operator binds it to one. Without a header it replaces
    its placeholder only where the plugin wrote that. `expose` hands the plugin the real value.
    """

    name: str
    help: str = ""
    hosts: tuple[HostRule, ...] = ()
    header: str | None = None
    format: str = "{}"
    expose: bool = False

    def __post_init__(self) -> None:
        check_secret_name(self.name)
        check_plain_text(self.help, MAX_HELP)
        check_secret_format(self.format)
        if self.header is not None:
            check_secret_header(self.header)


class Permissions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a plugin may do beyond computing. Empty is nothing; a path to write is read too.

    `tunnel` is raw TLS to the hosts of `network`, `environment` names variables passed through.
    """

    network: tuple[HostRule, ...] = ()
    tunnel: bool = False
    read: tuple[PathRule, ...] = ()
    write: tuple[PathRule, ...] = ()
    subprocess: bool = False
    environment: tuple[str, ...] = ()
    secrets: tuple[SecretRequest, ...] = ()

    def __post_init__(self) -> None:
        for name in self.environment:
            check_environment_name(name)
        names = [secret.name for secret in self.secrets]
        if len(set(names)) != len(names):
            raise TextRefused("holds a secret twice", "name each secret once")

    def allows_host(self, host: str, port: int) -> bool:
        """Whether some network rule allows this host and port; False for malformed hosts."""
        return any(rule.matches(host, port) for rule in self.network)


class _StoredSecret(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    help: str = ""
    hosts: list[str] = []
    header: str | None = None
    format: str = "{}"
    expose: bool = False


class _StoredPermissions(msgspec.Struct, forbid_unknown_fields=True):
    network: list[str] = []
    tunnel: bool = False
    read: list[str] = []
    write: list[str] = []
    subprocess: bool = False
    environment: list[str] = []
    secrets: list[_StoredSecret] = []


def permissions_to_json(permissions: Permissions) -> dict[str, Any]:
    """The permissions in plain lists, texts and booleans, rules as text as in a manifest."""
    stored = _StoredPermissions(
        network=[str(rule) for rule in permissions.network],
        tunnel=permissions.tunnel,
        read=[str(rule) for rule in permissions.read],
        write=[str(rule) for rule in permissions.write],
        subprocess=permissions.subprocess,
        environment=list(permissions.environment),
        secrets=[
            _StoredSecret(
                name=secret.name,
                help=secret.help,
                hosts=[str(rule) for rule in secret.hosts],
                header=secret.header,
                format=secret.format,
                expose=secret.expose,
            )
            for secret in permissions.secrets
        ],
    )
    return msgspec.to_builtins(stored)  # type: ignore[no-any-return]


def permissions_from_json(stored: dict[str, Any]) -> Permissions:
    """Read what `permissions_to_json` gave. Raises ValueError for anything else."""
    # msgspec.ValidationError is a ValueError; so is TextRefused.
    plain = msgspec.convert(stored, _StoredPermissions)
    return Permissions(
        network=_each(HostRule.parse, plain.network),
        tunnel=plain.tunnel,
        read=_each(PathRule.parse, plain.read),
        write=_each(PathRule.parse, plain.write),
        subprocess=plain.subprocess,
        environment=tuple(plain.environment),
        secrets=tuple(
            SecretRequest(
                name=secret.name,
                help=secret.help,
                hosts=_each(HostRule.parse, secret.hosts),
                header=secret.header,
                format=secret.format,
                expose=secret.expose,
            )
            for secret in plain.secrets
        ),
    )


def _each(parse: Callable[[str], T], texts: Iterable[str]) -> tuple[T, ...]:
    found = []
    for text in texts:
        try:
            found.append(parse(text))
        except TextRefused as refused:
            raise TextRefused(f"{show(text)} {refused.message}", refused.remedy) from None
    return tuple(found)
