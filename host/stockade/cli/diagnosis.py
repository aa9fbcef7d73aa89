"""`doctor`: what this machine can enforce, what a worker really gets, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stockade.cli.failures import EXIT_FAILED
from stockade.cli.output import print_json, print_table, safe

if TYPE_CHECKING:
    from stockade.app.confining import Examined
    from stockade.sandbox.probe import Finding
    from stockade.settings import Home, Settings

__all__ = ["doctor"]


def doctor(
    dismiss: Annotated[
        bool, typer.Option("--dismiss", help="Show the notices of a migration for the last time.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON with stable keys.")] = False,
) -> None:
    """Tell what this machine can enforce.

    Tries every tier as a worker's start would, and tells layer by layer what held, what did not,
    why, and what to do; and what state.db has to say, of a migration or of rows that are damaged.
    """
    import anyio

    from stockade.app.operating import doctoring as told
    from stockade.settings import TIERS, Home, Settings

    home = Home.find()
    kernel, host = told.of_kernel(), told.of_host(home)
    failed = [one for one in (*kernel, *host) if one.name in told.NEEDED and not one.ok]
    settings = _read(home)
    examined = anyio.run(_examine, home, settings or Settings())
    minimum = (settings or Settings()).minimum_tier
    notices = _notices(home, dismiss=dismiss)
    enough = TIERS.index(examined.tier) >= TIERS.index(minimum)
    if json:
        print_json(
            {
                "ok": enough and not failed,
                "tier": examined.tier,
                "minimum_tier": minimum,
                "tiers": [told.tier_as_json(tier, answer) for tier, answer in examined.tried],
                "layers": told.matrix(examined),
                "limits": told.limits(examined),
                "kernel": [_as_json(one) for one in kernel],
                "host": [_as_json(one) for one in host],
                "notices": list(notices),
            }
        )
    else:
        _tell(kernel, host, examined, minimum, enough=enough)
        if notices:
            print("\nWhat state.db has to say:")
            print("\n".join(safe(f"  {one}") for one in notices))
    if failed or not enough:
        raise typer.Exit(EXIT_FAILED)


def _read(home: Home) -> Settings | None:
    """The settings, None where they cannot be read, which `_settings` tells of."""
    from stockade.errors import HostError
    from stockade.settings import read_settings

    try:
        return read_settings(home)
    except HostError:
        return None


async def _examine(home: Home, settings: Settings) -> Examined:
    """Try the tiers over this home, or over one that is gone afterwards where there is none."""
    import tempfile
    from pathlib import Path

    from stockade import Host
    from stockade.app.operating.doctoring import is_usable

    with tempfile.TemporaryDirectory(prefix="stockade-doctor-") as folder:
        place = home.root if is_usable(home) else Path(folder) / "home"
        async with Host.open(place, settings=settings) as host:
            return await host.examine()


def _notices(home: Home, *, dismiss: bool) -> tuple[str, ...]:
    """What a migration could not do by itself, and rows that cannot be read, a sentence each."""
    from stockade.app.operating.doctoring import is_usable
    from stockade.state import State

    if not is_usable(home):
        return ()
    with State.open(home) as state:
        told = state.problems()
        if dismiss:
            state.dismiss_notices()
    return told


def _as_json(finding: Finding) -> dict[str, Any]:
    from stockade.app.operating.doctoring import NEEDED

    return {
        "name": finding.name,
        "ok": finding.ok,
        "needed": finding.name in NEEDED,
        "detail": finding.detail,
        "remedy": finding.remedy,
    }


def _tell(
    kernel: tuple[Finding, ...],
    host: tuple[Finding, ...],
    examined: Examined,
    minimum: str,
    *,
    enough: bool,
) -> None:
    from stockade.app.operating.doctoring import limits, matrix, tier_as_json

    print("What a start does here, layer by layer (every tier was tried):")
    tiers = [tier for tier, _ in examined.tried]
    print_table(
        ("LAYER", *map(str.upper, tiers), "WHAT IT IS"),
        [
            (row["name"], *(row[tier] or " " for tier in tiers), row["detail"])
            for row in matrix(examined)
        ],
    )
    for tier, answer in examined.tried:
        if answer.step:
            said = tier_as_json(tier, answer)
            print(safe(f"\nTier {tier} is not reached: the step {said['detail']}"))
            print(safe(f"  what to do: {said['remedy']}"))
    print("\nWhat limits a worker:")
    for limit in limits(examined):
        print(safe(f"  {limit['name']:<7} {limit['detail']}"))
    print("\nWhat this kernel offers:")
    _lines(kernel)
    print("\nWhat stockade runs on:")
    _lines(host)
    verdict = "" if enough else f", and nothing is started: minimum_tier is {minimum}"
    print(f"\nWorkers reach tier {examined.tier}{verdict}.")


def _lines(found: tuple[Finding, ...]) -> None:
    width = max(len(one.name) for one in found)
    for one in found:
        print(safe(f"  {'yes' if one.ok else 'no '}  {one.name:<{width}}  {one.detail}"))
        if one.remedy:
            print(safe(f"       {'':<{width}}  {one.remedy}"))
