"""`permissions observe`: run a plugin once and tell which permissions that took. Grants nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from stockade.cli.failures import Failure, explain, report_failure
from stockade.cli.needs import as_json, as_toml, needed
from stockade.cli.output import print_json, safe
from stockade.cli.stored import manifest_of, opened

if TYPE_CHECKING:
    from pathlib import Path

    from stockade.settings import Home
    from stockade.state import Installed
    from stockade.supervisor import PluginEvent
    from stockade.supervisor.denials import Act
    from stockade_sdk.provider import ProviderRequest

__all__ = ["observe"]

PROMPT: Final = "Say hello."
_PLAIN: Final = ("chat", "vision")  # what a request without a capability is


class Run(NamedTuple):
    """One observed run: whether a worker was ready, how it ended, and the acts on file of it."""

    ready: bool
    error: Exception | None
    acts: list[Act]


def observe(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The plugin.")],
    prompt: Annotated[
        str, typer.Option(metavar="TEXT", help="What to send; it reaches the vendor.")
    ] = PROMPT,
    capability: Annotated[
        str | None,
        typer.Option(metavar="C", help="chat, embedding, image_gen or audio_tts."),
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="The request's deadline.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON with stable keys.")] = False,
) -> None:
    """Send one request and print the permissions that it needed. Grants nothing.

    The plugin runs under the grant it has; what is beyond is refused and recorded as ever.
    """
    from stockade.cli.interrupts import run_async

    with opened() as (home, state):
        record = state.require(name)
    request = _request(record, prompt, capability)
    run = run_async(_observed, home, name, request, timeout)
    if run.error is not None and not run.ready and not run.acts:
        raise typer.Exit(report_failure(run.error)) from run.error
    if json:
        print_json(told_as_json(record, run))
    else:
        print("\n".join(map(safe, told(record, run))))


def _request(record: Installed, prompt: str, capability: str | None) -> ProviderRequest:
    """A request for what is wanted, else for the first thing that the plugin declares."""
    from stockade.cli.prompts import request_of

    if capability is None:
        served = [word for one in manifest_of(record).served_models for word in one.capabilities]
        capability = str(served[0]) if served else None
    return request_of(prompt, None, None if capability in _PLAIN else capability, [])


async def _observed(home: Home, name: str, request: ProviderRequest, timeout: float | None) -> Run:
    """Run it. What was recorded is read when the host has closed, and with it the record."""
    from stockade.app import Host
    from stockade.errors import AllAttemptsFailed
    from stockade.supervisor import What
    from stockade_sdk.errors import ProviderError

    ready: list[bool] = []

    def happened(event: PluginEvent) -> None:
        if event.plugin == name and event.what is What.READY:
            ready.append(True)

    error: Exception | None = None
    began_at = time.time()
    async with Host.open(home, on_event=happened) as host:
        try:
            await host.run(request, timeout=timeout, plugin=name)
        except (AllAttemptsFailed, ProviderError) as failed:
            error = failed
    return Run(bool(ready), error, acts_since(home.logs, name, began_at))


def acts_since(folder: Path, name: str, began_at: float) -> list[Act]:
    """What is on file of a plugin that was seen since `began_at` (seconds since 1970)."""
    from stockade.supervisor.denials import read_acts

    return [act for act in read_acts(folder, name) if act.at >= began_at]


def told_as_json(record: Installed, run: Run) -> dict[str, Any]:
    """What `permissions observe --json` prints."""
    from stockade.supervisor.denials import shown

    needs = needed(record.name, record.granted, record.operator_hosts, run.acts)
    failure = explain(run.error) if run.error is not None else None
    return {
        "name": record.name,
        "ok": failure is None,
        "error": None if failure is None else _on_one_line(failure),
        "permissions": as_json(needs),
        "toml": as_toml(needs),
        "limits": list(needs.limits),
        "commands": list(needs.commands),
        "not_grantable": [{"act": act, "why": why} for act, why in needs.nothing],
        "denied": shown(record.name, run.acts),
    }


def told(record: Installed, run: Run) -> list[str]:
    """What `permissions observe` prints for people."""
    needs = needed(record.name, record.granted, record.operator_hosts, run.acts)
    lines = [
        f"# What this run of {record.name} {record.version} needed. Nothing was granted.",
        *(f"# {line}" for line in _ending(run.error)),
        as_toml(needs),
    ]
    if needs.commands:
        lines += ["", "# No manifest can ask for these; they are yours to decide:"]
        lines += needs.commands
    if needs.limits:
        lines += ["", "# Limits it ran into; higher ones go under [limits]:"]
        lines += [f"#   {limit}" for limit in dict.fromkeys(needs.limits)]
    if needs.nothing:
        lines += ["", "# Refused, and nothing allows it:"]
        lines += [f"#   {act}: {why}" for act, why in needs.nothing]
    return lines


def _ending(error: Exception | None) -> list[str]:
    if error is None:
        return ["The request was answered."]
    failure = explain(error)
    return [
        f"The request failed: {_on_one_line(failure)}",
        "This is what is known so far: what it would have done next was not seen. Grant what you",
        "agree with and observe again.",
    ]


def _on_one_line(failure: Failure) -> str:
    return " ".join(f"{failure.what}: {failure.why}".rstrip(": ").split())
