"""What this machine can enforce, and what stockade runs on: `doctor`'s lines.

Trying the tiers is `Host.examine`'s; the rest is looked at here. Blocking, all of it.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import Any, Final

from stockade.admin import values as v
from stockade.app.confining import Examined
from stockade.errors import HostError
from stockade.packages import base_environment
from stockade.packages.environment import find_parts, foreign_versions
from stockade.packages.resolver import find_uv
from stockade.sandbox.plan import WORDS
from stockade.sandbox.probe import Finding, Linux, findings
from stockade.sandbox.remedies import remedy_for
from stockade.settings import Home, read_settings
from stockade.supervisor import Answer

__all__ = [
    "NEEDED",
    "doctor_of",
    "is_usable",
    "limits",
    "matrix",
    "of_host",
    "of_kernel",
    "tier_as_json",
]

NEEDED: Final = frozenset(
    {"no_new_privs", "pidfd", "python", "home", "settings", "base environment"}
)
OLDEST, NEWEST = (3, 11), (3, 13)
YES, NO, NOT_TRIED, NOT_THERE = "yes", "no", "-", ""
LIMITED_BY: Final = {
    "memory": "a watch every 50 ms, and setrlimit",
    "cpu": "a limited number of processors",
    "pids": "setrlimit, and a watch every 50 ms",
    "kill": "its PID namespace, or its process group",
}


def doctor_of(
    examined: Examined, kernel: tuple[Finding, ...], host: tuple[Finding, ...], notices: list[str]
) -> v.Doctor:
    """It in the form of the API: the tiers, the limits, the kernel, and what stockade runs on."""
    tiers = [_tier_check(tier_as_json(tier, answer)) for tier, answer in examined.tried]
    bounds = [
        v.Check(name=limit["name"], ok=limit["version"] is not None, detail=limit["detail"])
        for limit in limits(examined)
    ]
    rest = [
        v.Check(name=one.name, ok=one.ok, detail=one.detail, remedy=one.remedy)
        for one in (*kernel, *host)
    ]
    return v.Doctor(tier=examined.tier, checks=[*tiers, *bounds, *rest], problems=notices)


def _tier_check(tier: dict[str, Any]) -> v.Check:
    return v.Check(
        name=f"tier {tier['tier']}",
        ok=tier["reached"],
        detail="" if tier["reached"] else f"the step {tier['detail']}",
        remedy=tier["remedy"],
    )


def of_kernel() -> tuple[Finding, ...]:
    """What this kernel offers."""
    return findings(Linux())


def of_host(home: Home) -> tuple[Finding, ...]:
    """What stockade runs on."""
    return (_python(), _home(home), _settings(home), _base(home), _uv())


def is_usable(home: Home) -> bool:
    """Whether the folder is there, and the owner's alone."""
    return home.root.is_dir() and _home(home).ok


def matrix(examined: Examined) -> list[dict[str, str]]:
    """A row a layer, in the order of a start: its name and words, and for each tier "yes", "no"
    where it failed, "-" where a start did not get so far, "" where the tier has no such layer.
    """
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


def limits(examined: Examined) -> list[dict[str, Any]]:
    """What limits a worker, and by which control group; `version` is null where by none."""
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


def tier_as_json(tier: str, answer: Answer) -> dict[str, Any]:
    """Whether a tier was reached, else the step that failed, why, and what to do."""
    return {
        "tier": tier,
        "reached": not answer.step,
        "step": answer.step,
        "errno": answer.errno,
        "detail": answer.words,
        "remedy": remedy_for(answer.step, answer.errno) if answer.step else "",
        "landlock": answer.landlock,
    }


def _finding(name: str, ok: bool, detail: str, remedy: str = "") -> Finding:
    return Finding(name=name, ok=ok, detail=detail, remedy=remedy)


def _python() -> Finding:
    version = sys.version_info[:2]
    ok = OLDEST <= version <= NEWEST
    detail = f"{sys.version.split()[0]} at {sys.executable}"
    return _finding("python", ok, detail, "" if ok else "use Python 3.11, 3.12 or 3.13")


def _home(home: Home) -> Finding:
    """Whether the folder is there and the owner's alone, or can be made."""
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
    """What fetches a plugin by its package's name, and the packages that plugins bring."""
    try:
        return _finding("uv", True, find_uv())
    except HostError as error:
        return _finding("uv", False, error.what, error.remedy)
