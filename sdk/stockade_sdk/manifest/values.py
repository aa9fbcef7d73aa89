"""What a manifest says, as plain frozen values."""

import msgspec

from stockade_sdk.capability import Capability, Price
from stockade_sdk.limits import Limits
from stockade_sdk.manifest.config_values import ConfigField
from stockade_sdk.permissions import Permissions

__all__ = [
    "DEFAULT_MODEL",
    "FEATURES",
    "PROGRAM_MARK",
    "EntryPoint",
    "Manifest",
    "ManifestModel",
]

PROGRAM_MARK = "./"  # what a program's path begins with, and no module does
DEFAULT_MODEL = "default"  # the one model of a plugin that names none
# What requests ask of a model; a manifest may name others of the same form.
FEATURES = ("streaming", "tools", "parallel_tools", "json_object", "json_schema", "reasoning")


class EntryPoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where the provider is: a class, `module` dotted and `attribute` dotted within it; or else
    `program`, an executable file's path below the plugin's folder.
    """

    module: str = ""
    attribute: str = ""
    program: str = ""

    def __str__(self) -> str:
        if self.program:
            return PROGRAM_MARK + self.program
        return f"{self.module}:{self.attribute}"

    @property
    def top(self) -> str:
        """What it lies in at the top of the plugin's folder: a package's or a folder's name."""
        return self.program.split("/")[0] if self.program else self.module.split(".")[0]


class ManifestModel(msgspec.Struct, frozen=True, kw_only=True):
    """One model as a plugin declares it. Unknown is None; prices are USD per million tokens."""

    id: str
    name: str | None = None
    capabilities: tuple[Capability, ...] = ()
    features: tuple[str, ...] = ()
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    aliases: tuple[str, ...] = ()
    price: Price | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest that was read. `permissions` is what it asks for: only grants count."""

    name: str
    version: str
    entry: EntryPoint
    sdk: str
    summary: str = ""
    authors: tuple[str, ...] = ()
    license: str | None = None
    homepage: str | None = None
    requires: tuple[str, ...] = ()
    capabilities: tuple[Capability, ...] = ()
    models: tuple[ManifestModel, ...] = ()
    config: dict[str, ConfigField] = {}
    permissions: Permissions = Permissions()
    limits: Limits = Limits()

    @property
    def served_models(self) -> tuple[ManifestModel, ...]:
        """The declared models, else the one called "default" with the plugin's capabilities."""
        if self.models:
            return self.models
        return (ManifestModel(id=DEFAULT_MODEL, capabilities=self.capabilities),)
