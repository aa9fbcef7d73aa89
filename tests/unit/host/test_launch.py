"""What a hello is compared with, and what a loaded provider must have."""

import os

import msgspec
import pytest

from stockade.supervisor.launch import (
    Launch,
    PluginRuntime,
    Prepared,
    check_hello,
    check_methods,
    check_walls,
)
from stockade.supervisor.probing import StartRefused
from stockade_sdk import wire
from stockade_sdk.capability import Capability
from stockade_sdk.limits import Limits
from stockade_worker.plan import FULL, NONE, RESTRICTED, Plan
from stockade_worker.plan import Limits as KernelLimits

LAYERS = ("session", "rlimits")
PLAN = Plan(
    plugin="echo",
    digest="d1",
    launch="word",
    tier=RESTRICTED,
    layers=LAYERS,
    base="/base",
    scratch="/tmp",
    limits=KernelLimits(memory_bytes=1, open_files=1, file_size_bytes=1),
)
HELLO = wire.Hello(
    protocol_min=wire.PROTOCOL_MIN,
    protocol_max=wire.PROTOCOL_MAX,
    launch="word",
    plugin="echo",
    digest="d1",
    pid=42,
    sdk="0.1.0",
    python="3.11.7",
    layers=LAYERS,
    acts={},
)


async def unused(launch: Launch) -> Prepared:
    raise AssertionError(launch)


RUNTIME = PluginRuntime(
    name="echo",
    version="1",
    digest="d1",
    capabilities=frozenset(),
    limits=Limits(),
    outlet=None,
    prepare=unused,
)


def test_the_hello_that_was_planned_is_taken() -> None:
    check_hello(HELLO, RUNTIME, PLAN, 42)


def test_a_newer_worker_that_still_speaks_our_protocol_is_taken() -> None:
    hello = msgspec.structs.replace(HELLO, protocol_max=wire.PROTOCOL_MAX + 5)

    check_hello(hello, RUNTIME, PLAN, 42)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"launch": "earlier"}, "another launch word"),
        ({"plugin": "other"}, "another plugin"),
        ({"digest": "d2"}, "another digest"),
        ({"pid": 43}, "another process id"),
        ({"layers": ("session",)}, "without rlimits"),
        ({"layers": ("rlimits", "session")}, "otherwise than planned"),
        ({"protocol_min": wire.PROTOCOL_MAX + 1, "protocol_max": 99}, "install host and worker"),
        ({"protocol_min": 0, "protocol_max": wire.PROTOCOL_MIN - 1}, "install host and worker"),
    ],
)
def test_any_other_hello_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(StartRefused, match=said):
        check_hello(msgspec.structs.replace(HELLO, **change), RUNTIME, PLAN, 42)


def test_a_worker_with_processes_of_its_own_is_the_first_of_them() -> None:
    plan = PLAN._replace(tier=FULL)

    check_hello(msgspec.structs.replace(HELLO, pid=1), RUNTIME, plan, 42)
    with pytest.raises(StartRefused, match="another process id"):
        check_hello(HELLO, RUNTIME, plan, 42)


def test_a_process_without_walls_is_refused_and_every_difference_told() -> None:
    with pytest.raises(StartRefused, match="not confined as planned") as caught:
        check_walls(HELLO, PLAN, os.getpid())

    assert "no_new_privs is not set" in caught.value.reason
    assert "no seccomp filter is on" in caught.value.reason
    assert "it tried other acts than it was to try" in caught.value.reason


def test_a_process_that_is_not_to_be_seen_is_refused() -> None:
    with pytest.raises(StartRefused, match="the kernel does not show how it is confined"):
        check_walls(HELLO, PLAN, 2**30)


def test_what_a_worker_without_walls_says_of_acts_is_refused() -> None:
    hello = msgspec.structs.replace(HELLO, acts={"fork": 0})

    with pytest.raises(StartRefused, match="it tried other acts than it was to try"):
        check_walls(hello, PLAN._replace(tier=NONE), os.getpid())


@pytest.mark.parametrize("methods", [("chat",), ("stream_chat", "check_health")])
def test_one_method_makes_a_capability_real(methods: tuple[str, ...]) -> None:
    check_methods(methods, frozenset((Capability.CHAT, Capability.VISION)))


def test_a_capability_without_a_method_is_refused_with_both_ways_out() -> None:
    with pytest.raises(StartRefused, match="`capabilities`") as caught:
        check_methods(("chat",), frozenset((Capability.CHAT, Capability.RERANK)))

    assert '"rerank"' in caught.value.reason
    assert "no method rerank" in caught.value.reason


def test_an_unknown_method_is_refused_and_not_repeated() -> None:
    with pytest.raises(StartRefused) as caught:
        check_methods(("chat", "\x1b[2J"), frozenset((Capability.CHAT,)))

    assert "\x1b" not in caught.value.reason
