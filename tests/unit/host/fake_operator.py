"""An operator's host that is all in memory: what is set is there, what is removed is gone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import anyio
from msgspec.structs import replace

from stockade.admin import Changed, Missing, Taken
from stockade.admin import values as v
from stockade.errors import NotInstalled, Refused, UsageError

DIGEST = "sha256:0001"
SHIPPED = ("openai", "deepseek")
CAPABILITIES: tuple[v.CapabilityName, ...] = (
    "chat",
    "vision",
    "embedding",
    "image_gen",
    "audio_stt",
    "audio_tts",
    "rerank",
)


def a_plugin(name: str = "openai") -> v.Plugin:
    return v.Plugin(
        name=name,
        version="1.0",
        summary="A provider",
        state="enabled",
        trust="shipped",
        running="ready",
        capabilities=["chat"],
        models=1,
        keys=[],
        workers=[a_worker(name)],
    )


def a_worker(name: str = "openai") -> v.WorkerRow:
    return v.WorkerRow(
        plugin=name,
        pid=7,
        state="ready",
        tier="full",
        layers=["landlock"],
        rss_bytes=1,
        cpu_seconds=0.5,
        restarts=0,
        uptime_s=2.0,
        in_flight=0,
    )


def a_permission(word: str, *, granted: bool) -> v.PermissionRow:
    return v.PermissionRow(word=word, risk="reads", asked=False, granted=granted, by_operator=True)


def a_line(text: str, source: str = "host") -> v.LogLine:
    return v.LogLine(at="2026-01-01T00:00:00Z", source=source, text=text)


class FakeOperator:
    """Two plugins can be installed, `openai` is. ``failing`` is raised by every method, by `follow`
    after the lines that there are.
    """

    def __init__(self) -> None:
        self.failing: Exception | None = None
        self.calls: list[tuple[Any, ...]] = []
        self.installed = {"openai": a_plugin()}
        self.settings: dict[tuple[str, str], v.ConfigText] = {}
        self.granted: dict[str, dict[str, v.PermissionRow]] = {}
        self.keys: dict[tuple[str, str], str] = {}
        self.names: dict[str, v.Alias] = {}
        self.ways: dict[str, v.Route] = {}
        self.visitors: dict[str, v.TokenRow] = {}
        self.work: dict[str, v.Job] = {}
        self.signers: dict[str, v.TrustedKeyRow] = {}
        self.lines = [a_line("started"), a_line("no way to example.com", "denied")]
        self.more_lines = anyio.Event()  # set: following ends
        self.followers = 0

    def heard(self, *call: Any) -> None:
        self.calls.append(call)
        if self.failing is not None:
            raise self.failing

    def known(self, name: str) -> v.Plugin:
        if name not in self.installed:
            raise NotInstalled(f"no plugin {name!r} is installed", remedy="install it")
        return self.installed[name]

    def began(self, kind: Any) -> v.Job:
        id = f"{kind}-{len(self.work) + 1}"
        self.work[id] = v.Job(id=id, kind=kind, state="running", started_at=1.0)
        return self.work[id]

    async def status(self) -> v.Status:
        self.heard("status")
        return v.Status(
            version="1",
            home="/h",
            pid=1,
            started_at=1.0,
            uptime_s=2.0,
            url=None,
            tier=None,
            draining=False,
            in_flight=0,
            plugins=len(self.installed),
            workers=1,
        )

    async def doctor(self) -> v.Job:
        self.heard("doctor")
        return self.began("doctor")

    async def refresh(self) -> None:
        self.heard("refresh")

    async def reload(self) -> None:
        self.heard("reload")

    async def jobs(self) -> Sequence[v.Job]:
        self.heard("jobs")
        return tuple(self.work.values())

    async def job(self, id: str) -> v.Job:
        self.heard("job", id)
        if id not in self.work:
            raise Missing(f"there is no job {id!r}")
        return self.work[id]

    async def plugins(self) -> Sequence[v.Plugin]:
        self.heard("plugins")
        return tuple(self.installed.values())

    async def plugin(self, name: str) -> v.Detail:
        self.heard("plugin", name)
        return v.Detail(
            plugin=self.known(name), config=[], permissions=[], inspected={"name": name}
        )

    async def offers(self) -> Sequence[v.Offer]:
        self.heard("offers")
        return [
            v.Offer(name=one, summary="", installed=one in self.installed, capabilities=["chat"])
            for one in SHIPPED
        ]

    async def propose(self, asked: v.Proposing) -> v.Proposal:
        self.heard("propose", asked)
        if asked.source not in SHIPPED:
            raise UsageError(f"there is nothing at {asked.source!r}", remedy="name a folder")
        return v.Proposal(
            source=asked.source,
            name=asked.source,
            version="1.0",
            digest=DIGEST,
            trust="shipped",
            consent="It may reach api.example.com",
            asks=True,
            replaces=None,
            permissions=[],
        )

    async def install(self, agreed: v.Installing) -> v.Job:
        self.heard("install", agreed)
        if agreed.digest != DIGEST:
            raise Changed("it is not what was looked at", why="its digest differs")
        self.installed[agreed.source] = a_plugin(agreed.source)
        return self.began("install")

    async def propose_upgrade(self, name: str, asked: v.UpgradeAsked) -> v.Proposal:
        self.heard("propose_upgrade", name, asked)
        self.known(name)
        proposal = await self.propose(asked)
        return replace(proposal, replaces="1.0", differences=["Version 1.0 becomes 1.1."])

    async def upgrade(self, name: str, agreed: v.Upgrading) -> v.Job:
        self.heard("upgrade", name, agreed)
        self.known(name)
        if agreed.digest != DIGEST:
            raise Changed("it is not what was looked at", why="its digest differs")
        return self.began("upgrade")

    async def versions(self, name: str) -> Sequence[v.VersionRow]:
        self.heard("versions", name)
        plugin = self.known(name)
        return [
            v.VersionRow(
                version=plugin.version,
                digest=DIGEST,
                trust=plugin.trust,
                current=True,
                installed_at=1.0,
                replaced_at=None,
            )
        ]

    async def roll_back(self, name: str, asked: v.RollingBack) -> v.Job:
        self.heard("roll_back", name, asked)
        self.known(name)
        return self.began("rollback")

    async def verify(self, name: str) -> v.Job:
        self.heard("verify", name)
        self.known(name)
        return self.began("verify")

    async def collect(self, asked: v.Collecting) -> v.Job:
        self.heard("collect", asked)
        return self.began("gc")

    async def trusted(self) -> Sequence[v.TrustedKeyRow]:
        self.heard("trusted")
        return list(self.signers.values())

    async def trust(self, name: str, given: v.TrustGiven) -> v.TrustedKeyRow:
        self.heard("trust", name, given)
        if name in self.signers:
            raise Taken(f"there is a key {name!r}")
        self.signers[name] = v.TrustedKeyRow(
            name=name, key=given.key, fingerprint="ab" * 16, added_at=1.0, plugins=[]
        )
        return self.signers[name]

    async def distrust(self, name: str) -> None:
        self.heard("distrust", name)
        if self.signers.pop(name, None) is None:
            raise Missing(f"there is no key {name!r}")

    async def uninstall(self, name: str, *, keep_data: bool = False) -> None:
        self.heard("uninstall", name, keep_data)
        self.known(name)
        del self.installed[name]

    async def switched(self, name: str, state: str) -> v.Plugin:
        self.heard(state, name)
        self.installed[name] = replace(self.known(name), state=state)
        return self.installed[name]

    async def enable(self, name: str) -> v.Plugin:
        return await self.switched(name, "enabled")

    async def disable(self, name: str) -> v.Plugin:
        return await self.switched(name, "disabled")

    async def restart(self, name: str) -> v.Plugin:
        self.heard("restart", name)
        return self.known(name)

    async def permissions(self, name: str) -> Sequence[v.PermissionRow]:
        self.heard("permissions", name)
        self.known(name)
        return list(self.granted.get(name, {}).values())

    async def propose_grant(self, name: str, asked: v.Granting) -> v.GrantProposal:
        self.heard("propose_grant", name, asked)
        self.known(name)
        return v.GrantProposal(name=name, consent="It may", new=list(asked.permissions))

    async def grant(self, name: str, asked: v.Granting) -> Sequence[v.PermissionRow]:
        self.heard("grant", name, asked)
        self.known(name)
        if "everything" in asked.permissions:
            raise Refused("nobody may have everything")
        rows = {word: a_permission(word, granted=True) for word in asked.permissions}
        self.granted.setdefault(name, {}).update(rows)
        return list(self.granted[name].values())

    async def revoke(self, name: str, asked: v.Granting) -> Sequence[v.PermissionRow]:
        self.heard("revoke", name, asked)
        self.known(name)
        for word in asked.permissions:
            self.granted.get(name, {}).pop(word, None)
        return list(self.granted.get(name, {}).values())

    async def config(self, name: str) -> Sequence[v.ConfigRow]:
        self.heard("config", name)
        self.known(name)
        return [
            v.ConfigRow(
                key=key, type="string", value=value, default=None, is_set=True, required=False
            )
            for (plugin, key), value in self.settings.items()
            if plugin == name
        ]

    async def set_config(self, name: str, key: str, given: v.ConfigGiven) -> Sequence[v.ConfigRow]:
        self.heard("set_config", name, key, given)
        self.known(name)
        if given.value is None:
            self.settings.pop((name, key), None)
        else:
            self.settings[name, key] = given.value
        return await self.config(name)

    def key_row(self, plugin: str, name: str) -> v.KeyRow:
        return v.KeyRow(plugin=plugin, name=name, help="", is_set=True, source="file")

    async def secrets(self) -> Sequence[v.KeyRow]:
        self.heard("secrets")
        return [self.key_row(*key) for key in self.keys]

    async def set_secret(self, plugin: str, name: str, given: v.SecretGiven) -> v.KeyRow:
        self.heard("set_secret", plugin, name)
        self.known(plugin)
        self.keys[plugin, name] = given.value
        return self.key_row(plugin, name)

    async def remove_secret(self, plugin: str, name: str) -> None:
        self.heard("remove_secret", plugin, name)
        if self.keys.pop((plugin, name), None) is None:
            raise Missing(f"{plugin} has no key {name!r}")

    async def models(self, search: v.ModelSearch) -> v.ModelPage:
        self.heard("models", search)
        return v.ModelPage(models=[], total=0, offset=search.offset)

    async def resolve(self, name: str) -> v.Resolution:
        self.heard("resolve", name)
        return v.Resolution(name=name, matched_by="alias", targets=["openai/gpt"])

    async def scan(self, asked: v.Scanning) -> v.Job:
        self.heard("scan", asked)
        for name in asked.plugins:
            self.known(name)
        return self.began("scan")

    async def aliases(self) -> Sequence[v.Alias]:
        self.heard("aliases")
        return list(self.names.values())

    async def set_alias(self, name: str, given: v.AliasGiven) -> v.Alias:
        self.heard("set_alias", name, given)
        self.names[name] = v.Alias(name=name, target=given.target, source="set")
        return self.names[name]

    async def remove_alias(self, name: str) -> None:
        self.heard("remove_alias", name)
        if self.names.pop(name, None) is None:
            raise Missing(f"there is no alias {name!r}")

    def way(self, capability: v.CapabilityName) -> v.Route:
        return self.ways.get(capability, v.Route(capability=capability, entries=[], source=None))

    async def routes(self) -> Sequence[v.Route]:
        self.heard("routes")
        return [self.way(one) for one in CAPABILITIES]

    async def set_route(self, capability: v.CapabilityName, given: v.RouteGiven) -> v.Route:
        self.heard("set_route", capability, given)
        entries = [v.RouteEntry(entry=one, target=one, state="ready") for one in given.targets]
        self.ways[capability] = v.Route(
            capability=capability, entries=entries, source="set", timeout_s=given.timeout_s
        )
        return self.ways[capability]

    async def remove_route(self, capability: v.CapabilityName) -> v.Route:
        self.heard("remove_route", capability)
        self.ways.pop(capability, None)
        return self.way(capability)

    async def dry_run(self, capability: v.CapabilityName, asked: v.DryRunAsked) -> v.DryRun:
        self.heard("dry_run", capability, asked)
        return v.DryRun(capability=capability, matched_by=None, source=None, steps=[], left_out=[])

    async def presets(self) -> Sequence[v.PresetRow]:
        self.heard("presets")
        return [v.PresetRow(name="china", summary="", routes={"chat": ["deepseek/x"]}, missing=[])]

    async def apply_preset(self, name: str) -> Sequence[v.Route]:
        self.heard("apply_preset", name)
        if name != "china":
            raise Missing(f"there is no preset {name!r}")
        return [self.way(one) for one in CAPABILITIES]

    async def health(self) -> Sequence[v.HealthRow]:
        self.heard("health")
        rest = v.RestRow(model=None, state="resting", kind="quota", why="spent", until=None)
        return [
            v.HealthRow(
                plugin=name,
                state="ok",
                detail=None,
                latency_ms=1.5,
                checked_at=None,
                answered=1,
                failed=0,
                last_error_kind=None,
                last_failed_at=None,
                rests=[rest],
            )
            for name in self.installed
        ]

    async def check_health(self, plugins: Sequence[str] = ()) -> v.Job:
        self.heard("check_health", tuple(plugins))
        for name in plugins:
            self.known(name)
        return self.began("health")

    async def workers(self) -> Sequence[v.WorkerRow]:
        self.heard("workers")
        return [a_worker(name) for name in self.installed]

    async def attempts(
        self, *, plugin: str | None = None, limit: int = 100
    ) -> Sequence[v.AttemptRow]:
        self.heard("attempts", plugin, limit)
        return [
            v.AttemptRow(
                request_id="r",
                capability="chat",
                target="openai/gpt",
                index=0,
                outcome="ok",
                kind=None,
                ms=1.0,
                at=1.0,
                tokens=None,
                cost="0.01",
            )
        ]

    async def attempt_chart(
        self, *, plugin: str | None = None, span_s: float = 3_600.0, buckets: int = 30
    ) -> Sequence[v.Bucket]:
        self.heard("attempt_chart", plugin, span_s, buckets)
        return [v.Bucket(at=0.0, span_s=span_s / buckets, answered=0, failed=0, mean_ms=None)]

    async def logs(
        self, plugin: str, *, lines: int = 100, denied: bool = False
    ) -> Sequence[v.LogLine]:
        self.heard("logs", plugin, lines, denied)
        if plugin != "_host":
            self.known(plugin)
        kept = [one for one in self.lines if not denied or one.source == "denied"]
        return kept[len(kept) - lines :] if lines < len(kept) else kept

    async def follow(self, plugin: str, *, lines: int = 0) -> AsyncIterator[v.LogLine]:
        self.followers += 1
        try:
            for line in self.lines[max(0, len(self.lines) - lines) :]:
                yield line
            if self.failing is not None:
                raise self.failing
            await self.more_lines.wait()
        finally:
            self.followers -= 1

    async def tokens(self) -> Sequence[v.TokenRow]:
        self.heard("tokens")
        return list(self.visitors.values())

    async def create_token(self, asked: v.TokenAsked) -> v.TokenGiven:
        self.heard("create_token", asked)
        if asked.name in self.visitors:
            raise Taken(f"there is a token {asked.name!r}")
        self.visitors[asked.name] = v.TokenRow(
            name=asked.name, scope=asked.scope, created_at=1.0, last_used_at=None
        )
        return v.TokenGiven(name=asked.name, scope=asked.scope, text="stk_text")

    async def revoke_token(self, name: str) -> None:
        self.heard("revoke_token", name)
        if self.visitors.pop(name, None) is None:
            raise Missing(f"there is no token {name!r}")
