"""How hard a model is to think: ``thinkingLevel`` from Gemini 3 on, ``thinkingBudget`` before.

A level and a budget in one request are refused. Source: https://ai.google.dev/gemini-api/docs/openai
("Thinking", the table of efforts) and /docs/thinking.
"""

from __future__ import annotations

from typing import Any, Final

from .overlay import AS, RAW, Notes

LEVELS: Final = ("minimal", "low", "medium", "high")
_BUDGETS: Final = {"none": 0, "minimal": 512, "low": 1024, "medium": 8192, "high": 24576}
_MORE: Final = ("xhigh", "max")
_LEAST_OF_PRO: Final = 128  # gemini-2.5-pro cannot be kept from thinking
_UP_TO: Final = ((512, "minimal"), (4096, "low"), (16384, "medium"), (2**31, "high"))
_WITHOUT: Final = ("gemini-1", "gemini-2.0", "gemma")  # these refuse a thinkingConfig,
_ONE_WAY: Final = ("-image", "-image-preview", "-tts")  # and of Gemini 2 these
_BEFORE_3: Final = ("gemini-1", "gemini-2", "gemini-embedding")  # "gemini-flash-latest" is not


def encode_thinking(
    effort: str | None, model: str | None, overlay: dict[str, Any], notes: Notes
) -> dict[str, Any] | None:
    """The ``thinkingConfig`` for ``effort``; ``None`` where the model thinks as it likes.

    ``overlay`` is what a client of this wire said itself. Thoughts are asked for: without them
    nothing of the reasoning can be shown.
    """
    if effort is None or "thinkingBudget" in overlay or "thinkingLevel" in overlay:
        return None
    name = _bare(model)
    if name.startswith(_WITHOUT) or (name.startswith("gemini-2") and name.endswith(_ONE_WAY)):
        notes.add("setting_dropped", f"reasoning_effort was dropped: {name} does not think")
        return None
    known = "high" if effort in _MORE else effort
    if known not in _BUDGETS:
        notes.add("setting_dropped", f"reasoning_effort {effort!r:.40} is no effort of Gemini's")
        return None
    budget = overlay.get(RAW)
    if effort_of_budget(budget) == effort:
        config: dict[str, Any] = {"thinkingBudget": budget}
    elif name.startswith("gemini-2"):
        config = {"thinkingBudget": _budget(known, name)}
    else:
        level = _level(known, name)
        config = {"thinkingLevel": level.upper() if overlay.get(AS) == "upper" else level}
    said = config.get("thinkingLevel", "").lower() or effort_of_budget(config["thinkingBudget"])
    if said != effort:
        notes.add("setting_adjusted", f"reasoning_effort {effort} became {said}, the nearest")
    if known != "none":
        config["includeThoughts"] = True
    return config


def decode_thinking(raw: Any) -> tuple[str | None, dict[str, Any]]:
    """The effort, and the notes that give level or budget back as they came."""
    if not isinstance(raw, dict):
        return None, {}
    level = raw.get("thinkingLevel")
    if isinstance(level, str) and level.lower() in LEVELS and "thinkingBudget" not in raw:
        return level.lower(), {AS: "upper"} if level.isupper() else {}
    budget = raw.get("thinkingBudget")
    effort = effort_of_budget(budget) if "thinkingLevel" not in raw else None
    return effort, {} if effort is None else {RAW: budget}


def effort_of_budget(budget: Any) -> str | None:
    """The effort that a number of tokens is; ``None`` for -1, where the model decides."""
    if type(budget) is not int or budget < 0:
        return None
    if budget == 0:
        return "none"
    return next((effort for limit, effort in _UP_TO if budget <= limit), None)


def wants_signatures(model: str | None) -> bool:
    """Whether the model refuses calls without a signature: Gemini 3 and later."""
    name = _bare(model)
    return name.startswith("gemini-") and not name.startswith(_BEFORE_3)


def _bare(model: str | None) -> str:
    return (model or "").rpartition("/")[2]


def _budget(effort: str, model: str) -> int:
    return _LEAST_OF_PRO if effort == "none" and "-pro" in model else _BUDGETS[effort]


def _level(effort: str, model: str) -> str:
    if effort in ("none", "minimal"):  # thinking cannot be turned off; Pro models begin at low
        return "low" if "-pro" in model else "minimal"
    return effort
