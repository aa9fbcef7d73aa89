"""`permissions show`, `grant`, `revoke`: what a plugin may do, after it was installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from stockade.cli.asking import agree
from stockade.cli.groups import group
from stockade.cli.installing import granted_words
from stockade.cli.output import print_json, print_table, safe
from stockade.cli.stored import host_rules, manifest_of, opened

if TYPE_CHECKING:
    from stockade.settings import Home
    from stockade.state import Installed, State
    from stockade_sdk.permissions import Permissions

__all__ = ["app"]

app = group("Show and change what a plugin may do.")
NAME = typer.Argument(metavar="NAME", help="The plugin.")
