"""Cases of the catalogue: merging, finding, and how long a list stays fresh."""

from typing import Any

JUDGES: dict[str, Any] = {}
EXCEPTIONS: dict[str, str] = {}
