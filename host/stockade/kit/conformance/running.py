"""Run the suite over one plugin: with a vendor that is played here, or with the vendor itself."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import anyio
import anyio.to_thread

from stockade import __version__
from stockade.app.host import Host
from stockade.egress import Recorder, Redirect
from stockade.kit.tapes import Reel, read_tapes
from stockade.kit.vendor import Vendor
from stockade.settings import Home, Settings

from .desk import Desk
from .opening import Prepared, prepare
from .playing import Playing, player_of
from .runner import OnResult, Runner
from .subject import Subject, Witness
from .table import Check, chosen
from .values import Report, Result

__all__ = ["record", "run"]


def _quiet(result: Result) -> None:
    del result


def _made_up_key(name: str) -> str:
    del name
    return f"sk-conformance-{secrets.token_hex(16)}"


class _OnAir(NamedTuple):
    """How the vendor itself is asked."""

    redirect: Redirect | None
    recorder: Recorder


async def run(
    source: str | Path,
    *,
    config: Mapping[str, str] | None = None,
    features: tuple[str, ...] = (),
    only: tuple[str, ...] = (),
    recordings: Path | None = None,
    settings: Settings | None = None,
    offline: bool = False,
    base: Home | None = None,
    on_result: OnResult = _quiet,
    now: Callable[[], float] = time.time,
) -> Report:
    """Run the suite over a plugin, in its sandbox, in a home that is gone afterwards.

    `source` is what `stockade install` takes; `config` its settings; `features` what its models can
    beyond its manifest; `only` ids of checks or their first parts; `base` a home whose environment
    for workers is copied, which saves seconds. `recordings` play the vendor; without them the
    built-in wires do, and a folder of that name in the plugin's where no wire fits. `on_result`
    hears each result as it comes. Raises HostError where the plugin cannot be installed or this
    machine cannot confine it.
    """
    checks = chosen(only)
    async with _installed(source, config, features, _made_up_key, offline, base) as prepared:
        folder = recordings or prepared.recordings
        player = None
        if folder is not None:
            player = player_of(await anyio.to_thread.run_sync(read_tapes, folder))
        playing = Playing(
            models=tuple(model.id for model in prepared.manifest.models),
            tapes=player,
            all_from_tapes=recordings is not None,
        )
        results = await _tried(prepared, playing, checks, on_result, settings or Settings())
    return _report(prepared, playing, results, now)


async def record(
    source: str | Path,
    folder: Path,
    *,
    keys: Callable[[str], str],
    stand_in: Redirect | None = None,
    config: Mapping[str, str] | None = None,
    features: tuple[str, ...] = (),
    only: tuple[str, ...] = (),
    settings: Settings | None = None,
    offline: bool = False,
    base: Home | None = None,
    on_result: OnResult = _quiet,
    now: Callable[[], float] = time.time,
) -> Report:
    """Run what can be run with the vendor itself, which costs what its requests cost, and keep
    what was said in `folder`, without keys. `keys` gives the value of each secret, "" for none;
    `stand_in` takes the vendor's place.

    Otherwise as `run`. Raises HostError where the folder holds recordings already.
    """
    checks = tuple(check for check in chosen(only) if check.live)
    reel = Reel()
    async with _installed(source, config, features, keys, offline, base) as prepared:
        playing = Playing(live=True)
        on_air = _OnAir(redirect=stand_in, recorder=reel.take)
        results = await _tried(prepared, playing, checks, on_result, settings or Settings(), on_air)
    await anyio.to_thread.run_sync(reel.save, folder)
    return _report(prepared, playing, results, now)


@asynccontextmanager
async def _installed(
    source: str | Path,
    config: Mapping[str, str] | None,
    features: tuple[str, ...],
    key_of: Callable[[str], str],
    offline: bool,
    base: Home | None,
) -> AsyncIterator[Prepared]:
    with tempfile.TemporaryDirectory(prefix="stockade-conformance-") as folder:
        make = partial(
            prepare,
            Home(Path(folder) / "home"),
            str(source),
            config=config or {},
            features=features,
            key_of=key_of,
            offline=offline,
            base=base,
        )
        yield await anyio.to_thread.run_sync(make)


async def _tried(
    prepared: Prepared,
    playing: Playing,
    checks: tuple[Check, ...],
    on_result: OnResult,
    settings: Settings,
    on_air: _OnAir | None = None,
) -> tuple[Result, ...]:
    runner = Runner(checks, on_result)
    async with _opened(prepared, playing, settings, on_air) as subject:
        if await runner.starts(subject):
            await runner.beside(subject)
            await runner.alone(subject)
    await runner.after(subject)
    return runner.results


@asynccontextmanager
async def _opened(
    prepared: Prepared, playing: Playing, settings: Settings, on_air: _OnAir | None
) -> AsyncIterator[Subject]:
    desk, witness = Desk(playing.good), Witness()
    async with (
        Vendor.open(desk) as vendor,
        Host.open(
            prepared.home,
            settings=settings,
            watches=witness,
            redirect=vendor.redirect if on_air is None else on_air.redirect,
            recorder=None if on_air is None else on_air.recorder,
        ) as host,
    ):
        yield Subject(
            manifest=prepared.manifest,
            home=prepared.home,
            host=host,
            witness=witness,
            playing=playing,
            vendor=vendor,
            asks_vendors=prepared.asks_vendors and not playing.live,
            desk=desk,
            keys=prepared.keys,
            claims=prepared.claims,
        )
        if vendor.faults:
            raise vendor.faults[0]


def _report(
    prepared: Prepared, playing: Playing, results: tuple[Result, ...], now: Callable[[], float]
) -> Report:
    return Report(
        plugin=prepared.manifest.name,
        version=prepared.manifest.version,
        digest=prepared.digest,
        stockade=__version__,
        tested_at=datetime.fromtimestamp(now(), UTC).isoformat(timespec="seconds"),
        against=playing.against if prepared.asks_vendors else "nothing",
        results=results,
    )
