"""`routes list`, `set`, `unset`, `presets`: where requests go, capability by capability.

`routes test` is in `explaining`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stockade.cli.explaining import explain_route
from stockade.cli.groups import group
from stockade.cli.known import Known, capability_of, known, lacking_of, warn
from stockade.cli.output import print_json, print_table, safe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stockade.settings import RoutingPolicy
    from stockade_sdk.capability import Capability

    Chosen = tuple[dict[Capability, RoutingPolicy], list[str]]  # routes, and what to say of them

__all__ = ["app"]

app = group("Say where requests go, capability by capability.")
app.command("test")(explain_route)
AS_JSON = typer.Option("--json", help="Print JSON with stable keys.")
WORDS = typer.Argument(
    metavar="CAPABILITY TARGET [FALLBACK]...",
    help="With --preset: only the capability, or nothing for all of them.",
)
CAPABILITIES = typer.Argument(metavar="CAPABILITY...")


@app.command("set")
def set_route(
    words: Annotated[list[str] | None, WORDS] = None,
    preset: Annotated[
        str | None, typer.Option(metavar="NAME", help="Take the targets of a preset.")
    ] = None,
    timeout: Annotated[
        str | None,
        typer.Option(metavar="D", help='The longest that one attempt may take, as in "20s".'),
    ] = None,
    retries: Annotated[
        int | None,
        typer.Option(metavar="N", help="How often a target is asked again before the next one is."),
    ] = None,
) -> None:
    """Set the route of a capability; holds over that of stockade.toml.

    A target whose plugin is not installed is kept with a warning, and left out until it is there.
    """
    from msgspec.structs import replace

    timeout_s, more = _bounds(timeout, retries)
    with known() as found:
        chosen, warnings = (
            _typed(words or [], found) if preset is None else _of_preset(preset, words or [], found)
        )
        routes = {
            capability: replace(policy, timeout_s=timeout_s, retries=more)
            for capability, policy in chosen.items()
        }
        found.state.policies.set_routes(routes)
        reasons = lacking_of(found, _plugins(found, routes.values()))
    for capability, policy in routes.items():
        print(safe(f"{capability}: {', then '.join(policy.targets)}"))
    warn(warnings)
    warn(f"{name} is not configured: {why}" for name, why in reasons.items() if why is not None)


def _bounds(timeout: str | None, retries: int | None) -> tuple[float | None, int | None]:
    """As in stockade.toml. Raises UsageError."""
    from stockade.errors import UsageError
    from stockade.settings.routing import MAX_RETRIES
    from stockade.settings.table import read_count, read_duration
    from stockade_sdk.text import TextRefused, show

    try:
        timeout_s = None if timeout is None else read_duration(timeout)
    except TextRefused as refused:
        what = f"--timeout {show(timeout)} {refused.message}"
        raise UsageError(what, remedy=refused.remedy) from None
    try:
        return timeout_s, None if retries is None else read_count(retries, 0, MAX_RETRIES)
    except TextRefused as refused:
        raise UsageError(f"--retries {refused.message}", remedy=refused.remedy) from None


def _typed(words: list[str], found: Known) -> Chosen:
    """The one route that was typed, checked."""
    from stockade.errors import UsageError
    from stockade.router import check_entries
    from stockade.settings import RoutingPolicy

    capability = capability_of(words[0]) if words else None
    if capability is None or len(words) == 1:
        raise UsageError(
            "no target was named" if words else "no capability was named",
            remedy="write it as in: stockade routes set chat openai/gpt-5.4 qwen/qwen3.7-plus",
        )
    knowledge = found.knowledge
    targets, warnings = check_entries(capability, words[1:], knowledge.catalogue, knowledge.aliases)
    return {capability: RoutingPolicy(targets)}, [warning.message for warning in warnings]


def _of_preset(name: str, words: list[str], found: Known) -> Chosen:
    """What a preset comes to over the enabled plugins, and what it leaves out for want of them."""
    from stockade.errors import UsageError
    from stockade.router import apply, preset

    chosen = preset(name)
    if len(words) > 1:
        raise UsageError(
            "a preset brings its own targets",
            remedy=f"name one capability, or none for all: stockade routes set --preset {name}",
        )
    wanted = [capability_of(word) for word in words] or list(chosen.routes)
    enabled = {record.name for record in found.knowledge.usable}
    routes: dict[Capability, RoutingPolicy] = {}
    left_out: list[str] = []
    for capability in wanted:
        policy = apply(chosen, capability, enabled)
        if policy is not None:
            routes[capability] = policy
        kept = () if policy is None else policy.targets
        missing = [str(one) for one in chosen.routes.get(capability, ()) if str(one) not in kept]
        if missing:
            left_out.append(f"left out of {capability}: {', '.join(missing)} (no such plugin runs)")
    if not routes:
        why = "; ".join(left_out) or f"it has no targets for {', '.join(wanted)}"
        raise UsageError(
            f"nothing of the preset {name} was set",
            why=why,
            remedy="see `stockade routes presets`, then `stockade install PLUGIN`",
        )
    return routes, left_out


def _plugins(found: Known, policies: Iterable[RoutingPolicy]) -> list[str]:
    """The plugins that these routes lead to, as far as they are there."""
    from stockade.router.plan import read_entry

    knowledge = found.knowledge
    entries = [
        read_entry(target, knowledge.catalogue, knowledge.aliases)
        for policy in policies
        for target in policy.targets
    ]
    there = [one.plugin for entry in entries if not isinstance(entry, str) for one in entry]
    return [name for name in dict.fromkeys(there) if name in knowledge.catalogue.plugins]


@app.command("unset")
def unset_route(words: Annotated[list[str], CAPABILITIES]) -> None:
    """Forget routes that were set; those of stockade.toml hold again."""
    from stockade.errors import UsageError

    wanted = [capability_of(word) for word in words]
    with known() as found:
        written = found.settings.routes
        for capability in wanted:
            if found.state.policies.unset_route(capability):
                held = written.get(capability)
                after = (
                    "no route is left for it"
                    if held is None
                    else f"that of stockade.toml holds again: {', then '.join(held.targets)}"
                )
                print(safe(f"{capability}: forgotten; {after}."))
            elif capability in written:
                raise UsageError(
                    f"the route of {capability} was not forgotten",
                    why=f"it is in {found.home.settings_toml}, under [routes]",
                    remedy="take it out there, or set another with `stockade routes set`",
                )
            else:
                print(f"{capability}: no route was set.")


@app.command("list")
def list_routes(json: Annotated[bool, AS_JSON] = False) -> None:
    """List the route of each capability, and where requests go for which none is set."""
    from stockade_sdk.capability import Capability

    with known() as found:
        rows = [_row(found, capability) for capability in Capability]
    if json:
        print_json(rows)
    else:
        print_table(
            ("CAPABILITY", "ORDER", "TARGET", "TIMEOUT", "RETRIES", "SOURCE"),
            [line for row in rows for line in _lines(row)],
        )
    warn(
        f"{row['capability']}: {one['target']} is left out: {one['why']}"
        for row in rows
        if row["source"] is not None
        for one in row["left_out"]
    )


def _row(found: Known, capability: Capability) -> dict[str, Any]:
    """A row of `routes list --json`. `tried` are the targets of a plain request if all are well,
    `follows` the capability whose route it goes by, `hides` the targets that stockade.toml has.
    """
    from stockade.router import Needs, candidates

    knowledge = found.knowledge
    sourced = knowledge.policies.routes.get(capability)
    plan = candidates(
        Needs(capability), knowledge.catalogue, routes=knowledge.routes, aliases=knowledge.aliases
    )
    policy = None if sourced is None else sourced.value
    return {
        "capability": capability,
        "primary": policy and policy.primary,
        "fallbacks": [] if policy is None else list(policy.fallbacks),
        "timeout_s": policy and policy.timeout_s,
        "retries": policy and policy.retries,
        "enabled": policy and policy.enabled,
        "source": sourced and sourced.source,
        "hides": list(sourced.hides.targets) if sourced and sourced.hides else None,
        "follows": plan.followed,
        "tried": [target.name for target in plan.targets],
        "left_out": [{"target": name, "why": why} for name, why in plan.rejected],
    }


def _lines(row: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    """The lines of one capability in the table: a target each, where its route is set."""
    from stockade_sdk.units import format_duration

    capability = row["capability"]
    if row["source"] is None:
        source = f"as {row['follows']}" if row["follows"] else "none set"
        first, *others = row["tried"] or [None]
        more = f", then {len(others)} more" if others else ""
        yield capability, None, first and first + more, None, None, source
        return
    off = "" if row["enabled"] else ", not enabled"
    timeout = None if row["timeout_s"] is None else format_duration(row["timeout_s"])
    source = f"{row['source']}{off}"
    yield capability, "primary", row["primary"], timeout, row["retries"], source
    for target in row["fallbacks"]:
        yield capability, "fallback", target, None, None, source


@app.command("presets")
def list_presets(json: Annotated[bool, AS_JSON] = False) -> None:
    """List the presets, and which targets each one has."""
    from stockade.router import presets

    if json:
        print_json(
            [
                {
                    "name": one.name,
                    "summary": one.summary,
                    "routes": {word: list(map(str, one.routes[word])) for word in one.routes},
                }
                for one in presets().values()
            ]
        )
        return
    for one in presets().values():
        print(f"{one.name}: {one.summary}")
        for capability, targets in one.routes.items():
            print(f"  {capability:<9}  {', '.join(map(str, targets))}")
    print("To follow one: stockade routes set --preset NAME [CAPABILITY]")
