"""What of a good manifest an operator would stop at: too broad, unsaid, or never what was meant.

Pure. A warning is no problem: the plugin can be installed. See `lint_code` for the code.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from stockade_sdk.hosts import DEFAULT_PORT, HostRule, is_ip_literal
from stockade_sdk.limits import LIMIT_KINDS, Limits, limits_as_written
from stockade_sdk.manifest import Manifest
from stockade_sdk.manifest.lines import KeyPath, key_lines, line_of
from stockade_sdk.manifest.problems import Problem, key_text
from stockade_sdk.manifest.versions import parse_requirement, parse_version, split_specifier
from stockade_sdk.permissions import PathRule, SecretRequest
from stockade_sdk.units import GIB, MIB

__all__ = ["Found", "manifest_warnings", "placed"]

Found = tuple[KeyPath, str, str]  # where in the manifest, what about it, what to do

MANY_HOSTS: Final = 8  # a vendor has one or two
KEY_HOSTS: Final = 3  # a vendor's regions want the same key
# Below these anybody gets a name of their own: a wildcard there is a stranger's host as well.
SHARED_HOSTS: Final = (
    "amazonaws.com", "appspot.com", "azureedge.net", "azurewebsites.net", "blogspot.com",
    "cloudapp.net", "cloudfront.net", "duckdns.org", "fly.dev", "github.io", "gitlab.io",
    "herokuapp.com", "myshopify.com", "netlify.app", "ngrok.io", "onrender.com", "pages.dev",
    "railway.app", "replit.app", "run.app", "trycloudflare.com", "vercel.app", "web.app",
    "windows.net", "workers.dev",
)  # fmt: skip
EXAMPLES: Final = ("example.com", "example.net", "example.org", "example", "test", "invalid")
# Where keys, configuration and sockets of a machine are.
SYSTEM: Final = ("/boot", "/etc", "/home", "/root", "/run", "/usr", "/var")
KEY_WORDS: Final = ("KEY", "TOKEN", "SECRET", "PASS", "CREDENTIAL", "AUTH")
# Beyond these an operator's ceiling cuts, or a machine with a few plugins has none left.
LARGE: Final = {
    "memory": GIB,
    "cpu": 2.0,
    "processes": 128,
    "open_files": 1024,
    "scratch": 512 * MIB,
    "workers": 8,
    "concurrency": 256,
    "start_timeout": 60.0,
    "request_timeout": 600.0,
    "idle_stop": 3600.0,
}


def manifest_warnings(manifest: Manifest, text: str) -> list[Problem]:
    """What to think over, in the order of the file; `text` is the manifest's."""
    found = [
        *_about(manifest),
        *_network(manifest),
        *_paths(manifest),
        *_rest(manifest),
        *_secrets(manifest),
        *_limits(manifest.limits),
    ]
    return placed(found, text)


def placed(found: list[Found], text: str) -> list[Problem]:
    """The same with the lines of a manifest's text."""
    lines = key_lines(text)
    warnings = [
        Problem(line=line_of(lines, path), key=key_text(path), message=message, remedy=remedy)
        for path, message, remedy in found
    ]
    return sorted(warnings, key=lambda warning: (warning.line is None, warning.line or 0))


def _about(manifest: Manifest) -> Iterator[Found]:
    for key, example in (
        ("summary", 'summary = "Chat with Acme\'s models"'),
        ("authors", 'authors = ["A. Author <author@acme.test>"]'),
        ("license", 'license = "Apache-2.0"'),
        ("homepage", 'homepage = "https://..."'),
    ):
        if not getattr(manifest, key):
            yield (
                ("plugin", key),
                "is not said, and who installs it asks for it",
                f"write {example}",
            )
    version = parse_version(manifest.version)
    if version.pre is not None or version.dev is not None or version.local:
        yield (
            ("plugin", "version"),
            "is no final version: an index does not offer it to those who name none",
            'write it as in "1.0.0" once it is one',
        )
    if not any(
        operator in ("<", "<=", "==", "~=") for operator, _ in split_specifier(manifest.sdk)
    ):
        yield (
            ("plugin", "sdk"),
            "has no upper end, and a later SDK may break the plugin",
            'write the series that it was tried with, as in ">=0.1,<0.2"',
        )
    for at, requirement in enumerate(manifest.requires):
        wanted = parse_requirement(requirement)
        clauses = split_specifier(wanted.specifier) if wanted.specifier else ()
        if not any(operator == "==" for operator, _ in clauses):
            yield (
                ("plugin", "requires", at),
                "is not pinned: each operator gets what is newest on their day",
                f'write the version that was tried, as in "{replace(wanted, specifier="==1.2.3")}"',
            )


def _network(manifest: Manifest) -> Iterator[Found]:
    rules = manifest.permissions.network
    for at, rule in enumerate(rules):
        yield from _rule(("permissions", "network", at), rule)
    if len(rules) > MANY_HOSTS:
        yield (
            ("permissions", "network"),
            f"names {len(rules)} hosts, and each may be sent all that the plugin is given",
            "leave out those that it can do without",
        )
    if manifest.permissions.tunnel:
        yield (
            ("permissions", "tunnel"),
            "hides from the host what is sent, and no key can be put on",
            "use ctx.http, or stockade_sdk.http.httpx_client(ctx) for a library that takes one",
        )


def _rule(path: KeyPath, rule: HostRule) -> Iterator[Found]:
    if any(rule.host == one or rule.host.endswith(f".{one}") for one in EXAMPLES):
        yield path, f"{rule.host} is nobody's (RFC 2606)", "write the vendor's own host"
    elif rule.wildcard and any(
        rule.host == one or rule.host.endswith(f".{one}") for one in SHARED_HOSTS
    ):
        yield (
            path,
            f'"{rule}" is shared ground: anybody can get a name below {rule.host}',
            "name the hosts, or let the operator name theirs with --allow-host",
        )
    elif rule.wildcard:
        yield (
            path,
            f'"{rule}" is every host below {rule.host}, those that come later too',
            "name the hosts that it asks",
        )
    if is_ip_literal(rule.host) or rule.host == "localhost" or "." not in rule.host:
        yield (
            path,
            f"{rule.host} is a place in somebody's own network, which no manifest opens",
            "leave it out: the operator names it with --allow-host",
        )
    elif rule.port != DEFAULT_PORT:
        yield (
            path,
            f"port {rule.port} is not https's, and a manifest opens TLS alone",
            "leave the port out, if the vendor answers on 443",
        )


def _paths(manifest: Manifest) -> Iterator[Found]:
    for kind in ("read", "write"):
        rules: tuple[PathRule, ...] = getattr(manifest.permissions, kind)
        for at, rule in enumerate(rules):
            if rule.is_data:
                continue
            sensitive = any(rule.path == one or rule.path.startswith(f"{one}/") for one in SYSTEM)
            why = "is where keys and settings of a machine are" if sensitive else "is there on few"
            yield (
                ("permissions", kind, at),
                f"{rule.path} {why}{'' if sensitive else ' machines'}",
                'write "data", the plugin\'s own folder, if that will do',
            )


def _rest(manifest: Manifest) -> Iterator[Found]:
    if manifest.permissions.subprocess:
        yield (
            ("permissions", "subprocess"),
            "lets it start programs, which many operators deny",
            "leave it out, if a package of Python's does the same",
        )
    for at, name in enumerate(manifest.permissions.environment):
        if any(word in name.upper() for word in KEY_WORDS):
            yield (
                ("permissions", "environment", at),
                f"{name} looks like a key, and the plugin would see it",
                f'ask for it under [[permissions.secrets]], as name = "{name.upper()}"',
            )


def _secrets(manifest: Manifest) -> Iterator[Found]:
    network = manifest.permissions.network
    for at, secret in enumerate(manifest.permissions.secrets):
        path: KeyPath = ("permissions", "secrets", at)
        if secret.expose:
            yield (
                (*path, "expose"),
                f"the plugin sees {secret.name} and could send it anywhere that it may reach",
                "leave it out, and let the host put the key on: hosts and header",
            )
        elif not secret.hosts and network:
            yield (
                path,
                f"{secret.name} goes nowhere until the operator binds it to a host",
                f'write its hosts, as in hosts = ["{network[0].host}"]',
            )
        yield from _key_hosts(path, secret, network)


def _key_hosts(
    path: KeyPath, secret: SecretRequest, network: tuple[HostRule, ...]
) -> Iterator[Found]:
    if len(network) > KEY_HOSTS and network == secret.hosts:
        yield (
            (*path, "hosts"),
            f"{secret.name} goes to every host of the plugin's",
            "name the hosts alone that want it",
        )


def _limits(limits: Limits) -> Iterator[Found]:
    written, usual = limits_as_written(limits), limits_as_written(Limits())
    for key, most in LARGE.items():
        if getattr(limits, LIMIT_KINDS[key].field) > most:
            yield (
                ("limits", key),
                f"{written[key]} is far above the usual {usual[key]}: a ceiling may cut it",
                "write what a busy day really needs",
            )
