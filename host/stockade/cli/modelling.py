"""`models list`, `models resolve`: which models there are, and what a name means.

`models scan` is in `scanning`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stockade.cli.failures import report_failure
from stockade.cli.groups import group
from stockade.cli.known import (
    Known,
    ago,
    capability_of,
    known,
    lacking_of,
    price_cells,
    provider_of,
    warn,
)
from stockade.cli.output import print_json, print_table
from stockade.cli.scanning import scan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockade.errors import UsageError
    from stockade.models import Listed
    from stockade.router import Resolved, Target

__all__ = ["app"]

app = group("List the models there are, ask for them, and look a name up.")
app.command("scan")(scan)
AS_JSON = typer.Option("--json", help="Print JSON with stable keys.")
PRICES = ("IN $/1M", "OUT $/1M")  # USD for 1,000,000 tokens


@app.command("list")
def list_models(
    capability: Annotated[
        str | None, typer.Option(metavar="C", help="Only those that serve this capability.")
    ] = None,
    provider: Annotated[
        str | None, typer.Option(metavar="P", help="Only those of this provider.")
    ] = None,
    json: Annotated[bool, AS_JSON] = False,
) -> None:
    """List the models of the enabled plugins.

    What you say of them, what their plugins declare, and what `models scan` found. Nobody is asked.
    """
    wanted = None if capability is None else capability_of(capability)
    with known() as found:
        only = None if provider is None else provider_of(provider, found)
        models = [
            one
            for one in found.knowledge.listing.models
            if (wanted is None or wanted in one.info.capabilities)
            and (only is None or one.info.provider == only)
        ]
        providers = dict.fromkeys(one.info.provider for one in models)
        reasons = lacking_of(found, [*providers, *([only] if only is not None else ())])
        rows = _rows(found, models, reasons)
    if json:
        print_json(rows)
    elif rows:
        _show(rows)
    else:
        print("No model of an enabled plugin is like that. `stockade list` shows the plugins.")
    warn(found.knowledge.warnings)
    warn(f"{name} is not configured: {why}" for name, why in reasons.items() if why is not None)


def _rows(
    found: Known, models: list[Listed], reasons: Mapping[str, str | None]
) -> list[dict[str, Any]]:
    """What `models list --json` prints."""
    import time

    from stockade.app.operating.naming import own_aliases
    from stockade.models import age_of, as_row, is_fresh

    now, own = time.time(), own_aliases(found)
    rows = []
    for one in models:
        target = f"{one.info.provider}/{one.info.id}"
        row = as_row(one.info)
        row["aliases"] = list(dict.fromkeys((*own.get(target, ()), *row["aliases"])))
        age = None if one.fetched_at is None else age_of(one.fetched_at, now)
        fresh = None if age is None else is_fresh(age, found.settings.catalogue.ttl_s)
        why = reasons[one.info.provider]
        rows.append(
            {
                "target": target,
                **row,
                "source": one.source,
                "sources": list(one.sources),
                "priced_by": one.priced_by,
                "fetched_at": one.fetched_at,
                "age_s": None if age is None else round(age, 3),
                "fresh": fresh,
                "configured": why is None,
                "lacking": why,
            }
        )
    return rows


def _show(rows: list[dict[str, Any]]) -> None:
    print_table(
        ("TARGET", "NAME", "CAPABILITIES", "WINDOW", *PRICES, "SOURCE", "AGE", "CONFIGURED"),
        [_row(row, row["price"] or {}) for row in rows],
    )
    models, providers = len(rows), len({row["provider"] for row in rows})
    print(
        f"{models:,} model{'' if models == 1 else 's'} of {providers}"
        f" provider{'' if providers == 1 else 's'}"
    )


def _row(row: Mapping[str, Any], price: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        row["target"],
        row["name"],
        ",".join(row["capabilities"]) or None,
        row["context_tokens"],
        price.get("input"),
        price.get("output"),
        row["source"],
        _age(row),
        row["configured"],
    )


def _age(row: Mapping[str, Any]) -> str | None:
    shown = ago(row["age_s"])
    return shown if shown is None or row["fresh"] else f"{shown}, stale"


@app.command("resolve")
def resolve_name(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="An alias, a model, plugin/model, or auto.")
    ],
    json: Annotated[bool, AS_JSON] = False,
) -> None:
    """Tell what a model's name means, and why.

    Exits with 2 where it means nothing, or several things.
    """
    from stockade.errors import UsageError
    from stockade.router import resolve

    with known() as found:
        knowledge = found.knowledge
    try:
        resolved = resolve(name, knowledge.catalogue, aliases=knowledge.aliases)
    except UsageError as error:
        if json:
            print_json(_unresolved(name, error))
        raise typer.Exit(report_failure(error)) from error
    if json:
        print_json(_resolved(name, resolved))
    elif resolved.targets:
        print_table(
            ("MATCHED BY", "TARGET", "LISTED", "WINDOW", *PRICES),
            [(resolved.by, *_cells(target)) for target in resolved.targets],
        )
    else:
        route = resolved.capability or "what a request needs"
        print(f"{resolved.by}: it follows the route of {route}; see `stockade routes test`.")
    warn(warning.message for warning in resolved.warnings)


def _cells(target: Target) -> tuple[object, ...]:
    info = target.info
    if info is None:
        return target.name, False, None, None, None
    return target.name, True, info.context_tokens, *price_cells(info.price)


def _resolved(name: str, resolved: Resolved) -> dict[str, Any]:
    """What `models resolve --json` prints."""
    return {
        "name": name,
        "matched_by": resolved.by,
        "targets": [target.name for target in resolved.targets],
        "capability": resolved.capability,
        "warnings": list(resolved.warnings),
        "error": None,
        "candidates": [],
        "suggestions": [],
    }


def _unresolved(name: str, error: UsageError) -> dict[str, Any]:
    from stockade.router import AmbiguousModel, NoSuchModel

    return {
        "name": name,
        "matched_by": None,
        "targets": [],
        "capability": None,
        "warnings": [],
        "error": str(error),
        "candidates": list(error.candidates) if isinstance(error, AmbiguousModel) else [],
        "suggestions": list(error.suggestions) if isinstance(error, NoSuchModel) else [],
    }
