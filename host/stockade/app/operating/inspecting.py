"""What is known of one plugin: all of it, and at a glance."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from stockade.admin import values as v
from stockade.packages import shipped_plugins
from stockade.process import read_usage
from stockade.settings import Home
from stockade.state import Installed
from stockade.state.manifests import manifest_of
from stockade.supervisor import Posted, posted_in, read_acts, shown
from stockade_sdk.limits import limits_as_written
from stockade_sdk.manifest import Manifest, ManifestError, read_manifest_file
from stockade_sdk.permissions import permissions_to_json

from .configuring import unset_of
from .keeping import key_needed

__all__ = ["capabilities_of", "inspected", "offers", "plugin_row"]

CHINA: Final = frozenset({"deepseek", "moonshot", "qwen"})  # vendors that are at home there
Planned = tuple[str, tuple[str, ...]]  # a tier, and the steps of a start in it


def inspected(home: Home, record: Installed, planned: Callable[[], Planned]) -> dict[str, Any]:
    """What `inspect --json` prints. Blocking. Raises ManifestError.

    `workers` are those of every host that runs over this home, `worker` is the first of them, null
    where none runs; `tier` and `layers` are that one's, else what the next would get here, which
    `planned` says.
    """
    manifest = manifest_of(record)
    posted = [one for one in posted_in(home.run) if one.plugin == record.name]
    tier, layers = (posted[0].tier, posted[0].layers) if posted else planned()
    workers = [_posted_worker(one) for one in posted]
    hosts = [str(rule) for rule in record.operator_hosts]
    return {
        "name": record.name,
        "version": record.version,
        "state": record.state,
        "trust": record.trust,
        "digest": f"sha256:{record.digest}",
        "entry": str(manifest.entry),
        "permissions": permissions_to_json(manifest.permissions),
        "grants": {**permissions_to_json(record.granted), "operator_hosts": hosts},
        "limits": limits_as_written(record.limits),
        "config": {
            key: record.config.get(key, field.default) for key, field in manifest.config.items()
        },
        "models": [msgspec.to_builtins(model) for model in manifest.served_models],
        "tier": tier,
        "layers": list(layers),
        "worker": workers[0] if workers else None,
        "workers": workers,
        "denials": shown(record.name, read_acts(home.logs, record.name)),
        "last_error": record.last_error,
    }


def _posted_worker(posted: Posted) -> dict[str, Any]:
    usage = read_usage(posted.pid)
    return {
        "pid": posted.pid,
        "rss_bytes": usage.rss_bytes if usage is not None else None,
        "cpu_seconds": usage.cpu_seconds if usage is not None else None,
        "restarts": posted.restarts,
        "uptime_s": round(max(0.0, time.time() - posted.since), 3),
        "tier": posted.tier,
        "layers": list(posted.layers),
    }


def capabilities_of(manifest: Manifest) -> list[str]:
    """What a plugin's models serve, each once."""
    words = (str(word) for model in manifest.served_models for word in model.capabilities)
    return list(dict.fromkeys(words))


def plugin_row(
    home: Home,
    record: Installed,
    *,
    running: str,
    workers: Sequence[v.WorkerRow],
    waiting: int,
    models: int,
    keys: Iterable[v.KeyRow],
) -> v.Plugin:
    """A plugin at a glance; of one whose manifest cannot be read, that. Blocking."""
    own = [key for key in keys if key.plugin == record.name]
    summary, capabilities, needs = _from_manifest(record, own)
    return v.Plugin(
        name=record.name,
        version=record.version,
        summary=summary,
        state=record.state,
        trust=record.trust,
        running=running,
        capabilities=capabilities,
        models=models,
        keys=own,
        workers=list(workers),
        waiting=waiting,
        needs=needs,
        last_error=record.last_error,
        denials=sum(not act.allowed for act in read_acts(home.logs, record.name)),
    )


def _from_manifest(record: Installed, keys: Sequence[v.KeyRow]) -> tuple[str, list[str], list[str]]:
    """Its summary, what it serves, and what it needs before it can answer."""
    try:
        manifest = manifest_of(record)
    except ManifestError:
        return "", [], ["its manifest cannot be read; install it again"]
    needs = [
        f"{key} is not set; run: stockade config set {record.name} {key} VALUE"
        for key in unset_of(record)
    ]
    key = key_needed(record, keys)
    if key is not None:
        needs.append(f"no key is set; run: stockade secrets set {record.name} {key}")
    return manifest.summary, capabilities_of(manifest), needs


def offers(installed: Iterable[str]) -> list[v.Offer]:
    """The plugins that ship with stockade, by name. Blocking."""
    here = set(installed)
    found = []
    for name, folder in shipped_plugins().items():
        manifest = read_manifest_file(folder / "plugin.toml")
        found.append(
            v.Offer(
                name=name,
                summary=manifest.summary,
                installed=name in here,
                capabilities=capabilities_of(manifest),
                china=name in CHINA,
            )
        )
    return found
