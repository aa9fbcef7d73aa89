"""`dev`: a plugin served from its folder, anew at each save."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stockade.cli.output import note, safe

if TYPE_CHECKING:
    from stockade.app.serving import Serving
    from stockade.kit.bench import Bench, Wanted
    from stockade.settings import Settings

__all__ = ["dev"]


def dev(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A plugin's folder.")],
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Of the gateway; 0 takes any free one.")
    ] = 0,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="H[:P]", help="Let it reach a host of your choosing. Repeatable."),
    ] = None,
    config: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="One of its settings. Repeatable.")
    ] = None,
    home: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Keep its data and settings there, not for this time."),
    ] = None,
) -> None:
    """Serve a plugin from its folder, anew at each save.

    In its sandbox, behind a gateway on loopback, in a home of its own. Keys are read from the
    variables that its secrets are called. Shows each call, what goes out and what is denied, until
    Ctrl-C.
    """
    import anyio
    from msgspec.structs import replace

    from stockade.cli.stored import host_rules
    from stockade.errors import UsageError
    from stockade.kit.bench import Wanted, config_of, opened_bench
    from stockade.settings import Home, read_settings

    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise UsageError(f"{path!r} is no folder", remedy="give the folder of a plugin")
    operator = Home.find()
    place = None if home is None else Home(Path(home).expanduser().absolute())
    if place is not None and place.root == operator.root:
        raise UsageError(
            "--home is your own home, and a plugin under development gets all that it asks for",
            remedy="give another folder, or none",
        )
    wanted = Wanted(str(folder), host_rules(allow_host or []), config_of(config or []))
    with opened_bench(wanted, operator, environ=os.environ, place=place) as bench:
        if bench.unset:
            note(f"note: without {', '.join(bench.unset)}: set the variable of that name")
        settings = read_settings(bench.home)
        gateway = replace(settings.gateway, host="127.0.0.1", port=port, tls_certificate=None)
        settings = replace(settings, gateway=replace(gateway, tls_key=None, insecure=False))
        anyio.run(_developed, bench, wanted, settings, backend_options={"use_uvloop": True})


async def _developed(bench: Bench, wanted: Wanted, settings: Settings) -> None:
    import anyio

    from stockade.kit.dev import developing

    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
        async with developing(bench, wanted, settings, _say) as found:
            _tell(bench, found)
            async for _ in received:
                break
            signal.signal(signal.SIGINT, signal.SIG_DFL)
    note("stopped")


def _say(line: str) -> None:
    print(safe(line).replace("\n", " "), flush=True)


def _tell(bench: Bench, found: Serving) -> None:
    manifest = bench.manifest
    model = manifest.served_models[0]
    target = f"{manifest.name}/{model.id}"
    print(safe(f"{manifest.name} {manifest.version} runs in its sandbox; a save takes effect."))
    print(f"OpenAI clients: base_url {found.address}/v1")
    print(f"Anthropic's:    base_url {found.address}")
    print(f"Their key:      {found.token}")
    print(f"Settings page:  {found.url}")
    tried = _curl(found, target, [word.value for word in model.capabilities])
    if tried:
        print(f"Try it:         {safe(tried)}")
    print("Ctrl-C ends it.", flush=True)


def _curl(found: Serving, target: str, capabilities: list[str]) -> str:
    """A command that asks the plugin once; "" where that is no line of JSON."""
    if "chat" in capabilities:
        path = "chat/completions"
        body = f'{{"model": "{target}", "messages": [{{"role": "user", "content": "hello"}}]}}'
    elif "embedding" in capabilities:
        path, body = "embeddings", f'{{"model": "{target}", "input": "hello"}}'
    elif "image_gen" in capabilities:
        path, body = "images/generations", f'{{"model": "{target}", "prompt": "a lighthouse"}}'
    else:
        return ""
    return (
        f"curl -s {found.address}/v1/{path} -H 'authorization: Bearer {found.token}' "
        f"-H 'content-type: application/json' -d '{body}'"
    )
