"""`inspect`: what is known of one plugin, and with `--effective` what the kernel applies to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stockade.cli.failures import EXIT_FAILED
from stockade.cli.output import note, print_json, print_table, safe
from stockade.cli.stored import opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockade.settings import Home
    from stockade.state import Installed
    from stockade.supervisor import Rehearsal

__all__ = ["inspect"]

AS_JSON = typer.Option("--json", help="Print JSON with stable keys.")
EFFECTIVE = typer.Option(
    "--effective",
    help="Confine a worker, load nothing into it, and print what the kernel then shows.",
)
VERIFY = typer.Option(
    "--verify", help="Read all its files; exit with 1 where one is not as it was installed."
)


def inspect(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    json: Annotated[bool, AS_JSON] = False,
    effective: Annotated[bool, EFFECTIVE] = False,
    verify: Annotated[bool, VERIFY] = False,
) -> None:
    """Show everything known of one plugin."""
    from stockade.app.operating.claims import claimed
    from stockade.app.operating.inspecting import inspected
    from stockade.app.operating.versions import verified, versions_of

    with opened() as (home, state):
        record = state.require(name)
        found = inspected(home, record, lambda: _planned(home, record))
        found["signer"] = record.signer or None
        found["packages"] = list(record.packages)
        found["versions"] = versions_of(state, name)
        found["conformance"] = claimed(home, record)
        if verify:
            found["verified"] = verified(home, record)
    if effective:
        found["effective"] = _effective(home, record)
    if json:
        print_json(found)
    else:
        print("\n".join(_described(found)))
        if effective:
            _tell_effective(found["effective"])
    if verify:
        _tell_verified(record, found["verified"], json=json)


def _tell_verified(record: Installed, found: dict[str, Any], *, json: bool) -> None:
    """Exits with 1 where a file is not as it was installed."""
    if found["whole"]:
        if not json:
            print("\nIts files are as they were installed, those of its packages too.")
        return
    note(f"stockade: the files of {record.name} are not as they were installed")
    for line in found["wrong"]:
        note(f"  {line}")
    note(f"  what to do: install it again: stockade install {record.source or record.name}")
    raise typer.Exit(EXIT_FAILED)


def _planned(home: Home, record: Installed) -> tuple[str, tuple[str, ...]]:
    """What a worker would get on this machine now: as the running host knows, else tried."""
    import anyio

    from stockade import Host

    known = _known_to_running(home, record)
    if known is not None:
        return known

    async def ask() -> tuple[str, tuple[str, ...]]:
        async with Host.open(home) as host:
            reached = await host.reached()
            return reached.tier, host.layers(reached.tier)

    return anyio.run(ask)


def _known_to_running(home: Home, record: Installed) -> tuple[str, tuple[str, ...]] | None:
    """As a host that runs over this home has it; None where none does, or it cannot say."""
    from stockade.cli.live import running
    from stockade.errors import HostError
    from stockade.sandbox.plan import WORDS

    try:
        client = running(home)
        found = None if client is None else client.get(f"/api/plugins/{record.name}")["inspected"]
    except HostError:  # it is tried here instead
        return None
    match found:
        case {"tier": str(tier), "layers": [*layers]} if all(layer in WORDS for layer in layers):
            return tier, tuple(layers)
        case _:
            return None


def _effective(home: Home, record: Installed) -> dict[str, Any]:
    """What the kernel shows of a worker that was confined for this and ended again."""
    import anyio

    from stockade import Host

    async def ask() -> dict[str, Any]:
        async with Host.open(home) as host:
            return as_json(await host.rehearse(record.name), record)

    return anyio.run(ask)


def as_json(rehearsal: Rehearsal, record: Installed) -> dict[str, Any]:
    """The mount table, the system call policy, the network rules and the limits in force."""
    seen, plan = rehearsal.seen, rehearsal.plan
    sources = {mount.target: mount.source for mount in plan.mounts}
    return {
        "tier": plan.tier,
        "layers": list(plan.layers),
        "landlock_abi": rehearsal.answer.landlock,
        "user": seen.status.get("Uid", "").split()[0:1],
        "namespaces": {
            name: "own" if link != seen.host_namespaces.get(name) else "the host's"
            for name, link in seen.namespaces.items()
        },
        "capabilities": seen.status.get("CapEff", ""),
        "seccomp_filters": seen.status.get("Seccomp_filters", ""),
        "mounts": [
            {
                "target": mounted.target,
                "source": sources.get(mounted.target, mounted.kind),
                "options": sorted(mounted.options),
                "size": mounted.size.removeprefix("size="),
            }
            for mounted in seen.mounts
        ]
        if plan.mounts
        else [],
        "paths": [{"path": path.path, "access": path.access} for path in plan.paths],
        "syscalls": [{"what": what, "verdict": verdict} for what, verdict in _policy(rehearsal)],
        "network": {
            "rules": [str(rule) for rule in (*record.granted.network, *record.operator_hosts)],
            "tunnel": plan.tunnel,
            "own": "none: an empty network namespace"
            if plan.tier == "full"
            else "none: no socket can be made",
        },
        "limits": dict(seen.limits),
        "control_group": rehearsal.group,
        "tried": rehearsal.acts,
    }


def _policy(rehearsal: Rehearsal) -> Sequence[tuple[str, str]]:
    return rehearsal.answer.syscalls


def _tell_effective(found: dict[str, Any]) -> None:
    print("\nWhat the kernel applies, as it showed it of a worker that nothing was loaded into:")
    print(safe(f"  user {' '.join(found['user'])}, capabilities {found['capabilities']}"))
    print(safe(f"  seccomp filters {found['seccomp_filters']}, Landlock {found['landlock_abi']}"))
    own = [name for name, whose in found["namespaces"].items() if whose == "own"]
    print(safe(f"  namespaces of its own: {', '.join(own) or 'none'}"))
    if found["mounts"]:
        print("\nMounts:")
        print_table(
            ("TARGET", "WHAT", "SIZE", "OPTIONS"),
            [
                (one["target"], one["source"], one["size"], ",".join(one["options"]))
                for one in found["mounts"]
            ],
        )
    print("\nPaths (Landlock):")
    print_table(("PATH", "FOR"), [(one["path"], one["access"]) for one in found["paths"]])
    print("\nSystem calls (seccomp):")
    for row in found["syscalls"]:
        print(safe(f"  {row['verdict']}: {row['what']}"))
    network = found["network"]
    print(f"\nNetwork of its own: {network['own']}.")
    rules = ", ".join(network["rules"]) or "nothing"
    print(safe(f"Through the host it reaches: {rules}."))
    if network["tunnel"]:
        print("It has a tunnel: TLS of its own to these, without keys put on by the host.")
    print("\nLimits:")
    print_table(("LIMIT", "SOFT, HARD, UNIT"), list(found["limits"].items()))
    if found["control_group"]:
        print("\nControl group:")
        print_table(("FILE", "VALUE"), list(found["control_group"].items()))


def _described(found: dict[str, Any]) -> list[str]:
    from stockade.packages.consent import PROGRAM_RISK
    from stockade.sandbox.plan import WORDS
    from stockade_sdk.manifest.values import PROGRAM_MARK
    from stockade_sdk.permissions import permissions_from_json, risk_words

    lines = [f"{found['name']} {found['version']}, {found['state']}, {found['trust']}"]
    lines.append(f"  entry    {found['entry']}")
    lines.append(f"  content  {found['digest']}")
    if found["conformance"]:
        claim = found["conformance"]
        lines.append(
            f"  conformance {claim['passed']} passed, {claim['failed']} failed, as its author says"
        )
    if found["last_error"]:
        lines.append(f"  last error  {found['last_error']}")
    grants = dict(found["grants"])
    hosts = grants.pop("operator_hosts")
    own = [PROGRAM_RISK] if found["entry"].startswith(PROGRAM_MARK) else []
    risks = [*own, *risk_words(permissions_from_json(grants))]
    risks += [f"Reaches {host}, by your own choice." for host in hosts]
    lines += ["It may:", *(f"  - {risk}" for risk in risks or ["nothing beyond computing"])]
    lines += ["Models:"]
    lines += [f"  {model['id']}: {', '.join(model['capabilities'])}" for model in found["models"]]
    if found["config"]:
        lines += ["Configuration:"]
        lines += [
            f"  {key} = {'(not set)' if value is None else value}"
            for key, value in found["config"].items()
        ]
    if found["denials"]:
        lines += ["Denied so far:"]
    for act in found["denials"]:
        whose = ", reported by its worker" if act["told_by"] == "worker" else ""
        lines.append(f"  - {act['kind']} {act['what']}, {act['count']} times{whose}")
        lines.append(f"      {act['allowed_by']}")
    limits = ", ".join(f"{key} {value}" for key, value in found["limits"].items())
    lines += [f"Limits: {limits}"]
    if found["versions"]:
        kept = ", ".join(version["version"] for version in found["versions"])
        lines += [f"Earlier versions that are kept: {kept}"]
    for worker in found["workers"]:
        lines.append(
            f"Worker {worker['pid']}: {(worker['rss_bytes'] or 0) // 2**20} MiB, "
            f"{worker['cpu_seconds'] or 0:.1f} s of processor time, up for "
            f"{worker['uptime_s']:.0f} s, {worker['restarts']} restarts"
        )
    weak = ", that is no wall of the kernel's" if found["tier"] == "none" else ""
    who = "Each worker" if found["workers"] else "A worker here"
    lines += [f"Confinement: tier {found['tier']}{weak}. {who}:"]
    lines += [f"  - {WORDS[layer]}" for layer in found["layers"]]
    return [safe(line) for line in lines]
