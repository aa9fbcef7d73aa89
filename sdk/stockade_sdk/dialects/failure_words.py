"""The words by which vendors say what went wrong, sorted by what it was.

Collected from recorded answers, vendors' error pages and issue threads; matched in any case against
code, type and message together. Where two fit, ``errors`` decides by the order in which it asks.
"""

from __future__ import annotations

import re
from typing import Final


class _AnyOf:
    """Patterns of which one must be found. Compiled at first use: most workers never see an error,
    and all of them together take as long to compile as the rest of the dialect to import.
    """

    __slots__ = ("_compiled", "_patterns")

    def __init__(self, *patterns: str) -> None:
        self._patterns = patterns
        self._compiled: re.Pattern[str] | None = None

    def search(self, text: str) -> bool:
        """Whether one of them is in ``text``."""
        return self._pattern().search(text) is not None

    def replaced(self, text: str, by: str) -> str:
        """``text`` with ``by`` in the place of each that is found."""
        return self._pattern().sub(by, text)

    def _pattern(self) -> re.Pattern[str]:
        if self._compiled is None:
            self._compiled = re.compile("|".join(self._patterns), re.IGNORECASE)
        return self._compiled


QUOTA: Final = _AnyOf(
    r"insufficient[_ ](?:user[_ ])?(?:quota|balance|funds|credits?)",
    r"billing_(?:hard_limit|not_active)|billing (?:details|hard limit)|payment required",
    r"arrearage|good standing|account balance|blocked_api_access",
    r"exceeded_current_quota|exceeded your current (?:token )?quota",
    r"spend(?:ing)?[_ ]limit|credit balance|out of credits|requires more credits",
    r"credits? (?:are|is) depleted|key limit exceeded",
    r"usage limits? (?:exceeded|reached)|freetieronly|free allocated quota",
)
RATE: Final = _AnyOf(
    r"rate[_ ]?limit|too many requests|throttl|tokens per min|requests per min",
    r"ratequota|allocationquota|max_organization_concurrency|concurrency limit",
)
OVERLOADED: Final = _AnyOf(
    r"overloaded|at capacity|over capacity|server (?:is )?busy|no capacity",
    r"service_?unavailable|temporarily unavailable|high demand",
)
CONTEXT: Final = _AnyOf(
    r"context_length_exceeded|context[_ ](?:length|window|limit|size)|maximum context",
    r"max_model_len|maximum (?:input|prompt|sequence) length|string_above_max_length",
    r"prompt is too long|prompt too long|input is too long|too many (?:input )?tokens",
    r"exceeds? (?:the |your )?(?:model(?:'s)? )?(?:maximum )?(?:number of )?"
    r"(?:token limit|tokens? allowed|input tokens)",
    r"exceeded model token limit|range of input length|token count .{0,40}exceeds",
    r"reduce the length of (?:the messages|either|your|the prompt)",
)
FILTER: Final = _AnyOf(
    r"content[_ ]filter|content management policy|content_policy|responsibleaipolicy",
    r"data_?inspection_?failed|inappropriate content|safety system",
    r"flagged (?:by|as|for)|requires moderation|considered high risk",
)
MODEL: Final = _AnyOf(
    r"model_not_found|deploymentnotfound|model_not_active|model_decommissioned|model_terms",
    r"model_not_supported|invalid_model|unknown_model|model_deprecated|modelnotfound",
    r"models? .{0,120}?(?:does not exist|not found|not exist|no longer available|is deprecated)",
    r"models? .{0,120}?(?:has been (?:decommissioned|deprecated))",
    r"models? .{0,120}?(?:is not (?:available|a valid model))",
    r"(?:does not|do not|don't) have access to (?:the )?model|not a valid model",
    r"no such model|unknown model|no endpoints found|no available model provider",
    r"deployment .{0,60}does not exist|not available in your region|unsupported_country",
)
AUTH: Final = _AnyOf(
    r"invalid_api_key|incorrect api key|invalid api[- ]?key|api key not valid|api key expired",
    r"invalid_authentication|invalid authentication|authentication_error|unauthenticated",
    r"unauthorized|no (?:cookie )?auth credentials|missing api key|no api key",
    r"didn't provide an api key|invalid (?:access|auth|bearer) token|token (?:is )?expired",
)
UNSUPPORTED: Final = _AnyOf(
    r"unsupported_(?:parameter|value|content)",
    r"not supported (?:with|by|for|in) th(?:is|e) (?:model|deployment)",
    r"(?:model|deployment) does ?n[o']t support|no endpoints found that support",
    r"does not support (?:tools|images?|image input|audio|streaming)",
)
TIMEOUT: Final = _AnyOf(r"timed? ?out|deadline")
INVALID: Final = _AnyOf(r"invalid_request|invalid_value|bad_request|invalid_parameter")

SECRET: Final = _AnyOf(
    r"\b(?:sk|pk|rk)[-_][\w*.-]{6,}",  # OpenAI, Anthropic, DeepSeek, OpenRouter, Moonshot
    r"\b(?:gsk|xai|tgp|hf|pplx|csk|fw|key)[-_][\w*-]{16,}",
    r"\bAIza[\w-]{10,}",
    r"\beyJ[\w-]{6,}\.[\w.-]{5,}",  # a JSON web token
    r"\b(?:bearer|basic)\s+(?!auth|token|your)[\w.~+/=*-]{6,}",
    r"(?<=key provided: )\S{6,}",
    r"(?<=api[-_ ]key[:=] )\S{6,}",
    r"(?<=api[-_ ]key[:=])[^\s\"',;&]{6,}",
    r"\b(?=[a-z]*\d)(?=\d*[a-z])[a-z0-9]{32,}\b",  # Azure, Mistral
)
