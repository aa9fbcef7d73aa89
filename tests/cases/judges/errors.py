"""Cases of failures: what a vendor's error means, and what is asked again.

The sources' words for a kind are mapped to ours by what the router does next (C12). Their
transports retry by themselves; here the router has the one loop, so their retry cases are put to
its rules.
"""

from typing import Any

import msgspec
import pytest

from stockade.errors import UsageError
from stockade.router import Policy, Return, Target, Try, after, begin
from stockade.router.rules import doubled_s
from stockade_sdk import Context, ErrorKind, ProviderError
from stockade_sdk.capability import Capability, ModelInfo
from stockade_sdk.dialects.failures import classify_error
from stockade_sdk.errors import ErrorInfo

KINDS = {  # a source's word: ours that mean the same to the router
    "rate_limit": {"rate_limited"},
    "overloaded": {"overloaded"},
    "billing": {"quota"},
    "auth": {"auth"},
    "auth_permanent": {"auth"},
    # Theirs is every failure that may be gone a moment later: 502, 503 and resets as well as 504.
    # Ours go on to the next target all the same, and say more of what it was.
    "timeout": {"timeout", "network", "overloaded", "server_error"},
    "network": {"timeout", "network", "overloaded", "server_error"},
    "format": {"invalid_request", "unsupported"},
    "invalid_request": {"invalid_request", "unsupported"},
    "invalid_token_budget": {"invalid_request"},
    "media_too_large": {"invalid_request"},
    "context_overflow": {"context_length"},
    "policy_blocked": {"content_filter"},
    "model_not_found": {"model_unavailable"},
    # without status and without a known word an error is the vendor's own: it goes on as well
    "unknown": {"unknown", "server_error"},
}
CROSSING = {  # a source's variant: how the same failure is raised here
    "transport": ErrorKind.NETWORK,
    "serialization": ErrorKind.MALFORMED_RESPONSE,
    "credentials_rejected": ErrorKind.AUTH,
    "protocol": ErrorKind.PROTOCOL,
    "status": ErrorKind.SERVER_ERROR,
}
RUNTIME = {  # a source's variant: the kinds that stand for it on the other side
    "transport_error": {ErrorKind.NETWORK, ErrorKind.TIMEOUT},
    "serialization_error": {ErrorKind.MALFORMED_RESPONSE},
    # theirs loses what it was; ours is still told apart, which a router needs
    "provider_protocol_error": {ErrorKind.AUTH, ErrorKind.PROTOCOL, ErrorKind.SERVER_ERROR},
}


def judge_kind(given: dict[str, Any], expect: dict[str, Any]) -> None:
    message, code = given.get("message"), given.get("code")
    body = {"error": {"message": message or "", "code": code}} if code else message or ""

    error = classify_error(given.get("status"), None, body)

    accepted = set().union(*(KINDS[word] for word in expect["accept"]))
    assert error.kind.value in accepted


def judge_http_error(given: dict[str, Any], expect: dict[str, Any]) -> None:
    said = {"error": {"message": "no", "code": given["status"]}}
    body = said if given["json_envelope"] else "no"

    error = classify_error(given["status"], None, body, provider=given["provider"])

    assert error.status == given["status"]  # theirs loses it on the way to a router
    if expect["variant"] == "credentials_rejected":
        assert error.kind is ErrorKind.AUTH
    elif given["status"] not in (401, 403):  # those are the key's, whoever answers
        assert error.kind is not ErrorKind.AUTH


def judge_crossing(given: dict[str, Any], expect: dict[str, Any]) -> None:
    error = ProviderError(CROSSING[given["variant"]], "no", 400, request_id="req_1")

    sent = msgspec.msgpack.encode(error.info())
    arrived = ProviderError.of(msgspec.msgpack.decode(sent, type=ErrorInfo))

    assert arrived.kind is error.kind
    assert arrived.kind in RUNTIME[expect["runtime_variant"]]
    assert (arrived.request_id == "req_1") == expect["keeps_request_id"]


def judge_missing_credential(given: dict[str, Any], expect: dict[str, Any]) -> None:
    unset = {name: "" for name in given["env_candidates"] if name}
    nothing: Any = None
    ctx = Context(
        config={},
        http=nothing,
        log=nothing,
        secrets=unset,
        data_dir=None,
        remaining=lambda: 1.0,
    )
    with pytest.raises(ProviderError) as caught:
        ctx.secret(next(iter(unset)))
    assert caught.value.kind is ErrorKind.AUTH  # theirs is a protocol error
    assert [name for name in sorted(unset) if name in caught.value.message] == (
        expect["env_candidates"]
    )


def judge_backoff(given: dict[str, Any], expect: dict[str, Any]) -> None:
    pause_s = doubled_s(given["initial"] / 1000, given["retry_index"], given["max"] / 1000)

    assert pause_s * 1000 == pytest.approx(expect["ms"])


def judge_policy(given: dict[str, Any], expect: dict[str, Any]) -> None:
    """Which failures are asked again is the table's to say, so ``codes`` has no counterpart."""
    if expect["result"] == "valid":
        assert policy_of(given).retries == given["max_attempts"] - 1
    else:
        with pytest.raises(UsageError):
            policy_of(given)


def judge_retries(given: dict[str, Any], expect: dict[str, Any]) -> None:
    model = ModelInfo(id="m", capabilities=(Capability.CHAT,))
    policy = Policy(retries=given["max_attempts"] - 1)
    step: Any = begin((Target("p", model.id, model),), 0.0, 60.0, policy)
    requests, last = 0, 0
    for last in given["responses"]:
        requests += 1
        error = None if last < 400 else classify_error(last, None, "")
        step = after(error, step, 1.0, policy=policy)
        if not isinstance(step, Try):
            break

    result = "ok" if isinstance(step, Return) else f"status_{last}"
    assert (requests, result) == (expect["requests"], expect["result"])


def policy_of(given: dict[str, Any]) -> Policy:
    return Policy(
        retries=given["max_attempts"] - 1,
        backoff_s=given["initial"] / 1000,
        max_backoff_s=given["max"] / 1000,
    )


JUDGES: dict[str, Any] = {
    "classify_error": judge_kind,
    "map_http_error": judge_http_error,
    "provider_error_to_runtime_error": judge_crossing,
    "credential_missing": judge_missing_credential,
    "http_backoff_ms": judge_backoff,
    "validate_retry_policy": judge_policy,
    "http_retry": judge_retries,
}
EXCEPTIONS: dict[str, str] = {
    "error_class.p_env_hints_sorted_unique": (
        "a key is a secret that the manifest names and the operator sets (contract section 2); the "
        "error names that one, there are no candidates in the environment to list"
    ),
}
