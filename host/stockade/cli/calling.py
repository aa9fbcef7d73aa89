"""`call`: one call to one plugin, with all that its author wants to know of it."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stockade.cli.failures import explain, told
from stockade.cli.output import note, print_json, safe

if TYPE_CHECKING:
    from stockade.errors import AllAttemptsFailed
    from stockade.kit.calling import Called, Calling
    from stockade.settings import Home
    from stockade_sdk.provider import ProviderRequest

__all__ = ["call"]

STAND_IN = "stand-in-for-a-key"  # recordings have none, and nothing of it leaves this machine
BENCH_REMEDIES = {  # for what is called from its folder, by kinds
    "auth": "set the variable that the key is called, or look whether its value is right",
    "network": "check its address, and give another: --config KEY=VALUE",
    "out_of_memory": "raise its limits in plugin.toml",
    "permission_denied": "name the host in plugin.toml, or give it: --allow-host H[:P]",
    "timeout": "allow more time with --timeout",
    "worker_died": "see what it prints: stockade dev PATH",
}


def call(
    source: Annotated[
        str, typer.Argument(metavar="PATH|NAME", help="A plugin's folder or wheel, or its name.")
    ],
    prompt: Annotated[
        str | None,
        typer.Argument(metavar="[PROMPT]", help="The text; without it, its smoke.json is sent."),
    ] = None,
    capability: Annotated[
        str | None, typer.Option(metavar="C", help="chat, vision, embedding, image_gen, ...")
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="M", help="One of its models.")] = None,
    request: Annotated[
        str | None, typer.Option(metavar="FILE", help="Send this canonical request, as JSON.")
    ] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Print the answer as it comes.")] = False,
    record: Annotated[
        str | None, typer.Option(metavar="DIR", help="Keep what the vendor says, without keys.")
    ] = None,
    replay: Annotated[
        str | None, typer.Option(metavar="DIR", help="Let recordings stand for the vendor.")
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="H[:P]", help="Let it reach a host of your choosing. Repeatable."),
    ] = None,
    config: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="One of its settings. Repeatable.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="The whole request's deadline.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Call a plugin once in its sandbox, without installing it.

    Keys are read from the variables that its secrets are called. Tells how long each part took,
    which hosts it reached, and what it was denied.
    """
    from stockade.cli.interrupts import run_async
    from stockade.cli.stored import host_rules
    from stockade.errors import UsageError
    from stockade.kit.calling import Calling
    from stockade.settings import Home

    if record is not None and replay is not None:
        raise UsageError("--record and --replay exclude each other", remedy="leave one out")
    how = Calling(
        stream=stream,
        timeout_s=timeout,
        record=_path(record),
        replay=_path(replay),
    )
    with ExitStack() as stack:
        home, name, folder = _placed(
            stack, source, host_rules(allow_host or []), config or [], replayed=replay is not None
        )
        installed = home == Home.find()
        sent = _request(folder, prompt, model, capability, request)
        quiet = json or not stream
        called = run_async(_called, home, name, sent, how, quiet)
    if json:
        print_json(as_json(called))
    else:
        _tell(called, how)
    if called.error is not None:
        raise typer.Exit(_report(called.error, installed=installed))


def _report(error: AllAttemptsFailed, *, installed: bool) -> int:
    """Tell of it; the exit code. What was called without being installed has no settings and no log
    that another verb could show or change.
    """
    failure = explain(error)
    if not installed and not error.remedy:
        failure = failure._replace(remedy=BENCH_REMEDIES.get(error.error.kind, ""))
    print(told(failure), file=sys.stderr)
    return failure.code


async def _called(
    home: Home, name: str, sent: ProviderRequest, how: Calling, quiet: bool
) -> Called:
    from stockade.kit.calling import call_plugin

    def show(text: str) -> None:
        if not quiet:
            print(safe(text), end="", flush=True)

    return await call_plugin(home, name, sent, how, on_text=show)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text).expanduser()


def _placed(
    stack: ExitStack, source: str, hosts: Any, config: list[str], *, replayed: bool
) -> tuple[Home, str, Path]:
    """Where the plugin is, its name, and its files: on a bench, or installed already."""
    from stockade.errors import UsageError
    from stockade.kit.bench import Wanted, config_of, opened_bench
    from stockade.packages import plugin_path
    from stockade.settings import Home
    from stockade.state import State

    operator = Home.find()
    if not Path(source).expanduser().exists() and operator.state_db.exists():
        with State.open(operator) as state:
            record = state.get(source)
        if record is not None:
            if hosts or config:
                raise UsageError(
                    f"{source} is installed, and is called as it is",
                    remedy="leave out --allow-host and --config, or give its folder",
                )
            return operator, source, plugin_path(operator, record)
    wanted = Wanted(source, hosts, config_of(config), stand_in=STAND_IN if replayed else "")
    bench = stack.enter_context(opened_bench(wanted, operator, environ=os.environ))
    if bench.unset:
        note(f"note: without {', '.join(bench.unset)}: set the variable of that name")
    with State.open(bench.home) as state:
        folder = plugin_path(bench.home, state.require(bench.manifest.name))
    return bench.home, bench.manifest.name, folder


def _request(
    folder: Path,
    prompt: str | None,
    model: str | None,
    capability: str | None,
    request: str | None,
) -> ProviderRequest:
    from msgspec.structs import replace

    from stockade.app.trying import read_smoke
    from stockade.cli.prompts import request_of
    from stockade.errors import UsageError
    from stockade.kit.calling import read_request
    from stockade.packages.naming import SMOKE_NAME

    if prompt is not None and request is not None:
        raise UsageError("a prompt and --request exclude each other", remedy="leave one out")
    if prompt is not None:
        return request_of(prompt, model, capability, [])
    found = read_request(Path(request).expanduser()) if request else read_smoke(folder)
    if found is None:
        raise UsageError(
            "there is nothing to send",
            why=f"the plugin brings no {SMOKE_NAME}",
            remedy="give a PROMPT, or a request with --request FILE",
        )
    return found if model is None else replace(found, model=model)


def as_json(called: Called) -> dict[str, Any]:
    """What `call --json` prints."""
    from stockade.cli.requesting import attempts_as_json, failed_as_json

    failed = None if called.error is None else failed_as_json(called.error)["error"]
    return {
        "plugin": called.plugin,
        "text": getattr(called.response, "text", None),
        "response": called.response,
        "error": failed,
        "attempts": attempts_as_json(called.attempts),
        "timings": {
            "start_ms": called.start_ms,
            "first_event_ms": called.first_event_ms,
            "total_ms": called.total_ms,
        },
        "events": called.events,
        "hosts": called.hosts,
        "denied": called.denied,
        "recorded": [str(path) for path in called.recorded],
        "missed": called.missed,
    }


def _tell(called: Called, how: Calling) -> None:
    """The answer on stdout, all else on stderr."""
    from stockade.cli.answers import answer_lines

    if called.events is not None:
        print()
    elif called.response is not None:
        for line in answer_lines(called.response):
            print(safe(line))
    sys.stdout.flush()
    note(_timings(called))
    for one in called.hosts:
        word = "reached" if one.allowed else "refused"
        status = f", status {one.status}" if one.status is not None else ""
        why = f": {one.reason}" if one.reason else ""
        note(
            f"{word} {one.host}:{one.port}, {one.requests} request{'s' * (one.requests != 1)}, "
            f"{one.bytes_out} bytes out, {one.bytes_in} in{status}{why}"
        )
    for act in called.denied:
        note(f"denied {act['kind']} {act['what']}; would be allowed by: {act['allowed_by']}")
    for miss in called.missed:
        note(f"not recorded: {miss}")
    for path in called.recorded:
        note(f"recorded {path}")


def _timings(called: Called) -> str:
    parts = []
    if called.start_ms is not None:
        parts.append(f"{called.start_ms:.0f} ms until its worker was ready")
    if called.first_event_ms is not None:
        parts.append(f"{called.first_event_ms:.0f} ms until the first of {called.events} events")
    return ", ".join([*parts, f"{called.total_ms:.0f} ms in all"])
