"""What the host knows at one moment: what is installed, what was set, which models there are.

Read from the state and the settings, without a worker and without the network: the verbs that only
show something need no more than this.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from stockade.models import Merged, PriceTable
from stockade.packages import shipped_plugins
from stockade.registry import ProviderRegistry, registry_of
from stockade.router import Catalogue, Standing, shadowings
from stockade.settings import Settings
from stockade.state import Installed, State

from .costing import price_tables
from .listing import catalogue_of, operators_prices, routed
from .policies import Policies, policies_of

__all__ = ["NOTHING", "Knowledge", "read_knowledge"]


class Knowledge:
    """One reading of it; never changed, a new reading takes its place.

    ``records`` are all plugins in the order of their installation, which is the order of the
    targets where no route is set; ``usable`` those that are not disabled.
    """

    def __init__(
        self,
        records: tuple[Installed, ...],
        settings: Settings,
        policies: Policies,
        listing: Merged,
    ) -> None:
        self.records, self.policies, self.listing = records, policies, listing
        self.usable = tuple(record for record in records if record.state != "disabled")
        models = routed(listing)
        self.catalogue = Catalogue(
            models,
            [record.name for record in self.usable],
            [record.name for record in records if record.state == "disabled"],
        )
        self.prices: Mapping[str, PriceTable] = price_tables(models, operators_prices(settings))
        self.routes, self.aliases = policies.followed, policies.names

    @cached_property
    def registry(self) -> ProviderRegistry:
        """The providers of what is installed; built when it is first asked for."""
        return registry_of(self.records, frozenset(shipped_plugins()))

    @property
    def stopped(self) -> dict[str, Standing]:
        """The plugins that were given up, with why."""
        return {
            record.name: Standing("stopped", why=record.last_error or "it kept dying")
            for record in self.usable
            if record.state == "failed"
        }

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What an operator should know: names that hide others, and what no list can say."""
        hiding = shadowings(self.catalogue, self.aliases)
        told = (warning.message for warning in (*self.listing.warnings, *hiding))
        return tuple(dict.fromkeys(told))


def read_knowledge(state: State, settings: Settings) -> Knowledge:
    """Read it anew. Blocking. Raises StateError."""
    records = tuple(sorted(state.list(), key=lambda record: record.installed_at))
    usable = [record for record in records if record.state != "disabled"]
    return Knowledge(
        records,
        settings,
        policies_of(settings, state.policies.routes(), state.policies.aliases()),
        catalogue_of(usable, settings, state.lists.all()),
    )


NOTHING = Knowledge((), Settings(), Policies(routes={}, aliases={}), Merged(()))
