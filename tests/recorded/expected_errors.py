"""What a recorded failure is, told from its raw body by plain words and its status.

Deliberately simple, and in no order of the product's: the first line whose word stands in the body
decides, then the status. Every vendor of the folder is in it, also those that no plugin speaks to.
"""

import json
from typing import Any

from tests.recorded.interactions import Interaction

WORDS = (  # in a recorded body in lower case
    ("credit balance", "quota"),
    ("insufficient_quota", "quota"),
    ("insufficient balance", "quota"),
    ("arrearage", "quota"),
    ("overloaded", "overloaded"),
    ("api_key_invalid", "auth"),
    ("incorrect api key", "auth"),
    ("security token", "auth"),
    ("context_length_exceeded", "context_length"),
    ("context length", "context_length"),
    ("prompt is too long", "context_length"),
    ("input token count", "context_length"),
    ("input tokens exceeded", "context_length"),
    ("too many tokens", "context_length"),
    ("content_filter", "content_filter"),
    ("data_inspection_failed", "content_filter"),
    ("unsupported_parameter", "unsupported"),
    ("not supported with this model", "unsupported"),
    ("doesn't support", "unsupported"),
    ("model_not_found", "model_unavailable"),
    ("deploymentnotfound", "model_unavailable"),
    ("model identifier is invalid", "model_unavailable"),
    ("model not exist", "model_unavailable"),
    ("was removed on", "model_unavailable"),
    ("tool_use_failed", "invalid_request"),
)
STATUS = {
    401: "auth",
    402: "quota",
    403: "auth",
    408: "timeout",
    410: "model_unavailable",
    429: "rate_limited",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
CLASSES = {  # the documented file's words for kinds that have another name here
    "quota_exhausted": "quota",
    "permission": "auth",
    "region_blocked": "model_unavailable",
    "request_too_large": "invalid_request",
}


def failure_kind(interaction: Interaction, status: int) -> str:
    """The kind of a failed interaction whose status is ``status``, on the wire or inside."""
    said = raw(interaction).lower()
    if status == 429 and "per_model" not in said and "perminute" not in said:
        billed = any(word in said for word in ("credits", "insufficient_quota", "spend limit"))
        return "quota" if billed else "rate_limited"
    for word, kind in () if status in STATUS and status != 403 else WORDS:
        if word in said:
            return kind
    if status == 404:
        return "model_unavailable" if "model" in said else "unknown"
    return STATUS.get(status, "server_error" if status >= 500 else "invalid_request")


def wait_s(interaction: Interaction) -> float | None:
    """Seconds that the vendor asks to wait, by header or by Google's RetryInfo."""
    headers = {name.lower(): value for name, value in interaction.headers}
    milliseconds = float(headers.get("retry-after-ms") or 0)
    if milliseconds:
        return milliseconds / 1000
    if "retry-after" in headers:
        return float(headers["retry-after"])
    for detail in details(interaction.json):
        if "retryDelay" in detail:
            return float(detail["retryDelay"].removesuffix("s"))
    return None


def details(body: Any) -> list[dict[str, Any]]:
    error = body.get("error") if isinstance(body, dict) else None
    found = error.get("details") if isinstance(error, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def raw(interaction: Interaction) -> str:
    """The body as text."""
    if interaction.json is not None:
        return json.dumps(interaction.json, ensure_ascii=False)
    return interaction.text
