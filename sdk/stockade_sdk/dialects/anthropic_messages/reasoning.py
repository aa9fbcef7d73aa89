"""Reasoning effort, which older models take as a budget of tokens and newer ones as a word.

What a client of this wire said of ``thinking`` or ``output_config.effort`` goes through as it is;
the canonical effort is for the others.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from stockade_sdk.chat import ChatRequest

from .overlay import Notes

Thinks = Literal["budget", "effort", "never"]

# The models before effort came, a closed set; whatever is newer takes it.
# Source: https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking
BY_BUDGET: Final = (
    "claude-3-7-",
    "claude-opus-4-0",
    "claude-opus-4-1",
    "claude-opus-4-2",  # dates: claude-opus-4-20250514
    "claude-opus-4-5",
    "claude-sonnet-4-0",
    "claude-sonnet-4-2",
    "claude-sonnet-4-5",
    "claude-haiku-4-5",
)
NEVER: Final = ("claude-2", "claude-3-", "claude-instant")

# Tokens for a word of effort, as Google's compatible endpoint has them; Anthropic names none.
BUDGETS: Final = {
    "minimal": 1024,
    "low": 1024,
    "medium": 8192,
    "high": 24576,
    "xhigh": 24576,
    "max": 24576,
}
MIN_BUDGET: Final = 1024  # the vendor refuses less
EFFORTS: Final = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}
WITHOUT_XHIGH: Final = ("claude-opus-4-6", "claude-sonnet-4-6")  # by the vendor's list of models
ANSWER_SHARE: Final = 5  # of max_tokens a fifth at least stays for the answer


def thinks(model: str | None) -> Thinks:
    """How a model takes reasoning effort; other vendors' models behind this wire take a budget."""
    name = model or ""
    if name.startswith(BY_BUDGET) or "claude" not in name:
        return "budget"
    return "never" if name.startswith(NEVER) else "effort"


def put_reasoning(
    payload: dict[str, Any],
    request: ChatRequest,
    style: Thinks,
    default_max_tokens: int,
    notes: Notes,
) -> None:
    """Put ``thinking`` and ``output_config.effort`` for the canonical effort into ``payload``.

    What the vendor refuses beside thinking is taken out with a warning, and so is the effort where
    it cannot be had: not known, too few tokens, a forced tool, a call made without thinking.
    """
    effort = request.reasoning_effort
    if effort is None:
        return
    if effort == "none":
        if style != "never":
            payload["thinking"] = {"type": "disabled"}
        return
    if effort not in BUDGETS or style == "never":
        notes.add("setting_dropped", f"this model cannot be told reasoning_effort {effort!r:.40}")
        return
    forced = payload.get("tool_choice", {}).get("type") in ("any", "tool")
    if style == "effort":
        word = EFFORTS[effort]
        if word == "xhigh" and str(payload.get("model")).startswith(WITHOUT_XHIGH):
            word = "high"
        payload.setdefault("output_config", {})["effort"] = word
        if not forced:
            payload["thinking"] = {"type": "adaptive"}
            _drop_sampling(payload, notes)
        return
    budget = _budget(request, effort)
    if budget is None:
        notes.add("setting_dropped", "max_output_tokens leaves no room for reasoning_effort")
    elif forced or _is_within_calls(payload["messages"]):
        notes.add("setting_dropped", "reasoning_effort was dropped: reasoning cannot begin here")
    else:
        payload["thinking"] = {"type": "enabled", "budget_tokens": budget}
        if request.max_output_tokens is None:
            payload["max_tokens"] = budget + default_max_tokens
        _drop_sampling(payload, notes)


def decode_effort(payload: dict[str, Any]) -> str | None:
    """The canonical word for what the payload says of reasoning."""
    config = payload.get("output_config")
    effort = config.get("effort") if isinstance(config, dict) else None
    if isinstance(effort, str) and effort in BUDGETS:
        return effort
    match payload.get("thinking"):
        case {"type": "disabled"}:
            return "none"
        case {"type": "enabled", "budget_tokens": int(budget)}:
            if budget <= BUDGETS["low"] * 2:
                return "low"
            return "medium" if budget <= BUDGETS["medium"] * 2 else "high"
        case _:
            return None


def says_reasoning(overlay: dict[str, Any]) -> bool:
    """Whether a client of this wire said it already."""
    config = overlay.get("output_config")
    return "thinking" in overlay or (isinstance(config, dict) and "effort" in config)


def _budget(request: ChatRequest, effort: str) -> int | None:
    if request.max_output_tokens is None:
        return BUDGETS[effort]
    most = request.max_output_tokens - max(1, request.max_output_tokens // ANSWER_SHARE)
    return min(BUDGETS[effort], most) if most >= MIN_BUDGET else None


def _is_within_calls(turns: list[dict[str, Any]]) -> bool:
    """Whether the last call was made without thinking, which then cannot begin before its end."""
    if len(turns) < 2 or turns[-1]["role"] != "user":
        return False
    said, content = turns[-2].get("content"), turns[-1].get("content")
    if not isinstance(content, list) or not isinstance(said, list):
        return False
    if not any(block.get("type") == "tool_result" for block in content):
        return False
    return not said or said[0].get("type") not in ("thinking", "redacted_thinking")


def _drop_sampling(payload: dict[str, Any], notes: Notes) -> None:
    """Beside thinking the vendor takes temperature 1, top_p from 0.95 and no top_k."""
    if payload.get("temperature", 1) != 1:
        _drop(payload, "temperature", notes)
    if payload.get("top_p", 1) < 0.95:
        _drop(payload, "top_p", notes)
    if "top_k" in payload:
        _drop(payload, "top_k", notes)


def _drop(payload: dict[str, Any], name: str, notes: Notes) -> None:
    del payload[name]
    notes.add("setting_dropped", f"the vendor does not take this {name} beside reasoning")
