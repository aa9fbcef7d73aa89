"""An author's way from `new` to an answer, and an operator's installs: whole commands, as typed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from anyio.from_thread import start_blocking_portal

from stockade.kit.vendor import Vendor
from stockade.kit.wires import good
from tests.unit.host.package_index import wheelhouse

from .contest import Goal, Row

ROUNDS = 5
STOCKADE = str(Path(sys.executable).with_name("stockade"))
TIMEOUT_S = 120.0


def authoring() -> list[Row]:
    """The first round is in a new home, where the base environment is still to be made."""
    with (
        TemporaryDirectory() as folder,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Vendor.open(good)) as vendor,
    ):
        where = f"127.0.0.1:{vendor.redirect.port}"
        rounds = [_round(Path(folder), number, where) for number in range(ROUNDS)]
        installs = _installs(Path(folder))
    whole = [sum(times.values()) for times in rounds]
    steps = tuple(f"{name} {median(one[name] for one in rounds):.2f} s" for name in rounds[0])
    return [
        _row("author's way, in a new home", whole[:1], 30.0, steps=()),
        _row("author's way, later", whole[1:], 30.0, steps=steps),
        *(_row(name, times, goal, steps=()) for name, times, goal in installs),
    ]


def _round(folder: Path, number: int, vendor: str) -> dict[str, float]:
    """new, validate, its own tests, test, pack, install, config, run; seconds each."""
    name, times = f"cloud-{'abcdefgh'[number]}", {}
    place, wheel = folder / name, f"{name.replace('-', '_')}-0.1.0-py3-none-any.whl"
    for step, argv in {
        "new": [STOCKADE, "new", name],
        "validate": [STOCKADE, "validate", name],
        "its tests": [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(place)],
        "test": [STOCKADE, "test", name],
        "pack": [STOCKADE, "pack", name, "--out", f"dist-{name}"],
        "install": [STOCKADE, "install", f"dist-{name}/{wheel}", "--yes", "--allow-host", vendor],
        "config": [STOCKADE, "config", "set", name, "base_url", f"http://{vendor}/v1"],
        "run": [STOCKADE, "run", "hello", "--plugin", name],
    }.items():  # fmt: skip
        times[step] = _timed(folder, argv)
    return times


def _installs(folder: Path) -> list[tuple[str, list[float], float]]:
    """A plugin that needs nothing, and one of a bundle with wheels of its own."""
    bundle = _bundle(folder, wheelhouse(folder / "wheelhouse", "leaf", "twig"))
    times: dict[str, list[float]] = {"echo": [], "bundle": []}
    for _ in range(ROUNDS):
        times["echo"].append(_timed(folder, [STOCKADE, "install", "echo", "--yes"]))
        _timed(folder, [STOCKADE, "uninstall", "echo", "--yes"])
        argv = [STOCKADE, "install", str(bundle), "--yes", "--offline"]
        times["bundle"].append(_timed(folder, argv))
        _timed(folder, [STOCKADE, "uninstall", "branch", "--yes"])
    return [
        ("install, nothing of its own", times["echo"], 2.0),
        ("install, two wheels of a bundle", times["bundle"], 5.0),
    ]


def _bundle(folder: Path, wheels: Path) -> Path:
    """A plugin that requires the wheels of a folder, with them."""
    _timed(folder, [STOCKADE, "new", "branch"])
    manifest = folder / "branch" / "plugin.toml"
    text = manifest.read_text()
    assert "requires = []" in text
    manifest.write_text(text.replace("requires = []", 'requires = ["leaf==1.0.0", "twig==1.0.0"]'))
    _timed(folder, [STOCKADE, "pack", "branch", "--out", "dist-branch"])
    bundle = folder / "branch-0.1.0.bundle.zip"
    with zipfile.ZipFile(bundle, "w") as archive:
        (plugin,) = (folder / "dist-branch").glob("*.whl")
        archive.writestr(plugin.name, plugin.read_bytes())
        for one in wheels.iterdir():
            archive.write(one, f"wheels/{one.name}")
    return bundle


def _timed(folder: Path, argv: list[str]) -> float:
    environment = {**os.environ, "STOCKADE_HOME": str(folder / "home")}
    began = time.perf_counter()
    done = subprocess.run(
        argv, cwd=folder, env=environment, capture_output=True, timeout=TIMEOUT_S, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{argv} failed:\n{done.stdout.decode()}{done.stderr.decode()}")
    return time.perf_counter() - began


def _row(name: str, times: list[float], goal: float, *, steps: tuple[str, ...]) -> Row:
    return Row(
        name=f"authoring: {name}",
        ours=f"{median(times):.2f} s",
        peer="-",
        figure=median(times),
        goal=Goal(goal, unit=" s"),
        low=min(times),
        high=max(times),
        notes=steps,
    )
