"""The whole command: its verbs, and what becomes of their errors.

A verb's module is imported when that verb is called, and what is the host's only inside the verb,
so that `stockade --help` costs little more than typer itself.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any, Final, NamedTuple

import typer

from stockade.cli.failures import EXIT_INTERRUPTED, EXIT_USAGE, report_failure
from stockade.cli.groups import group

__all__ = ["VERBS", "Verb", "program", "run_program"]

ROOT_HELP: Final = """\
Run AI provider plugins from strangers as child processes, and route requests between them.

Start with `stockade demo`. Exit codes: 0 done, 1 failed, 2 wrong usage or input, 3 refused.
"""
OUTPUT_ERRORS: Final = "backslashreplace"  # what a terminal cannot show is no reason to fail
COMPLETION: Final = "_STOCKADE_COMPLETE"  # set by the shell that asks what could come next


class Verb(NamedTuple):
    """Where a verb is: `module` below this package and its function, or `app` for a group.

    `help` is the line that the list of verbs shows; the function's own first line is the same.
    """

    module: str
    name: str
    help: str


VERBS: Final = {
    "demo": Verb("demo.verb", "demo", "Show the main job, with no key and no network."),
    "run": Verb("requesting", "run", "Send one request through routing and print the answer."),
    "install": Verb(
        "installing", "install", "Install a plugin: show what it asks for, ask, grant."
    ),
    "upgrade": Verb("upgrading", "upgrade", "Replace a plugin by another version of it."),
    "rollback": Verb("upgrading", "rollback", "Go back to an earlier version of a plugin."),
    "gc": Verb("collecting", "gc", "Remove earlier versions, and what nobody needs."),
    "uninstall": Verb("installing", "uninstall", "Remove a plugin and all that belongs to it."),
    "list": Verb("listing", "list_plugins", "List the installed plugins."),
    "inspect": Verb("inspecting", "inspect", "Show everything known of one plugin."),
    "new": Verb("creating", "new", "Make the folder of a new plugin, with tests and CI."),
    "validate": Verb("validating", "validate", "Check a plugin without running any of it."),
    "test": Verb("testing", "conform", "Check that a plugin behaves, with a vendor played here."),
    "call": Verb("calling", "call", "Call a plugin once in its sandbox, without installing it."),
    "dev": Verb("developing", "dev", "Serve a plugin from its folder, anew at each save."),
    "pack": Verb("packing", "pack", "Make a plugin's folder into one file to hand on."),
    "sign": Verb("signing", "sign", "Sign a plugin's wheel, or make a key to sign with."),
    "verify": Verb("signing", "verify", "Check a plugin's wheel, and say who signed it."),
    "trust": Verb("trusting", "app", "Say whose signed plugins you trust."),
    "enable": Verb("switching", "enable", "Let a plugin run again."),
    "disable": Verb("switching", "disable", "Keep a plugin installed and let it run no more."),
    "serve": Verb("serving", "serve", "Serve the gateway, the admin API and the settings page."),
    "top": Verb("top", "top", "Show live what each plugin's workers do."),
    "tokens": Verb("tokens", "app", "Say who may use the gateway and the admin API."),
    "health": Verb("health", "health", "Tell how providers are: ask them, and look at requests."),
    "auth": Verb("auth", "app", "Give providers their keys, and see how they stand."),
    "models": Verb(
        "modelling", "app", "List the models there are, ask for them, and look a name up."
    ),
    "aliases": Verb("aliasing", "app", "Give models names of your own."),
    "routes": Verb("routing", "app", "Say where requests go, capability by capability."),
    "providers": Verb("registered", "app", "Show the providers of the installed plugins."),
    "logs": Verb("logs", "logs", "Show what a plugin printed and did."),
    "doctor": Verb("diagnosis", "doctor", "Tell what this machine can enforce."),
    "config": Verb("configuring", "app", "Set and show what a plugin is configured with."),
    "secrets": Verb("keys", "app", "Keep the keys that the host puts on a plugin's requests."),
    "permissions": Verb("permitting", "app", "Show and change what a plugin may do."),
    "plugins": Verb("providers", "app", "The same as list, validate, install and uninstall."),
}


def program(arguments: Sequence[str], *, whole: bool = False) -> typer.Typer:
    """The command for one command line: every verb by name, the called one with all it takes.

    `whole` gives every verb with all it takes.
    """
    called = next((word for word in arguments if not word.startswith("-")), None)
    app = group(ROOT_HELP)
    app.callback()(_options)
    for name, verb in VERBS.items():
        if whole or name == called:
            _add(app, name, verb)
        else:
            app.command(name, help=verb.help)(_not_called)
    return app


def _add(app: typer.Typer, name: str, verb: Verb) -> None:
    found: Any = getattr(import_module(f"stockade.cli.{verb.module}"), verb.name)
    if isinstance(found, typer.Typer):
        app.add_typer(found, name=name)
    else:
        app.command(name)(found)


def _not_called() -> None:
    raise AssertionError("this verb was not called")


def _show_version(wanted: bool) -> None:
    if wanted:
        from stockade import __version__

        print(f"stockade {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


def run_program(arguments: Sequence[str]) -> int:
    """Carry out one command line; gives the exit code and raises nothing."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=OUTPUT_ERRORS)
    try:
        code = _carried_out(arguments)
        sys.stdout.flush()  # here, where a reader that went away can be told from a fault
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the outermost: every failure gets words and a code
        return report_failure(error)
    return code


def _carried_out(arguments: Sequence[str]) -> int:
    if any(map(_is_no_text, arguments)):
        print("stockade: an argument is not UTF-8 text; give it in UTF-8", file=sys.stderr)
        return EXIT_USAGE
    app = program(arguments, whole=COMPLETION in os.environ)
    try:
        app(args=list(arguments), prog_name="stockade")
    except SystemExit as left:
        return _code_of(left)
    return 0


def _is_no_text(argument: str) -> bool:
    """Whether it holds bytes that Python could not decode (PEP 383)."""
    return any("\ud800" <= character <= "\udfff" for character in argument)


def _code_of(left: SystemExit) -> int:
    if left.code is None:
        return 0
    if isinstance(left.code, int):
        return left.code
    print(left.code, file=sys.stderr)
    return EXIT_USAGE
