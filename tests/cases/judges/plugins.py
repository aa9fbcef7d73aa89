"""Cases of plugins: manifests, discovery, permissions and limits."""

from typing import Any

JUDGES: dict[str, Any] = {}
EXCEPTIONS: dict[str, str] = {}
