"""`routes test`: which targets a request would have, in which order and why. Nobody is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stockade.cli.failures import EXIT_FAILED
from stockade.cli.known import ago, capability_of, known, lacking_of, price_cells, warn
from stockade.cli.output import print_json, print_table, safe

if TYPE_CHECKING:
    from stockade.router import Considered, Explanation, Needs

__all__ = ["explain_route"]

Lacking = dict[str, str | None]  # why a plugin cannot be asked, None where it can


def explain_route(
    capability: Annotated[str, typer.Argument(metavar="CAPABILITY")],
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The model it names: an alias, plugin/model, or auto."),
    ] = None,
    plugin: Annotated[
        str | None, typer.Option(metavar="P", help="The one plugin it names.")
    ] = None,
    tools: Annotated[bool, typer.Option("--tools", help="It brings tools.")] = False,
    json_output: Annotated[bool, typer.Option("--json-output", help="It asks for JSON.")] = False,
    image: Annotated[bool, typer.Option("--image", help="It holds an image.")] = False,
    tokens: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="The tokens it needs, about.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON with stable keys.")] = False,
) -> None:
    """Tell where a request would go, and why, without a call to anybody.

    Exits with 1 where nothing would be tried.
    """
    import time

    from stockade.app.recall import planner_without_workers

    needs = _needs(capability, tools, json_output, image, tokens)
    with known() as found:
        planner = planner_without_workers(found.home, found.settings, found.state, found.knowledge)
        told = planner.explain(needs, model=model, plugin=plugin, now=time.monotonic())
        reasons = lacking_of(found, map(_plugin_of, told.targets))
    if json:
        print_json(_as_json(told, reasons, time.time()))
    else:
        _show(told, reasons)
    if not told.targets:
        raise typer.Exit(EXIT_FAILED)


def _needs(word: str, tools: bool, json_output: bool, image: bool, tokens: int | None) -> Needs:
    """What such a request asks of a model, as `needs_of` finds it. Raises UsageError."""
    from stockade.errors import UsageError
    from stockade.router import Needs
    from stockade_sdk.capability import Capability

    capability = capability_of(word)
    is_chat = capability in (Capability.CHAT, Capability.VISION)
    if (tools or json_output or image) and not is_chat:
        raise UsageError(
            f"a request for {capability} has no tools, no JSON and no image",
            remedy="leave these options out, or test chat or vision",
        )
    features = (*(("tools",) if tools else ()), *(("json_object",) if json_output else ()))
    return Needs(Capability.VISION if image else capability, features, tokens)


def _plugin_of(considered: Considered) -> str:
    return considered.target.partition("/")[0]


def _as_json(told: Explanation, reasons: Lacking, now: float) -> dict[str, Any]:
    """What `routes test --json` prints; `until` is in seconds since 1970."""
    policy = told.policy
    return {
        "capability": told.capability,
        "features": list(told.features),
        "tokens": told.tokens,
        "model": told.model,
        "plugin": told.plugin,
        "matched_by": told.matched_by,
        "route": told.route,
        "source": told.source,
        "policy": None
        if policy is None
        else {
            "targets": list(policy.targets),
            "timeout_s": policy.timeout_s,
            "retries": policy.retries,
        },
        "targets": [
            _target_as_json(order, one, reasons, now) for order, one in enumerate(told.targets, 1)
        ],
        "left_out": list(told.left_out),
        "warnings": list(told.warnings),
    }


def _target_as_json(order: int, one: Considered, reasons: Lacking, now: float) -> dict[str, Any]:
    from stockade.models import price_row

    return {
        "order": order,
        "target": one.target,
        "place": one.place,
        "nth": one.nth,
        "state": one.state,
        "rests_s": one.rests_s,
        "until": None if one.rests_s is None else now + one.rests_s,
        "kind": one.kind,
        "why": one.why,
        "listed": one.listed,
        "window": one.window,
        "max_output": one.max_output,
        "price": price_row(one.price),
        "lacking": reasons[_plugin_of(one)],
    }


def _show(told: Explanation, reasons: Lacking) -> None:
    print(safe(_heading(told)))
    if told.targets:
        print_table(
            ("", "TARGET", "WHY THERE", "STATE", "UNTIL", "WINDOW", "IN $/1M", "OUT $/1M"),
            [_line(order, one) for order, one in enumerate(told.targets, 1)],
        )
    else:
        print("Nothing would be tried.")
    if told.left_out:
        print("Left out:")
        print("\n".join(safe(f"  {one.target}: {one.why}") for one in told.left_out))
    warn(f"{one.target} is {one.state}: {one.why}" for one in told.targets if one.why is not None)
    warn(warning.message for warning in told.warnings)
    warn(f"{name} is not configured: {why}" for name, why in reasons.items() if why is not None)


def _line(order: int, one: Considered) -> tuple[object, ...]:
    until = None if one.rests_s is None else f"in {ago(one.rests_s)}"
    place = f"{one.place} {one.nth}" if one.place in ("fallback", "installed") else one.place
    return order, one.target, place, one.state, until, one.window, *price_cells(one.price)


def _heading(told: Explanation) -> str:
    """What decides the order, in a sentence."""
    from stockade_sdk.units import format_duration

    wanted = [str(told.capability), *(f"with {feature}" for feature in told.features)]
    if told.tokens is not None:
        wanted.append(f"of {told.tokens} tokens")
    if told.matched_by is not None:
        wanted.append(f"for {told.model}, read as {told.matched_by}")
    if told.plugin is not None:
        wanted.append(f"on {told.plugin} alone")
    asked = ", ".join(wanted)
    if told.policy is None:
        is_named = told.matched_by is not None or told.plugin is not None
        by = "only what it names" if is_named else "plugins in the order of their installation"
        return f"{asked}: no route is followed; {by}."
    bounds = [f"the route of {told.route} ({told.source})"]
    if told.policy.timeout_s is not None:
        bounds.append(f"at most {format_duration(told.policy.timeout_s)} an attempt")
    if told.policy.retries is not None:
        bounds.append(f"asked again {told.policy.retries} times")
    return f"{asked}: {', '.join(bounds)}."
