"""An operator over a host that is only in memory: real enough to be operated by the page.

`python -m tests.unit.host.page_operator [PORT]` serves the page over it, to be looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec

from stockade.admin import Caller, Changed, Missing, Tokens, new_token, print_of
from stockade.admin import values as v
from stockade.errors import HostError, NotInstalled, UsageError

NOW = 1_795_000_000.0
HOSTILE = "<script>alert(1)</script>\u202etxt.exe\x1b[31m \"'&"
CAPABILITIES: tuple[v.CapabilityName, ...] = (
    "chat",
    "vision",
    "embedding",
    "image_gen",
    "audio_stt",
    "audio_tts",
    "rerank",
)
LAYERS = ["namespaces", "file_tree", "scratch", "rlimits", "landlock_rules", "seccomp_filter"]
OFFERS = [
    ("openai", "Chat, vision, embeddings, images and audio from OpenAI", ["chat", "vision"], False),
    ("anthropic", "Chat and vision from Anthropic", ["chat", "vision"], False),
    ("gemini", "Chat, vision and embeddings from Google Gemini", ["chat", "embedding"], False),
    ("groq", "Fast open models from Groq", ["chat", "audio_stt"], False),
    ("mistral", "Chat and embeddings from Mistral", ["chat", "embedding"], False),
    ("deepseek", "Chat with DeepSeek's models, their reasoning kept", ["chat"], True),
    ("moonshot", "Chat with Moonshot's Kimi models", ["chat"], True),
    ("qwen", "Chat, vision and embeddings from Alibaba's Qwen", ["chat", "vision"], True),
    ("echo", "Answers with what it was asked", ["chat"], False),
]


def permission(word: str, risk: str, **more: object) -> v.PermissionRow:
    values = {"asked": True, "granted": True, "used": 0, **more}
    return msgspec.convert({"word": word, "risk": risk, **values}, v.PermissionRow)


def permissions_of(name: str) -> list[v.PermissionRow]:
    host = f"api.{name}.com"
    key = f"{name.upper()}_API_KEY"
    return [
        permission(f"network:{host}", f"Sends what it is given to {host}.", used=1_284, denied=0),
        permission(f"secrets:{key}", f"Has {key} put on its requests to {host}.", used=1_284),
    ]


class MemoryOperator:
    """Fulfils `admin.Operator` with lists. `done` is what was asked of it, in order."""

    def __init__(self, tokens: Tokens, clock: Callable[[], float] = lambda: NOW) -> None:
        self.clock = clock
        self.known_tokens = tokens
        self.done: list[tuple[object, ...]] = []
        self.installed: dict[str, v.Plugin] = {}
        self.rows: dict[str, list[v.PermissionRow]] = {}
        self.settings: dict[str, list[v.ConfigRow]] = {}
        self.jobs_kept: dict[str, v.Job] = {}
        self.alias_rows: dict[str, str] = {"fast": "deepseek/deepseek-chat"}
        self.route_rows: dict[str, v.RouteGiven] = {}
        self.token_rows: dict[str, tuple[v.TokenRow, bytes]] = {}
        self.failure: HostError | None = None
        for name in ("deepseek", "openai", "echo"):
            self._put(name)
        self._odd()
        self.route_rows["chat"] = v.RouteGiven(
            targets=["deepseek/deepseek-chat", "openai/gpt-4o", "echo/echo-1"], retries=1
        )

    def _put(self, name: str, **more: object) -> v.Plugin:
        known = {offer[0]: offer for offer in OFFERS}
        offer = known.get(name, (name, "A plugin of somebody", ["chat"], False))
        needs_key = name != "echo"
        key = v.KeyRow(
            plugin=name,
            name=f"{name.upper()}_API_KEY",
            help=f"From the console of {name}",
            is_set=name == "deepseek",
            source="file" if name == "deepseek" else None,
            hosts=[f"api.{name}.com"],
        )
        worker = v.WorkerRow(
            plugin=name,
            pid=4_242 + len(self.installed),
            state="ready",
            tier="full",
            layers=LAYERS,
            rss_bytes=23_400_000,
            cpu_seconds=12.5,
            cpu_percent=3.2,
            restarts=1,
            uptime_s=7_400,
            in_flight=2,
        )
        needs = [f"{key.name} has no value: stockade secrets set {name} {key.name}"]
        plugin = v.Plugin(
            name=name,
            version="0.1.0",
            summary=offer[1],
            state="enabled",
            trust="shipped",
            running="ready" if name == "deepseek" else "stopped",
            capabilities=list(offer[2]),
            models=3,
            keys=[key] if needs_key else [],
            workers=[worker] if name == "deepseek" else [],
            needs=needs if needs_key and not key.is_set else [],
        )
        self.installed[name] = msgspec.structs.replace(plugin, **more)
        self.rows[name] = permissions_of(name) if needs_key else []
        base = f"https://api.{name}.com/v1"
        self.settings[name] = [
            setting("base_url", "url", default=base, help="Where its API is"),
            setting("organisation", "string", help="Sent with every request", required=True),
            setting("retries", "integer", default=2),
            setting("region", "choice", default="eu", choices=["eu", "us", "cn"]),
            setting("verify", "boolean", default=True),
        ]
        return self.installed[name]

    def _odd(self) -> None:
        """A plugin that tries to be more than a row."""
        self._put(
            "odd-one",
            summary=HOSTILE,
            state="disabled",
            trust="unsigned",
            last_error="x" * 3_000 + HOSTILE,
            needs=[HOSTILE],
            denials=7,
        )
        self.rows["odd-one"] += [
            permission("read:/etc", "Reads /etc and all that is in it.", granted=False, denied=7),
            permission("subprocess", "Starts programs.", granted=False),
        ]

    def _plugin(self, name: str) -> v.Plugin:
        if self.failure is not None:
            raise self.failure
        if name not in self.installed:
            raise NotInstalled(
                f"there is no plugin called {name}", remedy="stockade list shows those there are"
            )
        return self.installed[name]

    def _job(self, kind: str, **more: object) -> v.Job:
        id = f"job-{len(self.jobs_kept) + 1}"
        base = {"id": id, "kind": kind, "state": "running", "started_at": self.clock()}
        job = msgspec.convert({**base, **more}, v.Job)
        self.jobs_kept[id] = job
        return job

    # the host
    async def status(self) -> v.Status:
        return v.Status(
            version="0.1.0",
            home="/var/lib/stockade",
            pid=100,
            started_at=self.clock() - 93_000,
            uptime_s=93_000,
            url="http://127.0.0.1:8787",
            tier="full",
            draining=False,
            in_flight=3,
            plugins=len(self.installed),
            workers=1,
        )

    async def doctor(self) -> v.Job:
        checks = [
            v.Check(name="namespaces", ok=True, detail="a process in namespaces can be made"),
            v.Check(name="cgroups", ok=False, detail="not writable", remedy="delegate one"),
            v.Check(name="Landlock", ok=None, detail="ABI 7"),
        ]
        result = msgspec.to_builtins(v.Doctor(tier="full", checks=checks))
        return self._job("doctor", state="done", ended_at=self.clock() + 2, result=result)

    async def refresh(self) -> None:
        self.done.append(("refresh",))

    async def reload(self) -> None:
        self.done.append(("reload",))

    async def jobs(self) -> Sequence[v.Job]:
        return list(self.jobs_kept.values())

    async def job(self, id: str) -> v.Job:
        if id not in self.jobs_kept:
            raise Missing(f"there is no job {id}")
        return self.jobs_kept[id]

    # plugins
    async def plugins(self) -> Sequence[v.Plugin]:
        if self.failure is not None:
            raise self.failure
        return list(self.installed.values())

    async def plugin(self, name: str) -> v.Detail:
        plugin = self._plugin(name)
        return v.Detail(
            plugin=plugin,
            config=self.settings[name],
            permissions=self.rows[name],
            inspected={"name": name},
        )

    async def offers(self) -> Sequence[v.Offer]:
        return [
            v.Offer(
                name=name,
                summary=summary,
                installed=name in self.installed,
                capabilities=list(capabilities),
                china=china,
            )
            for name, summary, capabilities, china in OFFERS
        ]

    async def propose(self, asked: v.Proposing) -> v.Proposal:
        if asked.source not in [offer[0] for offer in OFFERS]:
            raise UsageError(f"{asked.source} is no plugin", why="there is no plugin.toml in it")
        rows = [row for row in permissions_of(asked.source) if row.word not in asked.deny]
        lines = [f"{asked.source} 0.1.0: by <b>somebody</b>", "", "It may:"]
        lines += [f"  - {row.risk}" for row in rows]
        lines += [f"  - Reaches {host}, by your own choice." for host in asked.allow_hosts]
        return v.Proposal(
            source=asked.source,
            name=asked.source,
            version="0.1.0",
            digest="sha256:" + "ab" * 32,
            trust="shipped",
            consent="\n".join(lines),
            asks=True,
            replaces=None,
            permissions=permissions_of(asked.source),
        )

    async def install(self, agreed: v.Installing) -> v.Job:
        if agreed.digest != "sha256:" + "ab" * 32:
            raise Changed("the source has changed since it was looked at")
        self.done.append(("install", agreed))
        plugin = self._put(agreed.source)
        result = msgspec.to_builtins(plugin)
        steps = [f"Installed {agreed.source} 0.1.0."]
        return self._job("install", state="done", result=result, steps=steps)

    async def propose_upgrade(self, name: str, asked: v.UpgradeAsked) -> v.Proposal:
        proposal = await self.propose(asked)
        if proposal.name != self._plugin(name).name:
            raise UsageError(f"it holds {proposal.name}, another plugin")
        return msgspec.structs.replace(
            proposal,
            version="0.2.0",
            replaces="0.1.0",
            differences=["Version 0.1.0 becomes 0.2.0."],
        )

    async def upgrade(self, name: str, agreed: v.Upgrading) -> v.Job:
        if agreed.digest != "sha256:" + "ab" * 32:
            raise Changed("the source has changed since it was looked at")
        self.done.append(("upgrade", name, agreed))
        return self._job("upgrade", state="done", result=msgspec.to_builtins(self._plugin(name)))

    async def versions(self, name: str) -> Sequence[v.VersionRow]:
        plugin = self._plugin(name)
        now = v.VersionRow(
            version=plugin.version,
            digest="sha256:" + "ab" * 32,
            trust=plugin.trust,
            current=True,
            installed_at=self.clock() - 60,
            replaced_at=None,
        )
        before = msgspec.structs.replace(
            now, version="0.0.9", trust="unsigned", current=False, replaced_at=self.clock() - 60
        )
        return [now, before]

    async def roll_back(self, name: str, asked: v.RollingBack) -> v.Job:
        self._plugin(name)
        self.done.append(("rollback", name, asked.to))
        return self._job("rollback")

    async def verify(self, name: str) -> v.Job:
        self._plugin(name)
        result = {"name": name, "ok": True, "problems": []}
        return self._job("verify", state="done", result=result)

    async def collect(self, asked: v.Collecting) -> v.Job:
        return self._job("gc", state="done", result={"removed": [], "freed_bytes": 0})

    async def trusted(self) -> Sequence[v.TrustedKeyRow]:
        return []

    async def trust(self, name: str, given: v.TrustGiven) -> v.TrustedKeyRow:
        raise UsageError(f"{given.key} is no public key")

    async def distrust(self, name: str) -> None:
        raise Missing(f"no key called {name} is trusted")

    async def uninstall(self, name: str, *, keep_data: bool = False) -> None:
        self._plugin(name)
        self.done.append(("uninstall", name, keep_data))
        del self.installed[name]

    async def _state(self, name: str, state: str) -> v.Plugin:
        plugin = msgspec.structs.replace(self._plugin(name), state=state)
        self.installed[name] = plugin
        return plugin

    async def enable(self, name: str) -> v.Plugin:
        return await self._state(name, "enabled")

    async def disable(self, name: str) -> v.Plugin:
        return await self._state(name, "disabled")

    async def restart(self, name: str) -> v.Plugin:
        self.done.append(("restart", name))
        return self._plugin(name)

    async def permissions(self, name: str) -> Sequence[v.PermissionRow]:
        self._plugin(name)
        return self.rows[name]

    async def propose_grant(self, name: str, asked: v.Granting) -> v.GrantProposal:
        self._plugin(name)
        held = {row.word for row in self.rows[name] if row.granted}
        wanted = [*asked.permissions, *(f"network:{host}" for host in asked.hosts)]
        new = [word for word in wanted if word not in held]
        risks = {row.word: row.risk for row in self.rows[name]}
        lines = [f"  - {risks.get(word, f'Reaches {word}, by your own choice.')}" for word in new]
        consent = "\n".join([f"{name} may besides:", *lines]) if new else ""
        return v.GrantProposal(name=name, consent=consent, new=new)

    async def grant(self, name: str, asked: v.Granting) -> Sequence[v.PermissionRow]:
        self.done.append(("grant", name, asked))
        return self._granted(name, asked, True)

    async def revoke(self, name: str, asked: v.Granting) -> Sequence[v.PermissionRow]:
        self.done.append(("revoke", name, asked))
        return self._granted(name, asked, False)

    def _granted(self, name: str, asked: v.Granting, on: bool) -> list[v.PermissionRow]:
        self._plugin(name)
        self.rows[name] = [
            msgspec.structs.replace(row, granted=on) if row.word in asked.permissions else row
            for row in self.rows[name]
        ]
        for host in asked.hosts:
            row = permission(f"network:{host}", f"Reaches {host}.", asked=False, by_operator=True)
            self.rows[name].append(row)
        return self.rows[name]

    async def config(self, name: str) -> Sequence[v.ConfigRow]:
        self._plugin(name)
        return self.settings[name]

    async def set_config(self, name: str, key: str, given: v.ConfigGiven) -> Sequence[v.ConfigRow]:
        self._plugin(name)
        if given.value == "refuse":
            raise UsageError(f"{key} cannot be 'refuse'", remedy="write a URL")
        self.done.append(("config", name, key, given.value))
        self.settings[name] = [
            msgspec.structs.replace(row, value=given.value, is_set=given.value is not None)
            if row.key == key
            else row
            for row in self.settings[name]
        ]
        return self.settings[name]

    # keys
    async def secrets(self) -> Sequence[v.KeyRow]:
        return [key for plugin in self.installed.values() for key in plugin.keys]

    async def set_secret(self, plugin: str, name: str, given: v.SecretGiven) -> v.KeyRow:
        self.done.append(("key", plugin, name, given.value, tuple(given.hosts)))
        return self._keyed(plugin, name, True)

    async def remove_secret(self, plugin: str, name: str) -> None:
        self.done.append(("key", plugin, name, None))
        self._keyed(plugin, name, False)

    def _keyed(self, plugin: str, name: str, is_set: bool) -> v.KeyRow:
        held = self._plugin(plugin)
        keys = [
            msgspec.structs.replace(key, is_set=is_set, source="file" if is_set else None)
            for key in held.keys
            if key.name == name
        ]
        if not keys:
            raise Missing(f"{plugin} was granted no key called {name}")
        self.installed[plugin] = msgspec.structs.replace(held, keys=keys, needs=[])
        return keys[0]

    # models, names, routes
    def _models(self) -> list[v.Model]:
        return [
            v.Model(
                target=f"{plugin}/{id}",
                plugin=plugin,
                id=id,
                name=id.replace("-", " ").title(),
                capabilities=["chat"],
                features=["streaming", "tools", "json_schema"],
                context_tokens=128_000,
                max_output_tokens=16_384,
                aliases=[],
                price=v.PriceRow(input="2.50", output="10.00"),
                priced_by="plugin",
                source="scan",
                fetched_at=self.clock() - 5_000,
            )
            for plugin, ids in (
                ("deepseek", ["deepseek-chat", "deepseek-reasoner"]),
                ("openai", ["gpt-4o", *(f"gpt-test-{n}" for n in range(60))]),
                ("echo", ["echo-1"]),
            )
            for id in ids
        ]

    async def models(self, search: v.ModelSearch) -> v.ModelPage:
        fit = [
            model
            for model in self._models()
            if search.text.lower() in model.target
            and search.plugin in ("", model.plugin)
            and (search.capability is None or search.capability in model.capabilities)
        ]
        page = fit[search.offset : search.offset + search.limit]
        return v.ModelPage(models=page, total=len(fit), offset=search.offset)

    async def resolve(self, name: str) -> v.Resolution:
        if name in self.alias_rows:
            return v.Resolution(name=name, matched_by="user_alias", targets=[self.alias_rows[name]])
        raise UsageError(f"nothing is called {name}", remedy="did you mean fast?")

    async def scan(self, asked: v.Scanning) -> v.Job:
        self.done.append(("scan", asked))
        return self._job("scan", done=1, total=3, steps=["deepseek: 2 models"])

    async def aliases(self) -> Sequence[v.Alias]:
        own = [v.Alias(name=name, target=at, source="set") for name, at in self.alias_rows.items()]
        return [*own, v.Alias(name="smart", target="openai/gpt-4o", source="stockade.toml")]

    async def set_alias(self, name: str, given: v.AliasGiven) -> v.Alias:
        if "/" not in given.target:
            raise UsageError(f"{given.target} is no target", remedy="write plugin/model")
        self.alias_rows[name] = given.target
        return v.Alias(name=name, target=given.target, source="set")

    async def remove_alias(self, name: str) -> None:
        if self.alias_rows.pop(name, None) is None:
            raise Missing(f"there is no alias {name}")

    def _entry(self, target: str) -> v.RouteEntry:
        if target.startswith("openai/"):
            why = "its key has no value"
            return v.RouteEntry(entry=target, target=target, state="stopped", why=why)
        return v.RouteEntry(entry=target, target=target, state="ready")

    def _route(self, capability: v.CapabilityName) -> v.Route:
        given = self.route_rows.get(capability)
        if given is None:
            return v.Route(capability=capability, entries=[], source=None)
        return v.Route(
            capability=capability,
            entries=[self._entry(target) for target in given.targets],
            source="set",
            enabled=given.enabled,
            timeout_s=given.timeout_s,
            retries=given.retries,
        )

    async def routes(self) -> Sequence[v.Route]:
        return [self._route(capability) for capability in CAPABILITIES]

    async def set_route(self, capability: v.CapabilityName, given: v.RouteGiven) -> v.Route:
        for target in given.targets:
            if "/" not in target:
                raise UsageError(f"{target} is no target", remedy="write plugin/model")
        self.route_rows[capability] = given
        return self._route(capability)

    async def remove_route(self, capability: v.CapabilityName) -> v.Route:
        self.route_rows.pop(capability, None)
        return self._route(capability)

    async def dry_run(self, capability: v.CapabilityName, asked: v.DryRunAsked) -> v.DryRun:
        given = self.route_rows.get(capability)
        targets = asked.targets or (given.targets if given else [])
        entries = [self._entry(target) for target in targets]
        return v.DryRun(
            capability=capability,
            matched_by=None,
            source="set",
            steps=[entry for entry in entries if entry.state == "ready"],
            left_out=[entry for entry in entries if entry.state != "ready"],
        )

    async def presets(self) -> Sequence[v.PresetRow]:
        return [
            v.PresetRow(
                name="cheap",
                summary="The cheapest capable models first",
                routes={"chat": ["deepseek/deepseek-chat", "openai/gpt-4o-mini"]},
                missing=["gemini"],
            ),
            v.PresetRow(
                name="china-first",
                summary="Vendors in China first, others as fallbacks",
                routes={"chat": ["deepseek/deepseek-chat"], "vision": ["qwen/qwen-vl-max"]},
                missing=["moonshot"],
            ),
            v.PresetRow(name="local", summary="Servers of your own", routes={}, missing=["x"]),
        ]

    async def apply_preset(self, name: str) -> Sequence[v.Route]:
        for preset in await self.presets():
            if preset.name == name:
                self.done.append(("preset", name))
                return []
        raise Missing(f"there is no preset called {name}")

    # health, and what happened
    async def health(self) -> Sequence[v.HealthRow]:
        good = v.HealthRow(
            plugin="deepseek",
            state="ok",
            detail=None,
            latency_ms=412.0,
            checked_at=self.clock() - 40,
            answered=127,
            failed=2,
            last_error_kind="rate_limited",
            last_failed_at=self.clock() - 600,
            rests=[],
        )
        rest = v.RestRow(
            model="gpt-4o", state="resting", kind="auth", why=HOSTILE, until=self.clock() + 240
        )
        bad = msgspec.structs.replace(
            good, plugin="openai", state="failing", detail="401: wrong key", rests=[rest]
        )
        idle = msgspec.structs.replace(
            good,
            plugin="echo",
            state="unknown",
            latency_ms=None,
            checked_at=None,
            answered=0,
            failed=0,
            last_error_kind=None,
            last_failed_at=None,
        )
        return [good, bad, idle]

    async def check_health(self, plugins: Sequence[str] = ()) -> v.Job:
        for name in plugins:
            self._plugin(name)
        self.done.append(("check", tuple(plugins)))
        rows = msgspec.to_builtins(list(await self.health()))
        return self._job("health", state="done", result=rows, steps=["deepseek: ok"])

    async def workers(self) -> Sequence[v.WorkerRow]:
        return [worker for plugin in self.installed.values() for worker in plugin.workers]

    async def attempts(
        self, *, plugin: str | None = None, limit: int = 100
    ) -> Sequence[v.AttemptRow]:
        rows = [
            v.AttemptRow(
                request_id=f"req_{n:012x}",
                capability="chat",
                target="openai/gpt-4o" if n % 5 == 0 else "deepseek/deepseek-chat",
                index=0 if n % 5 == 0 else 1,
                outcome="failed" if n % 5 == 0 else "answered",
                kind="auth" if n % 5 == 0 else None,
                ms=180.0 + n * 37,
                at=self.clock() - n * 45,
                tokens=None if n % 5 == 0 else 512 + n,
                cost=None if n % 5 == 0 else "0.00021",
            )
            for n in range(12)
        ]
        wanted = [row for row in rows if plugin is None or row.target.startswith(plugin + "/")]
        return wanted[:limit]

    async def attempt_chart(
        self, *, plugin: str | None = None, span_s: float = 3_600.0, buckets: int = 30
    ) -> Sequence[v.Bucket]:
        step = span_s / buckets
        begin = self.clock() - span_s
        return [
            v.Bucket(
                at=begin + n * step,
                span_s=step,
                answered=(n * 7) % 13,
                failed=2 if n % 9 == 4 else 0,
                mean_ms=300.0 + n,
            )
            for n in range(buckets)
        ]

    async def logs(
        self, plugin: str, *, lines: int = 100, denied: bool = False
    ) -> Sequence[v.LogLine]:
        if plugin != "_host":
            self._plugin(plugin)
        kept = [
            v.LogLine(at="2026-11-27T02:31:05Z", source="host", text="worker ready in 11 ms"),
            v.LogLine(at="2026-11-27T02:31:06Z", source="stdout", text=HOSTILE),
            v.LogLine(at="2026-11-27T02:31:07Z", source="denied", text="open /etc/shadow"),
        ]
        return [line for line in kept if not denied or line.source == "denied"][-lines:]

    async def follow(self, plugin: str, *, lines: int = 0) -> AsyncIterator[v.LogLine]:
        for line in await self.logs(plugin, lines=lines):
            yield line

    # tokens
    async def tokens(self) -> Sequence[v.TokenRow]:
        return [row for row, _ in self.token_rows.values()]

    async def create_token(self, asked: v.TokenAsked) -> v.TokenGiven:
        if asked.name in self.token_rows:
            raise UsageError(f"there is a token called {asked.name} already")
        text = new_token(lambda n: hashlib.shake_128(asked.name.encode()).digest(n))
        row = v.TokenRow(
            name=asked.name, scope=asked.scope, created_at=self.clock(), last_used_at=None
        )
        self.token_rows[asked.name] = (row, print_of(text))
        self._know()
        return v.TokenGiven(name=asked.name, scope=asked.scope, text=text)

    async def revoke_token(self, name: str) -> None:
        if self.token_rows.pop(name, None) is None:
            raise Missing(f"there is no token called {name}")
        self._know()

    def _know(self) -> None:
        self.known_tokens.know(
            (digest, Caller(name=row.name, scope=row.scope))
            for row, digest in self.token_rows.values()
        )


def setting(key: str, type: str, **more: object) -> v.ConfigRow:
    default = more.get("default")
    values = {"value": default, "default": default, "is_set": False, "required": False, **more}
    return msgspec.convert({"key": key, "type": type, **values}, v.ConfigRow)


def main() -> None:
    import os
    import sys
    import time

    import uvicorn

    from stockade.page import page_app, warm_up

    tokens = Tokens()
    tokens.add_own("look", Caller(name="look", scope="admin"))
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8788
    operator = MemoryOperator(tokens, time.time)
    app = page_app(operator, tokens, random=os.urandom, clock=time.time, secure=False)
    warm_up()
    print(f"http://127.0.0.1:{port}/?token=look")
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main()
