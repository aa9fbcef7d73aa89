"""The host's folder and the operator's settings in `stockade.toml`.

Reading changes nothing on disk; folders are made by `Home.ensure`. Decides nothing: minimum tier
and ceilings are applied by whoever starts a worker.
"""

from stockade.settings.home import HOME_VARIABLE, Home
from stockade.settings.reading import parse_settings, read_settings
from stockade.settings.values import (
    TIERS,
    GatewaySettings,
    RequestSettings,
    Settings,
    SupervisionSettings,
)

__all__ = [
    "HOME_VARIABLE",
    "TIERS",
    "GatewaySettings",
    "Home",
    "RequestSettings",
    "Settings",
    "SupervisionSettings",
    "parse_settings",
    "read_settings",
]
