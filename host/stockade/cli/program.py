"""The whole command: its verbs, and what becomes of their errors.

Modules of the verbs import typer and the standard library alone; everything of the host's is
imported inside the verb that needs it, so that `stockade --help` costs what typer costs.
"""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from stockade.cli import (
    configuring,
    diagnosis,
    installing,
    keys,
    listing,
    logs,
    permitting,
    providers,
    requesting,
    switching,
    validating,
)
from stockade.cli.demo import verb as demo
from stockade.cli.failures import EXIT_INTERRUPTED, EXIT_USAGE, report_failure
from stockade.cli.groups import group

__all__ = ["app", "run_program"]

ROOT_HELP = """\
Run AI provider plugins from strangers as child processes, and route requests between them.

Start with `stockade demo`. Exit codes: 0 done, 1 failed, 2 wrong usage or input, 3 refused.
"""
OUTPUT_ERRORS = "backslashreplace"  # a terminal that cannot show a character is no reason to fail


def show_version(wanted: bool) -> None:
    """Print the version and leave."""
    if wanted:
        from stockade import __version__

        print(f"stockade {__version__}")
        raise typer.Exit


app = group(ROOT_HELP)


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Options of `stockade` itself."""


app.command("demo")(demo.demo)
app.command("run")(requesting.run)
app.command("install")(installing.install)
app.command("uninstall")(installing.uninstall)
app.command("list")(listing.list_plugins)
app.command("inspect")(listing.inspect)
app.command("validate")(validating.validate)
app.command("enable")(switching.enable)
app.command("disable")(switching.disable)
app.command("health")(switching.health)
app.command("logs")(logs.logs)
app.command("doctor")(diagnosis.doctor)
app.add_typer(configuring.app, name="config")
app.add_typer(keys.app, name="secrets")
app.add_typer(permitting.app, name="permissions")
app.add_typer(providers.app, name="plugins")


def run_program(arguments: Sequence[str]) -> int:
    """Carry out one command line; gives the exit code and raises nothing."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=OUTPUT_ERRORS)
    try:
        app(args=list(arguments), prog_name="stockade")
        sys.stdout.flush()
    except SystemExit as left:
        return _code_of(left)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the outermost: every failure gets words and a code
        return report_failure(error)
    return 0


def _code_of(left: SystemExit) -> int:
    if left.code is None:
        return 0
    if isinstance(left.code, int):
        return left.code
    print(left.code, file=sys.stderr)
    return EXIT_USAGE
