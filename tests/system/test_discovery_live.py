"""Models as vendors list them: asked through real workers, kept, merged and routed to.

Judged by what a loopback server, which stands for all vendors, was asked.
"""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from stockade import Host, NotInstalled, UsageError
from stockade.settings import (
    CatalogueSettings,
    HealthSettings,
    Home,
    RequestSettings,
    Settings,
)
from stockade.state import Secrets, State
from stockade_sdk import ChatRequest, DiscoveryOptions
from tests.system.bad_vendors import kept
from tests.system.patience import until
from tests.system.upstreams import FAILS, HANGS, Upstreams

PLUGINS = ("mistral", "openai", "gemini", "groq")
LISTS = {  # some are declared, some are not
    "openai": ("gpt-5.4-mini", "gpt-brand-new", "o9"),
    "gemini": ("gemini-2.5-flash", "gemini-9"),
    "groq": ("llama-3.1-8b-instant",),
    "mistral": ("codestral-latest", "a", "b", "c"),
}
FIRST_BYTE_S = 0.5
SETTINGS = Settings(requests=RequestSettings(first_byte_timeout_s=FIRST_BYTE_S))
ASK = DiscoveryOptions(remote=True, refresh=True)


def ask(*providers: str) -> DiscoveryOptions:
    return replace(ASK, providers=providers)


@pytest.fixture(scope="module")
async def vendors() -> AsyncIterator[Upstreams]:
    async with Upstreams.open() as upstreams:
        yield upstreams


@pytest.fixture(scope="module")
async def original(vendors: Upstreams, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with four plugins, and all that a host makes at its first start."""
    folder = tmp_path_factory.mktemp("original") / "home"
    vendors.install(Home(folder), *PLUGINS)
    async with Host.open(folder, settings=SETTINGS):
        return folder


@pytest.fixture
def home(original: Path, vendors: Upstreams, tmp_path: Path) -> Path:
    vendors.begin()
    vendors.lists = dict(LISTS)
    return Path(shutil.copytree(original, tmp_path / "home"))


@pytest.fixture(autouse=True)
async def _no_leaks(original: Path) -> AsyncIterator[None]:
    """In place of the folder's own, which a server that outlives its tests would trouble."""
    before = kept()
    yield
    await until(lambda: kept() <= before)


async def test_every_vendor_is_asked_for_its_list_and_what_it_says_joins_what_is_declared(
    vendors: Upstreams, home: Path
) -> None:
    async with Host.open(home, settings=SETTINGS) as host:
        before = await host.discover_models()
        assert vendors.hits == []

        after = await host.discover_models(ASK)
        scanned = {name: len(found.models) for name, found in host.state.lists.all().items()}

    assert sorted(hit.plugin for hit in vendors.hits) == sorted(PLUGINS)
    assert {hit.path.partition("?")[0] for hit in vendors.hits} == {"v1/models", "v1beta/models"}
    assert scanned == {name: len(ids) for name, ids in LISTS.items()}
    came = {(one.provider, one.id) for one in after.models} - {
        (one.provider, one.id) for one in before.models
    }
    assert came == {
        ("openai", "gpt-brand-new"),
        ("openai", "o9"),
        ("gemini", "gemini-9"),
        *(("mistral", id) for id in "abc"),
    }
    facts = {(one.provider, one.id): one for one in after.models}
    # What only a vendor knows is its word; what a plugin declares is not overruled by it.
    assert facts["gemini", "gemini-9"].context_tokens == 1_000
    assert facts["gemini", "gemini-2.5-flash"].context_tokens == 1_048_576
    assert facts["openai", "gpt-brand-new"].context_tokens is None


async def test_a_vendor_that_fails_and_one_that_hangs_leave_the_rest(
    vendors: Upstreams, home: Path
) -> None:
    vendors.spoilt = {"openai": FAILS, "gemini": HANGS}
    progress: list[object] = []
    async with Host.open(home, settings=SETTINGS) as host:
        found = await host.scan_models(ASK, on_progress=progress.append)
        vendors.spoilt.clear()
        again = await host.scan_models(ask("openai", "gemini"))

    outcomes = {one.provider: one.outcome for one in found}
    assert outcomes == {
        "openai": "failed",
        "gemini": "failed",
        "groq": "updated",
        "mistral": "updated",
    }
    errors = {one.provider: one.error or "" for one in found}
    assert "500" in errors["openai"]
    assert "0.5 s" in errors["gemini"]
    assert max(one.ms for one in found) < 1000 * (FIRST_BYTE_S + 10)
    assert len(progress) == 2 * len(PLUGINS)
    assert {one.provider: (one.outcome, one.kept) for one in again} == {
        "openai": ("updated", 3),
        "gemini": ("updated", 2),
    }


async def test_one_that_cannot_be_asked_is_passed_over_and_says_why(
    vendors: Upstreams, home: Path
) -> None:
    Secrets(Home(home)).remove("groq", "GROQ_API_KEY")
    with State.open(Home(home)) as state:
        state.set_grants(replace(state.require("groq"), operator_hosts=()))
        state.set_state("mistral", "disabled")
    async with Host.open(home, settings=SETTINGS) as host:
        found = {one.provider: one for one in await host.scan_models(ASK)}
        with pytest.raises(NotInstalled):
            await host.discover_models(ask("nobody"))

    assert {name: one.outcome for name, one in found.items()} == {
        "openai": "updated",
        "gemini": "updated",
        "groq": "skipped",
        "mistral": "skipped",
    }
    assert "stockade secrets set groq GROQ_API_KEY" in (found["groq"].error or "")
    assert "stockade enable mistral" in (found["mistral"].error or "")
    assert {hit.plugin for hit in vendors.hits} == {"openai", "gemini"}


async def test_a_list_that_shrank_is_refused_and_the_last_good_one_stands_after_a_restart(
    vendors: Upstreams, home: Path
) -> None:
    started = time.time()
    async with Host.open(home, settings=SETTINGS) as host:
        await host.scan_models(ask("mistral"))
        vendors.lists["mistral"] = ("a",)
        (refused,) = await host.scan_models(ask("mistral"))
    taken = time.time()
    vendors.spoilt = {"mistral": FAILS}

    async with Host.open(home, settings=SETTINGS) as host:
        (failed,) = await host.scan_models(ask("mistral"))
        known = {one.id for one in (await host.discover_models()).models}
        vendors.spoilt.clear()
        (forced,) = await host.scan_models(ask("mistral"), force=True)
        left = {one.id for one in (await host.discover_models()).models}

    assert (refused.outcome, refused.models, refused.kept) == ("refused", 1, 4)
    assert (failed.outcome, failed.kept) == ("failed", 4)
    assert refused.fetched_at == failed.fetched_at
    assert failed.fetched_at is not None
    assert started <= failed.fetched_at <= taken
    assert {"a", "b", "c"} <= known
    assert (forced.outcome, forced.kept) == ("updated", 1)
    assert {"a", "b", "c"} & left == {"a"}


async def test_a_scanned_model_is_routed_to_by_its_short_name_now_and_after_a_restart(
    vendors: Upstreams, home: Path
) -> None:
    request = ChatRequest.of_text("hello", model="gpt-brand-new")
    async with Host.open(home, settings=SETTINGS) as host:
        with pytest.raises(UsageError):
            await host.run(request)
        await host.scan_models(ask("openai"))
        vendors.hits.clear()
        await host.run(request)
    async with Host.open(home, settings=SETTINGS) as host:
        await host.run(request)

    assert vendors.asked == ["openai/gpt-brand-new"] * 2


async def test_a_scan_between_a_change_and_a_refresh_hides_the_change_from_nobody(
    vendors: Upstreams, home: Path
) -> None:
    async with Host.open(home, settings=SETTINGS) as host:
        request = ChatRequest.of_text("hello", model="groq/m")
        await host.run(request)
        with State.open(Home(home)) as state:
            state.set_config("groq", "base_url", f"{vendors.sink.url}moved/v1")
        await host.scan_models(ask("mistral"))
        vendors.hits.clear()

        await host.refresh()
        await host.run(request)

    assert vendors.asked == ["moved/m"]


async def test_the_export_is_the_same_bytes_however_the_lists_came(
    vendors: Upstreams, home: Path
) -> None:
    async with Host.open(home, settings=SETTINGS) as host:
        declared = host.export_catalogue_json()
        await host.scan_models(ASK)
        first = host.export_catalogue_json()
        shuffled = random.Random(5)
        vendors.lists = {name: tuple(shuffled.sample(ids, len(ids))) for name, ids in LISTS.items()}
        await host.scan_models(ask(*reversed(PLUGINS)))
        second = host.export_catalogue_json()
    async with Host.open(home, settings=SETTINGS) as host:
        third = host.export_catalogue_json()

    assert first == second == third
    assert declared != first
    rows = json.loads(first)["models"]
    providers = list(dict.fromkeys(row["provider"] for row in rows))
    assert providers == ["openai", "gemini", "groq", "mistral"]  # the first design's, then by name
    for provider in providers:
        ids = [row["id"] for row in rows if row["provider"] == provider]
        assert ids == sorted(ids)
    (new,) = (row for row in rows if row["id"] == "gpt-brand-new")
    assert (new["name"], new["context_tokens"], new["price"]) == (None, None, None)


async def test_neither_a_start_nor_a_request_nor_the_end_waits_for_a_vendor_that_hangs(
    vendors: Upstreams, home: Path
) -> None:
    vendors.spoilt = {"openai/": HANGS, "gemini": HANGS, "mistral": HANGS}
    settings = replace(
        SETTINGS,
        requests=RequestSettings(first_byte_timeout_s=60.0),
        catalogue=CatalogueSettings(refresh=True),
        health=HealthSettings(interval_s=0.2),
    )
    with anyio.fail_after(15):
        async with Host.open(home, settings=settings) as host:
            assert vendors.hits == []
            response = await host.run(ChatRequest.of_text("hello", model="openai/m"))
            assert [one.target for one in response.attempts] == ["openai/m"]
            await until(lambda: {hit.plugin for hit in vendors.hits if not hit.model} == {*PLUGINS})
            response = await host.run(ChatRequest.of_text("hello", model="openai/m"))
            assert [one.outcome for one in response.attempts] == ["ok"]
