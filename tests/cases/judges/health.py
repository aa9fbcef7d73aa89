"""Cases of health checks."""

from typing import Any

JUDGES: dict[str, Any] = {}
EXCEPTIONS: dict[str, str] = {}
