"""The host's folder and the operator's settings in `stockade.toml`.

Reading changes nothing on disk; folders are made by `Home.ensure`. Decides nothing: minimum tier
and ceilings are applied by whoever starts a worker.
"""

from stockade.settings.egress import EgressSettings, Proxy
from stockade.settings.home import HOME_VARIABLE, Home
from stockade.settings.reading import parse_settings, read_settings
from stockade.settings.values import (
    EVERY_PLUGIN,
    TIERS,
    Budget,
    CatalogueSettings,
    CooldownSettings,
    GatewaySettings,
    HandoffSettings,
    HealthSettings,
    RequestSettings,
    RoutingPolicy,
    SandboxSettings,
    Settings,
    SupervisionSettings,
    TelemetrySettings,
    UnsignedSettings,
)

__all__ = [
    "EVERY_PLUGIN",
    "HOME_VARIABLE",
    "TIERS",
    "Budget",
    "CatalogueSettings",
    "CooldownSettings",
    "EgressSettings",
    "GatewaySettings",
    "HandoffSettings",
    "HealthSettings",
    "Home",
    "Proxy",
    "RequestSettings",
    "RoutingPolicy",
    "SandboxSettings",
    "Settings",
    "SupervisionSettings",
    "TelemetrySettings",
    "UnsignedSettings",
    "parse_settings",
    "read_settings",
]
