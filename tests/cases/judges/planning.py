"""Cases of names, routes and presets: which targets a request goes to.

A case lists the models of a catalogue and says nothing of what is installed, so nothing is; a full
id that no catalogue lists then means nothing, as in the source. What the source passes through as
an unknown name is NoSuchModel here.
"""

from typing import Any

import pytest

from stockade.errors import NotInstalled
from stockade.router import (
    AmbiguousModel,
    Catalogue,
    Needs,
    NoSuchModel,
    Preset,
    Target,
    Try,
    after,
    apply,
    begin,
    candidates,
    needs_of,
    resolve,
    why_not,
)
from stockade.settings import RoutingPolicy
from stockade_sdk import ChatRequest, ModelInfo, ModelRef, ProviderError, ResponseFormat
from stockade_sdk.capability import Capability
from stockade_sdk.chat import ToolDefinition
from stockade_sdk.errors import ErrorKind

KINDS = {
    "billing": ErrorKind.QUOTA,
    "rate_limit": ErrorKind.RATE_LIMITED,
    "context_overflow": ErrorKind.CONTEXT_LENGTH,
    "policy_blocked": ErrorKind.CONTENT_FILTER,
    "user_abort": ErrorKind.CANCELLED,
}  # the others are called the same
PRECHECK_WORDS = {
    "tools": "tools",
    "json_object": "structured_output",
    "json_schema": "structured_output",
}


def judge_resolve(given: dict[str, Any], expect: dict[str, Any]) -> None:
    """A name, aliases and a catalogue in, a full id and how it was read out."""
    catalogue = catalogue_of(given["catalog_ids"], given["plugin_aliases"])

    if expect["matched_by"] == "unknown":
        assert expect["model"] == given["name"]
        with pytest.raises(NoSuchModel):
            resolve(given["name"], catalogue, aliases=given["user_aliases"])
        return
    found = resolve(given["name"], catalogue, aliases=given["user_aliases"])
    assert [target.name for target in found.targets] == [expect["model"]]
    assert found.by == expect["matched_by"]


def catalogue_of(ids: list[str], aliases: dict[str, str]) -> Catalogue:
    """The models of a case, each with the aliases that plugins have for it."""
    named = {id: tuple(a for a, target in aliases.items() if target == id) for id in ids}
    return Catalogue(
        (ref.provider, ModelInfo(id=ref.model, aliases=own))
        for id, own in named.items()
        for ref in (ModelRef.parse(id),)
    )


def judge_validate_ref(given: dict[str, Any], expect: dict[str, Any]) -> None:
    """Whether a text is ``provider/model``."""
    try:
        ModelRef.parse(given["ref"])
    except ValueError:
        assert expect == {"valid": False}
    else:
        assert expect == {"valid": True}


def judge_parse_ref(given: dict[str, Any], expect: dict[str, Any]) -> None:
    """A text read as ``provider/model``, or as a model of the default provider."""
    ref, default = given["ref"], given["default_provider"]
    try:
        if "/" in ref:
            found = ModelRef.parse(ref)
        else:
            (target,) = resolve(ref, Catalogue(()), default_plugin=default).targets
            found = ModelRef(target.plugin, target.model)
    except (ValueError, NoSuchModel):
        assert expect == {"error": "invalid_ref"}
    else:
        assert expect == {"provider": found.provider, "model": found.model}


def judge_resolve_provider(given: dict[str, Any], expect: dict[str, Any]) -> None:
    """Which provider a model goes to: the hint, the catalogue, the default."""
    catalogue = Catalogue(
        ((row["provider"], ModelInfo(id=row["model_id"])) for row in given["catalog"]),
        given["registered"],
    )
    try:
        plan = candidates(
            Needs(Capability.CHAT),
            catalogue,
            model=given["model_id"],
            plugin=given["provider_hint"],
            default_plugin=given["default_provider"],
        )
    except NotInstalled:
        found: dict[str, Any] = {
            "error": "provider_not_registered",
            "provider": given["provider_hint"],
        }
    except AmbiguousModel as ambiguous:
        providers = [ModelRef.parse(name).provider for name in ambiguous.candidates]
        found = {
            "error": "ambiguous_model_route",
            "model": ambiguous.model,
            "candidates": providers,
        }
    except NoSuchModel as missing:
        found = {"error": "model_not_found", "model": missing.model}
    else:
        if plan.targets:
            found = {"provider": plan.targets[0].plugin}
        else:
            left_out = ModelRef.parse(plan.rejected[0][0]).provider
            found = {"error": "provider_not_registered", "provider": left_out}
    assert found == expect


def judge_precheck(given: dict[str, Any], expect: dict[str, Any]) -> None:
    """What is asked of a model that says what it has, before any call; the first lack is named."""
    features = ["streaming"]
    features += ["tools"] if given["supports_tools"] else []
    features += ["json_object", "json_schema"] if given["supports_structured_output"] else []
    model = ModelInfo(id="m", features=tuple(features))
    catalogue, target = Catalogue([("p", model)], ["p"]), Target("p", "m", model)
    request = ChatRequest(
        messages=(),
        tools=tuple(ToolDefinition(f"t{n}") for n in range(given["tools"])),
        response_format=ResponseFormat(type=given["response_format"]),
    )

    needs = needs_of(request)
    lacking = [
        PRECHECK_WORDS[feature]
        for feature in needs.features
        if why_not(target, Needs(needs.capability, (feature,)), catalogue) is not None
    ]

    served = candidates(needs, catalogue, model="p/m").targets
    assert bool(served) == (not lacking)
    if lacking:
        assert expect == {"error": "capability_mismatch", "capability": lacking[0]}
    else:
        assert expect == {"ok": True}


def judge_template(given: dict[str, Any], expect: dict[str, Any]) -> None:
    """The figures of a template over the providers that are enabled.

    The source gives each of several primaries the model of the first; a preset has a model for each
    provider, which is that of the case's fallbacks.
    """
    primaries, model, fallbacks = given["template_figures"]
    models = {**dict(fallbacks), primaries[0]: model}
    order = dict.fromkeys([*primaries, *(provider for provider, _ in fallbacks)])
    capability = Capability(given["capability"])
    preset = Preset(
        name=given["template"],
        routes={capability: tuple(ModelRef(one, models[one]) for one in order if one in models)},
    )

    policy = apply(preset, capability, given["enabled_provider_keys"])

    if "error" in expect:
        assert policy is None
        return
    assert policy is not None
    primary, *others = map(ModelRef.parse, policy.targets)
    assert primary == ModelRef(expect["primary_provider_key"], expect["primary_model"])
    assert others == [ModelRef(row["provider_key"], row["model"]) for row in expect["fallbacks"]]


def judge_route(given: dict[str, Any], expect: dict[str, Any]) -> None:
    """Where a request goes in the end, when the primary fails in this way."""
    written = given["policy"]
    policy = RoutingPolicy((written["primary"], *written["fallbacks"]))
    capability = Capability(written["capability"])
    plugins = dict.fromkeys(ModelRef.parse(target).provider for target in policy.targets)
    plan = candidates(Needs(capability), Catalogue((), plugins), routes={capability: policy})
    step = begin(plan.targets, 0.0, 60.0)

    if given["failure"] is not None:
        kind = KINDS.get(given["failure"]) or ErrorKind(given["failure"])
        following = after(ProviderError(kind, "it failed"), step, 0.1)
        if not isinstance(following, Try):
            assert expect["target"] is None
            return
        step = following
    assert step.target.name == expect["target"]


JUDGES: dict[str, Any] = {
    "resolve_model": judge_resolve,
    "validate_model_ref": judge_validate_ref,
    "parse_model_ref": judge_parse_ref,
    "resolve_provider": judge_resolve_provider,
    "run_precheck": judge_precheck,
    "apply_route_template": judge_template,
    "route_with_fallback": judge_route,
}
EXCEPTIONS: dict[str, str] = {}
