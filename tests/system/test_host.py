"""The host as an embedder meets it: installed plugins, real workers, errors as they are."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from stockade import AllAttemptsFailed, Host
from stockade.settings import TIERS, Home, RoutingPolicy, Settings, SupervisionSettings
from stockade.state import State
from stockade_sdk import ChatRequest, ErrorKind, Finish, TextDelta
from stockade_sdk.capability import Capability
from tests.system.plugin_samples import install, plugin_folder

SAYS = """
from stockade_sdk import ChatResponse, ProviderError

class Sample:
    async def chat(self, request, ctx):
        return ChatResponse.of_text("{text}")
"""
FAILS = """
from stockade_sdk import ProviderError

class Sample:
    async def chat(self, request, ctx):
        raise ProviderError("{kind}", "as asked", retry_after_s=7)
"""
STREAMS = """
class Sample:
    async def stream_chat(self, request, ctx):
        for word in request.last_text.split():
            yield word + " "
"""
DIES = """
import os

class Sample:
    async def chat(self, request, ctx):
        os._exit(7)
"""


@asynccontextmanager
async def host_with(
    tmp_path: Path, *plugins: tuple[str, str], settings: Settings | None = None
) -> AsyncIterator[Host]:
    """A host with these plugins, (name, source) each, installed in this order."""
    folders = [plugin_folder(tmp_path, name, source) for name, source in plugins]
    home = install(Home(tmp_path / "home"), folders)
    async with Host.open(home, settings=settings) as host:
        yield host


async def test_without_a_route_the_plugin_installed_first_answers(tmp_path: Path) -> None:
    plugins = (("zebra", SAYS.format(text="first")), ("ant", SAYS.format(text="second")))

    async with host_with(tmp_path, *plugins) as host:
        response = await host.run(ChatRequest.of_text("hello"))

    assert response.text == "first"
    assert [attempt.target for attempt in response.attempts] == ["zebra/default"]


async def test_a_route_and_an_alias_of_the_settings_are_followed(tmp_path: Path) -> None:
    plugins = (("zebra", SAYS.format(text="z")), ("ant", SAYS.format(text="a")))
    settings = Settings(
        routes={Capability.CHAT: RoutingPolicy(("ant/default", "zebra/default"))},
        aliases={"z": "zebra/big"},
    )

    async with host_with(tmp_path, *plugins, settings=settings) as host:
        routed = await host.run(ChatRequest.of_text("hello"))
        aliased = await host.run(ChatRequest.of_text("hello", model="z"))

    assert (routed.provider, aliased.provider, aliased.model) == ("ant", "zebra", "big")


async def test_the_fallback_answers_and_both_attempts_are_on_record(tmp_path: Path) -> None:
    plugins = (("one", FAILS.format(kind="overloaded")), ("two", SAYS.format(text="here")))

    async with host_with(tmp_path, *plugins) as host:
        response = await host.run(ChatRequest.of_text("hello"))
        home = host.home

    assert [(a.target, a.outcome, a.kind) for a in response.attempts] == [
        ("one/default", "failed", "overloaded"),
        ("two/default", "ok", None),
    ]
    with State.open(home) as state:
        assert state.attempts.count() == 2


@pytest.mark.parametrize("kind", ["invalid_request", "permission_denied", "content_filter"])
async def test_a_fallback_never_hides_what_is_not_the_targets_fault(
    tmp_path: Path, kind: str
) -> None:
    plugins = (("one", FAILS.format(kind=kind)), ("two", SAYS.format(text="here")))

    async with host_with(tmp_path, *plugins) as host:
        with pytest.raises(AllAttemptsFailed) as caught:
            await host.run(ChatRequest.of_text("hello"))

    assert caught.value.error.kind == kind
    assert [attempt.target for attempt in caught.value.attempts] == ["one/default"]


async def test_errors_leave_the_host_as_they_are_and_not_in_groups(tmp_path: Path) -> None:
    async def fall_out_of_the_block() -> None:
        async with host_with(tmp_path, ("one", SAYS.format(text="x"))) as host:
            await host.run(ChatRequest.of_text("hello"))
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await fall_out_of_the_block()


async def test_a_provider_that_only_streams_answers_unary_requests_too(tmp_path: Path) -> None:
    async with host_with(tmp_path, ("one", STREAMS)) as host:
        response = await host.run(ChatRequest.of_text("a b c"))
        async with host.stream(ChatRequest.of_text("a b c")) as answer:
            events = [event async for event in answer]

    assert response.text == "a b c "
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["a ", "b ", "c "]
    assert isinstance(events[-1], Finish)
    assert [attempt.outcome for attempt in answer.attempts] == ["ok"]


async def test_a_provider_that_only_answers_whole_can_be_streamed(tmp_path: Path) -> None:
    async with (
        host_with(tmp_path, ("one", SAYS.format(text="whole"))) as host,
        host.stream(ChatRequest.of_text("x")) as answer,
    ):
        events = [event async for event in answer]

    assert [event.text for event in events if isinstance(event, TextDelta)] == ["whole"]


async def test_three_deaths_stop_a_plugin_until_it_is_tried_again(tmp_path: Path) -> None:
    settings = Settings(supervision=SupervisionSettings(deaths=3))

    async with host_with(tmp_path, ("one", DIES), settings=settings) as host:
        kinds = []
        for _ in range(4):
            with pytest.raises(AllAttemptsFailed) as caught:
                await host.run(ChatRequest.of_text("hello"))
            kinds.append(caught.value.error)
        stopped = host.status("one")
        host.try_again("one")
        again = host.status("one")
        home = host.home

    assert {error.kind for error in kinds} == {ErrorKind.WORKER_DIED}
    assert "exit code 7" in kinds[0].message
    assert "stockade enable one" in kinds[-1].message
    assert (stopped.state, again.state) == ("failed", "stopped")
    with State.open(home) as state:
        record = state.require("one")
    assert "exit code 7" in (record.last_error or "")


async def test_a_stopped_plugin_stays_stopped_for_the_next_host(tmp_path: Path) -> None:
    async with host_with(tmp_path, ("one", SAYS.format(text="alive"))) as host:
        home = host.home
    with State.open(home) as state:
        state.set_state("one", "failed", "it died three times")

    async with Host.open(home) as host:
        with pytest.raises(AllAttemptsFailed, match="it died three times"):
            await host.run(ChatRequest.of_text("hello"))
        host.try_again("one")
        response = await host.run(ChatRequest.of_text("hello"))

    assert response.text == "alive"


# A host where namespaces are refused, as in a container: by a seccomp filter over all of it.
WITHOUT_NAMESPACES = """
import json, platform, sys
import anyio
from stockade import AllAttemptsFailed, Host
from stockade.settings import Settings
from stockade_sdk import ChatRequest
from stockade_worker.confine import numbers, seccomp, syscalls
from stockade_worker.confine.bpf import (
    ALLOW, ANY_BIT, ARGUMENTS, EQUAL, NUMBER, Program, refuse
)

NEW_NAMESPACES = 0x7E020000  # clone(2)

program = Program()
allowed, refused = program.answer(ALLOW), program.answer(refuse(1))
program.jump(ANY_BIT, NEW_NAMESPACES, refused, allowed)
flags = program.load(ARGUMENTS)
clone = numbers.for_machine(platform.machine()).numbers["clone"]
program.jump(EQUAL, clone, flags, allowed)
program.load(NUMBER)
syscalls.no_new_privileges()
seccomp.install(program.to_bytes())

async def run(settings):
    async with Host.open(sys.argv[1], settings=settings) as host:
        try:
            text = (await host.run(ChatRequest.of_text("hello"))).text
            said = {"text": text, "tier": host.status("one").workers[0].tier}
        except AllAttemptsFailed as failed:
            error = failed.error
            said = {"kind": error.kind, "words": error.message}
            said["workers"] = len(host.status("one").workers)
        print(json.dumps(said), flush=True)

async def main():
    async with Host.open(sys.argv[1]) as host:
        print(json.dumps((await host.reached()).tier), flush=True)
    for tier in sys.argv[2:]:
        named = {} if "=" not in tier else dict([tier.split("=")])
        await run(Settings(plugin_minimum_tiers=named) if named else Settings(minimum_tier=tier))

anyio.run(main)
"""


async def test_below_the_operators_minimum_tier_nothing_is_started(tmp_path: Path) -> None:
    folder = plugin_folder(tmp_path, "one", SAYS.format(text="alive"))
    home = install(Home(tmp_path / "home"), [folder])
    minimums = ("full", "restricted", "none", "one=restricted", "one=full")

    done = await anyio.run_process(
        (sys.executable, "-c", WITHOUT_NAMESPACES, str(home.root), *minimums), stderr=None
    )

    # Root's workers get a user of their own, which restricted gives only where that user can read
    # the interpreter.
    reached, *outcomes = map(json.loads, done.stdout.splitlines())
    assert reached in ("none", "restricted")
    for minimum, outcome in zip(minimums, outcomes, strict=True):
        needed = minimum.removeprefix("one=")
        if TIERS.index(reached) >= TIERS.index(needed):
            assert outcome == {"text": "alive", "tier": reached}
        else:
            assert (outcome["kind"], outcome["workers"]) == ("permission_denied", 0)
            assert f"plugin one is not started: it needs tier {needed}" in outcome["words"]
            assert f"this machine gives {reached}" in outcome["words"]
            assert f'minimum_tier = "{reached}" under [plugins.one]' in outcome["words"]
    assert "the step namespaces" in outcomes[0]["words"]
    assert outcomes[2]["text"] == "alive"


async def test_an_installed_file_that_was_changed_stops_the_start(tmp_path: Path) -> None:
    async with host_with(tmp_path, ("one", SAYS.format(text="honest"))) as host:
        home = host.home
    module = next(home.plugins.glob("*/sample_one/__init__.py"))
    module.parent.chmod(0o755)
    module.chmod(0o644)
    module.write_text(SAYS.format(text="changed"))

    async with Host.open(home) as host:
        with pytest.raises(Exception, match="changed since it was installed"):
            await host.run(ChatRequest.of_text("hello"))


async def test_a_plugin_without_its_required_setting_lets_the_next_one_answer(
    tmp_path: Path,
) -> None:
    folder = plugin_folder(tmp_path, "one", SAYS.format(text="configured"))
    manifest = folder / "plugin.toml"
    setting = '\n[config.word]\ntype = "string"\nrequired = true\n'
    manifest.write_text(manifest.read_text() + setting)
    home = install(
        Home(tmp_path / "home"),
        [folder, plugin_folder(tmp_path, "two", SAYS.format(text="fallback"))],
    )

    async with Host.open(home) as host:
        before = await host.run(ChatRequest.of_text("hello"))
    with State.open(home) as state:
        state.set_config("one", "word", "x")
    async with Host.open(home) as host:
        after = await host.run(ChatRequest.of_text("hello"))

    assert before.text == "fallback"
    assert before.attempts[0].kind == "model_unavailable"
    assert "stockade config set one word" in (before.attempts[0].message or "")
    assert after.text == "configured"


async def test_refresh_takes_up_what_was_installed_meanwhile(tmp_path: Path) -> None:
    async with host_with(tmp_path, ("one", SAYS.format(text="one"))) as host:
        await host.run(ChatRequest.of_text("hello"))
        install(host.home, [plugin_folder(tmp_path, "two", SAYS.format(text="two"))])
        await host.refresh()
        response = await host.run(ChatRequest.of_text("hello"), plugin="two")

    assert response.text == "two"
