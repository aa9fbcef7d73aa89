"""`plugins ...`: the same verbs under longer names, for scripts that use those."""

from stockade.cli.groups import group
from stockade.cli.installing import install, uninstall
from stockade.cli.listing import list_plugins
from stockade.cli.validating import validate

__all__ = ["app"]

app = group("The same as list, validate, install and uninstall.")
app.command("list-providers")(list_plugins)
app.command("validate-provider")(validate)
app.command("install-provider")(install)
app.command("uninstall-provider")(uninstall)
