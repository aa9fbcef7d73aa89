"""`doctor`: what this machine can enforce, what a worker really gets, and what is missing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stockade.cli.failures import EXIT_FAILED
from stockade.cli.output import print_json, safe

if TYPE_CHECKING:
    from stockade.sandbox.probe import Finding
    from stockade.settings import Home

__all__ = ["doctor"]

NEEDED = frozenset({"no_new_privs", "pidfd", "python", "home", "settings", "base environment"})
OLDEST, NEWEST = (3, 11), (3, 13)
LIMITATION = (
    "This version builds no wall of the kernel's around a worker: its tier is none, whatever the "
    "kernel could do. A plugin runs with your rights; install those whose authors you would let "
    "run programs here."
)


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print JSON with stable keys.")] = False,
) -> None:
    """Tell what this machine can enforce.

    Layer by layer, with why not and what to do, and what each worker really gets.
    """
    from stockade.sandbox.plan import LAYERS, TIER, WORDS
    from stockade.sandbox.probe import Linux, findings
    from stockade.settings import Home

    kernel = findings(Linux())
    host = _of_host(Home.find())
    failed = [one for one in (*kernel, *host) if one.name in NEEDED and not one.ok]
    if json:
        print_json(
            {
                "ok": not failed,
                "tier": TIER,
                "limitation": LIMITATION,
                "kernel": [_as_json(one) for one in kernel],
                "host": [_as_json(one) for one in host],
                "layers": [{"name": name, "detail": WORDS[name]} for name in LAYERS],
            }
        )
    else:
        _tell(kernel, host, [WORDS[name] for name in LAYERS], TIER)
    if failed:
        raise typer.Exit(EXIT_FAILED)


def _as_json(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.name,
        "ok": finding.ok,
        "needed": finding.name in NEEDED,
        "detail": finding.detail,
        "remedy": finding.remedy,
    }


def _tell(
    kernel: tuple[Finding, ...], host: tuple[Finding, ...], layers: list[str], tier: str
) -> None:
    print("What this kernel could enforce:")
    _lines(kernel)
    print("\nWhat stockade runs on:")
    _lines(host)
    print(f"\nWhat each worker gets (tier {tier}):")
    for words in layers:
        print(f"  yes  {words}")
    print(f"\n{LIMITATION}")


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
