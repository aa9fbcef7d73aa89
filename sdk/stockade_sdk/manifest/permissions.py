"""What a manifest asks for: permissions and limits. Problems are noted and reading goes on."""

import msgspec

from stockade_sdk.hosts import HostRule
from stockade_sdk.limits import LIMIT_KINDS, Limits, parse_limit
from stockade_sdk.manifest.problems import Section
from stockade_sdk.permissions import (
    MAX_HELP,
    PathRule,
    Permissions,
    SecretRequest,
    check_environment_name,
    check_secret_format,
    check_secret_header,
    check_secret_name,
)
from stockade_sdk.text import TextRefused, show

__all__ = ["read_limits", "read_permissions"]

MAX_NETWORK = 128
MAX_SECRETS = 32


def read_permissions(table: Section) -> Permissions:
    """Read `[permissions]`. Asks whether each secret's hosts can be reached at all."""
    network = table.parsed_list("network", HostRule.parse, MAX_NETWORK)
    tunnel = table.flag("tunnel")
    read = table.parsed_list("read", PathRule.parse)
    write = table.parsed_list("write", PathRule.parse)
    subprocess = table.flag("subprocess")
    environment = table.parsed_list("environment", check_environment_name)
    secrets: dict[str, SecretRequest] = {}
    for entry in table.tables("secrets", MAX_SECRETS):
        secret = _secret(entry, network)
        if secret is not None and secret.name in secrets:
            entry.add("name", f"{show(secret.name)} is there twice", "leave one of them out")
        elif secret is not None:
            secrets[secret.name] = secret
    table.finish()
    return Permissions(
        network=network,
        tunnel=tunnel,
        read=read,
        write=write,
        subprocess=subprocess,
        environment=environment,
        secrets=tuple(secrets.values()),
    )


def _secret(table: Section, network: tuple[HostRule, ...]) -> SecretRequest | None:
    table.require("name", 'write a name as in "EXAMPLE_API_KEY"')
    name = table.parsed("name", check_secret_name)
    words = table.line("help", MAX_HELP) or ""
    hosts = table.parsed_list("hosts", HostRule.parse, MAX_NETWORK)
    header = table.parsed("header", check_secret_header)
    form = table.parsed("format", check_secret_format)
    expose = table.flag("expose")
    table.finish()
    if "format" in table.values and "header" not in table.values:
        table.add("format", "has no header to go with", 'write header = "authorization" beside it')
    for host in hosts:
        if not any(rule.covers(host) for rule in network):
            table.add(
                "hosts",
                f"{show(host)} is not among the hosts of permissions.network",
                "add it there too, or leave it out here: the plugin could never reach it",
            )
    if name is None:
        return None
    return SecretRequest(
        name=name, help=words, hosts=hosts, header=header, format=form or "{}", expose=expose
    )


def read_limits(table: Section) -> Limits:
    """Read `[limits]`; what is absent has its default."""
    found: dict[str, int | float] = {}
    for key, kind in LIMIT_KINDS.items():
        if key not in table.values:
            continue
        value = table.values[key]
        try:
            found[kind.field] = parse_limit(key, value)
        except TextRefused as refused:
            shown = show(value, 40) if isinstance(value, str | int | float) else "the value"
            table.add(key, f"{shown} {refused.message}", refused.remedy)
    table.finish(LIMIT_KINDS)
    return msgspec.convert(found, Limits)
