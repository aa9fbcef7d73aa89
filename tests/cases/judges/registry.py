"""Cases of the registry of providers and of the patches that they propose."""

from typing import Any

JUDGES: dict[str, Any] = {}
EXCEPTIONS: dict[str, str] = {}
