"""What the demo plays on: a home of its own with two plugins, and the words it speaks."""

from __future__ import annotations

import secrets
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from stockade.cli.demo.rogue import ROGUE, write_rogue
from stockade.packages import commit_install, plan_install
from stockade.packages.trees import remove_tree
from stockade.settings import Home, RequestSettings, RoutingPolicy, Settings, SupervisionSettings
from stockade.state import Secrets, State
from stockade_sdk.capability import Capability
from stockade_sdk.hosts import HostRule

__all__ = [
    "ECHO",
    "KEY_NAME",
    "PLUGIN",
    "Narrator",
    "Step",
    "StepFailed",
    "demo_settings",
    "install_all",
    "new_key",
    "temporary_home",
]

PLUGIN: Final = "openai-compatible"
ECHO: Final = "echo"
KEY_NAME: Final = "OPENAI_COMPATIBLE_API_KEY"
REQUEST_TIMEOUT_S: Final = 10.0
WIDTH: Final = 95  # of a sentence's lines; tables stay as they are


class StepFailed(Exception):
    """Something that the demo meant to show did not happen; the message says what."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was shown, and how long it took, in ms."""

    name: str
    ok: bool
    ms: float
    detail: str


class Narrator:
    """Says each step when it is done, and keeps it. `say` prints a line; `clock` gives seconds."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.perf_counter):
        self._say, self._clock = say, clock
        self._begun = clock()
        self.steps: list[Step] = []

    def heading(self, text: str) -> None:
        """What comes next."""
        self._say(text)

    @contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """Time the block, whose list takes the sentences to say. Raises what the block raises."""
        said: list[str] = []
        begun = self._clock()
        try:
            yield said
        except BaseException as error:
            self._done(name, begun, [*said, str(error) or type(error).__name__], ok=False)
            raise
        self._done(name, begun, said, ok=True)

    def _done(self, name: str, begun: float, said: list[str], *, ok: bool) -> None:
        ms = (self._clock() - begun) * 1000
        number = len(self.steps) + 1
        self.steps.append(Step(name=name, ok=ok, ms=round(ms, 1), detail="\n".join(said)))
        self._say(f"{number}. {name}{'' if ok else ': FAILED'}  ({ms:.0f} ms)")
        for text in said:
            lines = text.splitlines() if "\n" in text else textwrap.wrap(text, WIDTH)
            for line in lines:
                self._say(f"     {line}")

    @property
    def elapsed_s(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self._begun


@contextmanager
def temporary_home() -> Iterator[Home]:
    """A home that is gone afterwards, with the read-only folders of its plugins."""
    root = Path(tempfile.mkdtemp(prefix="stockade-demo-"))
    try:
        home = Home(root)
        home.ensure()
        yield home
    finally:
        remove_tree(root)


def new_key() -> str:
    """A key that nobody else has, so that it is found wherever it is."""
    return f"sk-demo-{secrets.token_hex(16)}"


def demo_settings() -> Settings:
    """One route, a primary and a fallback, and names for the models that do wrong.

    Any tier will do: two of the plugins are ours, and the third is harmless where nothing holds it.
    What tier it is, is the first thing that is said.
    """
    return Settings(
        minimum_tier="none",
        plugin_minimum_tiers=dict.fromkeys((PLUGIN, ECHO, ROGUE), "none"),
        requests=RequestSettings(timeout_s=REQUEST_TIMEOUT_S),
        supervision=SupervisionSettings(),
        routes={Capability.CHAT: RoutingPolicy((f"{PLUGIN}/demo-model", f"{ECHO}/echo-1"))},
        aliases={
            "stalling": f"{PLUGIN}/demo-stall",
            "failing": f"{PLUGIN}/demo-error-503",
        },
    )


def install_all(home: Home, rule: str, base_url: str, key: str) -> tuple[str, ...]:
    """Install the plugins as `stockade install` does; sentences about what each was granted."""
    allowed = HostRule.parse(rule)
    source = home.root / "rogue-source"
    write_rogue(source)
    with State.open(home) as state:
        rogue = plan_install(home, state, str(source))
        commit_install(home, state, rogue, granted=rogue.asked)
        proposal = plan_install(home, state, PLUGIN)
        commit_install(home, state, proposal, granted=proposal.asked, operator_hosts=(allowed,))
        state.set_config(PLUGIN, "base_url", base_url)
        Secrets(home).set(PLUGIN, KEY_NAME, key, (allowed,))
        echo = plan_install(home, state, ECHO)
        commit_install(home, state, echo, granted=echo.asked)
    return (
        f"{PLUGIN}: may reach {rule} and no other host; its key stays with the host",
        f"{ECHO}: may reach nothing",
        f"{ROGUE}: may reach nothing, and will try to",
    )
