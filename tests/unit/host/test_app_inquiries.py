"""What a host asks providers beside requests: whom, when, and what becomes of the answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from stockade.app.inquiries import Inquiries
from stockade.app.parts import Parts
from stockade.app.planning import Planner
from stockade.errors import NotInstalled
from stockade.router import Breaker
from stockade.settings import CatalogueSettings, HealthSettings, Home, Settings
from stockade.state import Installed, State
from stockade_sdk.capability import DiscoveryOptions, HealthReport, ModelInfo
from stockade_sdk.errors import ProviderError
from stockade_sdk.provider import Method
from tests.unit.host.packaging_samples import MANIFEST
from tests.unit.host.router_scripted import Clock

pytestmark = pytest.mark.anyio

ASK = DiscoveryOptions(remote=True, refresh=True)


class Vendors:
    """Answers by plugin, or errors to raise."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, Method]] = []

    async def __call__(self, plugin: str, method: Method, *, timeout: float) -> Any:
        self.asked.append((plugin, method))
        answer = self.answers[plugin]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def vendors() -> Vendors:
    return Vendors()


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State.open(Home(tmp_path / "home")) as state:
        for name in ("one", "two", "off", "bad"):
            text = MANIFEST.format(name=name, version="1.0.0", more="")
            manifest = "manifest = 'no'" if name == "bad" else text
            state.put(Installed(name=name, version="1", digest="0", manifest=manifest))
        state.set_state("off", "disabled")
        yield state


def parts_of(state: State, tmp_path: Path, settings: Settings | None = None) -> Parts:
    """As far as a host has them that starts no workers."""
    parts = Parts(Home(tmp_path / "home"), settings or Settings(), state)
    parts.breaker = Breaker(Clock())
    parts.planner = Planner(parts.breaker, parts.ledger)
    parts.read()
    return parts


@pytest.fixture
def parts(state: State, tmp_path: Path) -> Parts:
    return parts_of(state, tmp_path)


def ids(catalogue: Any) -> list[str]:
    return [f"{one.provider}/{one.id}" for one in catalogue.models]


async def test_from_the_cache_nobody_is_asked(parts: Parts, vendors: Vendors) -> None:
    inquiries = Inquiries(parts, vendors)

    for options in (
        DiscoveryOptions(),
        DiscoveryOptions(remote=True),
        DiscoveryOptions(refresh=True),
    ):
        assert ids(await inquiries.discover(options)) == ["one/default", "two/default"]
    named = await inquiries.discover(DiscoveryOptions(providers=(" Two ",)))

    assert ids(named) == ["two/default"]
    assert vendors.asked == []


async def test_a_provider_that_is_not_there_is_refused_before_anybody_is_asked(
    parts: Parts, vendors: Vendors
) -> None:
    for options in (
        DiscoveryOptions(providers=("nobody",)),
        DiscoveryOptions(remote=True, refresh=True, providers=("one", "nobody")),
    ):
        with pytest.raises(NotInstalled, match="nobody"):
            await Inquiries(parts, vendors).discover(options)

    assert vendors.asked == []


async def test_a_scan_asks_who_can_be_asked_and_its_models_are_known_at_once(
    parts: Parts, state: State, vendors: Vendors
) -> None:
    vendors.answers = {"one": ProviderError("auth", "no"), "two": (ModelInfo(id="new"),)}
    inquiries = Inquiries(parts, vendors)

    found = await inquiries.scan(ASK)

    assert {one.provider: one.outcome for one in found} == {
        "bad": "skipped",
        "off": "skipped",
        "one": "failed",
        "two": "updated",
    }
    assert sorted(vendors.asked) == [("one", Method.LIST_MODELS), ("two", Method.LIST_MODELS)]
    assert "two/new" in parts.planner.knowledge.catalogue.full
    assert '"new"' in inquiries.exported()
    assert set(await anyio.to_thread.run_sync(state.lists.all)) == {"two"}


async def test_health_tells_of_each_whatever_it_is(parts: Parts, vendors: Vendors) -> None:
    vendors.answers = {"one": HealthReport(ok=True), "two": ProviderError("network", "away")}
    inquiries = Inquiries(parts, vendors)

    found = await inquiries.health(on_progress=lambda health, done, of: None)
    named = await inquiries.health(("nobody", "one"), on_progress=lambda health, done, of: None)

    assert {one.provider: (one.ok, one.probed) for one in found} == {
        "one": (True, True),
        "two": (False, True),
        "off": (None, False),
        "bad": (False, False),
    }
    assert [(one.provider, one.ok, one.reason) for one in named] == [
        ("nobody", False, "not_found"),
        ("one", True, None),
    ]


async def test_a_key_that_a_check_finds_refused_rests_for_requests_as_well(
    parts: Parts, vendors: Vendors
) -> None:
    vendors.answers = {"one": ProviderError("auth", "no"), "two": ProviderError("network", "away")}

    await Inquiries(parts, vendors).health(on_progress=lambda health, done, of: None)

    assert set(parts.planner.standings()) == {"one"}


@pytest.mark.parametrize("refresh", [False, True])
@pytest.mark.parametrize("interval_s", [None, 60.0])
def test_a_host_does_by_itself_what_the_operator_wants_and_no_more(
    state: State, tmp_path: Path, vendors: Vendors, refresh: bool, interval_s: float | None
) -> None:
    settings = Settings(
        catalogue=CatalogueSettings(refresh=refresh), health=HealthSettings(interval_s=interval_s)
    )
    parts = parts_of(state, tmp_path, settings)

    tasks = list(Inquiries(parts, vendors).tasks(lambda: 0.5))

    assert len(tasks) == refresh + (interval_s is not None)
    assert vendors.asked == []
