"""Cases of names, routes and presets: which targets a request goes to."""

from typing import Any

JUDGES: dict[str, Any] = {}
EXCEPTIONS: dict[str, str] = {}
