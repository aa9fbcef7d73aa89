"""Put the repository's `plugins/` folder into the distribution as `stockade/shipped/`.

An editable install gets nothing: there the host finds `plugins/` beside itself. A wheel built from
an sdist finds `stockade/shipped/` already in the tree.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ShippedPlugins(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        plugins = Path(self.root).parent / "plugins"
        unpacked_sdist = Path(self.root, "PKG-INFO").exists()
        if version != "editable" and plugins.is_dir() and not unpacked_sdist:
            build_data["force_include"][str(plugins)] = "stockade/shipped"
