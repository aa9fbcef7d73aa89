"""An operator at work on a running host: everything of `admin.Operator`, over real workers."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import TypeVar

import anyio
import pytest

from stockade import AllAttemptsFailed, Host
from stockade.admin import Changed, Missing, Operator, Taken, Tokens
from stockade.admin import values as v
from stockade.app.operating import Operating, Uses
from stockade.errors import NotInstalled, Refused, UsageError
from stockade.router import NoSuchModel
from stockade.settings import Home
from stockade.state import Secrets
from stockade_sdk import ChatRequest
from tests.system.lending import lend
from tests.system.plugin_samples import plugin_folder
from tests.system.upstreams import FAILS, KEY, Upstreams

T = TypeVar("T")
SECRET = "sk-operating-canary-11aa22bb"
HELLO = ChatRequest.of_text("hello")
SLOW = """
import asyncio
from stockade_sdk import ChatResponse

class Sample:
    async def chat(self, request, ctx):
        await asyncio.sleep(30)
        return ChatResponse.of_text("late")
"""


class Bench:
    """A host, who operates it, and the tokens that it lets in."""

    def __init__(self, host: Host, operating: Operating, tokens: Tokens) -> None:
        self.host, self.tokens = host, tokens
        self.operator: Operator = operating
        self.reloads = 0


@asynccontextmanager
async def at_work(home: Home) -> AsyncIterator[Bench]:
    uses, tokens = Uses(), Tokens()
    async with Host.open(home, watches=uses) as host:
        bench: Bench

        async def reload() -> None:
            bench.reloads += 1

        operating = Operating(
            lambda: host,
            tokens=tokens,
            url="http://127.0.0.1:1/",
            reload=reload,
            in_flight=lambda: host.in_flight,
            draining=lambda: False,
            uses=uses,
        )
        async with operating:
            bench = Bench(host, operating, tokens)
            yield bench


@pytest.fixture
def home(base: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    # The developer's own keyring is none of a test's business.
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    return lend(base, Home(tmp_path / "home"))


async def ended(operator: Operator, job: v.Job) -> v.Job:
    """The job once it is over."""
    return await until(lambda: operator.job(job.id), lambda now: now.state != "running")


async def until(look: Callable[[], Awaitable[T]], holds: Callable[[T], bool]) -> T:
    """What is seen once it is as it should be; what is asked for has no event of its own."""
    with anyio.fail_after(30):
        while not holds(found := await look()):  # noqa: ASYNC110
            await anyio.sleep(0.02)
    return found


async def install(operator: Operator, source: str, deny: Sequence[str] = ()) -> v.Plugin:
    looked = await operator.propose(v.Proposing(source=source, deny=[*deny]))
    agreed = v.Installing(source=source, digest=looked.digest, deny=[*deny])
    job = await operator.install(agreed)
    done = await ended(operator, job)
    assert done.error is None
    assert isinstance(done.result, v.Plugin)
    return done.result


async def test_a_plugin_is_looked_at_installed_used_and_taken_away(home: Home) -> None:
    async with at_work(home) as bench:
        operator = bench.operator
        offered = {offer.name: offer for offer in await operator.offers()}
        looked = await operator.propose(v.Proposing(source="echo"))
        plugin = await install(operator, "echo")
        answer = await bench.host.run(HELLO)
        (worker,) = await operator.workers()
        detail = await operator.plugin("echo")
        status = await operator.status()
        again = await operator.propose(v.Proposing(source="echo"))
        await operator.uninstall("echo")
        left = await operator.plugins()

    assert not offered["echo"].installed
    assert offered["qwen"].china
    assert not offered["openai"].china
    assert (looked.name, looked.asks, looked.replaces) == ("echo", True, None)
    assert looked.digest in looked.consent
    assert (plugin.state, plugin.capabilities) == ("installed", ["chat", "vision", "embedding"])
    assert answer.provider == "echo"
    assert worker.state == "ready"
    assert worker.rss_bytes
    assert detail.inspected["worker"]["pid"] == worker.pid
    assert detail.plugin.running == "ready"
    assert (status.plugins, status.workers, status.pid) == (1, 1, os.getpid())
    assert status.tier == worker.tier
    assert not again.asks
    assert again.replaces == looked.version
    assert left == []


async def test_a_source_that_changed_after_it_was_looked_at_is_not_installed(
    home: Home, tmp_path: Path
) -> None:
    folder = plugin_folder(tmp_path, "sample", SLOW)

    async with at_work(home) as bench:
        looked = await bench.operator.propose(v.Proposing(source=str(folder)))
        (folder / "sample_sample" / "__init__.py").write_text("import os\n" + SLOW)
        with pytest.raises(Changed):
            await bench.operator.install(v.Installing(source=str(folder), digest=looked.digest))
        assert await bench.operator.plugins() == []


async def test_a_vendor_is_set_up_from_grant_to_route(home: Home) -> None:
    async with Upstreams.open() as upstreams, at_work(home) as bench:
        operator, rule = bench.operator, str(upstreams.sink.rule)
        bare = await install(operator, "openai", deny=["secrets"])
        wanted = await operator.propose_grant(
            "openai", v.Granting(permissions=["secrets:OPENAI_API_KEY"], hosts=[rule])
        )
        with pytest.raises(Refused):
            await operator.set_secret("openai", "OPENAI_API_KEY", v.SecretGiven(value=SECRET))
        await operator.grant(
            "openai", v.Granting(permissions=["secrets:OPENAI_API_KEY"], hosts=[rule])
        )
        nothing_new = await operator.propose_grant("openai", v.Granting(hosts=[rule]))
        config = await operator.set_config(
            "openai", "base_url", v.ConfigGiven(value=f"{upstreams.sink.url}openai/v1")
        )
        key = await operator.set_secret(
            "openai", "OPENAI_API_KEY", v.SecretGiven(value=SECRET, hosts=[rule])
        )
        first = (await operator.models(v.ModelSearch(plugin="openai", capability="chat"))).models[0]
        await operator.set_alias("mine", v.AliasGiven(target=first.target))
        route = await operator.set_route("chat", v.RouteGiven(targets=["mine"], timeout_s=20.0))
        answer = await bench.host.run(HELLO)
        rows = {row.word: row for row in await operator.permissions("openai") if row.by_operator}
        shown = [await operator.secrets(), await operator.plugin("openai")]

        assert [hit.key for hit in upstreams.hits] == [SECRET]

        await operator.revoke("openai", v.Granting(hosts=[rule]))
        with pytest.raises(AllAttemptsFailed):
            await bench.host.run(HELLO)
        assert len(upstreams.hits) == 1
        acts = await until(lambda: operator.logs("openai", denied=True), bool)

    assert bare.needs == []  # denied the key, it may have one that wants none
    assert wanted.new == ["secrets:OPENAI_API_KEY", f"network:{rule}"]
    assert rule in wanted.consent
    assert (nothing_new.new, nothing_new.consent) == ([], "")
    assert {row.key: row.is_set for row in config}["base_url"]
    assert (key.is_set, key.source) == (True, "file")
    assert rule in key.hosts
    assert [(one.entry, one.target, one.state) for one in route.entries] == [
        ("mine", first.target, "ready")
    ]
    assert answer.attempts[0].target == first.target
    assert rows[f"network:{rule}"].used == 1
    assert SECRET not in repr(shown)
    assert acts[0].source == "denied"


async def test_what_a_plugin_lacks_is_told_with_its_command(home: Home) -> None:
    async with at_work(home) as bench:
        plugin = await install(bench.operator, "openai")
        compatible = await install(bench.operator, "openai-compatible")

    assert plugin.needs == ["no key is set; run: stockade secrets set openai OPENAI_API_KEY"]
    assert any("config set openai-compatible base_url" in need for need in compatible.needs)


async def test_routes_are_tried_out_set_and_forgotten(home: Home) -> None:
    async with Upstreams.open() as upstreams:
        upstreams.install(home, "openai", "groq", "qwen")
        async with at_work(home) as bench:
            operator = bench.operator
            plain = await operator.dry_run("chat", v.DryRunAsked())
            other = await operator.dry_run(
                "chat", v.DryRunAsked(targets=["qwen/qwen3.7-plus", "openai/gpt-5.4-mini"])
            )
            unset = {route.capability: route for route in await operator.routes()}["chat"]
            preset = {row.name: row for row in await operator.presets()}["china-first"]
            applied = await operator.apply_preset("china-first")
            chat = {route.capability: route for route in await operator.routes()}["chat"]
            after = await operator.remove_route("chat")
            await operator.set_alias("fast", v.AliasGiven(target="groq/anything"))
            aliases = await operator.aliases()
            meant = await operator.resolve("fast")
            await operator.remove_alias("fast")

    assert [step.target.partition("/")[0] for step in plain.steps if step.target] == [
        "openai",
        "groq",
        "qwen",
    ]
    assert [step.target for step in other.steps] == ["qwen/qwen3.7-plus", "openai/gpt-5.4-mini"]
    assert unset.source is None
    assert preset.routes["chat"] == ["qwen/qwen3.7-plus", "openai/gpt-5.4-mini"]
    assert "deepseek" in preset.missing
    assert {route.capability for route in applied} == set(preset.routes)
    assert [entry.entry for entry in chat.entries] == preset.routes["chat"]
    assert chat.source == "set"
    assert after.source is None
    assert [(alias.name, alias.target) for alias in aliases] == [("fast", "groq/anything")]
    assert meant.targets == ["groq/anything"]
    assert upstreams.hits == []


async def test_scans_checks_and_what_happened_are_to_be_seen(home: Home) -> None:
    async with Upstreams.open() as upstreams:
        upstreams.install(home, "openai")
        upstreams.lists["openai"] = ("gpt-from-the-scan",)
        async with at_work(home) as bench:
            operator = bench.operator
            scanned = await ended(operator, await operator.scan(v.Scanning(plugins=["openai"])))
            page = await operator.models(v.ModelSearch(text="FROM-THE-SCAN"))
            checked = await ended(operator, await operator.check_health(["openai"]))
            await bench.host.run(HELLO)
            upstreams.spoilt["openai"] = FAILS
            with pytest.raises(AllAttemptsFailed):
                await bench.host.run(HELLO)
            attempts = await until(
                operator.attempts, lambda rows: {row.outcome for row in rows} == {"ok", "failed"}
            )
            chart = await operator.attempt_chart(plugin="openai", span_s=60.0, buckets=6)
            others = await operator.attempt_chart(plugin="groq")
            (health,) = await operator.health()
            log = await operator.logs("openai")

    assert (scanned.state, scanned.done, scanned.total) == ("done", 1, 1)
    assert [one.provider for one in scanned.result] == ["openai"]
    assert [model.id for model in page.models] == ["gpt-from-the-scan"]
    assert page.models[0].source == "scan"
    assert [(row.plugin, row.state) for row in checked.result] == [("openai", "ok")]
    assert attempts[0].at >= attempts[-1].at
    assert sum(piece.answered for piece in chart) == 1
    assert sum(piece.failed for piece in chart) == len(attempts) - 1
    assert len(chart) == 6
    assert not any(piece.answered or piece.failed for piece in others)
    assert health.state == "failing"
    assert (health.answered, health.last_error_kind) == (1, "server_error")
    assert {line.source for line in log} >= {"host", "egress"}
    assert KEY not in repr(log)


async def test_a_change_holds_at_once_and_waits_for_no_call_in_flight(
    home: Home, tmp_path: Path
) -> None:
    folder = plugin_folder(tmp_path, "slow", SLOW)

    async with at_work(home) as bench, anyio.create_task_group() as tasks:
        await install(bench.operator, str(folder))
        tasks.start_soon(bench.host.run, HELLO)
        (old,) = await until(
            bench.operator.workers, lambda rows: [row.in_flight for row in rows] == [1]
        )
        with anyio.fail_after(15):  # half of what the call in flight takes
            restarted = await bench.operator.restart("slow")
            disabled = await bench.operator.disable("slow")
        with pytest.raises(AllAttemptsFailed) as refused:
            await bench.host.run(HELLO)
        enabled = await bench.operator.enable("slow")
        tasks.cancel_scope.cancel()

    assert old.in_flight == 1
    assert restarted.workers == []
    assert disabled.state == "disabled"
    assert refused.value.attempts == ()
    assert enabled.state == "enabled"


async def test_a_log_is_followed_from_its_last_lines_on(home: Home) -> None:
    async with at_work(home) as bench:
        await install(bench.operator, "echo")
        await bench.host.run(HELLO)
        seen: list[str] = []
        async with aclosing(bench.operator.follow("echo", lines=1)) as lines:  # type: ignore[type-var]
            with anyio.fail_after(20):
                async for line in lines:
                    if not seen:
                        await bench.operator.restart("echo")
                    seen.append(line.text)
                    if "ended" in line.text:
                        break

    assert len(seen) >= 2


async def test_tokens_hold_at_once_and_their_texts_are_not_kept(home: Home) -> None:
    async with at_work(home) as bench:
        given = await bench.operator.create_token(v.TokenAsked(name="ci", scope="use"))
        caller = bench.tokens.caller_of(given.text)
        with pytest.raises(Taken):
            await bench.operator.create_token(v.TokenAsked(name="ci"))
        rows = await bench.operator.tokens()
        await bench.operator.revoke_token("ci")
        with pytest.raises(Missing):
            await bench.operator.revoke_token("ci")

    assert caller is not None
    assert (caller.name, caller.is_admin) == ("ci", False)
    assert [(row.name, row.scope) for row in rows] == [("ci", "use")]
    assert bench.tokens.caller_of(given.text) is None
    assert given.text.encode() not in home.state_db.read_bytes()


async def test_the_machine_is_examined_as_a_job(home: Home) -> None:
    async with at_work(home) as bench:
        job = await ended(bench.operator, await bench.operator.doctor())
        jobs = await bench.operator.jobs()
        await bench.operator.reload()
        await bench.operator.refresh()

    assert job.state == "done"
    names = [check.name for check in job.result.checks]
    assert {"tier full", "memory", "python", "home"} <= set(names)
    assert job.result.tier in ("full", "restricted", "none")
    assert [one.id for one in jobs] == [job.id]
    assert bench.reloads == 1


BAD: list[tuple[type[Exception], Callable[[Operator], Awaitable[object]]]] = [
    (NotInstalled, lambda o: o.plugin("nobody")),
    (NotInstalled, lambda o: o.uninstall("nobody")),
    (NotInstalled, lambda o: o.enable("nobody")),
    (NotInstalled, lambda o: o.restart("nobody")),
    (NotInstalled, lambda o: o.logs("nobody")),
    (NotInstalled, lambda o: o.logs("../state")),
    (NotInstalled, lambda o: o.scan(v.Scanning(plugins=["groq"]))),
    (NotInstalled, lambda o: o.models(v.ModelSearch(plugin="groq"))),
    (UsageError, lambda o: o.propose(v.Proposing(source="plugins/echo"))),
    (UsageError, lambda o: o.propose(v.Proposing(source="~/echo"))),
    (UsageError, lambda o: o.propose(v.Proposing(source="/nowhere/at/all"))),
    (UsageError, lambda o: o.propose(v.Proposing(source="echo", deny=["network:x.example"]))),
    (UsageError, lambda o: o.propose(v.Proposing(source="echo", allow_hosts=["no host"]))),
    (UsageError, lambda o: o.grant("echo", v.Granting())),
    (UsageError, lambda o: o.grant("echo", v.Granting(permissions=["network:x.example"]))),
    (UsageError, lambda o: o.revoke("echo", v.Granting(hosts=["x.example"]))),
    (Missing, lambda o: o.set_config("echo", "colour", v.ConfigGiven(value="red"))),
    (Missing, lambda o: o.set_secret("echo", "KEY", v.SecretGiven(value="x"))),
    (Missing, lambda o: o.remove_secret("echo", "KEY")),
    (NoSuchModel, lambda o: o.resolve("no-such-model")),
    (UsageError, lambda o: o.set_alias("a", v.AliasGiven(target="a"))),
    (NoSuchModel, lambda o: o.set_route("chat", v.RouteGiven(targets=["no-such-model"]))),
    (Missing, lambda o: o.remove_alias("nobody")),
    (Missing, lambda o: o.apply_preset("nobody")),
    (UsageError, lambda o: o.apply_preset("china-first")),  # none of its plugins is here
    (Missing, lambda o: o.job("nothing")),
    (UsageError, lambda o: o.attempts(limit=0)),
    (UsageError, lambda o: o.attempt_chart(span_s=0.0)),
    (UsageError, lambda o: o.attempt_chart(buckets=10_000)),
    (UsageError, lambda o: o.attempt_chart(span_s=float("nan"))),
    (UsageError, lambda o: o.logs("echo", lines=-1)),
]


async def test_what_cannot_be_is_refused_and_changes_nothing(home: Home) -> None:
    async with at_work(home) as bench:
        await install(bench.operator, "echo")
        before = await bench.operator.plugins()
        for kind, act in BAD:
            with pytest.raises(kind):
                await act(bench.operator)
        assert await bench.operator.plugins() == before
        assert await bench.operator.aliases() == []

    assert Secrets(home).list() == ()
