"""Cases of cooldowns: how long what failed rests, and what that covers."""

from typing import Any

JUDGES: dict[str, Any] = {}
EXCEPTIONS: dict[str, str] = {}
