"""Scans carried out: everybody is asked, and one failure is one provider's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import pytest

from stockade.app.discovery import (
    Finished,
    Scanned,
    Started,
    lacking,
    refresh_when_stale,
    scan,
)
from stockade.errors import HostError, NotInstalled, StateError
from stockade.state import Installed
from stockade.state.lists import ModelList
from stockade_sdk import ErrorKind, ModelInfo, ProviderError
from stockade_sdk.hosts import HostRule
from stockade_sdk.permissions import Permissions, SecretRequest
from stockade_sdk.provider import Method

NOW = 1_800_000_000.0
TTL_S = 600.0


class Vendors:
    """Answers by plugin: models, an error to raise, or "hang"."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.running = 0
        self.most = 0
        self.cancelled: list[str] = []

    async def ask(self, plugin: str, method: Method, *, timeout: float) -> Any:
        assert method is Method.LIST_MODELS
        self.asked.append(plugin)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await anyio.lowlevel.checkpoint()
            answer = self.answers[plugin]
            if answer == "hang":
                await anyio.sleep_forever()
            if isinstance(answer, Exception):
                raise answer
            return answer
        except anyio.get_cancelled_exc_class():
            self.cancelled.append(plugin)
            raise
        finally:
            self.running -= 1


class Lists:
    """Kept lists, none for the provider `full`; notes the threads that it is used in."""

    def __init__(self, lists: Mapping[str, ModelList] | None = None, full: str = "") -> None:
        self.lists = dict(lists or {})
        self.threads: set[int] = set()
        self._full = full

    def all(self) -> dict[str, ModelList]:
        self.threads.add(threading.get_ident())
        return dict(self.lists)

    def keep(self, provider: str, found: ModelList) -> None:
        self.threads.add(threading.get_ident())
        if provider == self._full:
            raise StateError("state.db cannot be used", why="the disk is full")
        self.lists[provider] = found


def models(*ids: str) -> tuple[ModelInfo, ...]:
    return tuple(ModelInfo(id=id, provider="p") for id in ids)


def listed(*ids: str, at: float = 1.0) -> ModelList:
    return ModelList(models(*ids), fetched_at=at, ttl_s=TTL_S)


async def scanned(
    vendors: Vendors, lists: Lists, reasons: Mapping[str, str | None] | None = None, **how: Any
) -> dict[str, Scanned]:
    providers = dict.fromkeys(vendors.answers) if reasons is None else reasons
    how = {"timeout_s": 30.0} | how
    results = await scan(providers, vendors.ask, lists, ttl_s=TTL_S, clock=lambda: NOW, **how)
    assert [result.provider for result in results] == list(providers)
    return {result.provider: result for result in results}


async def test_a_list_is_kept_with_its_age_by_id_and_off_the_event_loop():
    lists = Lists()

    result = (await scanned(Vendors({"a": models("y", "x")}), lists))["a"]

    assert lists.lists == {"a": ModelList(models("x", "y"), fetched_at=NOW, ttl_s=TTL_S)}
    assert (result.outcome, result.models, result.kept) == ("updated", 2, 2)
    assert (result.fetched_at, result.error) == (NOW, None)
    assert result.ms > 0
    assert threading.get_ident() not in lists.threads


async def test_the_same_list_again_is_unchanged_and_fresh_again():
    lists = Lists({"a": listed("x", "y", at=1.0)})

    result = (await scanned(Vendors({"a": models("y", "x")}), lists))["a"]

    assert result.outcome == "unchanged"
    assert lists.lists["a"].fetched_at == NOW


async def test_a_shrink_is_refused_and_the_last_good_list_stays_with_its_age():
    old = listed("a", "b", "c", at=7.0)
    lists = Lists({"a": old})

    result = (await scanned(Vendors({"a": models("a")}), lists))["a"]

    assert (result.outcome, result.models, result.kept) == ("refused", 1, 3)
    assert result.fetched_at == 7.0
    assert result.error == "it lists 1 models where 3 were"
    assert lists.lists == {"a": old}


async def test_a_shrink_is_taken_where_the_operator_says_so():
    lists = Lists({"a": listed("a", "b", "c")})

    result = (await scanned(Vendors({"a": models("a")}), lists, force=True))["a"]

    assert (result.outcome, len(lists.lists["a"].models)) == ("updated", 1)


@pytest.mark.parametrize(
    ("failure", "outcome", "word"),
    [
        (ProviderError(ErrorKind.AUTH, "wrong key"), "failed", "wrong key"),
        (ProviderError(ErrorKind.WORKER_DIED, "killed"), "failed", "killed"),
        (NotInstalled("there is no plugin called b"), "failed", "no plugin"),
        (OSError(24, "Too many open files"), "failed", "Too many open files"),
        (ProviderError(ErrorKind.UNSUPPORTED, "no method"), "skipped", "cannot list its models"),
        ((), "refused", "it lists no models"),
        ("hang", "failed", "no answer within 0.05 s"),
    ],
)
async def test_one_failure_leaves_the_others_and_what_was_kept(failure, outcome, word):
    old = listed("old", at=7.0)
    lists = Lists({"b": old})
    vendors = Vendors({"a": models("x"), "b": failure, "c": models("z")})

    results = await scanned(vendors, lists, timeout_s=0.05 if failure == "hang" else 30.0)

    assert [results[name].outcome for name in "abc"] == ["updated", outcome, "updated"]
    assert word in (results["b"].error or "")
    assert (results["b"].kept, results["b"].fetched_at) == (1, 7.0)
    assert lists.lists["b"] == old
    assert set(lists.lists) == {"a", "b", "c"}


async def test_a_list_that_cannot_be_written_is_one_providers_failure():
    lists = Lists(full="a")

    results = await scanned(Vendors({"a": models("x"), "b": models("x")}), lists)

    assert (results["a"].outcome, results["b"].outcome) == ("failed", "updated")
    assert "the disk is full" in (results["a"].error or "")


async def test_who_is_not_to_be_asked_is_skipped_with_the_reason():
    vendors = Vendors({"a": models("x"), "b": models("x")})

    results = await scanned(vendors, Lists(), {"a": "no key is set", "b": None})

    assert vendors.asked == ["b"]
    assert (results["a"].outcome, results["a"].error) == ("skipped", "no key is set")
    assert results["a"].ms == 0


async def test_a_vendors_endless_words_are_cut():
    vendors = Vendors({"a": ProviderError(ErrorKind.UNKNOWN, "x" * 2000)})

    assert len((await scanned(vendors, Lists()))["a"].error or "") == 500


async def test_providers_are_asked_side_by_side_and_no_more_than_that():
    vendors = Vendors({f"p{at}": models("x") for at in range(20)})

    await scanned(vendors, Lists(), at_a_time=3)

    assert vendors.most == 3
    assert len(vendors.asked) == 20


async def test_progress_tells_of_every_start_and_end_with_counts():
    told: list[Started | Finished] = []
    vendors = Vendors({"a": models("x"), "b": ProviderError(ErrorKind.NETWORK, "down")})

    await scanned(vendors, Lists(), {"a": None, "b": None, "c": "no key"}, on_progress=told.append)

    assert {one.provider for one in told if isinstance(one, Started)} == {"a", "b", "c"}
    ends = [one for one in told if isinstance(one, Finished)]
    assert [one.done for one in ends] == [1, 2, 3]
    assert {one.total for one in told} == {3}
    outcomes = {one.scanned.provider: one.scanned.outcome for one in ends}
    assert outcomes == {"a": "updated", "b": "failed", "c": "skipped"}


async def test_a_scan_that_is_cancelled_stops_asking_and_leaves_old_or_new():
    old = listed("old")
    lists = Lists({"slow": old, "fast": old})
    vendors = Vendors({"fast": models("new"), "slow": "hang"})

    with anyio.CancelScope() as scope:
        await scanned(
            vendors,
            lists,
            on_progress=lambda one: scope.cancel() if isinstance(one, Finished) else None,
        )

    assert vendors.cancelled == ["slow"]
    assert lists.lists["slow"] == old
    assert lists.lists["fast"].models == models("new")


async def test_nobody_to_ask_is_no_error():
    assert await scanned(Vendors({}), Lists()) == {}


HEAD = """
manifest = 1
[plugin]
name = "vendor"
version = "1.0.0"
summary = "For tests"
entry = "vendor:Vendor"
sdk = ">=0.1,<0.2"
capabilities = ["chat"]
"""
REQUIRED = '[config.endpoint]\ntype = "url"\nrequired = true\n'
ONE_HOST = HostRule.parse("api.vendor.com")
KEY = SecretRequest(name="VENDOR_KEY", hosts=(ONE_HOST,))


def record(manifest: str = HEAD, **fields: Any) -> Installed:
    return Installed(name="vendor", version="1.0.0", digest="0", manifest=manifest, **fields)


def no_key(plugin: str, name: str) -> None:
    return None


def test_a_plugin_that_wants_nothing_lacks_nothing():
    assert lacking(record(), no_key) is None


@pytest.mark.parametrize(
    ("plugin", "word"),
    [
        (record(state="disabled"), "stockade enable vendor"),
        (record(state="failed", last_error="it ate too much"), "it ate too much"),
        (record(HEAD + REQUIRED), "stockade config set vendor endpoint VALUE"),
        (
            record(granted=Permissions(secrets=(KEY,))),
            "stockade secrets set vendor VENDOR_KEY",
        ),
    ],
)
def test_what_a_plugin_lacks_is_said_with_what_to_do(plugin, word):
    assert word in (lacking(plugin, no_key) or "")


@pytest.mark.parametrize(
    ("plugin", "source_of"),
    [
        (record(HEAD + REQUIRED, config={"endpoint": "https://x.example"}), no_key),
        (record(granted=Permissions(secrets=(KEY,))), lambda plugin, name: "keyring"),
        # A server of the operator's own choosing may want no key.
        (record(granted=Permissions(secrets=(KEY,)), operator_hosts=(ONE_HOST,)), no_key),
        (record(granted=Permissions(secrets=(SecretRequest(name="VENDOR_KEY"),))), no_key),
    ],
)
def test_what_is_configured_lacks_nothing(plugin, source_of):
    assert lacking(plugin, source_of) is None


class Over(Exception):
    """The end of a test's time."""


class Rounds:
    """A host with time that passes when somebody sleeps."""

    def __init__(self, due: list[Any], sleeps: int) -> None:
        self.due, self.left = due, sleeps
        self.slept: list[float] = []
        self.refreshed: list[tuple[str, ...]] = []
        self.told: list[HostError] = []

    async def stale(self) -> Any:
        due = self.due.pop(0)
        if isinstance(due, HostError):
            raise due
        return due

    async def refresh(self, names: Any) -> None:
        self.refreshed.append(tuple(names))

    async def sleep(self, seconds: float) -> None:
        if not self.left:
            raise Over
        self.left -= 1
        self.slept.append(seconds)

    async def run(self, random: Callable[[], float], ttl_s: float = TTL_S) -> None:
        with pytest.raises(Over):
            await refresh_when_stale(
                self.stale,
                self.refresh,
                ttl_s=ttl_s,
                random=random,
                on_failure=self.told.append,
                sleep=self.sleep,
            )


async def test_nothing_is_asked_at_the_start():
    rounds = Rounds([], sleeps=0)

    await rounds.run(lambda: 0.0)

    assert rounds.refreshed == []


async def test_stale_lists_are_asked_for_again_and_fresh_ones_are_not():
    rounds = Rounds([("a", "b"), (), ("a",)], sleeps=3)

    await rounds.run(lambda: 0.0)

    assert rounds.refreshed == [("a", "b"), ("a",)]
    assert rounds.slept == [30.0, TTL_S, TTL_S]


async def test_hosts_do_not_ask_in_step():
    rounds = Rounds([(), ()], sleeps=2)

    await rounds.run(iter([0.5, 1.0, 0.0]).__next__)

    assert rounds.slept == [45.0, pytest.approx(660.0)]


async def test_a_tiny_time_to_live_does_not_make_it_ask_all_the_time():
    rounds = Rounds([(), ()], sleeps=2)

    await rounds.run(lambda: 0.0, ttl_s=0.0)

    assert rounds.slept[1] == 60.0


async def test_a_database_that_is_busy_is_told_and_the_next_round_is_tried():
    busy = StateError("state.db cannot be used")
    rounds = Rounds([busy, ("a",)], sleeps=2)

    await rounds.run(lambda: 0.0)

    assert rounds.told == [busy]
    assert rounds.refreshed == [("a",)]
