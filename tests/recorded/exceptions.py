"""Recorded interactions that do not pass, each with the reason."""

EXCEPTIONS: dict[str, str] = {}
