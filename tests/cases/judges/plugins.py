"""Cases of plugins: their manifests, their life, their permissions and limits.

The source's manifest is YAML with other names; its fields are renamed and written as `plugin.toml`.
A plugin of type "provider" is what every plugin is here; a field or word that has no other name
here is written as it is, for the product to refuse.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from stockade.packages.permit import deny
from stockade.registry import DuplicateProvider, NotRegistered, ProviderRegistry, Registration
from stockade.registry.discovery import discover
from stockade_sdk.manifest import ManifestError, read_manifest
from stockade_sdk.permissions import PathRule, Permissions

HOST, PATH = "api.example.com", "/srv/models"
PERMISSIONS: dict[str, dict[str, Any]] = {  # a source's word: the lines of a manifest that mean it
    "file:read": {"read": [PATH]},
    "file:write": {"write": ["data"]},
    "file:delete": {"write": ["data"]},
    "network:request": {"network": [HOST]},
    "subprocess:execute": {"subprocess": True},
    "config:read": {},  # a plugin's own configuration is given to it
    "database:read": {"write": ["data"]},
    "database:write": {"write": ["data"]},
}
REVOKED = {"file": "read", "network": "network", "subprocess": "subprocess"}


def judge_manifest(given: dict[str, Any], expect: dict[str, Any]) -> None:
    assert is_valid(toml_of(given["manifest"])) == expect["valid"]


def judge_discovery(given: dict[str, Any], expect: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "plugins"
        if not given.get("roots_missing"):
            root.mkdir()
            for name in given["dirs"]:
                write_folder(root / name)
            for name in given.get("files", ()):
                (root / name).write_text("raise SystemExit('was run')")

        found = discover([root])

    assert not expect["raises"]
    assert sorted(found.plugins) == sorted(name.replace("_", "-") for name in expect["found"])


def judge_registered(given: dict[str, Any], expect: dict[str, Any]) -> None:
    registry = ProviderRegistry(builtin=given["builtins"])
    for id in given["builtins"]:
        registry.ensure(Registration(id=id, builtin=True))

    error = None
    try:
        for name in given["names"]:
            registry.register({"id": name}, strict=True)
    except DuplicateProvider:
        error = "duplicate_provider"

    assert error == expect.get("error")
    if "registered" in expect:
        ids = [one.id for one in registry.list() if not one.builtin]
        assert sorted(ids) == sorted(expect["registered"])


def judge_loading(given: dict[str, Any], expect: dict[str, Any]) -> None:
    from tests.cases import workers  # a whole host, which no other judge needs

    answers = workers.loaded({plugin["name"]: plugin["loads"] for plugin in given["plugins"]})

    assert not expect["raises"]
    assert sum(answers.values()) == expect["loaded"]
    assert [name for name, fine in answers.items() if not fine] == expect["failed"]


def judge_get(given: dict[str, Any], expect: dict[str, Any]) -> None:
    registry = registered(given)

    found = registry.resolve(given["name"])

    assert (found.id if found else None) == expect["value"]


def judge_config(given: dict[str, Any], expect: dict[str, Any]) -> None:
    error = None
    try:
        registered(given).get(given["name"])
    except NotRegistered:
        error = "not_found"

    assert error == expect.get("error")


def judge_unregister(given: dict[str, Any], expect: dict[str, Any]) -> None:
    registry = registered(given)
    if "error" not in expect:
        registry.register({"id": given["name"]}, strict=True)

    known = registry.unregister(given["name"])

    assert (None if known else "not_found") == expect.get("error")
    if "listed" in expect:
        assert (given["name"] in [one.id for one in registry.list()]) == expect["listed"]
    if "value" in expect:
        assert registry.resolve(given["name"]) == expect["value"]


def judge_permissions(given: dict[str, Any], expect: dict[str, Any]) -> None:
    assert is_valid(manifest(permissions=asked(given["requested"]))) == expect["valid"]


def judge_enforcement(given: dict[str, Any], expect: dict[str, Any]) -> None:
    granted = read_manifest(manifest(permissions=asked(given["granted"]))).permissions
    for word in given.get("revoked", ()):
        kind, _, act = word.partition(":")
        granted = deny(granted, ["write" if act in ("write", "delete") else REVOKED[kind]])

    assert allows(granted, given["operation"]) == expect["allowed"]


def judge_limit(given: dict[str, Any], expect: dict[str, Any]) -> None:
    """Measured at a real worker: the source's own were told the figures."""
    from tests.cases import workers

    if "memory_mb" in given:
        source = workers.HUNGRY.format(mib=given["memory_mb"])
        kind = workers.outcome(source, limits=f'memory = "{given["limit_mb"]} MiB"')
    else:
        source = workers.SLOW.format(seconds=given["call_s"])
        kind = workers.outcome(source, timeout_s=given["timeout_s"])

    words = {"killed_or_error": {"out_of_memory", "worker_died"}, "timeout": {"timeout"}}
    assert kind in words.get(expect["outcome"], {"ok"})


def registered(given: dict[str, Any]) -> ProviderRegistry:
    """A registry with what a case says is registered."""
    registry = ProviderRegistry()
    for name in given.get("registered", ()):
        registry.register({"id": name}, strict=True)
    return registry


def toml_of(theirs: Any) -> str:
    """The source's manifest as a `plugin.toml`."""
    if not isinstance(theirs, dict):
        return json.dumps(theirs)
    plugin: dict[str, Any] = {"sdk": ">=0.1,<0.2", "capabilities": ["chat"]}
    limits: dict[str, Any] = {}
    permissions: dict[str, Any] = {}
    for key, value in theirs.items():
        match key:
            case "name" if isinstance(value, str):
                plugin["name"] = value.lower().replace("_", "-")
            case "entry_point" if isinstance(value, str):
                module, dot, name = value.rpartition(".")
                plugin["entry"] = f"{module}:{name}" if dot else value
            case "type" if value == "provider":
                pass
            case "description":
                plugin["summary"] = value
            case "author":
                plugin["authors"] = [value]
            case "dependencies":
                plugin["requires"] = value
            case "timeout_seconds":
                limits["request_timeout"] = f"{value}s"
            case "permissions":
                permissions = asked(value)
            case _:
                plugin[key] = value
    return manifest(plugin, permissions=permissions, limits=limits)


def manifest(
    plugin: dict[str, Any] | None = None,
    *,
    permissions: dict[str, Any] | None = None,
    limits: dict[str, Any] | None = None,
) -> str:
    """The text of a `plugin.toml`."""
    given = plugin if plugin is not None else fields("acme")
    tables = {"plugin": given, "permissions": permissions or {}, "limits": limits or {}}
    lines = ["manifest = 1"]
    for name, table in tables.items():
        lines.append(f"[{name}]")
        lines += [f"{json.dumps(key)} = {json.dumps(value)}" for key, value in table.items()]
    return "\n".join(lines)


def fields(name: str) -> dict[str, Any]:
    """A `[plugin]` without fault."""
    return {
        "name": name.replace("_", "-"),
        "version": "1.0.0",
        "entry": "acme_plugin:Acme",
        "sdk": ">=0.1,<0.2",
        "capabilities": ["chat"],
    }


def write_folder(folder: Path) -> None:
    """A plugin's folder; its name says what is wrong with it."""
    folder.mkdir()
    (folder / "plugin.py").write_text("raise SystemExit('was run')")
    match folder.name:
        case "no_manifest":
            return
        case "bad_yaml":
            text = "[plugin\nname"
        case name if name.startswith(("bad", "invalid", "missing")):
            text = manifest({**fields("acme"), "version": ""})
        case name:
            text = manifest(fields(name.strip("._")))
    (folder / "plugin.toml").write_text(text)


def is_valid(text: str) -> bool:
    """Whether the product reads this manifest."""
    try:
        read_manifest(text)
    except ManifestError:
        return False
    return True


def asked(words: list[str]) -> dict[str, Any]:
    """The source's permissions as the table of a manifest."""
    table: dict[str, Any] = {}
    for word in words:
        table |= PERMISSIONS.get(word, {word: True})
    return table


def allows(granted: Permissions, operation: str) -> bool:
    """Whether what was granted lets an operation be done."""
    own, shared = PathRule.parse("data"), PathRule.parse(PATH)
    match operation:
        case "network:request":
            return granted.allows_host(HOST, 443)
        case "subprocess:execute":
            return granted.subprocess
        case "file:read":
            return any(rule.covers(shared) for rule in granted.read)
        case "file:write" | "file:delete" | "database:read" | "database:write":
            return any(rule.covers(own) for rule in granted.write)
    return False


JUDGES: dict[str, Any] = {
    "validate_manifest": judge_manifest,
    "discover_plugins": judge_discovery,
    "register_plugin_providers": judge_registered,
    "load_plugins": judge_loading,
    "get": judge_get,
    "validate_config": judge_config,
    "unregister": judge_unregister,
    "validate_permissions": judge_permissions,
    "enforce": judge_enforcement,
    "resource_limit": judge_limit,
}
EXCEPTIONS: dict[str, str] = {}
