"""Cases of the catalogue: merging, finding, asking, and how long a list stays fresh.

The source's two flags of a model are features here, and what its remote list says is a scan. A
flag that is off says so, while no features at all are what nobody said, hence one word more. The
order of a merged catalogue is the exported one; routing has another, that of the installation.
"""

from datetime import datetime
from typing import Any

import pytest

from stockade.errors import NotInstalled
from stockade.models import (
    AmbiguousModelRoute,
    ModelNotFound,
    ProviderHintMismatch,
    age_of,
    exported,
    find_provider,
    is_fresh,
    merge,
    to_ask,
    uses_cache,
)
from stockade_sdk import DiscoveryOptions, ModelInfo

FEATURES = {"supports_tools": "tools", "supports_structured_output": "json_schema"}
STATED = "streaming"
ERRORS: dict[str, type[Exception]] = {
    "model_not_found": ModelNotFound,
    "ambiguous_model_route": AmbiguousModelRoute,
    "provider_hint_mismatch": ProviderHintMismatch,
}
NOW = 1_800_000_000.0


def judge_merge(given: dict[str, Any], expect: dict[str, Any]) -> None:
    merged = merge(static=models_of(given["static"]), scanned=models_of(given["remote"]))

    found = exported(listed.info for listed in merged.models)
    assert [row_of(model) for model in found] == expect["models"]


def judge_provider(given: dict[str, Any], expect: dict[str, Any]) -> None:
    catalogue = models_of(given["catalog"])
    asked = given["model_id"], given["provider_hint"]
    if "error" not in expect:
        assert find_provider(catalogue, *asked) == expect["provider"]
        return

    with pytest.raises(ERRORS[expect["error"]]) as caught:
        find_provider(catalogue, *asked)

    told = {name: getattr(caught.value, name) for name in expect if name != "error"}
    assert told == {name: as_tuple(expect[name]) for name in told}


def judge_discovery(given: dict[str, Any], expect: dict[str, Any]) -> None:
    options = DiscoveryOptions(
        remote=given["remote"],
        refresh=given["refresh_cache"],
        providers=tuple(given["include_provider"]),
    )
    there = {
        one["provider"]: one["supports_remote_discovery"] for one in given["registered_in_order"]
    }
    if "error" in expect:
        with pytest.raises(NotInstalled):
            to_ask(options, there)
        return

    assert list(to_ask(options, there)) == expect["adapters_called"]


def judge_freshness(given: dict[str, Any], expect: dict[str, Any]) -> None:
    age = (
        given["age_seconds"] if "age_seconds" in given else age_of(moment(given["fetched_at"]), NOW)
    )

    assert is_fresh(age, given["ttl_seconds"]) is expect["fresh"]


def judge_cache(given: dict[str, Any], expect: dict[str, Any]) -> None:
    assert uses_cache(given["rows_age_seconds"], given["ttl_seconds"]) is expect["uses_cache"]


def models_of(rows: list[dict[str, Any]]) -> list[ModelInfo]:
    return [
        ModelInfo(
            id=row["model_id"],
            provider=row["provider"],
            name=row["display_name"],
            context_tokens=row["context_window"],
            max_output_tokens=row["max_output_tokens"],
            features=(STATED, *(word for flag, word in FEATURES.items() if row[flag])),
        )
        for row in rows
    ]


def row_of(model: ModelInfo) -> dict[str, Any]:
    return {
        "provider": model.provider,
        "model_id": model.id,
        "display_name": model.name,
        "context_window": model.context_tokens,
        "max_output_tokens": model.max_output_tokens,
        **{flag: word in model.features for flag, word in FEATURES.items()},
    }


def moment(text: str) -> object:
    """Seconds since 1970, where the text is a time; the text itself where it is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return text


def as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


JUDGES: dict[str, Any] = {
    "merge_static_and_remote_catalog": judge_merge,
    "resolve_model_provider": judge_provider,
    "discover_models": judge_discovery,
    "cache_is_fresh": judge_freshness,
    "list_models_uses_cache": judge_cache,
}
EXCEPTIONS: dict[str, str] = {}
