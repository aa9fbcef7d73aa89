"""The watchdog against real children: what is over its limit is seen soon, in whatever form."""

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from stockade.process.tree import Sample, Tree, can_follow
from stockade.supervisor.budget import WATCH_S, Exceeded, over_budget, wants_proportional
from stockade_sdk.limits import Limits

MIB = 1024 * 1024
PATIENCE_S = 20.0
OVERSHOOT_BYTES = 150 * MIB  # between two looks on a busy machine

ALLOCATE = """
    pieces = []
    for number in range(2000):
        pieces.append(bytearray(b"x") * (1024 * 1024))
"""
SHARED = """
    import mmap
    pieces = []
    for number in range(2000):
        pieces.append(mmap.mmap(-1, 1024 * 1024, flags=mmap.MAP_SHARED))
        pieces[-1].write(b"x" * (1024 * 1024))
"""
IN_CHILDREN = """
    import os, signal
    for number in range(20):
        if os.fork() == 0:
            os.setsid()
            piece = bytearray(b"x") * (40 * 1024 * 1024)
            signal.pause()
    signal.pause()
"""
SHARING = """
    import os, signal
    piece = bytearray(b"x") * (60 * 1024 * 1024)
    for number in range(6):
        if os.fork() == 0:
            signal.pause()
    print("up", flush=True)
    signal.pause()
"""
THREADS = """
    import threading, signal
    for number in range(30):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    signal.pause()
"""
MODEST = """
    piece = bytearray(b"x") * (20 * 1024 * 1024)
    print("up", flush=True)
    __import__("signal").pause()
"""


@contextmanager
def running(source: str) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-I", "-S", "-c", textwrap.dedent(source)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True) as child:
        tree = Tree(child.pid, follow_children=True)
        try:
            yield child
        finally:
            tree.sample()
            for pid in (child.pid, *tree._born):
                os.kill(pid, 9)


def judged(tree: Tree, limits: Limits) -> tuple[Exceeded | None, Sample | None]:
    """One look of the watchdog."""
    sample = tree.sample()
    if sample is None:
        return None, None
    exact = tree.proportional_bytes() if wants_proportional(sample, limits) else None
    return over_budget(sample, limits, exact), sample


def watch(pid: int, limits: Limits, *, follow_children: bool) -> tuple[Exceeded, Sample]:
    tree = Tree(pid, follow_children=follow_children)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        exceeded, sample = judged(tree, limits)
        if exceeded is not None and sample is not None:
            return exceeded, sample
        time.sleep(WATCH_S)  # the watchdog's own pace
    raise AssertionError("nothing was seen")


@pytest.mark.parametrize("source", [ALLOCATE, SHARED])
def test_an_allocating_child_is_seen_before_it_is_far_over(source: str) -> None:
    limits = Limits(memory_bytes=128 * MIB)
    with running(source) as child:
        exceeded, sample = watch(child.pid, limits, follow_children=False)

    assert exceeded.limit == "memory"
    assert limits.memory_bytes < sample.rss_bytes < limits.memory_bytes + OVERSHOOT_BYTES


@pytest.mark.skipif(not can_follow(), reason="this kernel lists no children")
def test_memory_of_children_in_sessions_of_their_own_counts() -> None:
    limits = Limits(memory_bytes=300 * MIB)
    with running(IN_CHILDREN) as child:
        exceeded, sample = watch(child.pid, limits, follow_children=True)

    assert exceeded.limit == "memory"
    assert sample.processes > 1


@pytest.mark.skipif(not can_follow(), reason="this kernel lists no children")
def test_memory_that_children_share_is_not_held_against_them() -> None:
    limits = Limits(memory_bytes=200 * MIB)
    with running(SHARING) as child:
        assert child.stdout is not None
        child.stdout.readline()
        exceeded, sample = judged(Tree(child.pid, follow_children=True), limits)

    assert sample is not None
    assert sample.rss_bytes > limits.memory_bytes
    assert exceeded is None


def test_too_many_threads_are_seen() -> None:
    with running(THREADS) as child:
        exceeded, _ = watch(child.pid, Limits(processes=10), follow_children=False)

    assert exceeded.limit == "processes"


def test_a_child_within_its_limits_is_left_alone() -> None:
    with running(MODEST) as child:
        assert child.stdout is not None
        child.stdout.readline()
        exceeded, sample = judged(Tree(child.pid), Limits(memory_bytes=64 * MIB, processes=2))

    assert sample is not None
    assert sample.rss_bytes > 20 * MIB
    assert exceeded is None
