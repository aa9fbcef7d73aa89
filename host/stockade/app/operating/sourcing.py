"""From what a caller of the API names to an install as it would be, its files at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stockade.admin import values as v
from stockade.errors import UsageError
from stockade.packages import shipped_plugins
from stockade.packages.source import opened_source
from stockade.packages.steps import silent
from stockade_sdk.text import show

from .found import Known
from .proposing import Wanted, upgrade_wanted, wanted

__all__ = ["upgrade_for", "wanted_for"]


@contextmanager
def wanted_for(
    found: Known,
    asked: v.Proposing,
    *,
    offline: bool = False,
    on_step: Callable[[str], None] = silent,
) -> Iterator[Wanted]:
    """What installing it would mean, its source in place while the block lasts. Blocking.

    Raises HostError.
    """
    _check_reachable(asked.source)
    with opened_source(found.home, asked.source, offline=offline, on_step=on_step) as source:
        yield wanted(found.home, found.state, source, asked.deny, asked.allow_hosts)


@contextmanager
def upgrade_for(
    found: Known,
    name: str,
    asked: v.UpgradeAsked | v.Upgrading,
    *,
    offline: bool = False,
    on_step: Callable[[str], None] = silent,
) -> Iterator[Wanted]:
    """The same in place of an installed plugin. Raises NotInstalled besides."""
    found.state.require(name)
    _check_reachable(asked.source)
    with opened_source(found.home, asked.source, offline=offline, on_step=on_step) as source:
        yield upgrade_wanted(
            found.home,
            found.state,
            name,
            source,
            asked.deny,
            asked.allow_hosts,
            downgrade=asked.downgrade,
        )


def _check_reachable(source: str) -> None:
    """A caller's working directory is not this process's: a path has to be whole. And an operator's
    request waits for no index, which a package's name would have to be looked up in.
    """
    if source not in shipped_plugins() and not Path(source).is_absolute():
        raise UsageError(
            f"{show(source)} is neither a shipped plugin nor a whole path",
            remedy="give a path from / on, or the name of a plugin that ships with stockade; "
            "packages are installed on the command line",
        )
