"""The gateway side by side with LiteLLM's proxy, before one vendor, in one run.

Both gateways have one CPU for all their processes, the load client and the vendor have the other
one; a round puts each load on all of them in an order that is shuffled anew, and ratios and
differences are taken within a round. CPU is what the kernel counted for all processes of a gateway:
of ours the gateway, the nursery and the workers, of LiteLLM its one. What every answer must hold is
checked by the client. Where LiteLLM is not installed (`--litellm PYTHON`, the interpreter of an
environment that has `litellm[proxy]`), ours is measured alone.
"""

from __future__ import annotations

import operator
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from .contest import Goal, Row
from .gateway_client import CHAT, EMBED, PACED, STREAM, Timed
from .gateway_contenders import (
    DIRECT,
    LITELLM_OPTION,
    OURS,
    PEER,
    Client,
    Gateway,
    client,
    litellm,
    litellm_python,
    served,
    stockade_home,
    vendor,
)
from .gateway_standing import beginnings, memory

ROUNDS: Final = 5
PEER_SHARE: Final = 10  # LiteLLM is asked so many times less, or a round would take minutes
LOADS: Final = {  # what is put on in a round: requests, connections
    (CHAT, 1): 500,
    (CHAT, 16): 1_600,
    (STREAM, 1): 80,
    (STREAM, 16): 160,
    (PACED, 1): 5,
    (EMBED, 1): 300,
}


class Seen(NamedTuple):
    """One load on one contender: CPU microseconds a call, and what the client timed."""

    cpu_us: float
    timed: Timed

    @property
    def rate(self) -> float:
        """Calls a second."""
        return len(self.timed.calls_s) / self.timed.wall_s

    def ms(self, share: float = 0.5) -> float:
        """A quantile of a call's time."""
        return quantile(self.timed.calls_s, share) * 1e3

    @property
    def first_ms(self) -> float:
        """The median time to the first piece of an answer."""
        return statistics.median(self.timed.first_s) * 1e3


Round = dict[tuple[str, int], dict[str, Seen]]


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which such a share of all is."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def gateway() -> list[Row]:
    """`stockade serve` and LiteLLM's proxy: CPU, rate, latency, streams, memory, start, page."""
    python = litellm_python()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stockade-bench-")))
        direct, load = stack.enter_context(vendor()), stack.enter_context(client())
        home = stockade_home(folder, direct.port)
        rows = beginnings(home)
        contenders = [direct, stack.enter_context(served(home))]
        if python is not None:
            contenders.append(stack.enter_context(litellm(folder, direct.port, python)))
        rounds = [one_round(load, contenders, seed) for seed in range(ROUNDS + 1)][1:]
        rows = [*calls(rounds), *streams(rounds), *rows, *memory(load, contenders[1:])]
        return [*rows, condition(contenders[1:])]


def one_round(load: Client, contenders: Sequence[Gateway], seed: int) -> Round:
    """Every load on every contender. The first round warms up and is not counted."""
    shuffle, seen = random.Random(seed).shuffle, Round()
    for (kind, connections), number in LOADS.items():
        order, found = list(contenders), {}
        shuffle(order)
        for one in order:
            asked = max(number // PEER_SHARE, connections, 3) if one.name == PEER else number
            before = one.cpu_s()
            timed = load.put_on(one.load(kind, asked, connections))
            found[one.name] = Seen((one.cpu_s() - before) / asked * 1e6, timed)
        seen[kind, connections] = found
    return seen


class Measure(NamedTuple):
    """A load of all rounds, and what is looked at in it."""

    rounds: list[Round]
    load: tuple[str, int]
    of: Callable[[Seen], float]
    unit: str = "us"

    def all(self, name: str) -> list[float]:
        """A contender's figures, round by round; none where it does not take part."""
        found = [one[self.load] for one in self.rounds]
        return [self.of(one[name]) for one in found if name in one]

    def said(self, name: str) -> str:
        """A contender's median, in words."""
        of = self.all(name)
        return f"{statistics.median(of):.4g} {self.unit} ({name})" if of else "not installed"

    def absolute(self, title: str, goal: Goal | None) -> Row:
        """Ours alone against a goal."""
        return self._row(title, self.all(OURS), goal, PEER)

    def ratio(self, title: str, goal: Goal) -> list[Row]:
        """Ours against LiteLLM's; no line where it is not installed."""
        peers = self.all(PEER)
        if not peers:
            return []
        ratios = [one / peer for one, peer in zip(self.all(OURS), peers, strict=True)]
        return [self._row(title, ratios, goal, PEER)]

    def added(self, title: str, goal: Goal | None) -> Row:
        """What ours adds to the vendor's own."""
        return self._beside(title, goal, operator.sub, f"LiteLLM adds {{:.2f}} {self.unit}")

    def times(self, title: str, goal: Goal) -> Row:
        """Ours over the vendor's own."""
        return self._beside(title, goal, operator.truediv, "LiteLLM takes {:.3f} times as long")

    def _beside(
        self, title: str, goal: Goal | None, of: Callable[[float, float], float], peer: str
    ) -> Row:
        own, peers = self.all(DIRECT), self.all(PEER)
        notes = (peer.format(statistics.median(map(of, peers, own))),) if peers else ()
        return self._row(title, list(map(of, self.all(OURS), own)), goal, DIRECT, notes)

    def _row(
        self,
        title: str,
        figures: list[float],
        goal: Goal | None,
        peer: str,
        notes: tuple[str, ...] = (),
    ) -> Row:
        return Row(
            name=f"gateway: {title}",
            ours=self.said(OURS).removesuffix(f" ({OURS})"),
            peer=self.said(peer),
            figure=statistics.median(figures),
            goal=goal,
            low=None if goal is None else min(figures),
            high=None if goal is None else max(figures),
            notes=notes,
        )


def calls(rounds: list[Round]) -> list[Row]:
    """Chats and embeddings."""
    one, many = (Measure(rounds, (CHAT, n), lambda seen: seen.cpu_us) for n in (1, 16))
    rate = Measure(rounds, (CHAT, 16), lambda seen: seen.rate, "/s")
    p50 = Measure(rounds, (CHAT, 1), Seen.ms, "ms")
    p99 = Measure(rounds, (CHAT, 1), lambda seen: seen.ms(0.99), "ms")
    late = Measure(rounds, (CHAT, 16), lambda seen: seen.ms(0.99), "ms")
    embedding = Measure(rounds, (EMBED, 1), lambda seen: seen.cpu_us)
    return [
        one.absolute("CPU a chat, 1 connection", None),
        many.absolute("CPU a chat, 16 connections", Goal(600, unit=" us")),
        *many.ratio("the same, to LiteLLM", Goal(0.1)),
        *one.ratio("CPU a chat, 1 connection, to LiteLLM", Goal(0.1)),
        *rate.ratio("chats a second, 16 connections", Goal(15, at_least=True)),
        p50.added("added p50, 1 connection", Goal(1.2, unit=" ms")),
        p99.added("added p99, 1 connection", None),
        late.absolute("p99, 16 connections", None),
        embedding.absolute("CPU an embedding, 1 connection", None),
        *embedding.ratio("the same, to LiteLLM", Goal(0.1)),
    ]


def streams(rounds: list[Round]) -> list[Row]:
    """Streams of 50 chunks: as fast as they come, and one chunk in 10 ms."""
    one, many = (
        Measure(rounds, (STREAM, n), lambda seen: seen.cpu_us / 1e3, "ms") for n in (1, 16)
    )
    paced = Measure(rounds, (PACED, 1), lambda seen: seen.cpu_us / 1e3, "ms")
    first = Measure(rounds, (PACED, 1), lambda seen: seen.first_ms, "ms")
    whole = Measure(rounds, (PACED, 1), Seen.ms, "ms")
    return [
        one.absolute("CPU of a 50-chunk stream, 1 connection", Goal(3, unit=" ms")),
        many.absolute("CPU of a 50-chunk stream, 16 connections", Goal(3, unit=" ms")),
        *many.ratio("the same, to LiteLLM", Goal(0.05)),
        paced.absolute("CPU of a paced stream", None),
        first.added("first chunk delayed, paced", Goal(3, unit=" ms")),
        whole.times("a stream paced at 10 ms", Goal(1.02)),
    ]


def condition(gateways: Sequence[Gateway]) -> Row:
    """What the figures in microseconds are to be read with: this machine, now."""
    began = time.process_time()
    total = 0
    for number in range(10_000_000):
        total += number
    took = time.process_time() - began
    starts = ", ".join(f"{one.name} {one.started_s:.1f} s" for one in gateways)
    notes = (
        f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs; starts: {starts}",
        f"{ROUNDS} rounds of {sum(LOADS.values())} requests; LiteLLM a {PEER_SHARE}th of them",
    )
    missing = "" if len(gateways) > 1 else f"LiteLLM is not installed: --litellm, {LITELLM_OPTION}"
    return Row(
        "gateway: CPU of 10^7 additions here", f"{took:.2f} s", missing, took, None, notes=notes
    )
