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
    from collections.abc import Iterator

    from stockade.app.operating.routing import Chosen

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

    from stockade.app.operating.routing import plugins_of

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
        reasons = lacking_of(found, plugins_of(found, routes.values()))
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
    from stockade.app.operating.routing import typed
    from stockade.errors import UsageError

    capability = capability_of(words[0]) if words else None
    if capability is None or len(words) == 1:
        raise UsageError(
            "no target was named" if words else "no capability was named",
            remedy="write it as in: stockade routes set chat openai/gpt-5.4 qwen/qwen3.7-plus",
        )
    return typed(capability, words[1:], found)


def _of_preset(name: str, words: list[str], found: Known) -> Chosen:
    """What a preset comes to over the enabled plugins, and what it leaves out for want of them."""
    from stockade.app.operating.routing import of_preset
    from stockade.errors import UsageError
    from stockade.router import preset

    chosen = preset(name)
    if len(words) > 1:
        raise UsageError(
            "a preset brings its own targets",
            remedy=f"name one capability, or none for all: stockade routes set --preset {name}",
        )
    return of_preset(chosen, map(capability_of, words), found)


@app.command("unset")
def unset_route(words: Annotated[list[str], CAPABILITIES]) -> None:
    """Forget routes that were set; those of stockade.toml hold again."""
    from stockade.app.operating.routing import forget_route

    wanted = [capability_of(word) for word in words]
    with known() as found:
        written = found.settings.routes
        for capability in wanted:
            if not forget_route(found, capability):
                print(f"{capability}: no route was set.")
                continue
            held = written.get(capability)
            after = (
                "no route is left for it"
                if held is None
                else f"that of stockade.toml holds again: {', then '.join(held.targets)}"
            )
            print(safe(f"{capability}: forgotten; {after}."))


@app.command("list")
def list_routes(json: Annotated[bool, AS_JSON] = False) -> None:
    """List the route of each capability, and where requests go for which none is set."""
    from stockade.app.operating.routing import row_of
    from stockade_sdk.capability import Capability

    with known() as found:
        rows = [row_of(found, capability) for capability in Capability]
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
