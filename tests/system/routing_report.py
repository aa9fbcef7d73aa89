"""What was seen of a soak of the router, and what has to be true of it.

Notes go to a file while the soak runs, so that what the host holds is all that grows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import msgspec

from stockade_sdk.capability import Attempt

from .flapping import Hit
from .reckoned import FIRST_BYTE_S, Counted, certain, counted, covers, latest_ends, over_by

PLUGINS = ("first", "second")
TIMEOUT_S = 4.0
SLACK_S = 0.5  # beyond the deadline, on a busy machine
KINDS = {  # what the vendor did: what the attempt is said to have failed with
    "good": None,
    "500": "server_error",
    "429": "rate_limited",
    "close": "network",
    "cut": "network",
    "hang": "timeout",
    "html": "malformed_response",
}


class Outcome(msgspec.Struct, frozen=True, tag=True):
    """What became of one request; ``text`` is what it was answered with, as far as it came."""

    asked: str
    streamed: bool
    began: float
    ended: float
    text: str
    kind: str | None
    attempts: tuple[Attempt, ...]

    @property
    def in_time(self) -> bool:
        """By its deadline."""
        return self.ended - self.began <= TIMEOUT_S + SLACK_S

    @property
    def right(self) -> bool:
        """Answered whole with its own text, by one attempt; or failed, with nothing or a beginning
        of that.
        """
        ok = [attempt.outcome for attempt in self.attempts].count("ok")
        if self.kind is None:
            return self.text == self.asked and ok == 1
        return self.asked.startswith(self.text) and ok == 0

    @property
    def gave_up(self) -> bool:
        """Whether it failed before any output and before every target was tried."""
        tried = {attempt.target for attempt in self.attempts}
        return self.kind is not None and not self.text and len(tried) < len(PLUGINS)


class Sample(msgspec.Struct, frozen=True, tag=True):
    """Who was said not to be ready at a moment: the state, and until when."""

    at: float
    standings: dict[str, tuple[str, float]]


class Seen(msgspec.Struct, frozen=True, tag=True):
    """A hit that a vendor noted."""

    hit: Hit


class Notes:
    """A file of notes, each with its length before it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._encode = msgspec.msgpack.Encoder().encode

    def put(self, note: Outcome | Sample | Seen) -> None:
        """Keep one."""
        data = self._encode(note)
        self._file.write(len(data).to_bytes(4, "big") + data)

    def close(self) -> None:
        self._file.close()


def _notes(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while size := file.read(4):
            yield file.read(int.from_bytes(size, "big"))


class Held(msgspec.Struct, frozen=True):
    """What the host holds at a quiet moment; memory in MiB, of the host and of its workers."""

    tasks: int
    descriptors: int
    host: float
    workers: float


@dataclass
class Report:
    """Everything that was seen."""

    notes: Path
    requests: int
    before: Held
    after: Held
    lags_s: list[float] = field(default_factory=list)
    tables: dict[str, int] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)  # requests, by the plugin's budget
    bytes_on_disk: int = 0
    pids: frozenset[int] = frozenset()

    @cached_property
    def _read(self) -> tuple[list[Outcome], list[Hit], list[Sample]]:
        outcomes: list[Outcome] = []
        hits: list[Hit] = []
        samples: list[Sample] = []
        decoder = msgspec.msgpack.Decoder(Outcome | Sample | Seen)
        for note in _notes(self.notes):
            match decoder.decode(note):
                case Outcome() as outcome:
                    outcomes.append(outcome)
                case Sample() as sample:
                    samples.append(sample)
                case Seen(hit=hit):
                    hits.append(hit)
        return outcomes, hits, samples

    @property
    def outcomes(self) -> list[Outcome]:
        return self._read[0]

    @property
    def hits(self) -> list[Hit]:
        return self._read[1]

    @property
    def samples(self) -> list[Sample]:
        return self._read[2]

    @property
    def hits_at(self) -> dict[str, int]:
        """How many requests each vendor got, the first ones included, before anything flapped."""
        return dict(Counter(hit.vendor for hit in self.hits))

    @property
    def lost(self) -> int:
        """Requests without an outcome, or with several."""
        asked = Counter(one.asked for one in self.outcomes)
        return self.requests - len(asked) + sum(times - 1 for times in asked.values())

    @property
    def late(self) -> int:
        """Requests that ended after their deadline."""
        return sum(not one.in_time for one in self.outcomes)

    @property
    def wrong(self) -> list[Outcome]:
        """Requests with another's answer, or with a part of one that was said to be whole."""
        return [one for one in self.outcomes if not one.right]

    @property
    def given_up(self) -> list[Outcome]:
        """Requests that another target might have answered."""
        return [one for one in self.outcomes if one.gave_up]

    @cached_property
    def hits_of(self) -> dict[str, list[Hit]]:
        """By request, in the order in which they arrived; see `as_met`."""
        found = defaultdict(list)
        for hit in sorted(self.hits, key=lambda hit: hit.arrived):
            found[hit.asked].append(hit)
        return {one.asked: as_met(one, found[one.asked]) for one in self.outcomes}

    @property
    def misreported(self) -> list[tuple[Outcome, list[Hit]]]:
        """Requests whose attempts are not what the vendors saw of them and did."""
        found = []
        for one in self.outcomes:
            done = [(f"{hit.vendor}/m", KINDS[hit.mood]) for hit in self.hits_of[one.asked]]
            if done != [(attempt.target, attempt.kind) for attempt in one.attempts]:
                found.append((one, self.hits_of[one.asked]))
        return found

    @cached_property
    def outcomes_at(self) -> dict[str, list[Counted]]:
        """By vendor, what was counted of it."""
        found: dict[str, list[Counted]] = {name: [] for name in PLUGINS}
        for one in self.outcomes:
            hits = self.hits_of[one.asked]
            for hit, outcome in zip(hits, counted(hits, one.began, one.ended), strict=True):
                found[hit.vendor].append(outcome)
        return found

    @cached_property
    def judged(self) -> Judged:
        """The samples against what the vendors did."""
        judged = Judged()
        for name, outcomes in self.outcomes_at.items():
            judged.judge(f"{name}/m", outcomes, self.samples)
        return judged

    @property
    def openings(self) -> int:
        """How often a target was seen to begin a rest."""
        before: set[str] = set()
        times = 0
        for sample in self.samples:
            resting = {name for name, (state, _) in sample.standings.items() if state == "cooling"}
            times += len(resting - before)
            before = resting
        return times


@dataclass
class Judged:
    """How many samples were certain, and those that were not as they had to be."""

    resting: int = 0
    rested: int = 0
    ready: int = 0
    unclear: int = 0
    wrong: list[str] = field(default_factory=list)

    def judge(self, target: str, outcomes: list[Counted], samples: list[Sample]) -> None:
        """Hold what was said of a target against what is certain."""
        known = certain(outcomes)
        bad = [one for one in outcomes if one.mood != "good"]
        moments = [sample.at for sample in samples]
        for sample, latest in zip(samples, latest_ends(bad, moments), strict=True):
            state, ends = sample.standings.get(target, ("ready", 0.0))
            rests, rested, ready = (
                covers(spans, sample.at) for spans in (known.resting, known.rested, known.ready)
            )
            self.resting += rests
            self.rested += rested
            self.ready += ready
            self.unclear += not (rests or rested or ready)
            due = "cooling" if rests else "ready" if ready else state
            if due != state or (rested and state == "cooling"):
                why = f"rests {rests}, rested {rested}, ready {ready}"
                self.wrong.append(f"{sample.at:.3f} {target} is said to be {state}: {why}")
            elif state == "cooling" and ends > latest:
                self.wrong.append(f"{sample.at:.3f} {target} rests too long, until {ends:.3f}")


def as_met(outcome: Outcome, hits: list[Hit]) -> list[Hit]:
    """A request's hits as the host may have met them: to whom a vendor's answer came after the
    first-byte deadline, on a busy machine, that vendor hung.
    """
    found = []
    started = outcome.began
    for hit, done, attempt in zip(
        hits, over_by(hits, outcome.ended), outcome.attempts, strict=False
    ):
        slow = done - started >= FIRST_BYTE_S and attempt.kind == "timeout"
        found.append(msgspec.structs.replace(hit, mood="hang") if slow else hit)
        started = hit.done
    return [*found, *hits[len(found) :]]
