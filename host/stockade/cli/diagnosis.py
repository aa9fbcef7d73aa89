"""`doctor`: what this machine can enforce, what a worker really gets, and what is missing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stockade.cli.failures import EXIT_FAILED
from stockade.cli.output import print_json, print_table, safe

if TYPE_CHECKING:
    from stockade.app.confining import Examined
    from stockade.sandbox.probe import Finding
    from stockade.settings import Home, Settings
    from stockade.supervisor import Answer

__all__ = ["doctor"]

NEEDED = frozenset({"no_new_privs", "pidfd", "python", "home", "settings", "base environment"})
OLDEST, NEWEST = (3, 11), (3, 13)
YES, NO, NOT_TRIED, NOT_THERE = "yes", "no", "-", ""
LIMITED_BY = {
    "memory": "a watch every 50 ms, and setrlimit",
    "cpu": "a limited number of processors",
    "pids": "setrlimit, and a watch every 50 ms",
    "kill": "its PID namespace, or its process group",
}


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

    from stockade.sandbox.probe import Linux, findings
    from stockade.settings import TIERS, Home, Settings

    home = Home.find()
    kernel = findings(Linux())
    host = _of_host(home)
    failed = [one for one in (*kernel, *host) if one.name in NEEDED and not one.ok]
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
                "tiers": [_tier_as_json(tier, answer) for tier, answer in examined.tried],
                "layers": matrix(examined),
                "limits": _limits(examined),
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

    with tempfile.TemporaryDirectory(prefix="stockade-doctor-") as folder:
        place = home.root if _usable(home) else Path(folder) / "home"
        async with Host.open(place, settings=settings) as host:
            return await host.examine()


def _notices(home: Home, *, dismiss: bool) -> tuple[str, ...]:
    """What a migration could not do by itself, and rows that cannot be read, a sentence each."""
    from stockade.state import State

    if not _usable(home):
        return ()
    with State.open(home) as state:
        told = state.problems()
        if dismiss:
            state.dismiss_notices()
    return told


def _usable(home: Home) -> bool:
    return home.root.is_dir() and _home(home).ok


def matrix(examined: Examined) -> list[dict[str, str]]:
    """A row a layer, in the order of a start: its name and words, and for each tier "yes", "no"
    where it failed, "-" where a start did not get so far, "" where the tier has no such layer.
    """
    from stockade.sandbox.plan import WORDS

    names = dict.fromkeys(name for tier, _ in examined.tried for name in examined.layers[tier])
    rows = [{"name": "namespaces", "detail": "a process in namespaces of its own can be made"}]
    rows += [{"name": name, "detail": WORDS[name]} for name in names]
    rows.append({"name": "attest", "detail": "what is forbidden fails and its twin goes"})
    for tier, answer in examined.tried:
        extra = ("namespaces",) if tier == "full" else ()
        steps = (*extra, *examined.layers[tier], "attest")
        failed = steps.index(answer.step) if answer.step in steps else len(steps)
        for row in rows:
            at = steps.index(row["name"]) if row["name"] in steps else None
            row[tier] = _outcome(at, failed)
    return rows


def _outcome(at: int | None, failed: int) -> str:
    if at is None:
        return NOT_THERE
    if at == failed:
        return NO
    return YES if at < failed else NOT_TRIED


def _limits(examined: Examined) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "version": examined.controllers.get(name),
            "detail": f"control groups, version {examined.controllers[name]}"
            if name in examined.controllers
            else f"{LIMITED_BY[name]}: {examined.reasons.get(name, 'no control group')}",
        }
        for name in LIMITED_BY
    ]


def _tier_as_json(tier: str, answer: Answer) -> dict[str, Any]:
    from stockade.sandbox.remedies import remedy_for

    return {
        "tier": tier,
        "reached": not answer.step,
        "step": answer.step,
        "errno": answer.errno,
        "detail": answer.words,
        "remedy": remedy_for(answer.step, answer.errno) if answer.step else "",
        "landlock": answer.landlock,
    }


def _as_json(finding: Finding) -> dict[str, Any]:
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
            said = _tier_as_json(tier, answer)
            print(safe(f"\nTier {tier} is not reached: the step {said['detail']}"))
            print(safe(f"  what to do: {said['remedy']}"))
    print("\nWhat limits a worker:")
    for limit in _limits(examined):
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


def _of_host(home: Home) -> tuple[Finding, ...]:
    return (_python(), _home(home), _settings(home), _base(home), _uv())


def _finding(name: str, ok: bool, detail: str, remedy: str = "") -> Finding:
    from stockade.sandbox.probe import Finding

    return Finding(name=name, ok=ok, detail=detail, remedy=remedy)


def _python() -> Finding:
    version = sys.version_info[:2]
    ok = OLDEST <= version <= NEWEST
    detail = f"{sys.version.split()[0]} at {sys.executable}"
    return _finding("python", ok, detail, "" if ok else "use Python 3.11, 3.12 or 3.13")


def _home(home: Home) -> Finding:
    """Whether the folder is there and the owner's alone, or can be made."""
    import os
    import stat

    root = home.root
    try:
        found = root.stat()
    except FileNotFoundError:
        above = next(parent for parent in root.parents if parent.exists())
        ok = os.access(above, os.W_OK | os.X_OK)
        remedy = "" if ok else "set STOCKADE_HOME to a folder that you may write to"
        return _finding("home", ok, f"{root}, not there yet", remedy)
    except OSError as error:
        return _finding("home", False, f"{root}: {error.strerror}", "set STOCKADE_HOME")
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid != os.geteuid() or not os.access(root, os.W_OK | os.X_OK):
        return _finding("home", False, f"{root} is not yours to write", "set STOCKADE_HOME")
    if mode & 0o022:
        remedy = f"run: chmod 700 {root}"
        return _finding("home", False, f"others may write to {root} (mode {mode:04o})", remedy)
    return _finding("home", True, f"{root} (mode {mode:04o})")


def _settings(home: Home) -> Finding:
    from stockade.errors import HostError
    from stockade.settings import read_settings

    try:
        settings = read_settings(home)
    except HostError as error:
        return _finding("settings", False, error.what, error.remedy)
    there = home.settings_toml.is_file()
    routes = ", ".join(settings.routes) or "none"
    return _finding(
        "settings", True, f"routes: {routes}" if there else "defaults, no stockade.toml"
    )


def _base(home: Home) -> Finding:
    """Whether what every worker imports can be put together; made where the home is there."""
    from stockade.errors import HostError
    from stockade.packages import base_environment
    from stockade.packages.environment import find_parts, foreign_versions

    try:
        versions = foreign_versions(find_parts())
        place = base_environment(home) if home.root.is_dir() else None
    except HostError as error:
        return _finding("base environment", False, error.what, error.remedy or error.why)
    except OSError as error:
        return _finding("base environment", False, f"{error.strerror} ({error.filename})")
    parts = ", ".join(f"{name} {version}" for name, version in versions.items())
    ready = "made at first use" if place is None else "ready"
    return _finding("base environment", True, f"{ready}, with {parts}")


def _uv() -> Finding:
    """Only plugins that bring packages of their own need it, and for them pip serves as well."""
    import importlib.util
    import shutil

    found = shutil.which("uv")
    if found:
        return _finding("uv", True, found)
    if importlib.util.find_spec("pip") is not None:
        return _finding("uv", False, "not found; pip serves in its place")
    remedy = "only plugins that bring packages of their own need it: see docs.astral.sh/uv"
    return _finding("uv", False, "not found, and no pip either", remedy)
