"""When an outgoing request counts as the recorded one, and an answer as carried.

A request is the recorded one when it is equal as JSON, numbers by value. Nothing else is allowed
for in the translator. On the way through a whole host, ``stream`` follows from how the host is
called, so a recorded ``stream: false`` may be missing (see ``IMPLIED``).

An answer is carried when the one encoded for a client holds everything that the recorded one held,
equal as JSON. It may hold more: defaults that the vendor left out, and counts at their usual place.
"""

from typing import Any

IMPLIED = {"stream": False}  # what a request says by not saying it


def differences(sent: Any, recorded: Any) -> list[str]:
    """Where two requests differ; empty where they count as the same."""
    return [*missing(sent, recorded, "sent"), *missing(recorded, sent, "recorded")]


def without_implied(request: dict[str, Any]) -> dict[str, Any]:
    """A request without what goes without saying."""
    return {key: value for key, value in request.items() if (key, value) not in IMPLIED.items()}


def missing(whole: Any, part: Any, name: str = "answer", path: str = "$") -> list[str]:
    """What of ``part`` is not in ``whole``."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return [
            line
            for key, value in part.items()
            for line in (
                missing(whole[key], value, name, f"{path}.{key}")
                if key in whole
                else [f"{path}.{key} is not in the {name}"]
            )
        ]
    if isinstance(part, list) and isinstance(whole, list) and len(part) == len(whole):
        pairs = enumerate(zip(whole, part, strict=True))
        return [line for at, (a, b) in pairs for line in missing(a, b, name, f"{path}[{at}]")]
    if type(whole) is bool or type(part) is bool:
        return [] if whole is part else [f"{path}: {whole!r} in the {name}, not {part!r}"]
    return [] if whole == part else [f"{path}: {whole!r:.80} in the {name}, not {part!r:.80}"]
