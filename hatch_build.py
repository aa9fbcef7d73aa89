"""Name this workspace's three distributions as dependencies, so that `pip install .` works.

pip is given direct references to the folders. uv is given plain names: `[tool.uv.sources]` says
where they are, and `uv.lock` stays free of absolute paths. pip sets PIP_BUILD_TRACKER; under
`uv run pip` both variables are set, and pip it is.
"""

import os
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

FOLDERS = {"stockade-sdk": "sdk", "stockade-worker": "worker", "stockade": "host"}


class WorkspaceDependencies(MetadataHookInterface):
    def update(self, metadata: dict[str, Any]) -> None:
        by_uv = "UV" in os.environ and "PIP_BUILD_TRACKER" not in os.environ
        uri = {name: Path(self.root, folder).as_uri() for name, folder in FOLDERS.items()}
        metadata["dependencies"] = [name if by_uv else f"{name} @ {uri[name]}" for name in FOLDERS]
