"""`serve`: the gateway, the admin API and the settings page, until it is stopped."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stockade.cli.output import note

if TYPE_CHECKING:
    from stockade.app.serving import Serving
    from stockade.settings import Home, Settings

__all__ = ["serve"]


def serve(
    host: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Default: 127.0.0.1, or stockade.toml's.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Default: 8787; 0 takes any free one.")
    ] = None,
    tls_certificate: Annotated[
        str | None, typer.Option(metavar="FILE", help="Speak TLS with this chain of certificates.")
    ] = None,
    tls_key: Annotated[
        str | None, typer.Option(metavar="FILE", help="The key of the certificate.")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen beyond this machine without TLS.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print the addresses as one line of JSON.")
    ] = False,
) -> None:
    """Serve the gateway, the admin API and the settings page.

    Prints an address with a token for your browser. SIGHUP reads stockade.toml again; Ctrl-C and
    SIGTERM let requests in flight end first, a second Ctrl-C does not.
    """
    import anyio
    from msgspec.structs import replace

    from stockade.settings import Home, read_settings

    home = Home.find()
    settings = read_settings(home)
    given: dict[str, Any] = {
        "host": host,
        "port": port,
        "tls_certificate": tls_certificate,
        "tls_key": tls_key,
        "insecure": insecure or None,
    }
    chosen = {key: value for key, value in given.items() if value is not None}
    settings = replace(settings, gateway=replace(settings.gateway, **chosen))
    anyio.run(_serve, home, settings, json, backend_options={"use_uvloop": True})


async def _serve(home: Home, settings: Settings, json: bool) -> None:
    import anyio

    from stockade.app.serving import serving

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    with anyio.open_signal_receiver(*signals) as received:
        async with serving(home, settings) as found:
            _tell(found, json)
            async for number in received:
                if number != signal.SIGHUP:
                    break
                await _reload(found)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            note("stopping: requests in flight end first; Ctrl-C ends them now")
    note("stopped")


def _tell(found: Serving, json: bool) -> None:
    import msgspec

    if json:
        said = {"url": found.url, "address": found.address, "token": found.token}
        print(msgspec.json.encode(said).decode(), flush=True)  # one line, for a program
        return
    print(f"Settings page:  {found.url}")
    print(f"OpenAI clients: base_url {found.address}/v1")
    print(f"Anthropic's:    base_url {found.address}")
    print("Their key is a token: the one above, or `stockade tokens create NAME`.", flush=True)


async def _reload(found: Serving) -> None:
    from stockade.errors import HostError

    try:
        await found.reload()
    except HostError as error:
        note(f"not reloaded, and nothing is changed: {error}")
    else:
        note("stockade.toml was read again; requests in flight end by the old one")
